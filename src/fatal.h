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
  /* stored by the worker's main thread before it sends the signal, loaded by the handler on this thread; relaxed: the
     signal orders them */
  _Atomic uint64_t interrupted; /* index of the task that is to end */
};

/* Worker main thread, before others: the handlers. */
void fatal_install(void);

/* Any thread: from now on its signals are for this. Gives it a stack of its own for handlers, where memory allows. */
void fatal_watch(struct fatal *fatal);

/* Worker main thread: the task of that thread, if it is still the one with this index, is to end with a timeout. */
void fatal_interrupt(struct fatal *fatal, pthread_t thread, uint64_t index);

/* Worker main thread: notes that the process dies for this task. */
void fatal_overrun(struct fatal *fatal, uint64_t index);

#endif
