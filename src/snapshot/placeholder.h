/* placeholder.h - what stands for a thing that cannot travel: an error with its
   path, once a task uses it. Level 3: copy. */
#ifndef FAST_MAP_PLACEHOLDER_H
#define FAST_MAP_PLACEHOLDER_H

#include "copy.h"

/* [-0, +1, m] For the view's top (a coroutine or a userdata), which the caller notes next. */
void placeholder_push(struct copy *c, const struct place *place);

/* [-0, +1, m] For a C function, which the caller notes next: raises when it is called. The view's top is the upvalue that
   cannot travel, the function below. */
void placeholder_push_function(struct copy *c);

/* [-0, +0, -] Whether the value at idx is a placeholder; only those for userdata and coroutines are told. */
int placeholder_is(lua_State *L, int idx);

/* [-0, +0, -] The type of the value at idx, or of what it stands for. */
int placeholder_type(lua_State *L, int idx);

#endif
