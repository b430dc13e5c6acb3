/* name_index.h - under which name of package.loaded the script has a function: by address. Made when it is first needed, then
   constant.
   Level 3: frozen, library. */
#ifndef FAST_MAP_NAME_INDEX_H
#define FAST_MAP_NAME_INDEX_H

#include "frozen.h"

/* [-, -, -] Any thread. For this snapshot, and those that its script is filled from. OK NOMEM */
enum status name_index_need(struct snapshot *s);

/* [-, -, -] The first name that a walk finds, or NULL. key: the function's in the script's state. Needs the index. */
const struct name *name_index_find(const struct snapshot *s, const void *key);

void name_index_release(struct name_index *index);

/* [-0, +0, -] What the function at idx is known by; equal for one of Lua's own and for its stand-in. */
const void *name_index_key(lua_State *L, int idx);

#endif
