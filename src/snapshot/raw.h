/* raw.h - Lua's functions that look behind metamethods, in a thread: what they show of a table that is filled on demand must be
   there first.
   Level 3: import, mirror, globals, stub, type_meta. */
#ifndef FAST_MAP_RAW_H
#define FAST_MAP_RAW_H

#include <lua.h>

int raw_get(lua_State *L); /* rawget and rawset */
int raw_set(lua_State *L);
int raw_next(lua_State *L);
int raw_pairs(lua_State *L);
int raw_getmetatable(lua_State *L);
int raw_setmetatable(lua_State *L);
int raw_debug_getmetatable(lua_State *L); /* those of debug */
int raw_debug_setmetatable(lua_State *L);

#endif
