/* fresh.h - userdata that a Lua module made for itself while it was loaded,
   such as the patterns in a module built on LPeg. Level 3: copy, modules. */
#ifndef FAST_MAP_FRESH_H
#define FAST_MAP_FRESH_H

#include "copy.h"

/* [-0, +1|0, m] The view's top is a userdata found at the place. When that is
   inside a Lua module of the script, loads the module once more, aside, pushes
   what this has at the same place, and returns 1. */
int fresh_copy(struct copy *c, const struct place *place);

#endif
