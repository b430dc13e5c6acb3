/* frozen.h - reading the script's state in a worker, where it never runs again.
   Level 3: snapshot, addresses, lua.h. For import.c and its like only; others
   need snapshot.h.

   Threads read it at once, each through a *view*: a coroutine of that state
   which runs nothing. Through a view, without the lock, go only calls that
   change nothing in the state: lua_next, lua_rawget with a string that is a
   view's value already, lua_pushvalue, lua_type, lua_tolstring on strings,
   lua_topointer, lua_getmetatable, lua_getupvalue, lua_upvalueid, lua_dump,
   lua_getinfo(">S"), lua_getiuservalue. (Not lua_rawlen and lua_rawgeti on
   tables: both move a table's size hint.) What allocates there, be it a stack
   or a string, takes the lock. One lock for the whole process, held across a
   fork, so that a child can nest. */
#ifndef FAST_MAP_FROZEN_H
#define FAST_MAP_FROZEN_H

#include <lua.h>

#include "addresses.h"
#include "snapshot.h"

#define FROZEN_VIEW_ROOM 64 /* stack slots every view has for sure */

/* What every view has at the bottom of its stack. */
enum frozen_slot {
  FROZEN_FUNCTION = 1, /* f */
  FROZEN_ORIGINS,      /* objects that arguments named before the fork, 1.. */
  FROZEN_INIT,         /* the map's init, or nil */
  FROZEN_EXIT,         /* its exit, or nil */
  FROZEN_GLOBALS,
  FROZEN_LOADED,      /* package.loaded */
  FROZEN_PRELOAD,     /* package.preload, or an empty table */
  FROZEN_STRING_META, /* the metatable of strings, or nil */
  FROZEN_NAME,        /* "__name" */
  FROZEN_MODE,        /* "__mode" */
  FROZEN_SLOT_COUNT = FROZEN_MODE
};

/* Tables that are not copied like others; by address. NULL where the script's state has none. */
struct frozen_tables {
  const void *globals, *globals_meta, *loaded, *preload, *registry;
  const void *string_meta, *file_meta;
  const void *io, *math, *package, *string; /* package.loaded.io and so on */
  const void *fast_map, *fast_map_sleep;
};

struct import;

struct module { /* in package.loaded */
  const char *name;
  const void *value;
  lua_CFunction open; /* NULL: not a C module, or nobody knows how to open it */
  const char *path;   /* of its library */
  const void *base;   /* where that is mapped */
  int foreign;        /* that is neither Lua nor fast_map */
};

struct module_function { /* a function found in a module: module[.outer].name */
  const char *module, *outer, *name;
};

struct function_index {
  struct addresses numbers; /* function -> 1.. */
  struct module_function *function;
  int count;
};

struct name { /* of a function in package.loaded: module.field, or the module itself */
  const char *module, *field;
};

struct name_module { /* a table in package.loaded */
  const char *name;
  const void *value;
};

struct name_index {
  _Atomic int made;         /* stored after all else (release), loaded before it (acquire): name_index.c */
  struct addresses numbers; /* function -> 1.. */
  struct name *name;        /* [1, count] */
  int count;
  struct name_module *module; /* [0, module_count) */
  int module_count;
};

struct snapshot {
  lua_State *view;      /* the first view; in a worker its stack is used under the
                      lock only */
  lua_State *spare;     /* the first that a thread gets; NULL: taken */
  struct import *outer; /* the script's state is itself a thread's: its import;
                           else NULL */
  struct frozen_tables tables;
  int string_meta_plain;   /* the metatable of strings is as Lua makes it */
  int file_meta_plain;     /* so is that of files */
  int default_files_plain; /* io.input() and io.output() are the standard ones */
  int warnings;            /* the script shows them */
  int type_metas;          /* numbers, functions or the like have a metatable */
  lua_State **idle;        /* views nobody uses, under the lock */
  int idle_count, idle_capacity;
  _Atomic int indexed;      /* the following are made under the lock when first needed, then
                  constant */
  struct addresses modules; /* value -> module; the one that can be opened, when
                               there are several of a value */
  struct module *module;    /* [1, module_count] */
  int module_count;
  /* stored with release and loaded with acquire in module_index.c, as the next of its kind */
  _Atomic int registered_indexed;
  struct addresses
      registered; /* table that a C library keeps in the registry, or in a table there -> a module of it */
  struct function_index c_functions; /* of C modules */
  _Atomic int lua_indexed; /* both are stored with release and loaded with acquire in module_index.c */
  struct function_index lua_functions; /* of Lua modules; made when first needed */
  struct name_index names;             /* name_index.c's */
  struct origin *origin;               /* parent only: origin.c's */
};

/* Any thread. [-, -, -] A view with the slots at its bottom, or NULL without memory. */
lua_State *frozen_take(struct snapshot *s);
void frozen_give(struct snapshot *s, lua_State *view);

/* [-0, +0, -] Makes room for n more values on the view. OK NOMEM */
enum status frozen_room(lua_State *view, int n);

/* Pushes slot[name] on the view (nil when there is none; raw). OK NOMEM */
enum status frozen_field(struct snapshot *s, lua_State *view, int slot, const char *name, size_t size);

/* The state's own string of these bytes, which lasts; NULL without memory. */
const char *frozen_string(struct snapshot *s, const char *bytes, size_t size);

/* The lock, for what does not fit the above. Recursive. (snapshot.c has it, which sees to forks.) */
void frozen_lock(void);
void frozen_unlock(void);

/* The same for what may fill the state to be read: a script that is a thread itself then loads modules perhaps, whose lock comes
   first. */
void frozen_lock_to_fill(const struct snapshot *s);
void frozen_unlock_filled(const struct snapshot *s);

#endif
