/* scheduling.h - whether a thread computes, sleeps or is stopped, as the kernel sees it.
   Level 0: libc. Async-signal-safe. */
#ifndef FAST_MAP_SCHEDULING_H
#define FAST_MAP_SCHEDULING_H

#include <stdint.h>

/* The kernel's letter for the thread of that process (its own number, or any other of its threads'): R computes, or is about
   to, S and D sleep, T is stopped; 0: it cannot be had. */
char scheduling_state(int pid, int tid);

/* How many waits the thread has begun in its life; 0: it cannot be had. */
uint64_t scheduling_waits(int pid, int tid);

#endif
