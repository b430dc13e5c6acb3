#include "config.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "blocking.h"
#include "snapshot.h"
#include "team.h"

#define ORPHAN_CHECK_MS 500 /* when the bell is held open by a stranger, the parent's death shows by this */
#define EXIT_NO_MEMORY 125

static int depth; /* written once, in the forked child's only thread */

int worker_depth(void) {
  return depth;
}

/* Threads of the whole map are dealt out evenly; every worker has at least one. */
static int thread_share(const struct worker_context *c, int worker) {
  int share = c->thread_limit / c->worker_count + (worker < c->thread_limit % c->worker_count);
  return share > 0 ? share : 1;
}

/* The parent is gone: so is everything that it started through us. */
static void die(void) {
  kill(0, SIGKILL);
  _exit(0);
}

/* The parent closed the bell: either it died, or it has all results and wants our output flushed. */
static void leave(int parent) {
  if (getppid() != parent)
    die();
  fflush(NULL);
  _exit(0);
}

/* Whole lines come out at once, whoever else prints. */
static void buffer_lines(void) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* worker main thread */
static void listen(struct link *link, struct team *team, int parent) {
  int sample_ms = 1;
  for (;;) {
    struct pollfd bell = {.fd = link->bell, .events = POLLIN};
    int timeout = sample_ms < 0 || sample_ms > ORPHAN_CHECK_MS ? ORPHAN_CHECK_MS : sample_ms;
    int ready = poll(&bell, 1, timeout);
    if (ready > 0) {
      if (doorbell_clear(link->bell) == STATUS_CLOSED)
        leave(parent);
      team_wake(team);
      sample_ms = 1;
    } else if (ready == 0) {
      if (getppid() != parent)
        die();
      sample_ms = team_sample(team);
    }
  }
}

void worker_run(struct link *link, int worker, int parent, void *context) {
  struct worker_context *c = context;
  struct team_options options = {.link = link, .snapshot = c->snapshot, .state = c->state, .timed = c->timed};
  struct team *team;
  depth++;
  blocking_install(NULL); /* of the thread that forked us, when that was a task */
  buffer_lines();
  options.thread_limit = thread_share(c, worker);
  if (!options.state.per_task_seed)
    options.state.seed += (uint64_t)getpid() << 32;
  if (snapshot_freeze(c->snapshot) != STATUS_OK || team_open(&team, &options) != STATUS_OK)
    _exit(EXIT_NO_MEMORY);
  listen(link, team, parent);
}
