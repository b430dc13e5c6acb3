/* stand_in.h - what replaces some of Lua's own functions in a thread.
   Level 3: import, raw, files, running. */
#ifndef FAST_MAP_STAND_IN_H
#define FAST_MAP_STAND_IN_H

#include <lua.h>

/* The stand-in for library.name, or NULL when Lua's function will do. */
lua_CFunction stand_in_for(const char *library, const char *name);

/* [-, -, -] A lua_WarnFunction, whose data is the import: as Lua's own, but a warning is one write. Off until `@on`. */
void stand_in_warn(void *import, const char *message, int to_be_continued);

/* fast_map.sleep */
int stand_in_sleep(lua_State *L);

#endif
