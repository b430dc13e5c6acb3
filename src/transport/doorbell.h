/* doorbell.h - how a sleeper in another process is woken.
   Level 1: libc. Knows nothing of what the sleeper waits for.

   One bell is a stream socket pair: each side may sleep on its end (poll) and ring the other's. End of file on an end
   says that the other process is gone, by SIGKILL too. A sleeper's flag in shared memory saves the system call:
     sleeper: bell_arm(flag), look once more whether there is work, sleep, bell_disarm(flag), doorbell_clear(end)
     ringer:  publish the work, then bell_armed(flag) ? doorbell_ring(end) : nothing
   Both sides have a full fence between their store and their load, so one of them sees the other's (Dekker). */
#ifndef FAST_MAP_DOORBELL_H
#define FAST_MAP_DOORBELL_H

#include <stdatomic.h>

#include "status.h"

/* The two ends, close-on-exec and non-blocking. OK; SYSTEM with errno. */
enum status doorbell_open(int ends[2]);

/* Wakes who sleeps on the other end. Never blocks; a dead other side is ignored (no SIGPIPE). */
void doorbell_ring(int end);

/* The other side hears that nobody will ring any more: its doorbell_clear says CLOSED. This end still hears. */
void doorbell_leave(int end);

/* Eats the rings that came. OK; CLOSED when the other side is gone. */
enum status doorbell_clear(int end);

/* flag: written by the sleeper only, read by the ringer. */
static inline void bell_arm(_Atomic int *flag) {
  atomic_store_explicit(flag, 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in bell_armed */
}

static inline void bell_disarm(_Atomic int *flag) {
  atomic_store_explicit(flag, 0, memory_order_relaxed); /* a late ring is harmless */
}

static inline int bell_armed(_Atomic int *flag) {
  atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in bell_arm */
  return atomic_load_explicit(flag, memory_order_relaxed);
}

#endif
