/* library.h - the C functions of Lua's own libraries: their names, and what
   stands in for them in a thread. Level 3: lua.h.

   A C function's address is the same in all forks of one program, so a table of
   addresses tells `print` from a function of some other library. Built once a
   program, constant afterwards. */
#ifndef FAST_MAP_LIBRARY_H
#define FAST_MAP_LIBRARY_H

#include <lua.h>

#include "status.h"

#define LIBRARY_FILE "FILE*" /* methods of files; LUA_FILEHANDLE */

struct library_function {
  lua_CFunction function; /* of Lua */
  lua_CFunction stand_in; /* ours in a thread, or the same */
  char library[12];       /* "_G", "string", ..., LIBRARY_FILE; metamethods of strings
                       are in "string" too */
  char name[20];
};

/* Any thread, any number of times: builds the table the first time. OK NOMEM */
enum status library_init(void);

/* The entry of a function or of its stand-in; NULL when it is none of Lua's. */
const struct library_function *library_find(lua_CFunction function);

/* The entry by name, or NULL. */
const struct library_function *library_named(const char *library, const char *name);

/* The metamethods that strings have for arithmetic. */
const struct library_function *library_string_events(int *count);

/* A function as an address. */
const void *library_address(lua_CFunction function);

/* Whether the address lies in the program, in liblua or in fast_map: mapped before any fork, needing no
   luaopen. */
int library_ours(const void *address);

#endif
