/* modules.h - modules of the script that each thread makes for itself: C modules, loaded afresh, and what belongs to them.
   Level 3: copy, module_index, standard. */
#ifndef FAST_MAP_MODULES_H
#define FAST_MAP_MODULES_H

#include <pthread.h>

#include "copy.h"

/* [-0, +1, m] Pushes the copy, complete, of what package.loaded has under the name. */
void modules_push(struct copy *c, const char *name);

/* [-0, +1|0, m] The view's top is a table: when it is one that C code makes in
   each state, pushes the copy as copy_value would and returns 1. */
int modules_copy(struct copy *c, const struct place *place);

/* The same when it is a C function that is itself a module. */
int modules_copy_function(struct copy *c, const struct place *place);

/* [-0, +1|0, m] The same when the table is one that a C library keeps for itself, in the registry or in a table there: it comes
   with the library. */
int modules_copy_registered(struct copy *c);

/* One thread at a time may load a module. Taken before frozen_lock where both are. */
void modules_lock(void);
void modules_unlock(void);
void modules_make_lock(
    const pthread_mutexattr_t *recursive); /* before the first use, and in a forked child */

#endif
