/* transport_fork.h - workers as forked processes on this machine.
   Level 4: transport, link, usher. Knows no Lua. */
#ifndef FAST_MAP_TRANSPORT_FORK_H
#define FAST_MAP_TRANSPORT_FORK_H

#include <poll.h>

#include "link.h"
#include "transport.h"
#include "usher.h"

/* Runs in the child; never returns. The link is the worker's side; parent is the process to outlive by nothing. */
typedef void worker_main(struct link *link, int worker, int parent, void *context);

struct fork_options {
  int worker_count; /* at most; started one by one */
  int thread_limit; /* of one worker */
  int patience_ms; /* with a worker that was asked to leave; 0: as long as one needs that has nothing to do */
  size_t ring_size; /* bytes, a power of two; halved when memory is short */
  worker_main *main;
  void *context;       /* for main */
  struct tally *tally; /* the caller's: what the workers did, added up at their ends; may be NULL */
};

/* A task that a thread works on. */
struct running_task {
  uint64_t index;
  int64_t since; /* clock_now() */
  int pid, worker, thread;
  char place[LINK_PLACE]; /* file:line; "": not known */
};

/* OK; NOMEM or SYSTEM with errno. The transport is freed by its own stop. */
enum status transport_fork_open(struct transport **t, const struct fork_options *options);

/* Parent. Descriptors that become readable when there may be an event, for the caller's own sleep or event loop; sleeping flags
   stay armed until the next receive. Returns how many there are; *polls is valid until then, with room for one more. */
int transport_fork_bells(struct transport *t, struct pollfd **polls);

/* Parent: from now on every ring also reaches that thread, by its usher. */
void transport_fork_notify(struct transport *t, const struct recipient *to);

/* Parent: adds what the workers that live have done so far to `workers`, one for each worker. */
void transport_fork_tally(struct transport *t, struct tally_worker *workers);

/* Parent: asks every thread with a task where it is, and waits for the answers, at most so long. */
void transport_fork_ask(struct transport *t, int64_t most_ns);

/* Parent: stores at most `most` tasks that run now; returns how many there are. */
int transport_fork_tasks(struct transport *t, struct running_task *tasks, int most);

/* Parent: arms the bells; 1 when there may be an event already. */
int transport_fork_arm(struct transport *t);

#endif
