/* names.h - the names that Lua's messages and tracebacks give to functions, in a thread.
   Level 3: import, mirror, name_index. One thread only.

   For "bad argument #1 to 'string.rep'" lauxlib walks over package.loaded, which it fetches from the registry each time. A
   thread's package.loaded is filled by name, so a walk would find next to nothing. Therefore the table is not in the registry of a
   thread: an __index of the registry gives it to all who ask, but for such a search a table with just the name that it is after. */
#ifndef FAST_MAP_NAMES_H
#define FAST_MAP_NAMES_H

#include <lua.h>

/* [-0, +0, m] Of an empty state, which has no package.loaded yet. */
void names_open(lua_State *L);

/* [-0, +0, m] Whether the value at idx is the registry and its metatable is ours: the script has none there. */
int names_hides_meta(lua_State *L, int idx);

/* [-0, +0, m] The registry is about to get another metatable: puts package.loaded into it. */
void names_give_up(lua_State *L);

#endif
