/* own_file.h - files that fast_map writes for itself (logs, traces, reports), as Lua's files.
   Level 2: lua.h, descriptor. */
#ifndef FAST_MAP_OWN_FILE_H
#define FAST_MAP_OWN_FILE_H

#include <lua.h>

/* [-0, +0, m] Adds the functions `file` and `truncate` to the table on top. */
void own_file_register(lua_State *L);

#endif
