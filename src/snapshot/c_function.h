/* c_function.h - C functions of the script in a thread: Lua's own by name, those of C modules from the module loaded afresh,
   others by address.
   Level 3: copy, library, module_index. */
#ifndef FAST_MAP_C_FUNCTION_H
#define FAST_MAP_C_FUNCTION_H

#include "copy.h"

/* [-0, +1, m] The view's top is a C function: pushes its copy or a placeholder, notes it and pops the view. */
void c_function_copy(struct copy *c, const struct place *place);

/* [-0, +1, m] Pushes what stands for one of Lua's functions that has no upvalues. */
struct library_function;
void c_function_push(struct copy *c, const struct library_function *f);

#endif
