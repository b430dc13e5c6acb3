/* modules.h - what C code made: libraries that a state opens for itself,
   modules that it loads afresh, C functions. Level 3: import, library. */
#ifndef FAST_MAP_MODULES_H
#define FAST_MAP_MODULES_H

#include "import.h"

/* [-0, +1, m] Pushes this state's own io, math or package library, opening it the first time. */
void modules_library(struct copy *c, const char *name);

/* [-0, +1, m] Pushes the copy, complete, of what package.loaded has under the name. */
void modules_push(struct copy *c, const char *name);

/* [-0, +1|0, m] The view's top is a table: when it is one that C code makes in
   each state, pushes the copy as copy_value would and returns 1. */
int modules_copy(struct copy *c, const struct place *place);

/* [-0, +1, m] The view's top is a C function: pushes its copy or a placeholder, notes it and pops the view.
   */
void modules_function(struct copy *c, const struct place *place);

/* [-0, +1, m] Pushes what stands for one of Lua's functions that has no upvalues. */
struct library_function;
void modules_push_light(struct copy *c, const struct library_function *f);

/* [-0, +0, m] Whether an object of the script is a Lua module or a function of
   one: module, or module.name, or module.outer.name; the names last. */
int modules_name(struct copy *c, const void *value, const char **module, const char **outer,
                 const char **name);

/* [-0, +0, m] Starts math.random with the import's seed, when the library is open. */
void modules_seed(lua_State *L);

/* [-0, +0, m] The table at idx, if it is one that gets its fields only when it is used, gets them. */
void modules_settle(lua_State *L, int idx);

/* [-1, +0, m] fast_map.state of this thread becomes the value on the top; nothing where the script has no fast_map. */
void modules_set_state(lua_State *L);

/* One thread at a time may load a module. Taken before frozen_lock where both are. */
void modules_lock(void);
void modules_unlock(void);
void modules_renew_lock(void); /* in a forked child */

#endif
