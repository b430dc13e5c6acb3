/* tally.h - what the workers of a map did: figures for people.
   Level 1: libc. Adds and compares; knows neither processes nor Lua.

   Life: tally_open -> tally_add for each life of a worker -> tally_close. */
#ifndef FAST_MAP_TALLY_H
#define FAST_MAP_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define TALLY_SLOW 5 /* slowest tasks that are remembered */

struct slow_task {
  uint64_t index; /* 0: none */
  uint64_t ns;
};

/* One worker: one of its lives, or all together. */
struct tally_worker {
  int pid; /* the last */
  int lives;
  int threads;         /* the most at a time */
  uint64_t tasks;      /* answered */
  uint64_t working_ns; /* spent in tasks, all threads added up */
  uint64_t cpu_ns;
  struct slow_task slow[TALLY_SLOW]; /* the slowest first */
};

/* From the fork to the death. */
struct tally_life {
  int worker, pid;
  int64_t start, stop; /* clock_now(); stop 0: it lives */
};

struct tally {
  struct tally_worker *workers; /* [0, worker_count); those that live are not in it yet */
  int worker_count;
  struct tally_life *lives; /* [0, life_count), in the order of their starts */
  size_t life_count, life_capacity;
  int keep_lives; /* set by the owner after tally_open */
};

/* OK NOMEM */
enum status tally_open(struct tally *tally, int worker_count);
void tally_close(struct tally *tally);

/* Adds a life to what a worker did before. */
void tally_add(struct tally_worker *worker, const struct tally_worker *life);

/* A life begins. Returns its number for tally_stop, -1: it is not kept. */
long tally_start(struct tally *tally, int worker, int pid, int64_t now);
void tally_stop(struct tally *tally, long number, int64_t now);

/* Keeps the task when it is one of the slowest. */
void tally_slow(struct slow_task slow[TALLY_SLOW], uint64_t index, uint64_t ns);

#endif
