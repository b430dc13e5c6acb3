/* lines.h - the lines of a descriptor as input that comes when it likes: a look at it never waits.
   Level 2: lua.h. */
#ifndef FAST_MAP_LINES_H
#define FAST_MAP_LINES_H

#include <lua.h>

/* [-0, +0, m] Registers the metatable; adds the function `lines` to the table on top. */
void lines_register(lua_State *L);

#endif
