#include "config.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "blocking.h"
#include "clock.h"
#include "fatal.h"
#include "forks.h"
#include "memory.h"
#include "sink.h"
#include "suspend.h"
#include "team.h"

#define ORPHAN_CHECK_MS 500 /* when the bell is held open by a stranger, the parent's death shows by this */
#define DEAF_NS         10000000   /* without a look while one ring follows the other */
#define STOPPED_NS      1000000000 /* that the listener is late: no load of the machine, but a stop */
#define EXIT_NO_MEMORY  125
#define LISTENER_STACK  (256 << 10)

static int depth; /* written once, in the forked child's only thread */

int worker_depth(void) {
  return depth;
}

static int on_main_thread(void) {
#ifdef SYS_gettid
  return syscall(SYS_gettid) == getpid();
#else
  return 0;
#endif
}

static void find_company(void);

int worker_prepare(void) {
  static const struct forks_handlers handlers = {.before = find_company};
  team_prepare();
  return forks_watch(FORKS_COMPANY, &handlers) == STATUS_OK && on_main_thread();
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

static int sooner(int a, int b) {
  return a < b ? a : b;
}

/* What the listener knows. */
struct ear {
  struct link *link;
  struct team *team;
  int parent;
  int has_exit;       /* the threads do not end with the process, but it with them */
  int hung_up;        /* the parent has closed the bell */
  int64_t deaf_since; /* clock_now() of the first ring after the last look; 0: there was none */
};

/* The parent says nothing more: it has all results and wants us to end in order, or it died, which closes the bell both ways. A
   thread that is in a task then may hold a stream's lock for ever; but in order, it has only not said yet that it is done. */
static void leave(struct ear *ear, int gone) {
  int busy = team_busy(ear->team);
  if (getppid() != ear->parent || (gone && busy))
    die();
  if (!ear->has_exit && !busy)
    team_exit();
  ear->hung_up = 1;
  team_end(ear->team);
}

/* Returns the milliseconds after which to look again. */
static int look(struct ear *ear) {
  int sample_ms;
  if (getppid() != ear->parent)
    die();
  suspend_look();
  ear->deaf_since = 0;
  sample_ms = team_sample(ear->team); /* first: what it takes from threads that wait is to be seen */
  return sooner(ORPHAN_CHECK_MS, sooner(sample_ms, team_share(ear->team)));
}

/* Rings that follow each other closely must not keep us from looking. `gone`: the bell is closed both ways. */
static void obey(struct ear *ear, int gone) {
  int64_t now = clock_now();
  if (doorbell_clear(ear->link->bell) == STATUS_CLOSED)
    leave(ear, gone);
  team_wake(ear->team);
  if (ear->deaf_since == 0)
    ear->deaf_since = now;
  else if (now - ear->deaf_since > DEAF_NS)
    look(ear);
}

/* We were stopped, and who knows by whom: that is not the tasks' time. */
static void allow_for_stop(struct ear *ear, int64_t expected) {
  int64_t late = clock_now() - expected;
  if (late > STOPPED_NS)
    team_was_stopped(ear->team, late);
}

/* Returns as look does. */
static int hear(struct ear *ear, int timeout_ms) {
  struct pollfd bell = {.fd = ear->hung_up ? -1 : ear->link->bell, .events = POLLIN};
  int64_t expected = clock_now() + timeout_ms * INT64_C(1000000);
  int ready = poll(&bell, 1, timeout_ms), again_ms = 1;
  if (ready < 0)
    return timeout_ms;
  if (ready > 0)
    obey(ear, (bell.revents & POLLHUP) != 0);
  else
    again_ms = look(ear);
  allow_for_stop(ear, expected);
  return sooner(again_ms, team_check_deadlines(ear->team));
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

static struct ear *alone; /* of the worker that has no listener; written by its main thread */

/* Nothing would be there for a listener to do: the kernel ends us with the parent, whatever signals the task blocks. A map of
   one task then takes two thirds of the time. But the kernel knows nothing of processes that the task starts: see
   find_company. It watches the thread that forked us, which must be the one that lives longest. */
static void be_alone(const struct worker_context *c, struct ear *ear) {
#ifdef PR_SET_PDEATHSIG
  if (!c->solo || c->timeout_ns > 0 || c->state.has_exit || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    return;
  if (getppid() != ear->parent)
    die();
  alone = ear;
  suspend_look_alone(1);
#else
  (void)c, (void)ear;
#endif
}

/* The main thread is about to wait, or to start a process: from now on a listener hears of the parent's death, and ends these
   too. A process that a C library starts by other means than fork is not known here. */
static void find_company(void) {
  struct ear *ear = alone;
  if (ear == NULL || !on_main_thread())
    return;
  alone = NULL;
  if (!start_listener(ear))
    return;
  team_has_listener(ear->team);
  suspend_look_alone(0);
#ifdef PR_SET_PDEATHSIG
  prctl(PR_SET_PDEATHSIG, 0);
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
  options->before_wait = find_company;
  if (!options->state.per_task_seed)
    options->state.seed += (uint64_t)getpid() << 32;
}

void worker_run(struct link *link, int worker, int parent, void *context) {
  struct worker_context *c = context;
  struct team_options options;
  struct ear ear = {.link = link, .parent = parent, .has_exit = c->state.has_exit};
  depth++;
  blocking_install(NULL); /* of the thread that forked us, when that was a task */
  fatal_watch(
      NULL,
      NULL); /* likewise: a fault in here would be noted as that task's, in memory shared with its parent */
  stand_back(c->nice);
  sink_prepare();
  memory_keep();
  fatal_install();
  set_up(&options, c, link, worker);
  if (state_freeze(c->snapshot) != STATUS_OK || team_open(&ear.team, &options) != STATUS_OK)
    _exit(EXIT_NO_MEMORY);
  suspend_prepare(parent);
  be_alone(c, &ear);
  team_join(ear.team, alone == NULL && start_listener(&ear) ? NULL : listen_alone, &ear);
  for (;;)
    pause(); /* our thread gave up for lack of memory, or is done; the others, and the listener, use the stack above */
}
