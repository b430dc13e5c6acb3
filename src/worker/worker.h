/* worker.h - a forked process: its team computes, a listener thread hears the parent.
   Level 5: team, link, snapshot. Knows no lua.h; never meets the pool. */
#ifndef FAST_MAP_WORKER_H
#define FAST_MAP_WORKER_H

#include "link.h"
#include "state.h"

/* What every worker of a map is born with; the parent's, copied by the fork. */
struct worker_context {
  struct snapshot *snapshot;
  struct state_options state;
  int thread_limit; /* of the whole map, dealt out evenly */
  int worker_count; /* that share them */
  int threads_most; /* of one worker */
  int for_each;     /* the limit allows a thread for every task: a worker may have as many as it gets tasks */
  int chunksize;    /* tasks that a thread takes at a time; 0: as many as are short */
  int stamped;      /* replies tell when and where their tasks ran */
  int solo;         /* a worker gets one task at a time, and never another thread */
  int64_t timeout_ns;    /* of a task, from its start; 0: none */
  int64_t kill_after_ns; /* from then to the end of a worker whose task does not yield */
  int nice;              /* added to the script's own */
};

/* Parent, before it forks. True when its workers may be solo. */
int worker_prepare(void);

/* A worker_main (transport_fork.h): context is a struct worker_context. Never returns. */
void worker_run(struct link *link, int worker, int parent, void *context);

/* How many workers deep this process is: 0 in a script, 1 in its workers, 2 in theirs. */
int worker_depth(void);

#endif
