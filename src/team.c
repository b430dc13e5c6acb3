#include "config.h"
#include "team.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blocking.h"
#include "clock.h"
#include "fatal.h"
#include "message.h"

#define STACK_SIZE      (1 << 20) /* Lua's own C stack check needs up to 416 KB */
#define HELD_KEEP       (1 << 16) /* bytes of buffers kept between tasks */
#define SAMPLE_MS_LEAST 1
#define SAMPLE_MS_MOST  50
#define SAMPLE_MOST     64         /* threads looked at in one go */
#define SEEN_MOST       1024       /* and passed by: the newest come first, the older ones mostly wait */
#define ARENA_SIZE      (24 << 10) /* bytes of a state's first memory, on its thread's stack */
#define EXIT_BROKEN     126
#define INTERRUPT_AGAIN 20000000 /* ns between two interruptions of the same task */

struct member {
  struct port port;         /* first: a port is its member */
  struct blocking blocking; /* finds its member by BLOCKING_MEMBER */
  struct team *team;
  struct member *next;
  struct seat *seat;
  int number;
  int tid;              /* the kernel's number, for team_sample; 0 until the thread runs */
  int in_task;          /* all below under the team's lock */
  int blocked;          /* counted in team->blocked */
  int asleep_at_sample; /* the kernel said so at the last look, in the same task */
  uint64_t sampled_index;
  pthread_t thread;    /* valid once tid is set */
  struct state *state; /* the thread's own */
  struct fatal fatal;
  struct job job;             /* the thread's own; index also read under the lock */
  struct buffer held;         /* the bytes of its task */
  const struct buffer *reply; /* not yet published */
  enum verdict verdict;
};

struct team {
  struct team_options options;
  struct link *link;
  pthread_mutex_t lock;
  pthread_cond_t tasks; /* idle threads wait: a task may be there */
  pthread_cond_t
      room; /* threads with a reply wait: the reply ring may have room, or another's long reply is through */
  struct inbox inbox;
  struct ring_writer replies;
  size_t sent; /* of the reply that is on its way in pieces */
  int sending; /* somebody's reply is */
  int thread_count, idle, blocked, room_waiters;
  int busy;                     /* threads with a task */
  int limit;                    /* thread_limit, or less when the system refuses */
  int ending;                   /* no more tasks will come */
  void (*listen_alone)(void *); /* the only thread listens itself while it waits; NULL: there is a listener */
  void *listen_context;
  int budget; /* threads to add one after the other while tasks are there (after a sample) */
  int sample_ms;
  struct member *members; /* newest first; never removed */
};

static void add_thread(struct team *team);

/* In a child that a task forked; written once there, in its only thread. */
static volatile int stray;

static void mark_stray(void) {
  stray = 1;
}

static struct member *of_port(struct port *port) {
  return (struct member *)port;
}

static struct member *of_blocking(struct blocking *b) {
  return (struct member *)((char *)b - offsetof(struct member, blocking));
}

/* -- under the lock: what is there, who is needed ------------------------- */

static int task_there(struct team *team) {
  size_t size;
  if (team->inbox.gathering)
    return ring_peek(&team->inbox.reader, 1, &size) == STATUS_OK && size > 0;
  return ring_peek(&team->inbox.reader, 16, &size) == STATUS_OK && size >= 16;
}

/* Threads that run, or are about to. */
static int computing(const struct team *team) {
  return team->thread_count - team->idle - team->blocked;
}

static int starving(const struct team *team) {
  return team->idle == 0 && computing(team) == 0 && team->thread_count < team->limit;
}

/* Reserves a thread when one is wanted; the caller starts it with add_thread after unlocking. */
static int want_thread(struct team *team) {
  if (!starving(team) || !task_there(team))
    return 0;
  team->thread_count++;
  return 1;
}

/* Twice what waits, and one: the parent's round trips then double the threads each time. */
static void tell_capacity(struct team *team) {
  int capacity = team->blocked < team->limit / 2 ? 2 * team->blocked + 1 : team->limit;
  atomic_store_explicit(&team->link->control->capacity, capacity, memory_order_relaxed);
}

static void ring_parent(struct team *team) {
  if (bell_armed(&team->link->control->parent_asleep))
    doorbell_ring(team->link->bell);
}

/* Somebody is about to wait for tasks: the listener must hear of new ones. True when there are some already. */
static int arm(struct team *team) {
  bell_arm(&team->link->control->worker_asleep);
  return task_there(team);
}

/* -- replies -------------------------------------------------------------- */

/* Waits for a signal on the condition; without a listener, for the doorbell itself. */
static void wait_for(struct team *team, pthread_cond_t *condition) {
  if (team->listen_alone == NULL) {
    pthread_cond_wait(condition, &team->lock);
    return;
  }
  pthread_mutex_unlock(&team->lock);
  team->listen_alone(team->listen_context);
  pthread_mutex_lock(&team->lock);
}

static void wait_room(struct team *team) {
  team->room_waiters++;
  wait_for(team, &team->room);
  team->room_waiters--;
}

/* Waits until the ring has room again; the parent must know that we wait for it. */
static void await_room(struct team *team) {
  bell_arm(&team->link->control->room_wanted);
  ring_parent(team);
  if (ring_room(&team->replies, team->replies.size / 2) < team->replies.size / 2)
    wait_room(team);
}

static void publish(struct member *m) {
  struct team *team = m->team;
  struct message reply = {
      .kind = (unsigned char)m->verdict, .attempt = m->job.attempt, .index = m->job.index};
  reply.bytes = m->reply->bytes;
  reply.size = m->reply->size;
  while (team->sending) /* a long reply goes through whole before another starts */
    wait_room(team);
  team->sending = 1;
  while (message_send(&team->replies, &reply, &team->sent) != STATUS_OK)
    await_room(team);
  team->sending = 0;
  if (team->room_waiters > 0)
    pthread_cond_broadcast(&team->room);
  m->reply = NULL;
}

static void reply(struct port *port, const struct job *job, enum verdict verdict,
                  const struct buffer *bytes) {
  struct member *m = of_port(port);
  (void)job; /* m->job */
  m->reply = bytes;
  m->verdict = verdict;
  /* published by the take that follows at once: one lock for both */
}

/* -- tasks ---------------------------------------------------------------- */

static void end_task(struct member *m) {
  m->team->busy -= m->in_task;
  m->in_task = 0;
}

static void leave_task(struct member *m) {
  atomic_store_explicit(&m->seat->index, 0, memory_order_relaxed);
  end_task(m);
  if (m->blocked) { /* by a sample, or by a longjmp out of a waiting function */
    m->blocked = 0;
    m->team->blocked--;
    tell_capacity(m->team);
  }
}

/* The bytes move to the thread: others may take from the ring before it is done. */
static enum status accept(struct member *m, const struct message *message) {
  enum status status = STATUS_OK;
  m->held.size = 0;
  if (m->team->inbox.gathering) {
    message_done(&m->team->inbox, message, &m->held);
  } else {
    buffer_reset(&m->held, HELD_KEEP);
    status = buffer_append(&m->held, message->bytes, message->size);
    message_done(&m->team->inbox, message, NULL);
  }
  m->job = (struct job){
      .index = message->index, .attempt = message->attempt, .bytes = m->held.bytes, .size = message->size};
  m->in_task = 1;
  m->team->busy++;
  return status;
}

/* A task that there is no memory for is answered at once. */
static void refuse(struct member *m) {
  static const struct buffer nothing = {0};
  m->reply = &nothing;
  m->verdict = VERDICT_MEMORY;
  end_task(m);
  publish(m);
  ring_parent(m->team); /* nobody else would */
}

/* OK AGAIN */
static enum status receive(struct member *m) {
  struct message message;
  enum status status;
  while ((status = message_receive(&m->team->inbox, &message)) == STATUS_OK) {
    if (message.kind == MESSAGE_END) {
      message_done(&m->team->inbox, &message, NULL);
      m->team->ending = 1;
      continue;
    }
    if (accept(m, &message) == STATUS_OK)
      return STATUS_OK;
    refuse(m);
  }
  if (m->team->inbox.gathering)
    ring_parent(m->team); /* of a long task there is more to come, and now room for it */
  if (status != STATUS_AGAIN)
    _exit(EXIT_BROKEN); /* the ring cannot be followed any more; the parent reports the code */
  return STATUS_AGAIN;
}

static void sit_down(struct member *m) {
  if (m->team->options.timeout_ns > 0)
    atomic_store_explicit(&m->seat->since, clock_now(), memory_order_relaxed);
  /* release: whoever reads the index (acquire, supervisor and parent) sees its own start time */
  atomic_store_explicit(&m->seat->index, m->job.index, memory_order_release);
}

static void idle_wait(struct team *team) {
  team->idle++;
  if (!arm(team))
    wait_for(team, &team->tasks);
  team->idle--;
}

/* After a sample: the next thread is added by the one that just found a task and sees more. */
static int spend_budget(struct team *team) {
  if (team->budget == 0 || team->idle > 0 || team->thread_count >= team->limit || !task_there(team))
    return 0;
  team->budget--;
  team->thread_count++;
  return 1;
}

/* The parent said that nothing more comes, and nobody works any more. */
static void leave(struct team *team, int replied) {
  if (replied)
    ring_parent(team);
  fflush(NULL);
  _exit(0);
}

/* team thread */
static enum status take(struct port *port, struct job *job) {
  struct member *m = of_port(port);
  struct team *team = m->team;
  int grow, replied = m->reply != NULL;
  if (stray)
    _exit(0); /* a task has forked, and this is its child, back from the task: it is no worker */
  pthread_mutex_lock(&team->lock);
  leave_task(m);
  if (replied)
    publish(m);
  while (receive(m) == STATUS_AGAIN) {
    if (team->ending && team->busy == 0)
      leave(team, replied);
    if (replied) /* nobody else would tell the parent */
      ring_parent(team);
    else
      idle_wait(team);
    replied = 0;
  }
  if (team->idle > 0 && task_there(team))
    pthread_cond_signal(&team->tasks); /* hand the wake-up on */
  grow = spend_budget(team);
  pthread_mutex_unlock(&team->lock);
  if (replied)
    ring_parent(team);
  if (grow)
    add_thread(team);
  sit_down(m);
  *job = m->job;
  return STATUS_OK;
}

/* -- waiting --------------------------------------------------------------- */

/* team thread, about to wait in a task: somebody else may compute meanwhile */
static void begin_blocking(struct blocking *b) {
  struct member *m = of_blocking(b);
  struct team *team = m->team;
  int grow;
  pthread_mutex_lock(&team->lock);
  if (!m->blocked) {
    m->blocked = 1;
    team->blocked++;
    tell_capacity(team);
  }
  grow = want_thread(team);
  if (grow)
    team->budget = team->blocked / 4; /* where many wait, more will: threads are added side by side */
  if (!grow && starving(team)) {
    arm(team);
    grow = want_thread(team); /* came between the look and the arming */
    if (!grow)
      ring_parent(team); /* it sees the capacity and sends more, if it has any */
  }
  pthread_mutex_unlock(&team->lock);
  if (grow)
    add_thread(team);
}

static void end_blocking(struct blocking *b) {
  struct member *m = of_blocking(b);
  pthread_mutex_lock(&m->team->lock);
  if (m->blocked) {
    m->blocked = 0;
    m->team->blocked--;
    tell_capacity(m->team);
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
  return state_open(&m->state, m->team->options.snapshot, &options);
}

/* No memory for a state. True: the others do without this thread. */
static int may_leave(struct team *team) {
  int leave;
  pthread_mutex_lock(&team->lock);
  leave = team->thread_count > 1;
  if (leave) {
    team->limit = --team->thread_count;
    tell_capacity(team);
  }
  pthread_mutex_unlock(&team->lock);
  return leave;
}

/* The last thread, without a state: one task fails, then it is tried again. */
static void fail_one(struct member *m) {
  static const struct buffer nothing = {0};
  struct job job;
  if (take(&m->port, &job) == STATUS_OK)
    reply(&m->port, &job, VERDICT_MEMORY, &nothing);
}

static void set_out(struct member *m, void *handler_stack) {
  pthread_mutex_lock(&m->team->lock);
  m->thread = pthread_self();
  m->tid = kernel_id();
  pthread_mutex_unlock(&m->team->lock);
  blocking_install(&m->blocking);
  fatal_watch(&m->fatal, handler_stack);
}

/* The state, and with it the bytes of its last reply, is about to go. */
static void settle(struct member *m) {
  if (m->reply == NULL)
    return;
  pthread_mutex_lock(&m->team->lock);
  leave_task(m);
  publish(m);
  pthread_mutex_unlock(&m->team->lock);
  ring_parent(m->team);
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
  char handler_stack[FATAL_STACK]; /* far from where an overflow happens; no memory until it is used */
  char arena[ARENA_SIZE] __attribute__((aligned(16)));
  set_out(m, handler_stack);
  for (;;) {
    if (open_state(m, arena) == STATUS_OK)
      state_serve(m->state, &m->port); /* until the state is spent */
    else if (may_leave(m->team))
      break;
    else
      fail_one(m);
    settle(m);
    close_state(m);
  }
  fatal_watch(NULL, NULL);
  return NULL;
}

static struct member *new_member(struct team *team) {
  struct member *m = calloc(1, sizeof *m);
  if (m == NULL)
    return NULL;
  m->port = (struct port){take, reply};
  m->blocking = (struct blocking){begin_blocking, end_blocking};
  m->team = team;
  return m;
}

static int launch(struct member *m) {
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error != 0)
    return error;
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  error = pthread_create(&thread, &attributes, thread_main, m);
  pthread_attr_destroy(&attributes);
  return error;
}

/* Under the lock. */
static void enlist(struct team *team, struct member *m) {
  m->number = team->members == NULL ? 0 : team->members->number + 1;
  m->seat = &team->link->seats[m->number];
  m->fatal = (struct fatal){.control = team->link->control, .seat = m->seat, .state = &m->state};
  m->next = team->members;
  team->members = m;
  atomic_store_explicit(&team->link->control->thread_count, m->number + 1, memory_order_relaxed);
}

/* Starts the thread that the caller has reserved in thread_count. Refused: the team goes on with those it has. */
static void add_thread(struct team *team) {
  struct member *m = new_member(team);
  if (m != NULL) {
    pthread_mutex_lock(&team->lock);
    enlist(team, m);
    pthread_mutex_unlock(&team->lock);
    if (launch(m) == 0)
      return;
  }
  pthread_mutex_lock(&team->lock);
  team->limit = --team->thread_count;
  tell_capacity(team);
  pthread_mutex_unlock(&team->lock);
}

/* In each worker anew: a worker's own worker starts as a stray. */
static void watch_strays(void) {
  static int watching;
  stray = 0;
  if (!watching)
    watching = pthread_atfork(NULL, NULL, mark_stray) == 0;
}

static void init(struct team *team, const struct team_options *options) {
  watch_strays();
  team->options = *options;
  team->link = options->link;
  team->limit = options->thread_limit;
  team->sample_ms = SAMPLE_MS_LEAST;
  pthread_mutex_init(&team->lock, NULL);
  pthread_cond_init(&team->tasks, NULL);
  pthread_cond_init(&team->room, NULL);
  ring_reader_init(&team->inbox.reader, team->link->tasks, team->link->layout.ring_size);
  ring_writer_init(&team->replies, team->link->replies, team->link->layout.ring_size);
}

enum status team_open(struct team **box, const struct team_options *options) {
  struct team *team = calloc(1, sizeof *team);
  struct member *m = team == NULL ? NULL : new_member(team);
  if (m == NULL) {
    free(team);
    return STATUS_NOMEM;
  }
  init(team, options);
  team->thread_count = 1;
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

/* -- the listener's part -------------------------------------------------------- */

void team_wake(struct team *team) {
  int grow;
  pthread_mutex_lock(&team->lock);
  bell_disarm(&team->link->control->worker_asleep);
  bell_disarm(&team->link->control->room_wanted); /* who is woken below and finds none arms it again */
  team->sample_ms = SAMPLE_MS_LEAST;
  if (team->idle > 0 || starving(team))
    arm(team); /* whoever is woken below looks for itself */
  if (team->idle > 0 && task_there(team))
    pthread_cond_signal(&team->tasks);
  if (team->room_waiters > 0)
    pthread_cond_broadcast(&team->room);
  grow = want_thread(team);
  pthread_mutex_unlock(&team->lock);
  if (grow)
    add_thread(team);
}

/* Does the kernel say that the thread sleeps? */
static int kernel_sleeps(int tid) {
  char path[64], text[128], *state;
  ssize_t size;
  int fd;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0)
    return 0;
  text[size] = '\0';
  state = strrchr(text, ')'); /* the name before it may hold anything */
  return state != NULL && state[1] == ' ' && (state[2] == 'S' || state[2] == 'D');
}

/* Twice asleep in the same task: it waits. */
static void sample_member(struct member *m) {
  int asleep = kernel_sleeps(m->tid);
  if (asleep && m->asleep_at_sample && m->sampled_index == m->job.index) {
    m->blocked = 1;
    m->team->blocked++;
  }
  m->asleep_at_sample = asleep;
  m->sampled_index = m->job.index;
}

int team_sample(struct team *team) {
  struct member *m;
  int looked = 0, seen = 0, before, grow = 0, again;
  pthread_mutex_lock(&team->lock);
  before = team->blocked;
  for (m = team->members; m != NULL && looked < SAMPLE_MOST && seen < SEEN_MOST; m = m->next, seen++)
    if (m->in_task && !m->blocked && m->tid != 0) {
      sample_member(m);
      looked++;
    }
  if (team->blocked > before) {
    team->sample_ms = SAMPLE_MS_LEAST;
    team->budget = team->thread_count / 2;
    tell_capacity(team);
    grow = want_thread(team);
    if (!grow && starving(team)) {
      arm(team);
      ring_parent(team);
    }
  } else if (team->sample_ms < SAMPLE_MS_MOST) {
    team->sample_ms *= 2;
  }
  again = computing(team) > 0 && team->thread_count < team->limit ? team->sample_ms : INT_MAX;
  pthread_mutex_unlock(&team->lock);
  if (grow)
    add_thread(team);
  return again;
}

/* -- deadlines ------------------------------------------------------------------ */

/* The whole process dies for one task that does not end; the parent runs the others again. */
static void overrun(struct member *m, uint64_t index) {
  fatal_overrun(&m->fatal, index);
  kill(0, SIGKILL);
}

/* Returns when to look at the member again. */
static int64_t check_member(struct member *m, int64_t now) {
  const struct team_options *o = &m->team->options;
  /* acquire: pairs with the release in sit_down; since is then of this task or of a later one */
  uint64_t index = atomic_load_explicit(&m->seat->index, memory_order_acquire);
  int64_t due = atomic_load_explicit(&m->seat->since, memory_order_relaxed) + o->timeout_ns;
  if (index == 0)
    return now + o->timeout_ns;
  if (now < due)
    return due;
  if (now - due >= o->kill_after_ns)
    overrun(m, index);
  fatal_interrupt(&m->fatal, m->thread, index); /* again and again: it may have been caught */
  return now + INTERRUPT_AGAIN;
}

int team_check_deadlines(struct team *team) {
  int64_t now, next;
  struct member *m;
  if (team->options.timeout_ns == 0)
    return INT_MAX;
  now = clock_now();
  next = now + team->options.timeout_ns;
  pthread_mutex_lock(&team->lock);
  for (m = team->members; m != NULL; m = m->next)
    if (m->in_task && m->tid != 0) {
      int64_t again = check_member(m, now);
      next = again < next ? again : next;
    }
  pthread_mutex_unlock(&team->lock);
  return (int)((next - now) / 1000000) + 1;
}

int team_busy(struct team *team) {
  int busy;
  pthread_mutex_lock(&team->lock);
  busy = team->busy > 0;
  pthread_mutex_unlock(&team->lock);
  return busy;
}
