/* core.h - the C half of the Lua module fast_map: require "fast_map.core".
   Level 6: map, notice, codec, clock, cpus, blocking. */
#ifndef FAST_MAP_CORE_H
#define FAST_MAP_CORE_H

#include <lua.h>

/* [-0, +1, m] The module's table. The one symbol that the module exports. */
__attribute__((visibility("default"))) int luaopen_fast_map_core(lua_State *L);

#endif
