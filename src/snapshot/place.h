/* place.h - where an object is in the script: steps, and words.
   Level 3: import. */
#ifndef FAST_MAP_PLACE_H
#define FAST_MAP_PLACE_H

#include "import.h"

struct place_text {
  char bytes[256];
};

/* [-0, +0, -] `upvalue 'db'.conn of function at job.lua:12`. L: any coroutine of the import's state. */
void place_show(const struct import *import, lua_State *L, const struct place *place,
                struct place_text *text);

/* [-0, +0, -] The same of an entry's place. */
void place_describe(const struct import *import, lua_State *L, uint32_t entry, struct place_text *text);

/* The place of the field whose key is at index key of the stack V, in the object that is the entry `parent`. */
struct place place_of_field(lua_State *V, uint32_t parent, int key);

/* [-0, +1|0, -] Pushes the key of a step that has a float or a boolean. 0: it has neither. */
int place_push_key(lua_State *V, const struct place *place);

#endif
