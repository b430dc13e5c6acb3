/* globals.h - what a thread's state has before anything is asked for: _G, with the metatable that the script gave it; and which
   tables have a counterpart in every state instead of a copy.
   Level 3: copy, mirror, standard, type_meta. One thread only. */
#ifndef FAST_MAP_GLOBALS_H
#define FAST_MAP_GLOBALS_H

#include "copy.h"

/* [-0, +0, m] Of an empty state: makes _G and the metatables of types. */
void globals_open(lua_State *L);

/* Whether the table of the frozen state has a counterpart in every state instead of a copy. */
int globals_special(const struct import *import, const void *table);

/* [-0, +1|0, m] The view's top is a table: when it is special, pushes the counterpart, pops the view, returns
   1. */
int globals_copy(struct copy *c, const struct place *place);

/* [-0, +0, m] Fills what is still filled on demand but cheap, before the state is frozen. */
void globals_settle(lua_State *L);

/* [-0, +1, -] On a view: pushes the metatable that the script gave its _G, or nil. That of a thread's _G is ours. */
void globals_push_meta(const struct snapshot *s, lua_State *view);

/* [-0, +1, -] In a thread: pushes what getmetatable(_G) gives, as far as __metatable has no say. Returns its type. */
int globals_get_meta(lua_State *L);

/* [-0, +0, m] The table (or nil) at `user` becomes that. */
void globals_set_meta(lua_State *L, int user);

#endif
