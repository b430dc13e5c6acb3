/* stand_in.h - what replaces some of Lua's own functions in a thread.
   Level 3: import, raw, files, running. */
#ifndef FAST_MAP_STAND_IN_H
#define FAST_MAP_STAND_IN_H

#include <lua.h>

/* The stand-in for library.name, or NULL when Lua's function will do. */
lua_CFunction stand_in_for(const char *library, const char *name);

/* fast_map.sleep */
int stand_in_sleep(lua_State *L);

#endif
