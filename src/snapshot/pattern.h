/* pattern.h - LPeg's patterns, which scripts build outside of the function that uses them. Level 3: copy, modules. */
#ifndef FAST_MAP_PATTERN_H
#define FAST_MAP_PATTERN_H

#include "copy.h"

/* [-0, +1|0, m] The view's top is a userdata: when it is a pattern of an LPeg that we know, pushes its copy, notes it, pops
   the view in the end, and returns 1. */
int pattern_copy(struct copy *c, const struct place *place);

#endif
