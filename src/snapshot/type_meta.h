/* type_meta.h - the metatables that all values of a type share: that of strings, which gets its library when it is needed, and
   those that a script may give to numbers, functions and the like.
   Level 3: copy, library. One thread only. */
#ifndef FAST_MAP_TYPE_META_H
#define FAST_MAP_TYPE_META_H

#include "copy.h"

/* [-0, +0, m] Of an empty state: makes them as the script has them. */
void type_meta_open(lua_State *L);

/* [-0, +0, -] Whether numbers, functions or the like have a metatable in this state. */
int type_meta_found(lua_State *L);

/* [-0, +0, m] The metatable of strings gets its library, if it still waits for it. */
void type_meta_settle(lua_State *L);

/* [-0, +1|0, m] The view's top is a table: when it is the metatable of strings as Lua makes it, pushes this state's own, pops
   the view, returns 1. */
int type_meta_copy(struct copy *c, const struct place *place);

#endif
