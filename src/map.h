/* map.h - one call of fast_map as a Lua userdata: pulls and encodes tasks, decodes and hands out results.
   Level 6: lua.h, pool, transport_fork, worker, snapshot, codec.

   Life: open -> begin (first tasks go out) -> next or step, again and again -> close (also __close, __gc). */
#ifndef FAST_MAP_MAP_H
#define FAST_MAP_MAP_H

#include <lua.h>

/* [-0, +0, m] Registers the metatable of maps; adds `open`, `wait` and the table `methods` to the table on top. */
void map_register(lua_State *L);

#endif
