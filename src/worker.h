/* worker.h - a forked process: its main thread listens, its team computes.
   Level 5: team, link, snapshot. Knows no lua.h; never meets the pool. */
#ifndef FAST_MAP_WORKER_H
#define FAST_MAP_WORKER_H

#include "link.h"
#include "state.h"

/* What every worker of a map is born with; the parent's, copied by the fork. */
struct worker_context {
  struct snapshot *snapshot;
  struct state_options state;
  int thread_limit; /* of the whole map */
  int worker_count; /* that share them */
  int timed;        /* tasks have deadlines or are measured */
};

/* A worker_main (transport_fork.h): context is a struct worker_context. Never returns. */
void worker_run(struct link *link, int worker, int parent, void *context);

/* How many workers deep this process is: 0 in a script, 1 in its workers, 2 in theirs. */
int worker_depth(void);

#endif
