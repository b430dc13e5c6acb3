/* pace.h - what a task costs a worker, measured from the results of all of them.
   Level 1: nothing. Arithmetic only.

   Life: struct pace p = {0} -> pace_result for each result, pace_pass when time has passed -> pace_ahead. */
#ifndef FAST_MAP_PACE_H
#define FAST_MAP_PACE_H

#include <stdint.h>

struct pace {
  double task_ns;    /* moving mean; 0: not known */
  int64_t worked_ns; /* worker time since the last reading */
  uint64_t results;  /* since then */
  int64_t at;        /* clock_now() when time was last added; 0: never */
};

/* Until `now`, busy_count workers had something to do. */
void pace_pass(struct pace *p, int64_t now, int busy_count);

static inline void pace_result(struct pace *p) {
  p->results++;
}

/* How many tasks should wait in a worker while it computes others: enough to hide the parent's absence, but long tasks
   do not queue behind each other. */
uint64_t pace_ahead(const struct pace *p);

#endif
