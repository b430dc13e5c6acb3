#include "config.h"
#include "transport_fork.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "forks.h"
#include "groups.h"
#include "mask.h"
#include "port.h"
#include "streams.h"

#define RING_SIZE_LEAST  ((size_t)4096)
#define TURN             64 /* replies taken from one worker before the next one's turn */
#define NAP_NS           30000 /* instead of a sleep while replies come thick: saves the workers' wake-up calls */
#define NAP_AFTER        16   /* replies since the last sleep that make a nap worth it */
#define DEAF_ROUNDS      64   /* of receiving without sleep, after which it is looked who died */
#define EXIT_PATIENCE_MS 2000 /* for a worker that was asked to leave */

enum life { LIFE_NONE, LIFE_RUNNING, LIFE_LEAVING /* its end of the bell is closed; replies may remain */ };

struct process {
  enum life life;
  pid_t pid;
  int pidfd;    /* readable at the process's death, also when a child of a task holds the bell; -1: none */
  int capacity; /* as last told */
  int garbage;  /* wrote nonsense */
  uint64_t answered; /* tasks */
  int64_t started;   /* clock_now() */
  long number;       /* of this life in the tally */
  int retired;       /* was told that nothing more comes */
  int sent_some;     /* tasks, since it was last looked whether it sleeps */
  int took_some;     /* replies, since then */
  struct link link;
  int far_bell; /* the worker's end, until it is forked; -1: not open */
  struct inbox inbox;
  struct ring_writer tasks;
  size_t sent;            /* of the message `sending` */
  struct message sending; /* accepted, only partly in the ring; size_t sent != 0 */
};

struct transport_fork {
  struct transport base;
  struct fork_options options;
  struct link_layout layout;
  unsigned char *memory;
  struct process *processes; /* worker_count */
  struct pollfd *polls;      /* 2 * worker_count */
  int turn;                  /* whose replies are taken */
  int taken;                 /* in this turn */
  int armed;                 /* the workers are to ring */
  unsigned hasty;            /* calls of receive that found nothing and did not sleep */
  int burst;                 /* replies since the last sleep */
  int signal;                /* that rings also send to signal_thread; 0: none */
  pid_t signal_thread;
  struct groups left; /* by workers that have ended in order */
  pid_t owner; /* the process that opened it: a child that its host forks must leave the workers alone */
  int held;    /* the worker whose reply the caller looks at, -1 */
  struct message reply;
  struct transport_fork *next_open; /* parent: list of all, so that a child can close their bells */
};

/* All open transports of this process, and its own end when it is a worker itself: a child must close them, or somebody
   would miss a death. */
static struct transport_fork *all_open;
static int own_bell = -1;
static pthread_mutex_t all_open_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_all(void) {
  pthread_mutex_lock(&all_open_lock);
}

static void unlock_all(void) {
  pthread_mutex_unlock(&all_open_lock);
}

static struct transport_fork *self(struct transport *t) {
  return (struct transport_fork *)t;
}

/* -- birth -------------------------------------------------------------- */

static void close_fd(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}

/* child: nothing of any map of the parent may be kept open. */
static void close_inherited(void) {
  struct transport_fork *f;
  int i;
  for (f = all_open; f != NULL; f = f->next_open)
    for (i = 0; i < f->options.worker_count; i++) {
      close_fd(&f->processes[i].link.bell);
      close_fd(&f->processes[i].far_bell);
      close_fd(&f->processes[i].pidfd);
    }
  all_open = NULL;
  if (own_bell >= 0)
    close(own_bell);
}

/* child: the script's handlers and groups are not the worker's. Ctrl-C reaches the parent, which decides. */
static void become_worker(void) {
  static const int defaults[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGALRM,
                                 SIGUSR1, SIGUSR2, SIGURG, SIGCHLD};
  sigset_t none;
  size_t i;
  setpgid(0, 0);
  mask_release();
  for (i = 0; i < sizeof defaults / sizeof *defaults; i++)
    signal(defaults[i], SIG_DFL);
  signal(SIGTTIN,
         SIG_IGN); /* in a group of its own it may not read from the terminal: an error, not a stop */
  signal(SIGTTOU, SIG_IGN); /* but it may write */
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int open_pidfd(pid_t pid) {
#ifdef SYS_pidfd_open
  return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
#else
  (void)pid;
  return -1;
#endif
}

/* In the child: never returns. */
static void be_worker(struct transport_fork *f, struct process *p, int worker, int parent) {
  struct link link = p->link;
  link.bell = p->far_bell;
  p->far_bell = -1;
  streams_forget();
  close_inherited();
  own_bell = link.bell;
  become_worker();
  f->options.main(&link, worker, parent, f->options.context);
  _exit(127); /* main never returns */
}

/* Under the lock, so that no other thread's fork inherits an end unseen. OK SYSTEM */
static enum status open_ends(struct process *p) {
  int ends[2];
  enum status status;
  lock_all();
  status = doorbell_open(ends);
  if (status == STATUS_OK) {
    p->link.bell = ends[0];
    p->far_bell = ends[1];
  }
  unlock_all();
  return status;
}

static void close_ends(struct process *p) {
  lock_all();
  close_fd(&p->link.bell);
  close_fd(&p->far_bell);
  close_fd(&p->pidfd);
  unlock_all();
}

/* The worker's end is the worker's alone. */
static void keep_near_end(struct process *p, pid_t pid) {
  lock_all();
  close_fd(&p->far_bell);
  p->pidfd = open_pidfd(pid);
  unlock_all();
}

/* The parent's new end is in p->link.bell. The fork itself takes the lock (forks.h). */
static pid_t fork_worker(struct transport_fork *f, struct process *p, int worker) {
  pid_t parent = getpid(), pid;
  int saved;
  streams_flush();
  if (open_ends(p) != STATUS_OK)
    return -1;
  pid = fork();
  if (pid == 0)
    be_worker(f, p, worker, parent);
  saved = errno;
  if (pid < 0)
    close_ends(p);
  else
    keep_near_end(p, pid);
  errno = saved;
  return pid;
}

/* A ring of this bell sends a signal as well. */
static void make_loud(const struct transport_fork *f, int bell) {
#if defined(F_SETSIG) && defined(F_SETOWN_EX)
  struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = f->signal_thread};
  fcntl(bell, F_SETOWN_EX, &owner);
  fcntl(bell, F_SETSIG, f->signal);
#else
  fcntl(bell, F_SETOWN, getpid()); /* SIGIO */
#endif
  fcntl(bell, F_SETFL, fcntl(bell, F_GETFL) | O_ASYNC);
}

void transport_fork_notify(struct transport *t, int signal_number) {
  struct transport_fork *f = self(t);
  int i;
  f->signal = signal_number;
#ifdef SYS_gettid
  f->signal_thread = (pid_t)syscall(SYS_gettid);
#endif
  for (i = 0; i < f->options.worker_count; i++)
    if (f->processes[i].life != LIFE_NONE)
      make_loud(f, f->processes[i].link.bell);
}

static enum status start(struct transport *t, int worker) {
  struct transport_fork *f = self(t);
  struct process *p = &f->processes[worker];
  pid_t pid;
  link_reset(&p->link);
  pid = fork_worker(f, p, worker);
  if (pid < 0)
    return STATUS_SYSTEM;
  setpgid(pid, pid); /* here too: whoever comes first */
  p->pid = pid;
  if (f->signal != 0)
    make_loud(f, p->link.bell);
  if (f->armed)
    bell_arm(&p->link.control->parent_asleep);
  p->life = LIFE_RUNNING;
  p->capacity = 0;
  p->retired = 0;
  p->garbage = p->sent_some = p->took_some = 0;
  p->answered = 0;
  p->started = clock_now();
  p->number = f->options.tally == NULL ? -1 : tally_start(f->options.tally, worker, pid, p->started);
  p->sent = 0;
  inbox_release(&p->inbox);
  ring_reader_init(&p->inbox.reader, p->link.replies, f->layout.ring_size);
  ring_writer_init(&p->tasks, p->link.tasks, f->layout.ring_size);
  return STATUS_OK;
}

/* -- death -------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* What it says of itself, as far as it can be true. */
static void read_life(const struct transport_fork *f, const struct process *p, struct tally_worker *life) {
  const struct control *c = p->link.control;
  uint64_t wall = (uint64_t)(clock_now() - p->started);
  int i, threads = atomic_load_explicit(&c->thread_count, memory_order_relaxed);
  threads = threads < 1 ? 1 : threads < f->options.thread_limit ? threads : f->options.thread_limit;
  *life = (struct tally_worker){.pid = p->pid, .lives = 1, .threads = threads, .tasks = p->answered};
  life->working_ns =
      least(atomic_load_explicit(&c->working_ns, memory_order_relaxed), wall * (uint64_t)threads);
  for (i = 0; i < TALLY_SLOW; i++)
    tally_slow(life->slow, atomic_load_explicit(&c->slow_index[i], memory_order_relaxed),
               least(atomic_load_explicit(&c->slow_ns[i], memory_order_relaxed), wall));
}

static uint64_t nanoseconds(const struct timeval *t) {
  return (uint64_t)t->tv_sec * (uint64_t)CLOCK_SECOND + (uint64_t)t->tv_usec * 1000;
}

/* The wait status, or -1 when someone else reaped the child (a script that waits, or SIGCHLD ignored). */
static int reap(struct transport_fork *f, struct process *p) {
  struct rusage used = {0};
  struct tally_worker life;
  int status;
  pid_t pid;
  do
    pid = wait4(p->pid, &status, 0, &used);
  while (pid < 0 && errno == EINTR);
  if (f->options.tally != NULL) {
    read_life(f, p, &life);
    life.cpu_ns = nanoseconds(&used.ru_utime) + nanoseconds(&used.ru_stime);
    tally_add(&f->options.tally->workers[p - f->processes], &life);
    tally_stop(f->options.tally, p->number, clock_now());
  }
  return pid == p->pid ? status : -1;
}

static void forget(struct process *p) {
  close_ends(p);
  p->life = LIFE_NONE;
  p->sent = 0;
  inbox_release(&p->inbox);
}

static void kill_group(const struct process *p) {
  kill(-p->pid, SIGKILL); /* what its tasks had started goes too */
  kill(p->pid, SIGKILL);
}

/* Waits for its end. True when that was in order, and when nobody knows: someone else reaped it. */
static int left_in_order(const struct process *p) {
  siginfo_t end = {0};
  while (waitid(P_PID, (id_t)p->pid, &end, WEXITED | WNOWAIT) < 0)
    if (errno != EINTR)
      return 1;
  return end.si_code == CLD_EXITED && end.si_status == 0;
}

static void note_culprit(const struct process *p, struct loss *loss) {
  const struct control *c = p->link.control;
  /* pairs with the release of whoever noted it; the process is dead anyway */
  loss->culprit = atomic_load_explicit(&c->fault_index, memory_order_acquire);
  if (loss->culprit == 0)
    return;
  loss->timed_out = atomic_load_explicit(&c->fault_timeout, memory_order_relaxed);
  memcpy(loss->trace, c->fault_trace, sizeof loss->trace);
  loss->trace[sizeof loss->trace - 1] = '\0';
}

static void bury(struct transport_fork *f, struct process *p, struct loss *loss) {
  int status, in_order = p->retired && left_in_order(p);
  if (!in_order)
    kill_group(p);
  status = reap(f, p);
  if (in_order) /* what it has left running stays, unless the map is cancelled */
    groups_note(&f->left, p->pid);
  *loss = (struct loss){.exit_code = -1, .garbage = p->garbage};
  if (status != -1 && WIFSIGNALED(status))
    loss->signal = WTERMSIG(status);
  else if (status != -1)
    loss->exit_code = WEXITSTATUS(status);
  note_culprit(p, loss);
  forget(p);
}

/* Its seats are as it left them until it is started again. */
static uint64_t running(struct transport *t, int worker, int *place) {
  const struct link *link = &self(t)->processes[worker].link;
  int used = atomic_load_explicit(&link->control->thread_count, memory_order_relaxed);
  while (*place < used && *place < link->layout.thread_limit) {
    uint64_t index = atomic_load_explicit(&link->seats[(*place)++].index, memory_order_relaxed);
    if (index != 0)
      return index;
  }
  return 0;
}

static void give_up(struct process *p) {
  if (p->life == LIFE_NONE)
    return;
  kill_group(p);
  p->life = LIFE_LEAVING;
}

static void drop(struct transport *t, int worker) {
  struct process *p = &self(t)->processes[worker];
  p->garbage = 1;
  give_up(p);
}

/* A position that cannot be true was not written by a worker in its right mind: nothing is on its way. */
static int quiet(struct transport *t, int worker) {
  struct process *p = &self(t)->processes[worker];
  size_t size, room = ring_room(&p->tasks, p->tasks.size);
  int mad = room == 0 && p->tasks.written - p->tasks.taken > p->tasks.size;
  int unread = room < p->tasks.size && !mad;
  return !unread && (ring_peek(&p->inbox.reader, 1, &size) != STATUS_OK || size == 0);
}

/* A full ring can wait no longer than until stop, which hangs up. */
static void retire(struct transport *t, int worker) {
  static const struct message end = {.kind = MESSAGE_END};
  struct process *p = &self(t)->processes[worker];
  if (p->sent == 0 && message_send(&p->tasks, &end, &p->sent) == STATUS_OK)
    p->sent_some = p->retired = 1;
}

/* -- tasks out ---------------------------------------------------------- */

static enum status send_rest(struct process *p) {
  enum status status;
  if (p->sent == 0)
    return STATUS_OK;
  status = message_send(&p->tasks, &p->sending, &p->sent);
  p->sent_some = 1;
  return status;
}

static enum status send_task(struct transport *t, int worker, const struct message *m) {
  struct process *p = &self(t)->processes[worker];
  if (p->life != LIFE_RUNNING)
    return STATUS_CLOSED;
  if (send_rest(p) != STATUS_OK)
    return STATUS_AGAIN;
  if (message_send(&p->tasks, m, &p->sent) != STATUS_OK) {
    if (p->sent == 0)
      return STATUS_AGAIN;
    p->sending = *m; /* a long one: the rest follows from receive */
  }
  p->sent_some = 1;
  return STATUS_OK;
}

static void wake(struct process *p) {
  struct control *c = p->link.control;
  if (p->life == LIFE_RUNNING &&
      ((p->sent_some && bell_armed(&c->worker_asleep)) || (p->took_some && bell_armed(&c->room_wanted))))
    doorbell_ring(p->link.bell);
  p->sent_some = p->took_some = 0;
}

static void flush(struct transport *t) {
  struct transport_fork *f = self(t);
  int i;
  for (i = 0; i < f->options.worker_count; i++)
    wake(&f->processes[i]);
}

/* -- replies in --------------------------------------------------------- */

static void let_go(struct transport_fork *f) {
  struct process *p;
  if (f->held < 0)
    return;
  p = &f->processes[f->held];
  message_done(&p->inbox, &f->reply, NULL);
  p->took_some = 1;
  f->held = -1;
}

/* No worker writes that: something in it has overwritten the ring. A reply to a task that it does not have whole yet is
   nonsense too: the rest of the task's bytes is still needed. */
static int is_nonsense(const struct process *p, const struct message *m) {
  uint64_t count = m->run > 0 ? m->run : 1;
  if (m->kind == MESSAGE_RUN ? m->run == 0 : m->run > 0 || m->kind < VERDICT_DONE || m->kind > VERDICT_FATAL)
    return 1;
  return m->index == 0 || (p->sent != 0 && p->sending.index - m->index < count);
}

/* OK; AGAIN; CLOSED: the ring cannot be followed any more; NOMEM */
static enum status take_reply(struct process *p, struct message *reply) {
  enum status status = message_receive(&p->inbox, reply);
  if (p->inbox.gathering ? is_nonsense(p, &p->inbox.head) : status == STATUS_OK && is_nonsense(p, reply))
    return STATUS_CLOSED;
  return status;
}

/* What the worker says, as far as it can be true. */
static int capacity_of(const struct transport_fork *f, const struct process *p) {
  int capacity = atomic_load_explicit(&p->link.control->capacity, memory_order_relaxed);
  return capacity < 1 ? 1 : capacity < f->options.thread_limit ? capacity : f->options.thread_limit;
}

/* One worker's next event. AGAIN: none. */
static enum status look(struct transport_fork *f, int worker, struct event *event) {
  struct process *p = &f->processes[worker];
  enum status status;
  int capacity;
  status = take_reply(p, &f->reply);
  event->worker = worker;
  if (status == STATUS_OK) {
    event->kind = EVENT_RESULT;
    event->message = f->reply;
    f->held = worker;
    p->answered += f->reply.run > 0 ? f->reply.run : 1;
    f->burst++;
    return STATUS_OK;
  }
  if (p->inbox.gathering)
    p->took_some = 1; /* room was made for the rest of a long reply */
  if (status != STATUS_AGAIN) {
    p->garbage = status != STATUS_NOMEM;
    give_up(p);
  }
  if (p->life == LIFE_LEAVING) { /* only now that its last replies are out */
    event->kind = EVENT_LOST;
    bury(f, p, &event->loss);
    return STATUS_OK;
  }
  capacity = capacity_of(f, p);
  if (capacity != p->capacity) {
    event->kind = EVENT_ADDED;
    event->capacity = p->capacity = capacity;
    return STATUS_OK;
  }
  send_rest(p);
  wake(p);
  return STATUS_AGAIN;
}

static enum status look_round(struct transport_fork *f, struct event *event) {
  int i;
  for (i = 0; i <= f->options.worker_count; i++) {
    if (f->taken++ < TURN && f->processes[f->turn].life != LIFE_NONE && look(f, f->turn, event) == STATUS_OK)
      return STATUS_OK;
    f->turn = (f->turn + 1) % f->options.worker_count;
    f->taken = 0;
  }
  return STATUS_AGAIN;
}

int transport_fork_arm(struct transport *t) {
  struct transport_fork *f = self(t);
  int i;
  let_go(f);
  flush(t);
  f->armed = 1;
  for (i = 0; i < f->options.worker_count; i++)
    if (f->processes[i].life != LIFE_NONE)
      bell_arm(&f->processes[i].link.control->parent_asleep);
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    size_t size = 0;
    if (p->life == LIFE_NONE)
      continue;
    if (p->life == LIFE_LEAVING || ring_peek(&p->inbox.reader, 1, &size) != STATUS_OK ||
        (p->inbox.gathering ? size > 0 : size >= MESSAGE_HEADER) || capacity_of(f, p) != p->capacity)
      return 1;
    if (p->sent != 0 && ring_room(&p->tasks, f->layout.ring_size / 2) >= f->layout.ring_size / 2)
      return 1;
  }
  return 0;
}

static void disarm(struct transport_fork *f) {
  int i;
  if (!f->armed)
    return;
  f->armed = 0;
  for (i = 0; i < f->options.worker_count; i++)
    bell_disarm(&f->processes[i].link.control->parent_asleep);
}

static int pollset(struct transport_fork *f) {
  int i, n = 0;
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    if (p->life == LIFE_NONE)
      continue;
    f->polls[n++] = (struct pollfd){.fd = p->link.bell, .events = POLLIN};
    if (p->pidfd >= 0)
      f->polls[n++] = (struct pollfd){.fd = p->pidfd, .events = POLLIN};
  }
  return n;
}

int transport_fork_bells(struct transport *t, int *fds, int most) {
  struct transport_fork *f = self(t);
  int i, n = pollset(f);
  for (i = 0; i < n && i < most; i++)
    fds[i] = f->polls[i].fd;
  return n;
}

/* Who rang, who died. */
static void answer(struct transport_fork *f) {
  int i, n = 0;
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    int gone = 0;
    if (p->life == LIFE_NONE)
      continue;
    if (f->polls[n++].revents != 0)
      gone = doorbell_clear(p->link.bell) == STATUS_CLOSED;
    if (p->pidfd >= 0)
      gone |= f->polls[n++].revents != 0;
    if (gone)
      p->life = LIFE_LEAVING;
  }
}

static void listen_briefly(struct transport_fork *f) {
  int n = pollset(f);
  if (poll(f->polls, (nfds_t)n, 0) > 0)
    answer(f);
}

/* After transport_fork_arm: somebody else slept on the bells. */
static void hear(struct transport_fork *f) {
  if (f->armed) {
    disarm(f);
    listen_briefly(f);
  }
}

static int64_t nap_end(int64_t now, int64_t deadline) {
  int64_t end = now + NAP_NS;
  return end < deadline ? end : deadline;
}

/* Sleeps until rung or the deadline. errno EINTR: a signal came. */
static enum status rest(struct transport_fork *f, int64_t now, int64_t deadline) {
  struct timespec timeout;
  int n, ready, nap = f->burst >= NAP_AFTER;
  f->burst = 0;
  if (nap)
    deadline = nap_end(now, deadline);
  else if (transport_fork_arm(&f->base))
    return STATUS_OK;
  timeout.tv_sec = (deadline - now) / CLOCK_SECOND;
  timeout.tv_nsec = (deadline - now) % CLOCK_SECOND;
  n = pollset(f);
  ready = ppoll(f->polls, (nfds_t)n, deadline == CLOCK_NEVER ? NULL : &timeout, mask_asleep());
  disarm(f);
  if (ready > 0)
    answer(f);
  else if (ready < 0 && errno == EINTR)
    return STATUS_AGAIN;
  return STATUS_OK;
}

static enum status receive(struct transport *t, int64_t deadline, struct event *event) {
  struct transport_fork *f = self(t);
  int64_t now;
  let_go(f);
  hear(f);
  for (;;) {
    if (look_round(f, event) == STATUS_OK)
      return STATUS_OK;
    errno = 0;
    if (deadline == 0 && f->hasty++ % DEAF_ROUNDS == DEAF_ROUNDS - 1)
      listen_briefly(f);
    if (deadline == 0 || (now = clock_now()) >= deadline)
      return STATUS_AGAIN;
    if (rest(f, now, deadline) != STATUS_OK)
      return STATUS_AGAIN;
  }
}

/* -- for people --------------------------------------------------------- */

void transport_fork_tally(struct transport *t, struct tally_worker *workers) {
  struct transport_fork *f = self(t);
  struct timespec used;
  struct tally_worker life;
  clockid_t clock;
  int i;
  for (i = 0; i < f->options.worker_count; i++) {
    if (f->processes[i].life == LIFE_NONE)
      continue;
    read_life(f, &f->processes[i], &life);
    if (clock_getcpuclockid(f->processes[i].pid, &clock) == 0 && clock_gettime(clock, &used) == 0)
      life.cpu_ns = (uint64_t)used.tv_sec * (uint64_t)CLOCK_SECOND + (uint64_t)used.tv_nsec;
    tally_add(&workers[i], &life);
  }
}

/* The n-th of a worker's seats that were ever used; NULL: there are no more. */
static struct seat *seat_of(const struct process *p, int n) {
  const struct link *link = &p->link;
  int used = atomic_load_explicit(&link->control->thread_count, memory_order_relaxed);
  return p->life == LIFE_RUNNING && n < used && n < link->layout.thread_limit ? &link->seats[n] : NULL;
}

/* Calls visit for every seat with a task; returns for how many it said true. */
static int each_busy(struct transport_fork *f, int (*visit)(struct process *p, int n, struct seat *seat)) {
  struct seat *seat;
  int i, n, count = 0;
  for (i = 0; i < f->options.worker_count; i++)
    for (n = 0; (seat = seat_of(&f->processes[i], n)) != NULL; n++)
      /* pairs with the release in exchange.c's sit_down */
      if (atomic_load_explicit(&seat->index, memory_order_acquire) != 0)
        count += visit(&f->processes[i], n, seat);
  return count;
}

static int ask(struct process *p, int n, struct seat *seat) {
  int tid = atomic_load_explicit(&seat->tid, memory_order_relaxed);
  (void)n;
#ifdef SYS_tgkill
  return tid > 0 && syscall(SYS_tgkill, p->pid, tid, LINK_ASK_SIGNAL) == 0;
#else
  return (void)p, 0;
#endif
}

static int has_answered(const struct process *p, const struct seat *seat) {
  /* pairs with the release in fatal.c's tell */
  return atomic_load_explicit(&seat->answered, memory_order_acquire) ==
         atomic_load_explicit(&p->link.control->asked, memory_order_relaxed);
}

static int is_silent(struct process *p, int n, struct seat *seat) {
  (void)n;
  return !has_answered(p, seat);
}

void transport_fork_ask(struct transport *t, int64_t most_ns) {
  struct transport_fork *f = self(t);
  struct timespec nap = {0, 1000000};
  int64_t deadline = clock_now() + most_ns;
  int i;
  for (i = 0; i < f->options.worker_count; i++)
    if (f->processes[i].life == LIFE_RUNNING) /* no other writer: a plain step */
      atomic_store_explicit(&f->processes[i].link.control->asked,
                            atomic_load_explicit(&f->processes[i].link.control->asked, memory_order_relaxed) +
                                1,
                            memory_order_relaxed);
  if (each_busy(f, ask) > 0)
    while (each_busy(f, is_silent) > 0 && clock_now() < deadline)
      nanosleep(&nap, NULL);
}

int transport_fork_tasks(struct transport *t, struct running_task *tasks, int most) {
  struct transport_fork *f = self(t);
  struct seat *seat;
  int i, n, count = 0;
  for (i = 0; i < f->options.worker_count; i++)
    for (n = 0; (seat = seat_of(&f->processes[i], n)) != NULL; n++) {
      struct process *p = &f->processes[i];
      /* pairs with the release in exchange.c's sit_down */
      uint64_t index = atomic_load_explicit(&seat->index, memory_order_acquire);
      if (index == 0 || count++ >= most)
        continue;
      tasks[count - 1] = (struct running_task){.index = index, .pid = p->pid, .worker = i, .thread = n};
      tasks[count - 1].since = atomic_load_explicit(&seat->since, memory_order_relaxed);
      if (has_answered(p, seat))
        memcpy(tasks[count - 1].place, p->link.places[n], LINK_PLACE - 1);
    }
  return count;
}

/* -- end ---------------------------------------------------------------- */

/* Closing the bell asks a worker to flush its output and leave. */
static void dismiss(struct process *p, int64_t deadline) {
  struct pollfd gone = {.fd = p->pidfd, .events = POLLIN};
  int64_t left = (deadline - clock_now()) / 1000000;
  if (p->pidfd >= 0) {
    while (poll(&gone, 1, left > 0 ? (int)left : 0) < 0 && errno == EINTR)
      continue;
    if (gone.revents != 0)
      return;
  } else if (left > 0) {
    return; /* no way to wait with a limit: trust it */
  }
  kill_group(p);
}

static void leave_list(struct transport_fork *f) {
  struct transport_fork **at;
  lock_all();
  for (at = &all_open; *at != NULL; at = &(*at)->next_open)
    if (*at == f) {
      *at = f->next_open;
      break;
    }
  unlock_all();
}

static void end_workers(struct transport_fork *f, int gently) {
  int i;
  int patience_ms = f->options.patience_ms > 0 ? f->options.patience_ms : EXIT_PATIENCE_MS;
  int64_t deadline = clock_now() + patience_ms * INT64_C(1000000);
  if (!gently)
    groups_kill(&f->left);
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    if (p->life == LIFE_NONE)
      continue;
    if (!gently)
      kill_group(p);
    else if (!p->retired)
      doorbell_leave(p->link.bell);
  }
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    if (p->life == LIFE_NONE)
      continue;
    if (gently)
      dismiss(p, deadline);
    if (!left_in_order(p))
      kill_group(p);
    reap(f, p);
  }
}

static void stop(struct transport *t, int gently) {
  struct transport_fork *f = self(t);
  int i, saved = errno;
  if (f->owner == getpid())
    end_workers(f, gently);
  for (i = 0; i < f->options.worker_count; i++)
    forget(&f->processes[i]);
  leave_list(f);
  groups_release(&f->left);
  munmap(f->memory, f->layout.footprint * (size_t)f->options.worker_count);
  free(f->processes);
  free(f->polls);
  free(f);
  errno = saved;
}

static int pid_of(struct transport *t, int worker) {
  return (int)self(t)->processes[worker].pid;
}

static const struct transport_ops fork_ops = {start, send_task, flush,  receive, running,
                                              quiet, drop,      retire, pid_of,  stop};

/* Shared memory for all links; with smaller rings when there is little. */
static enum status share(struct transport_fork *f) {
  size_t ring_size;
  for (ring_size = f->options.ring_size; ring_size >= RING_SIZE_LEAST; ring_size /= 2) {
    void *memory;
    link_layout_init(&f->layout, ring_size, f->options.thread_limit);
    memory = mmap(NULL, f->layout.footprint * (size_t)f->options.worker_count, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
      f->memory = memory;
      f->base.run_size = ring_size / 2 - MESSAGE_HEADER;
      return STATUS_OK;
    }
  }
  return STATUS_NOMEM;
}

enum status transport_fork_open(struct transport **t, const struct fork_options *options) {
  static const struct forks_handlers handlers = {lock_all, unlock_all, unlock_all};
  struct transport_fork *f =
      forks_watch(FORKS_TRANSPORTS, &handlers) == STATUS_OK ? calloc(1, sizeof *f) : NULL;
  size_t count = (size_t)options->worker_count, i;
  if (f == NULL)
    return STATUS_NOMEM;
  f->base.ops = &fork_ops;
  f->options = *options;
  f->owner = getpid();
  f->held = -1;
  f->processes = calloc(count, sizeof *f->processes);
  f->polls = calloc(2 * count, sizeof *f->polls);
  if (f->processes == NULL || f->polls == NULL || share(f) != STATUS_OK) {
    free(f->processes);
    free(f->polls);
    free(f);
    return STATUS_NOMEM;
  }
  for (i = 0; i < count; i++) {
    f->processes[i].pidfd = f->processes[i].far_bell = -1;
    link_init(&f->processes[i].link, f->memory + i * f->layout.footprint, &f->layout);
  }
  lock_all();
  f->next_open = all_open;
  all_open = f;
  unlock_all();
  *t = &f->base;
  return STATUS_OK;
}
