/* place.h - where an object is in the script, in words.
   Level 3: import. */
#ifndef FAST_MAP_PLACE_H
#define FAST_MAP_PLACE_H

#include "import.h"

struct place_text {
  char bytes[256];
};

/* [-0, +0, -] `upvalue 'db'.conn of function at job.lua:12`. L: any coroutine of the import's state. */
void place_describe(const struct import *import, lua_State *L, uint32_t entry, struct place_text *text);

#endif
