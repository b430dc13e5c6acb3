/* link.h - what a parent and one worker share: a ring each way, a few words, a doorbell.
   Level 2: ring, doorbell, tally.

   One piece of shared memory a worker, mapped before the fork and laid out as: control, task ring, reply ring, seats, places.
   Each word has one writer, named here. A worker may die at any instruction: link_reset makes the piece as new. */
#ifndef FAST_MAP_LINK_H
#define FAST_MAP_LINK_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "doorbell.h"
#include "ring.h"
#include "tally.h"

#define LINK_TRACE 512 /* bytes of text */
#define LINK_PLACE 80  /* the same */

/* To a worker's thread: tell where your task is. Ignored by default, and nobody else sends it to a worker. It goes only to a thread
   that computes or waits in a function of ours: calls of the system that libraries make would be cut short. */
#define LINK_ASK_SIGNAL SIGWINCH

/* Where a thread says what it does; the parent reads it for deadlines and after a death. */
struct seat {
  _Atomic uint64_t
      index; /* task it runs, 0: none; stored by the thread (relaxed: only a hint until the process is dead) */
  _Atomic int64_t
      since;       /* clock_now() at the start of that task; stored by the thread before index (release) */
  _Atomic int tid; /* the kernel's number of the thread; stored by it once (relaxed) */
  _Atomic int
      at_ease; /* it waits in a function of ours, which goes on after a signal; stored by it (relaxed): a hint */
  /* stored by the thread (release) after it has written its place; loaded by the parent (acquire), which compares it
     with control.asked */
  _Atomic unsigned answered;
  _Atomic unsigned
      asked; /* control.asked when the signal was sent to the thread last; the parent's alone (relaxed) */
};

struct control {
  /* stored by the parent with bell_arm / bell_disarm, loaded by the worker with bell_armed */
  _Alignas(RING_LINE) _Atomic int parent_asleep;
  /* stored by the worker with bell_arm / bell_disarm, loaded by the parent with bell_armed */
  _Alignas(RING_LINE) _Atomic int worker_asleep; /* somebody waits for tasks */
  _Atomic int room_wanted;                       /* somebody waits for room in the reply ring */
  /* stored by the worker (relaxed), loaded by the parent (relaxed): hints that order nothing */
  _Alignas(RING_LINE) _Atomic int capacity; /* tasks it can use at a time */
  _Atomic int thread_count;                 /* threads it has; seats [0, thread_count) were in use */
  /* stored by the parent (relaxed) before it sends the signal to tell the place; the signal orders it */
  _Alignas(RING_LINE) _Atomic unsigned asked;
  /* stored by the worker under its team's lock (relaxed), loaded by the parent (relaxed): figures for people */
  _Alignas(RING_LINE) _Atomic uint64_t working_ns;
  _Atomic uint64_t slow_index[TALLY_SLOW], slow_ns[TALLY_SLOW];
  /* stored by a dying worker: the fault handler of the thread that faulted, or its listener when a task will not end;
     fault_index last (release). Loaded by the parent after the death (acquire). */
  _Atomic uint64_t fault_index; /* of the task; 0: none */
  _Atomic int fault_timeout;    /* it overran its timeout */
  char fault_trace[LINK_TRACE]; /* its Lua stack; no atomic: read only after the death */
};

struct link_layout {
  size_t ring_size; /* bytes of each ring, a power of two */
  int thread_limit; /* seats */
  size_t footprint; /* of the whole piece, page-aligned */
};

/* Fills footprint. */
void link_layout_init(struct link_layout *layout, size_t ring_size, int thread_limit);

/* A view of one piece; lives in each process. */
struct link {
  struct control *control;
  struct ring *tasks;   /* parent -> worker */
  struct ring *replies; /* worker -> parent */
  struct seat *seats;
  char (*places)[LINK_PLACE]; /* one a seat: where its task is, told on demand */
  struct link_layout layout;
  int bell; /* this side's end, -1: none */
};

/* memory: footprint bytes, zeroed, aligned to RING_LINE. */
void link_init(struct link *link, void *memory, const struct link_layout *layout);

/* Before a (new) worker is forked: empty rings, no flags. */
void link_reset(struct link *link);

#endif
