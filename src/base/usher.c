#include "config.h"
#include "usher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "forks.h"
#include "scheduling.h"

#if defined(SIGEV_THREAD_ID) && !defined(sigev_notify_thread_id)
#define sigev_notify_thread_id _sigev_un._tid /* glibc has no name for it */
#endif

#define GUESTS_MOST 1024
#define CALLS_MOST  64 /* that are looked after at a time */
#define STACK_SIZE  (64 << 10)
#define PATIENCE    1 /* seconds until a guest that only waits is disturbed */
#define WAITS_MOST  3 /* begun by then; one that lasts is no reason */

/* A thread with a script. Written by it, before the usher hears of it. */
struct guest {
  int tid, signal;
};

/* Something for a guest that it has not taken. The usher's own. */
struct call {
  const struct guest *guest;
  int fd;
  uint64_t waits; /* that the guest had begun when this was seen first */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all below */
static struct guest guests[GUESTS_MOST];
static int guest_count, epoll = -1;
static pid_t
    owner; /* the process that all this is of: a forked child has a copy, and none of the threads and timers */
static _Thread_local struct recipient own;
static _Thread_local pid_t own_owner;

/* -- usher thread ------------------------------------------------------------ */

static int is_there(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLIN};
  return poll(&look, 1, 0) > 0 && (look.revents & POLLNVAL) == 0;
}

static void disturb(const struct guest *g) {
#ifdef SYS_tgkill
  syscall(SYS_tgkill, owner, g->tid, g->signal);
#endif
}

/* The guest has taken it, or is told now. */
static int is_over(const struct call *c) {
  if (!is_there(c->fd))
    return 1;
  if (scheduling_waits(owner, c->guest->tid) - c->waits < WAITS_MOST)
    return 0;
  disturb(c->guest);
  return 1;
}

/* Returns how many are left. */
static int review(struct call *calls, int count) {
  int i, kept = 0;
  for (i = 0; i < count; i++)
    if (!is_over(&calls[i]))
      calls[kept++] = calls[i];
  return kept;
}

static int add(struct call *calls, int count, uint64_t data) {
  const struct guest *g = &guests[data & 0xffffffff];
  int i, fd = (int)(data >> 32);
  for (i = 0; i < count; i++)
    if (calls[i].fd == fd)
      return count;
  if (count < CALLS_MOST)
    calls[count++] = (struct call){.guest = g, .fd = fd, .waits = scheduling_waits(owner, g->tid)};
  return count;
}

static void *serve(void *argument) {
  const struct timespec patience = {PATIENCE, 0};
  struct call calls[CALLS_MOST];
  struct epoll_event events[CALLS_MOST];
  int i, n, count = 0;
  for (;;) {
    n = epoll_wait((int)(intptr_t)argument, events, CALLS_MOST, -1);
    if (n < 0 && errno != EINTR)
      return NULL;
    for (i = 0; i < n; i++)
      count = add(calls, count, events[i].data.u64);
    nanosleep(&patience, NULL);
    count = review(calls, count);
  }
}

/* -- guests ------------------------------------------------------------------ */

static int start(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  int error = pthread_attr_init(&attributes);
  if (error != 0)
    return 0;
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)epoll);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

/* A forked child begins anew. */
static int is_open(void) {
  if (owner == getpid())
    return epoll >= 0;
  if (epoll >= 0)
    close(epoll);
  owner = getpid();
  guest_count = 0;
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0 || start())
    return epoll >= 0;
  close(epoll);
  epoll = -1;
  return 0;
}

/* Of the calling thread. */
static int open_timer(const struct guest *g, timer_t *timer) {
#ifdef SIGEV_THREAD_ID
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = g->signal;
  event.sigev_notify_thread_id = g->tid;
  return timer_create(CLOCK_THREAD_CPUTIME_ID, &event, timer) == 0;
#else
  return (void)g, (void)timer, 0;
#endif
}

static struct recipient check_in(int signal_number) {
  struct recipient guest = {.epoll = -1};
  struct guest *g;
  if (!is_open() || guest_count == GUESTS_MOST)
    return guest;
  g = &guests[guest_count];
  g->signal = signal_number;
#ifdef SYS_gettid
  g->tid = (int)syscall(SYS_gettid);
#endif
  if (!open_timer(g, &guest.timer))
    return guest;
  guest.epoll = epoll;
  guest.key = (uint64_t)guest_count++;
  return guest;
}

static void lock_guests(void) {
  pthread_mutex_lock(&lock);
}

static void unlock_guests(void) {
  pthread_mutex_unlock(&lock);
}

struct recipient usher_recipient(int signal_number) {
  static const struct forks_handlers handlers = {lock_guests, unlock_guests, unlock_guests};
  if (own_owner == getpid())
    return own;
  if (forks_watch(FORKS_USHER, &handlers) != STATUS_OK)
    return (struct recipient){.epoll = -1};
  lock_guests();
  own = check_in(signal_number);
  own_owner = getpid();
  unlock_guests();
  return own;
}

void usher_look_in(const struct recipient *to, int64_t ns) {
  struct itimerspec span = {.it_value = {ns / CLOCK_SECOND, ns % CLOCK_SECOND}};
  if (to->epoll >= 0 && own_owner == getpid())
    timer_settime(to->timer, 0, &span, NULL);
}

void usher_add(const struct recipient *to, int fd) {
  struct epoll_event event = {.events = EPOLLIN};
  event.data.u64 = (uint64_t)fd << 32 | to->key;
  if (to->epoll >= 0)
    epoll_ctl(to->epoll, EPOLL_CTL_ADD, fd, &event);
}
