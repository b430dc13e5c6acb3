/* caller.h - where the script is, for messages: the module's own Lua code is passed over.
   Level 3: lua.h. */
#ifndef FAST_MAP_CALLER_H
#define FAST_MAP_CALLER_H

#include <lua.h>

/* [-0, +0, -] The first call from `level` on that is at a line of the script; else the first at any line; else -1. Scripts right
   in a folder fast_map look like the module's own: they come second. Allocates nothing. */
int caller_level(lua_State *L, int level);

#endif
