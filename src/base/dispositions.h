/* dispositions.h - what becomes of signals in a worker, and in the commands that its tasks start.
   Level 0: libc.

   A command inherits what is ignored. What a worker ignores for its own sake must not reach the commands of its tasks: they have
   what a command of the script would have. */
#ifndef FAST_MAP_DISPOSITIONS_H
#define FAST_MAP_DISPOSITIONS_H

#include <signal.h>

/* A child that becomes a worker, in its only thread: the script's handlers are gone, what it ignores stays ignored. */
void dispositions_of_worker(void);

/* A child that a task has forked, in its only thread: as the script had them. Harmless in any other process. */
void dispositions_of_child(void);

/* Those that a command of this process is to have by default, although this process ignores them. */
const sigset_t *dispositions_default(void);

#endif
