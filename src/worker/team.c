#include "config.h"
#include "team.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "dispositions.h"
#include "forks.h"
#include "member.h"
#include "stack.h"
#include "stamp.h"
#include "streams.h"

#define ARENA_SIZE   (24 << 10) /* bytes of a state's first memory, on its thread's stack */
#define REPLIES_KEPT 8192       /* bytes of a thread's replies before they are handed over */

volatile int team_stray;

static void be_stray(void) {
  team_stray = 1;
  dispositions_of_child();
}

static struct member *of_blocking(struct blocking *b) {
  return (struct member *)((char *)b - offsetof(struct member, blocking));
}

/* -- under the lock: what is there, who is needed ------------------------- */

int team_computing(const struct team *team) {
  return team->thread_count - team->idle - team->blocked;
}

int team_starving(const struct team *team) {
  return team->idle == 0 && team_computing(team) == 0 && team->thread_count < team->limit;
}

void team_reserve(struct team *team) {
  team->thread_count++;
  team->starting++;
}

int team_wants_thread(struct team *team) {
  if (!team_starving(team) || !queue_there(&team->queue))
    return 0;
  team_reserve(team);
  return 1;
}

static void unlist(struct member *m) {
  struct team *team = m->team;
  *(m->before == NULL ? &team->first : &m->before->after) = m->after;
  *(m->after == NULL ? &team->last : &m->after->before) = m->before;
  m->listed = 0;
}

void team_list(struct member *m) {
  struct team *team = m->team;
  if (m->listed)
    unlist(m);
  if (!m->in_task || m->blocked)
    return;
  m->before = team->last;
  m->after = NULL;
  *(team->last == NULL ? &team->first : &team->last->after) = m;
  team->last = m;
  m->listed = 1;
}

/* Twice what waits, and one: the parent's round trips then double the threads each time. */
void team_tell_capacity(struct team *team) {
  int capacity = team->blocked < team->limit / 2 ? 2 * team->blocked + 1 : team->limit;
  atomic_store_explicit(&team->link->control->capacity, capacity, memory_order_relaxed);
}

void team_ring_parent(struct team *team) {
  if (bell_armed(&team->link->control->parent_asleep))
    doorbell_ring(team->link->bell);
}

/* Somebody is about to wait for tasks: the listener must hear of new ones. True when there are some already. */
int team_arm(struct team *team) {
  bell_arm(&team->link->control->worker_asleep);
  return queue_there(&team->queue);
}

int team_replace(struct team *team, int *ring) {
  int grow = team_wants_thread(team);
  if (team->idle > 0 && queue_there(&team->queue))
    pthread_cond_signal(&team->tasks); /* what was shared out comes without a ring */
  if (grow || team_computing(team) > 0)
    return grow;
  if (team_starving(team) && team_arm(team))
    return team_wants_thread(team); /* came between the look and the arming */
  if (!queue_there(&team->queue) && (team->idle > 0 || team->thread_count < team->limit))
    *ring = 1; /* it sees the capacity and sends more, if it has any */
  return 0;
}

void team_wait_for(struct team *team, pthread_cond_t *condition) {
  if (team->listen_alone == NULL) {
    pthread_cond_wait(condition, &team->lock);
    return;
  }
  pthread_mutex_unlock(&team->lock);
  team->listen_alone(team->listen_context);
  pthread_mutex_lock(&team->lock);
}

/* -- waiting --------------------------------------------------------------- */

/* team thread, about to wait in a task: somebody else may compute meanwhile */
static void begin_blocking(struct blocking *b) {
  struct member *m = of_blocking(b);
  struct team *team = m->team;
  int grow, ring;
  if (team->options.before_wait != NULL)
    team->options.before_wait();
  atomic_store_explicit(&m->seat->at_ease, 1, memory_order_relaxed);
  pthread_mutex_lock(&team->lock);
  if (!m->blocked) {
    m->blocked = 1;
    team->blocked++;
    team_list(m);
    team_tell_capacity(team);
  }
  if (team->options.stamped) {
    m->blocked_at = clock_now();
    if (m->wait_at == 0)
      m->wait_at = m->blocked_at;
  }
  ring = exchange_share(m);
  grow = team_replace(team, &ring);
  if (grow)
    team->budget = team->blocked / 4; /* where many wait, more will: threads are added side by side */
  pthread_mutex_unlock(&team->lock);
  if (ring)
    team_ring_parent(team);
  if (grow)
    team_grow(team);
}

static void end_blocking(struct blocking *b) {
  struct member *m = of_blocking(b);
  atomic_store_explicit(&m->seat->at_ease, 0, memory_order_relaxed);
  if (m->team->options.stamped)
    m->waited_ns += clock_now() - m->blocked_at;
  pthread_mutex_lock(&m->team->lock);
  if (m->blocked) {
    m->blocked = 0;
    m->team->blocked--;
    team_list(m);
    team_tell_capacity(m->team);
  }
  pthread_mutex_unlock(&m->team->lock);
}

/* -- threads ---------------------------------------------------------------- */

static int kernel_id(void) {
#ifdef SYS_gettid
  return (int)syscall(SYS_gettid);
#else
  return 0; /* no /proc to look it up in either */
#endif
}

/* splitmix64 (Steele, Lea, Flood 2014): neighbouring numbers give unrelated seeds */
static uint64_t mixed(uint64_t x) {
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static enum status open_state(struct member *m, void *arena) {
  struct state_options options = m->team->options.state;
  options.arena = arena;
  options.arena_size = ARENA_SIZE;
  if (!options.per_task_seed)
    options.seed = mixed(options.seed + (uint64_t)m->number);
  m->preparing = options.has_init;
  return state_open(&m->state, m->team->options.snapshot, &options);
}

/* No memory for a state. True: the others do without this thread. One that is reserved may yet be refused. */
static int may_leave(struct member *m) {
  struct team *team = m->team;
  int leave;
  pthread_mutex_lock(&team->lock);
  leave = team->thread_count - team->starting > 1 && exchange_leave(m);
  if (leave) {
    team->limit = --team->thread_count;
    team_tell_capacity(team);
    pthread_cond_broadcast(
        &team->tasks); /* it gave tasks back, or was the last that worked when no more come */
  }
  pthread_mutex_unlock(&team->lock);
  return leave;
}

/* The last thread, without a state: one task fails, then it is tried again. OK CLOSED */
static enum status fail_one(struct member *m) {
  static const struct buffer nothing = {0};
  struct job job;
  enum status status = m->port.take(&m->port, &job);
  if (status == STATUS_OK)
    m->port.reply(&m->port, &job, VERDICT_MEMORY, &nothing);
  return status;
}

void team_exit(void) {
  streams_leave();
  _exit(0);
}

/* The thread has no more to do; the last one takes the process along. */
static void depart(struct member *m) {
  int left;
  pthread_mutex_lock(&m->team->lock);
  left = --m->team->thread_count;
  pthread_mutex_unlock(&m->team->lock);
  if (left == 0)
    team_exit();
}

static void set_out(struct member *m, void *handler_stack) {
  pthread_mutex_lock(&m->team->lock);
  m->team->starting--;
  m->thread = pthread_self();
  m->tid = kernel_id();
  atomic_store_explicit(&m->seat->tid, m->tid, memory_order_relaxed);
  pthread_mutex_unlock(&m->team->lock);
  if (m->number > 0)
    home_enter(&m->team->home);
  blocking_install(&m->blocking);
  fatal_watch(&m->fatal, handler_stack);
}

/* Signal handlers on this thread find it until it is NULL. */
static void close_state(struct member *m) {
  struct state *state = m->state;
  m->state = NULL;
  state_close(&state);
}

/* team thread; ends with the process, or when the system has no memory for its state */
static void *thread_main(void *argument) {
  struct member *m = argument;
  enum status status = STATUS_OK;
  char handler_stack[FATAL_STACK]; /* far from where an overflow happens; no memory until it is used */
  char arena[ARENA_SIZE] __attribute__((aligned(16)));
  set_out(m, handler_stack);
  for (;;) {
    if (open_state(m, arena) == STATUS_OK)
      status = state_serve(m->state, &m->port); /* until the state is spent */
    else if (may_leave(m))
      break;
    else
      status = fail_one(m);
    if (status == STATUS_CLOSED && m->state != NULL)
      state_exit(m->state);
    exchange_settle(m);
    close_state(m);
    if (status == STATUS_CLOSED) {
      depart(m);
      break;
    }
  }
  fatal_watch(NULL, NULL);
  return NULL;
}

static struct member *new_member(struct team *team) {
  struct member *m = calloc(1, sizeof *m);
  if (m == NULL)
    return NULL;
  m->port = exchange_port;
  m->blocking = (struct blocking){begin_blocking, end_blocking};
  if (team->options.stamped && buffer_reserve(&m->stamped, sizeof(struct stamp)) != STATUS_OK) {
    free(m);
    return NULL;
  }
  bite_init(&m->bite);
  m->team = team;
  return m;
}

/* Under the lock. */
static void enlist(struct team *team, struct member *m) {
  m->number = team->members == NULL ? 0 : team->members->number + 1;
  m->seat = &team->link->seats[m->number];
  m->fatal = (struct fatal){.control = team->link->control, .seat = m->seat, .state = &m->state};
  m->fatal.place = team->link->places[m->number];
  m->next = team->members;
  team->members = m;
  if (m->number == 1)
    team->stack_size = stack_size();
  atomic_store_explicit(&team->link->control->thread_count, m->number + 1, memory_order_relaxed);
}

/* Refused: the team goes on with those it has; they may have departed meanwhile, and left the end to us. */
void team_grow(struct team *team) {
  struct member *m = new_member(team);
  int left;
  if (m != NULL) {
    pthread_mutex_lock(&team->lock);
    enlist(team, m);
    pthread_mutex_unlock(&team->lock);
    if (stack_start_thread(team->stack_size, thread_main, m) == 0)
      return;
  }
  pthread_mutex_lock(&team->lock);
  team->starting--;
  left = team->limit = --team->thread_count;
  team_tell_capacity(team);
  pthread_mutex_unlock(&team->lock);
  if (left == 0)
    team_exit();
}

void team_prepare(void) {
  static const struct forks_handlers handlers = {.in_child = be_stray};
  forks_watch(FORKS_TEAM, &handlers);
}

/* Half a ring holds them all, and one more. */
static size_t reply_most(size_t ring_size) {
  size_t most = ring_size / 2 - MESSAGE_HEADER - MEMBER_REPLY_MOST - RUN_HEAD_MOST;
  return most < REPLIES_KEPT ? most : REPLIES_KEPT;
}

static void init(struct team *team, const struct team_options *options) {
  team_prepare();
  if (team_stray)
    team_stray = 0; /* we are a fork ourselves */
  team->options = *options;
  team->pid = getpid();
  team->link = options->link;
  team->limit = options->thread_limit;
  team->sample_ms = SAMPLE_MS_LEAST;
  if (team->limit > 1)
    home_note(&team->home);
  pthread_mutex_init(&team->lock, NULL);
  pthread_cond_init(&team->tasks, NULL);
  pthread_cond_init(&team->room, NULL);
  queue_init(&team->queue, team->link->tasks, team->link->layout.ring_size);
  team->reply_most = reply_most(team->link->layout.ring_size);
  ring_writer_init(&team->replies, team->link->replies, team->link->layout.ring_size);
}

enum status team_open(struct team **box, const struct team_options *options) {
  struct team *team = calloc(1, sizeof *team);
  struct member *m;
  if (team == NULL)
    return STATUS_NOMEM;
  init(team, options);
  m = new_member(team);
  if (m == NULL) {
    free(team);
    return STATUS_NOMEM;
  }
  team_reserve(team);
  enlist(team, m);
  *box = team;
  return STATUS_OK;
}

void team_join(struct team *team, void (*listen_alone)(void *), void *context) {
  if (listen_alone != NULL) { /* there is no listener: no further thread can be had either */
    team->limit = 1;
    team->listen_alone = listen_alone;
    team->listen_context = context;
  }
  thread_main(team->members);
}

void team_end(struct team *team) {
  pthread_mutex_lock(&team->lock);
  team->queue.ending = 1;
  pthread_cond_broadcast(&team->tasks);
  pthread_mutex_unlock(&team->lock);
}

void team_has_listener(struct team *team) {
  pthread_mutex_lock(&team->lock);
  team->listen_alone = NULL;
  pthread_mutex_unlock(&team->lock);
}

int team_busy(struct team *team) {
  int busy;
  pthread_mutex_lock(&team->lock);
  busy = team->busy > 0;
  pthread_mutex_unlock(&team->lock);
  return busy;
}
