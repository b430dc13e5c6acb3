/* stub.h - fast_map itself as a task sees it. Most tasks want nothing of it but sleep: a table with little more stands for the
   module until more is asked for.
   Level 3: copy, stand_in. */
#ifndef FAST_MAP_STUB_H
#define FAST_MAP_STUB_H

#include "copy.h"

/* [-0, +1, m] The view's top is the module fast_map: pushes the stub, notes it as the copy and pops the view. */
void stub_copy(struct copy *c, const struct place *place);

/* [-0, +0, m] The table at idx, if it is the stub, becomes the module. */
void stub_settle(lua_State *L, int idx);

/* [-1, +0, m] fast_map.state of this thread becomes the value on the top; nothing where the script has no fast_map. */
void stub_set_state(lua_State *L);

#endif
