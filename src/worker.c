#include "config.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "blocking.h"
#include "fatal.h"
#include "memory.h"
#include "team.h"

#define ORPHAN_CHECK_MS 500 /* when the bell is held open by a stranger, the parent's death shows by this */
#define EXIT_NO_MEMORY  125
#define LISTENER_STACK  (256 << 10)

static int depth; /* written once, in the forked child's only thread */

int worker_depth(void) {
  return depth;
}

void worker_prepare(void) {
  team_prepare();
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

/* Whole lines come out at once, whoever else prints. */
static void buffer_lines(void) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

static int sooner(int a, int b) {
  return a < b ? a : b;
}

/* What the listener knows. */
struct ear {
  struct link *link;
  struct team *team;
  int parent;
  int has_exit; /* the threads do not end with the process, but it with them */
  int hung_up;  /* the parent has closed the bell */
};

/* The parent closed the bell: either it died, or it has all results and wants us to end in order. A thread that is in a task
   may hold a stream's lock for ever. */
static void leave(struct ear *ear) {
  if (getppid() != ear->parent || team_busy(ear->team))
    die();
  if (!ear->has_exit) {
    fflush(NULL);
    _exit(0);
  }
  ear->hung_up = 1;
  team_end(ear->team);
}

/* Returns the milliseconds after which to look again. */
static int hear(struct ear *ear, int timeout_ms) {
  struct pollfd bell = {.fd = ear->hung_up ? -1 : ear->link->bell, .events = POLLIN};
  int ready = poll(&bell, 1, timeout_ms), again_ms;
  if (ready > 0) {
    if (doorbell_clear(ear->link->bell) == STATUS_CLOSED)
      leave(ear);
    team_wake(ear->team);
    return sooner(1, team_check_deadlines(ear->team));
  }
  if (ready < 0)
    return timeout_ms;
  if (getppid() != ear->parent)
    die();
  again_ms = sooner(team_sample(ear->team), team_share(ear->team));
  return sooner(ORPHAN_CHECK_MS, sooner(again_ms, team_check_deadlines(ear->team)));
}

/* listener thread */
static void *listen(void *argument) {
  int again_ms = 1;
  for (;;)
    again_ms = hear(argument, again_ms);
  return NULL;
}

/* The only thread, while it waits. */
static void listen_alone(void *argument) {
  hear(argument, ORPHAN_CHECK_MS);
}

/* The listener has the small stack: the tasks run on the main thread's. */
static int start_listener(struct ear *ear) {
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error != 0)
    return 0;
  pthread_attr_setstacksize(&attributes, LISTENER_STACK);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  error = pthread_create(&thread, &attributes, listen, ear);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

#ifdef PR_SET_PDEATHSIG

#define ORPHAN_SIGNAL SIGHUP

static volatile int parent_pid; /* written before the handler is in place */

/* signal handler; somebody else's signal does what it always does */
static void on_orphaned(int number) {
  if (getppid() != parent_pid)
    die();
  signal(number, SIG_DFL);
  raise(number);
}

#endif

/* True when nothing would be there for a listener to do: the kernel tells us of the parent's death. A map of one task then
   takes two thirds of the time. */
static int is_alone(const struct worker_context *c, int parent) {
#ifdef PR_SET_PDEATHSIG
  if (!c->solo || c->timeout_ns > 0 || c->state.has_exit)
    return 0;
  parent_pid = parent;
  if (signal(ORPHAN_SIGNAL, on_orphaned) == SIG_ERR || prctl(PR_SET_PDEATHSIG, ORPHAN_SIGNAL) != 0)
    return 0;
  if (getppid() != parent)
    die();
  return 1;
#else
  (void)c, (void)parent;
  return 0;
#endif
}

/* The only thread so far: those that it starts inherit it. */
static void stand_back(int by) {
  if (by > 0) /* at most to the greatest there is, and downwards everybody may go */
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + by);
}

/* worker main thread */
static void set_up(struct team_options *options, const struct worker_context *c, struct link *link,
                   int worker) {
  *options = (struct team_options){.link = link, .snapshot = c->snapshot, .state = c->state};
  options->thread_limit = thread_share(c, worker);
  options->chunksize = c->chunksize;
  options->stamped = c->stamped;
  options->timeout_ns = c->timeout_ns;
  options->kill_after_ns = c->kill_after_ns;
  if (!options->state.per_task_seed)
    options->state.seed += (uint64_t)getpid() << 32;
}

void worker_run(struct link *link, int worker, int parent, void *context) {
  struct worker_context *c = context;
  struct team_options options;
  struct ear ear = {.link = link, .parent = parent, .has_exit = c->state.has_exit};
  depth++;
  blocking_install(NULL); /* of the thread that forked us, when that was a task */
  stand_back(c->nice);
  buffer_lines();
  memory_keep();
  fatal_install();
  set_up(&options, c, link, worker);
  if (state_freeze(c->snapshot) != STATUS_OK || team_open(&ear.team, &options) != STATUS_OK)
    _exit(EXIT_NO_MEMORY);
  if (is_alone(c, parent))
    team_join(ear.team, listen_alone, &ear);
  team_join(ear.team, start_listener(&ear) ? NULL : listen_alone, &ear);
  for (;;)
    pause(); /* our thread gave up for lack of memory, or is done; the others, and the listener, use the stack above */
}
