/* fatal.h - signals that end a task: a fault of its own (segmentation fault, abort, …) and an interruption from outside.
   Level 4: link, state. In a worker only.

   A thread that faults notes its task in shared memory and dies with the process: the parent then knows the culprit. */
#ifndef FAST_MAP_FATAL_H
#define FAST_MAP_FATAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "link.h"
#include "state.h"

/* One thread's; lives as long as the thread. */
struct fatal {
  struct control *control;
  struct seat *seat;    /* says which task runs */
  struct state **state; /* whose Lua stack is shown; may point to NULL */
  char *place;          /* LINK_PLACE bytes of shared memory: where the task is, told when asked */
  /* stored by the worker's listener before it sends the signal, loaded by the handler on this thread; relaxed: the signal
     orders them */
  _Atomic uint64_t interrupted; /* index of the task that is to end */
};

/* Worker main thread, before others: the handlers. */
void fatal_install(void);

#define FATAL_STACK 16384 /* bytes: the handler walks the Lua stack and formats a few lines */

/* Any thread: from now on its signals are for this. Handlers run on `stack`, FATAL_STACK bytes that the caller keeps for the
   thread's life: far from the end of its own stack, which may be what has run out. Both NULL: no more. */
void fatal_watch(struct fatal *fatal, void *stack);

/* Listener thread: the task of that thread, if it is still the one with this index, is to end with a timeout. */
void fatal_interrupt(struct fatal *fatal, pthread_t thread, uint64_t index);

/* Listener thread: notes that the process dies for this task. */
void fatal_overrun(struct fatal *fatal, uint64_t index);

#endif
