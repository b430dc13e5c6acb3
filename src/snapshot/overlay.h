/* overlay.h - what the script changed in a table that a library makes in each state, laid over this state's own table.
   Level 3: copying. For copying.c; others need copy_overlay. */
#ifndef FAST_MAP_OVERLAY_H
#define FAST_MAP_OVERLAY_H

#include "copy.h"

/* [-0, +0, m] The topmost object is an overlay: goes on with it until it is complete or another one is on top. */
void overlay_step(struct copy *c);

/* [-0, +0, -] The view's top is what the script has in a table that a library keeps for itself, L's top is what this state's
   has in its place, or nil. Whether the former means something in the script's state only. */
int overlay_stays(struct copy *c);

#endif
