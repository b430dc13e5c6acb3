/* globals.h - the tables of a thread's state that are filled by name: _G,
   package.loaded, package.preload; and strings. Level 3: import. One thread
   only. */
#ifndef FAST_MAP_GLOBALS_H
#define FAST_MAP_GLOBALS_H

#include "import.h"

enum mirror { MIRROR_GLOBALS, MIRROR_LOADED, MIRROR_PRELOAD, MIRROR_COUNT };

/* [-0, +0, m] Of an empty state: makes _G and the metatable of strings. */
void globals_open(lua_State *L);

/* [-0, +0, m] The table at idx becomes the mirror. */
void globals_mirror(lua_State *L, enum mirror mirror, int idx);

/* Whether the table of the frozen state has a counterpart in every state instead of a copy. */
int globals_special(const struct import *import, const void *table);

/* [-0, +1|0, m] The view's top is a table: when it is special, pushes the counterpart, pops the view, returns
   1. */
int globals_copy(struct copy *c, const struct place *place);

/* [-0, +0, -] Under the lock, on a view of a state that is a thread's: replaces
   the nil on the top by what that thread would find for slot[name]. */
void globals_complete(lua_State *view, int slot, const char *name, size_t size);

/* [-0, +0, -] The same for all of the slot's fields. Returns what lua_pcall does. */
int globals_complete_all(lua_State *view, int slot);

/* [-0, +0, -] Whether numbers, functions or the like have a metatable in this state. */
int globals_type_metas(lua_State *L);

/* [-0, +0, m] Fills what is still filled on demand but cheap, before the state is frozen. */
void globals_settle(lua_State *L);

/* [-0, +1, -] On a view: pushes the metatable that the script gave its _G, or nil. That of a thread's _G is ours. */
void globals_push_meta(const struct snapshot *s, lua_State *view);

/* Lua's functions, for the sake of the mirrors. */
int globals_rawget(lua_State *L);
int globals_rawset(lua_State *L);
int globals_next(lua_State *L);
int globals_pairs(lua_State *L);
int globals_getmetatable(lua_State *L);
int globals_setmetatable(lua_State *L);

#endif
