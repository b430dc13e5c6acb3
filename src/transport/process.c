#include "config.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "dispositions.h"
#include "forks.h"
#include "mask.h"
#include "streams.h"
#include "terminal.h"

#define EXIT_PATIENCE_MS 2000 /* for a worker that was asked to leave */

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

enum status process_prepare(void) {
  static const struct forks_handlers handlers = {lock_all, unlock_all, unlock_all};
  return forks_watch(FORKS_TRANSPORTS, &handlers);
}

void process_list(struct transport_fork *f) {
  lock_all();
  f->next_open = all_open;
  all_open = f;
  unlock_all();
}

void process_unlist(struct transport_fork *f) {
  struct transport_fork **at;
  lock_all();
  for (at = &all_open; *at != NULL; at = &(*at)->next_open)
    if (*at == f) {
      *at = f->next_open;
      break;
    }
  unlock_all();
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
  setpgid(0, 0);
  terminal_at_end(NULL); /* the bar is the script's, and its signals are as without one */
  dispositions_of_worker();
  mask_release();
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
  int saved, held = mask_asleep() != NULL;
  streams_flush();
  if (open_ends(p) != STATUS_OK)
    return -1;
  mask_hold(); /* no handler of the script's acts in the child */
  pid = fork();
  if (pid == 0)
    be_worker(f, p, worker, parent);
  saved = errno;
  if (!held)
    mask_release();
  if (pid < 0)
    close_ends(p);
  else
    keep_near_end(p, pid);
  errno = saved;
  return pid;
}

void transport_fork_notify(struct transport *t, const struct recipient *to) {
  struct transport_fork *f = transport_fork_self(t);
  int i;
  f->notified = *to;
  for (i = 0; i < f->options.worker_count; i++)
    if (f->processes[i].life != LIFE_NONE)
      usher_add(to, f->processes[i].link.bell);
}

enum status process_start(struct transport *t, int worker) {
  struct transport_fork *f = transport_fork_self(t);
  struct process *p = &f->processes[worker];
  pid_t pid;
  link_reset(&p->link);
  pid = fork_worker(f, p, worker);
  if (pid < 0)
    return STATUS_SYSTEM;
  setpgid(pid, pid); /* here too: whoever comes first */
  p->pid = pid;
  usher_add(&f->notified, p->link.bell);
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

void process_read_life(const struct transport_fork *f, const struct process *p, struct tally_worker *life) {
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
    process_read_life(f, p, &life);
    life.cpu_ns = nanoseconds(&used.ru_utime) + nanoseconds(&used.ru_stime);
    tally_add(&f->options.tally->workers[p - f->processes], &life);
    tally_stop(f->options.tally, p->number, clock_now());
  }
  return pid == p->pid ? status : -1;
}

void process_forget(struct process *p) {
  close_ends(p);
  p->life = LIFE_NONE;
  p->sent = 0;
  inbox_release(&p->inbox);
}

void process_kill(const struct process *p) {
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

static int ended_by(int status, int number) {
  return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == number;
}

/* What was printed went into a pipe or a socket that nobody reads. */
static int reader_is_gone(void) {
  struct pollfd outputs[] = {{.fd = STDOUT_FILENO, .events = POLLOUT},
                             {.fd = STDERR_FILENO, .events = POLLOUT}};
  return poll(outputs, 2, 0) > 0 && ((outputs[0].revents | outputs[1].revents) & (POLLERR | POLLHUP)) != 0;
}

/* All workers of this process. */
static void kill_all(void) {
  struct transport_fork *f;
  int i;
  for (f = all_open; f != NULL; f = f->next_open)
    for (i = 0; f->owner == getpid() && i < f->options.worker_count; i++)
      if (f->processes[i].life != LIFE_NONE) {
        process_kill(&f->processes[i]);
        waitpid(f->processes[i].pid, NULL, 0);
      }
}

/* A worker's print has ended it, as the script's own would end the script; so it does. But a pipe or a socket that a task has for
   itself is no concern of the script. A worker that SIGPIPE can end has a script that it can end. */
static void follow(int status) {
  sigset_t number;
  if (!ended_by(status, SIGPIPE) || !reader_is_gone())
    return;
  lock_all();
  kill_all();
  unlock_all();
  sigemptyset(&number);
  sigaddset(&number, SIGPIPE);
  pthread_sigmask(SIG_UNBLOCK, &number, NULL);
  raise(SIGPIPE);
}

void process_bury(struct transport_fork *f, struct process *p, struct loss *loss) {
  int status, in_order = p->retired && left_in_order(p);
  if (!in_order)
    process_kill(p);
  status = reap(f, p);
  streams_look_again();
  follow(status);
  if (in_order) /* what it has left running stays, unless the map is cancelled */
    groups_note(&f->left, p->pid);
  *loss = (struct loss){.exit_code = -1, .garbage = p->garbage};
  if (status != -1 && WIFSIGNALED(status))
    loss->signal = WTERMSIG(status);
  else if (status != -1)
    loss->exit_code = WEXITSTATUS(status);
  note_culprit(p, loss);
  process_forget(p);
}

/* -- end ---------------------------------------------------------------- */

/* The handlers of lua and fmlua let go of Ctrl-C when it comes. */
static int has_interrupt_handler(void) {
  struct sigaction now;
  return sigaction(SIGINT, NULL, &now) == 0 &&
         ((now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL);
}

/* Closing the bell asks a worker to flush its output and leave. Ctrl-C ends the patience for all. */
static void dismiss(struct process *p, int64_t *deadline, int heed_interrupt) {
  struct pollfd gone = {.fd = p->pidfd, .events = POLLIN};
  int64_t left;
  if (p->pidfd < 0 && *deadline > clock_now())
    return; /* no way to wait with a limit: trust it */
  do {
    if (heed_interrupt && !has_interrupt_handler())
      *deadline = 0;
    left = (*deadline - clock_now()) / 1000000;
  } while (p->pidfd >= 0 && poll(&gone, 1, left > 0 ? (int)left : 0) < 0 && errno == EINTR);
  if (gone.revents == 0)
    process_kill(p);
}

void process_end_all(struct transport_fork *f, int gently) {
  int i, status;
  int patience_ms = f->options.patience_ms > 0 ? f->options.patience_ms : EXIT_PATIENCE_MS;
  int heed_interrupt = has_interrupt_handler();
  int64_t deadline = clock_now() + patience_ms * INT64_C(1000000);
  if (!gently)
    groups_kill(&f->left);
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    if (p->life == LIFE_NONE)
      continue;
    if (!gently)
      process_kill(p);
    else if (!p->retired)
      doorbell_leave(p->link.bell);
  }
  for (i = 0; i < f->options.worker_count; i++) {
    struct process *p = &f->processes[i];
    if (p->life == LIFE_NONE)
      continue;
    if (gently)
      dismiss(p, &deadline, heed_interrupt);
    if (!left_in_order(p))
      process_kill(p);
    status = reap(f, p);
    p->life = LIFE_NONE;
    follow(status);
  }
  streams_look_again();
}
