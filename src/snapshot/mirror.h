/* mirror.h - the tables of a thread's state that are filled by name: _G, package.loaded, package.preload.
   Level 3: import. One thread only.

   A mirror begins empty. The first time a name is asked for, or assigned, it is *touched*: looked up in the script's table,
   once; from then on it is this thread's own business. */
#ifndef FAST_MAP_MIRROR_H
#define FAST_MAP_MIRROR_H

#include "import.h"

enum mirror { MIRROR_GLOBALS, MIRROR_LOADED, MIRROR_PRELOAD, MIRROR_COUNT };

/* [-0, +0, m] The table at idx becomes the mirror. */
void mirror_open(lua_State *L, enum mirror mirror, int idx);

/* Which mirror the table at idx is; -1: none. */
int mirror_at(lua_State *L, int idx);

/* [-0, +1, m] */
void mirror_push(lua_State *L, int mirror);

/* [-0, +1, m] package.loaded of a thread or of the script. */
void mirror_push_loaded(lua_State *L);

/* [-0, +1, -] Pushes the set of the touched names. */
void mirror_push_touched(lua_State *L, int mirror);

/* [-0, +0, m] Marks the key at k as touched; touched: index of that set, here and below. */
void mirror_touch(lua_State *L, int k, int touched);

/* [-0, +1|0, m] Pushes the value that the script has under the key at k, unless that was touched; the table
   at t keeps it. */
int mirror_resolve(lua_State *L, int mirror, int t, int k, int touched);

/* [-0, +0, m] Fills the mirror at t with all that the script's table has. */
void mirror_fill(lua_State *L, int mirror, int t);

/* [-0, +0, m] Puts __index and __newindex into the table on the top. */
void mirror_set_handlers(lua_State *L, int mirror);

/* [-0, +1, m] Pushes that __index: (t, k) -> value; and, for _G, (t, k, v) -> whether the script has such a name, so that it is
   assigned like an existing one. */
void mirror_push_index(lua_State *L, int mirror);
void mirror_push_claim(lua_State *L);

/* [-0, +0, -] Under the lock, on a view of a state that is a thread's: replaces
   the nil on the top by what that thread would find for slot[name]. */
void mirror_complete(lua_State *view, int slot, const char *name, size_t size);

/* [-0, +0, -] The same for all of the slot's fields. Returns what lua_pcall does. */
int mirror_complete_all(lua_State *view, int slot);

#endif
