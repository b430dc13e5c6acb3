/* standard.h - the standard libraries that have a state of their own in each Lua state: io, math, package. A thread opens each
   when it is first needed.
   Level 3: copy, library. */
#ifndef FAST_MAP_STANDARD_H
#define FAST_MAP_STANDARD_H

#include "copy.h"

/* [-0, +1, m] Pushes this state's own io, math or package library, opening it the first time. */
void standard_push(struct copy *c, const char *name);

/* [-0, +1, -] Pushes the function `require`, once package is open. */
void standard_require(lua_State *L);

/* [-0, +0, m] Starts math.random with the import's seed, when the library is open. */
void standard_seed(lua_State *L);

/* The name of the library, when the table of the frozen state is one of them; else NULL. */
const char *standard_name(const struct frozen_tables *tables, const void *table);

#endif
