#include "config.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "blocking.h"
#include "fault.h"
#include "snapshot.h"
#include "team.h"

#define ORPHAN_CHECK_MS 500 /* when the bell is held open by a stranger, the parent's death shows by this */
#define EXIT_NO_MEMORY 125

static int depth; /* written once, in the forked child's only thread */

int worker_depth(void) {
  return depth;
}

/* Every worker has at least one. */
static int thread_share(const struct worker_context *c, int worker) {
  int share = c->thread_limit / c->worker_count + (worker < c->thread_limit % c->worker_count);
  if (c->for_each)
    share = c->thread_limit;
  return share < 1 ? 1 : share < c->threads_most ? share : c->threads_most;
}

/* The parent is gone: so is everything that it started through us. */
static void die(void) {
  kill(0, SIGKILL);
  _exit(0);
}

/* The parent closed the bell: either it died, or it has all results and wants our output flushed. A thread that is in a
   task may hold a stream's lock for ever. */
static void leave(struct team *team, int parent) {
  if (getppid() != parent || team_busy(team))
    die();
  fflush(NULL);
  _exit(0);
}

/* Whole lines come out at once, whoever else prints. */
static void buffer_lines(void) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

static int sooner(int a, int b) {
  return a < b ? a : b;
}

/* worker main thread */
static void listen(struct link *link, struct team *team, int parent) {
  int again_ms = 1;
  for (;;) {
    struct pollfd bell = {.fd = link->bell, .events = POLLIN};
    int ready = poll(&bell, 1, again_ms);
    if (ready > 0) {
      if (doorbell_clear(link->bell) == STATUS_CLOSED)
        leave(team, parent);
      team_wake(team);
      again_ms = sooner(1, team_check_deadlines(team));
    } else if (ready == 0) {
      if (getppid() != parent)
        die();
      again_ms = sooner(ORPHAN_CHECK_MS, sooner(team_sample(team), team_check_deadlines(team)));
    }
  }
}

void worker_run(struct link *link, int worker, int parent, void *context) {
  struct worker_context *c = context;
  struct team_options options = {.link = link, .snapshot = c->snapshot, .state = c->state};
  struct team *team;
  depth++;
  blocking_install(NULL); /* of the thread that forked us, when that was a task */
  buffer_lines();
  fault_install();
  options.thread_limit = thread_share(c, worker);
  options.timeout_ns = c->timeout_ns;
  options.kill_after_ns = c->kill_after_ns;
  if (!options.state.per_task_seed)
    options.state.seed += (uint64_t)getpid() << 32;
  if (snapshot_freeze(c->snapshot) != STATUS_OK || team_open(&team, &options) != STATUS_OK)
    _exit(EXIT_NO_MEMORY);
  listen(link, team, parent);
}
