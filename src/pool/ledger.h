/* ledger.h - what a pool knows of its tasks and workers: the inside of pool.c (replies in, results out), deal.c (tasks out),
   retry.c (tasks that run again), loss.c (workers that died) and audit.c (workers that may have lost their way).
   Level 5: pool, crew. */
#ifndef FAST_MAP_LEDGER_H
#define FAST_MAP_LEDGER_H

#include "clock.h"
#include "crew.h"
#include "pool.h"

#define POOL_AUDIT_NS CLOCK_SECOND /* between two looks at workers that do not answer */

/* A task that runs again, but not at once. */
struct delay {
  uint64_t index;
  int64_t until;
};

struct pool {
  struct pool_options options;
  struct transport *transport;
  struct window window;
  struct crew crew;
  int ended;
  int places;           /* workers at a time; once the map has begun, those that it began with */
  int refused;          /* the system refused a worker: go on with those there are */
  uint64_t fatal;       /* the task with whose result the map ends, since init failed; 0: none */
  int deaths;           /* since a task was last completed */
  int64_t last_death;   /* of those: clock_now() */
  int64_t audit_at;     /* clock_now() of the next audit */
  uint64_t unsent;      /* nothing before it is QUEUED */
  uint64_t queued;      /* slots in state QUEUED */
  uint64_t suspects;    /* of those, tasks that must run alone, and may now */
  uint64_t accused;     /* none of them is before it */
  struct delay *delays; /* of those, tasks that wait for their moment: a heap, the soonest first */
  size_t delay_count, delay_capacity;
  struct buffer run; /* of tasks, on its way into a message */
  uint64_t earliest,
      latest; /* when unordered: the tasks done first and last of those to deliver; earliest 0: none */
  struct pool_figures figures; /* but added, oldest and workers */
};

/* Tasks that wait for a worker, not for their moment. */
static inline uint64_t pool_waiting(const struct pool *pool) {
  return pool->queued - pool->delay_count;
}

/* -- pool.c ----------------------------------------------------------------- */

/* The verdict is the pool's own, its text for people; the task may get another run instead. */
void pool_fail(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict, const char *text);

/* -- deal.c ----------------------------------------------------------------- */

/* Replaces dead workers while there is something for them to do. OK; SYSTEM, NOMEM: there is none, and none can be had. */
enum status pool_replace_workers(struct pool *pool);

/* -- retry.c ---------------------------------------------------------------- */

/* Its worker died. */
void pool_run_again(struct pool *pool, uint64_t index, struct slot *slot);

/* After that verdict: true when the task gets another run. */
int pool_retry(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict);

/* Tasks whose delay is over may run; when the next one's is. CLOCK_NEVER: there is none. */
void pool_release_delays(struct pool *pool, int64_t now);
int64_t pool_next_release(const struct pool *pool);

/* -- loss.c ----------------------------------------------------------------- */

/* A worker died: what becomes of its tasks. */
void pool_take_loss(struct pool *pool, const struct event *event);

/* True when the worker has that task. */
int pool_in_hand(const struct pool *pool, int worker, uint64_t index);

/* -- audit.c ---------------------------------------------------------------- */

/* Now and then: a worker that has tasks and does nothing is given up. */
void pool_audit(struct pool *pool, int64_t now);

#endif
