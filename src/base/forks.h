/* forks.h - what must be so at a fork, whoever forks, in one order.
   Level 0: status.

   A thread that forks holds our locks, so that the child finds what they guard whole. It takes them in the order of the
   ranks; those of pthread_atfork are called in the order in which they were registered, that is, as a script happens to use
   things. */
#ifndef FAST_MAP_FORKS_H
#define FAST_MAP_FORKS_H

#include "status.h"

enum forks_rank {
  FORKS_OUTPUT,    /* state: writes, perhaps for long */
  FORKS_COMPANY,   /* worker: starts a thread; no lock is held yet */
  FORKS_SNAPSHOTS, /* a module that is loaded under this lock may open journals and maps */
  FORKS_JOURNALS,
  FORKS_TRANSPORTS,
  FORKS_NOTICE,
  FORKS_USHER,
  FORKS_TEAM,
  FORKS_OUTLETS,
  FORKS_RANKS
};

/* Each may be NULL. */
struct forks_handlers {
  void (*before)(void);
  void (*after)(void);    /* in the parent, in the opposite order */
  void (*in_child)(void); /* in its only thread, likewise */
};

/* Any thread: from now on the handlers, which are constants, are called at each fork. OK, also when it is said again; NOMEM */
enum status forks_watch(enum forks_rank rank, const struct forks_handlers *handlers);

/* Forks since the first forks_watch that led to this process: what was made at another number is a copy of another process's. */
extern int forks_depth; /* written in a child's only thread, for others to read */

#endif
