/* transport_fork_test.c - messages to forked processes and back, their deaths, and what is left of them: nothing.
   The workers are small echoes without Lua. */
#include "config.h"
#include "transport_fork.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "port.h"

#define RING ((size_t)65536)

#define HAUNT_MS 3000

/* A task's first byte tells the worker what to do. */
enum { ECHO = 'e', DIE = 'k', EXIT = 'x', FAULT = 's', HAUNT = 'h', JUNK = 'j', GROW = 'c' };

/* -- worker ------------------------------------------------------------------ */

struct echo {
  struct link *link;
  struct inbox inbox;
  struct ring_writer replies;
};

static void tell_parent(struct echo *e) {
  if (bell_armed(&e->link->control->parent_asleep))
    doorbell_ring(e->link->bell);
}

static void sleep_until_rung(struct echo *e) {
  struct pollfd bell = {.fd = e->link->bell, .events = POLLIN};
  poll(&bell, 1, -1);
  if (doorbell_clear(e->link->bell) == STATUS_CLOSED)
    _exit(0);
}

static void send_reply(struct echo *e, const struct message *m) {
  size_t sent = 0;
  while (message_send(&e->replies, m, &sent) != STATUS_OK) {
    bell_arm(&e->link->control->room_wanted);
    tell_parent(e);
    if (message_send(&e->replies, m, &sent) == STATUS_OK)
      break;
    sleep_until_rung(e);
  }
  bell_disarm(&e->link->control->room_wanted);
  tell_parent(e);
}

static void write_junk(struct echo *e) {
  atomic_store(&e->link->replies->written, UINT64_MAX / 3);
  tell_parent(e);
}

static void obey(struct echo *e, struct message *m) {
  if (m->kind == MESSAGE_END)
    _exit(0);
  switch (m->size > 0 ? m->bytes[0] : ECHO) {
  case DIE:
    kill(getpid(), SIGKILL);
    break;
  case EXIT:
    _exit(3);
  case FAULT:
    signal(SIGSEGV, SIG_DFL); /* sanitizers catch it */
    raise(SIGSEGV);
    break;
  case HAUNT: /* a child of the task keeps the bell open and outlives the group's leader */
    if (fork() == 0) {
      setpgid(0, 0);
      poll(NULL, 0, HAUNT_MS);
      _exit(0);
    }
    kill(getpid(), SIGKILL);
    break;
  case JUNK:
    write_junk(e);
    for (;;)
      pause();
  case GROW:
    atomic_store_explicit(&e->link->control->capacity, 7, memory_order_relaxed);
    break;
  }
  m->kind = VERDICT_DONE;
  send_reply(e, m);
}

static void echo_main(struct link *link, int worker, int parent, void *context) {
  struct echo e = {.link = link};
  struct message m;
  (void)worker, (void)parent, (void)context;
  ring_reader_init(&e.inbox.reader, link->tasks, link->layout.ring_size);
  ring_writer_init(&e.replies, link->replies, link->layout.ring_size);
  for (;;) {
    enum status status = message_receive(&e.inbox, &m);
    if (status == STATUS_AGAIN) {
      bell_arm(&link->control->worker_asleep);
      status = message_receive(&e.inbox, &m);
      tell_parent(&e); /* of room in the task ring: it may have the rest of a long one */
      if (status == STATUS_AGAIN)
        sleep_until_rung(&e);
      bell_disarm(&link->control->worker_asleep);
    }
    if (status == STATUS_OK) {
      obey(&e, &m);
      message_done(&e.inbox, &m, NULL);
    } else if (status != STATUS_AGAIN) {
      _exit(99);
    }
  }
}

/* Answers task 1 before it has read it, then reads all. */
static void hasty_main(struct link *link, int worker, int parent, void *context) {
  struct echo e = {.link = link};
  struct message m = {.kind = VERDICT_DONE, .attempt = 1, .index = 1};
  (void)worker, (void)parent, (void)context;
  ring_writer_init(&e.replies, link->replies, link->layout.ring_size);
  bell_arm(&link->control->worker_asleep);
  if (atomic_load(&link->tasks->written) == 0)
    sleep_until_rung(&e);
  send_reply(&e, &m);
  for (;;) {
    atomic_store(&link->tasks->taken, atomic_load(&link->tasks->written));
    tell_parent(&e);
    sleep_until_rung(&e);
  }
}

/* -- parent ------------------------------------------------------------------- */

static struct transport *open_with(worker_main *main, int count, size_t ring_size) {
  struct fork_options options = {
      .worker_count = count, .thread_limit = 4, .ring_size = ring_size, .main = main};
  struct transport *t;
  int i;
  if (transport_fork_open(&t, &options) != STATUS_OK)
    check_bail("no transport");
  for (i = 0; i < count; i++)
    if (t->ops->start(t, i) != STATUS_OK)
      check_bail("no worker");
  return t;
}

static enum status send(struct transport *t, int worker, uint64_t index, const void *bytes, size_t size) {
  struct message m = {.kind = MESSAGE_TASK, .attempt = 1, .index = index, .bytes = bytes, .size = size};
  return t->ops->send(t, worker, &m);
}

static void order(struct transport *t, int worker, uint64_t index, unsigned char what) {
  send(t, worker, index, &what, 1);
  t->ops->flush(t);
}

/* The next event that is no ADDED, within a time that only a hang exceeds. */
static enum status next(struct transport *t, struct event *event) {
  int64_t deadline = clock_after(30);
  enum status status;
  do
    status = t->ops->receive(t, deadline, event);
  while ((status == STATUS_OK && event->kind == EVENT_ADDED) ||
         (status == STATUS_AGAIN && clock_now() < deadline));
  return status;
}

static int lost(struct transport *t, int worker, struct loss *loss) {
  struct event event;
  if (next(t, &event) != STATUS_OK || event.kind != EVENT_LOST || event.worker != worker)
    return 0;
  *loss = event.loss;
  return 1;
}

static int replied(struct transport *t, int worker, uint64_t index) {
  struct event event;
  return next(t, &event) == STATUS_OK && event.kind == EVENT_RESULT && event.worker == worker &&
         event.message.index == index;
}

static int descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  if (folder == NULL)
    return 0;
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count;
}

static int no_child(void) {
  return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static unsigned char *some_bytes(size_t size, uint64_t seed) {
  unsigned char *bytes = malloc(size + 1);
  size_t i;
  bytes[0] = ECHO;
  for (i = 1; i < size; i++)
    bytes[i] = (unsigned char)(seed + i * 7 + i / 251);
  return bytes;
}

/* -- messages ------------------------------------------------------------------ */

static void test_echo(size_t ring_size, const char *sentence) {
  enum { COUNT = 2000, LARGEST = 200000 };
  struct transport *t = open_with(echo_main, 2, ring_size);
  unsigned char *bytes = some_bytes(LARGEST, 1);
  uint64_t sent = 0, back = 0, seen[2] = {0, 0};
  int ok = 1;
  while (ok && back < COUNT) {
    struct event event;
    while (sent < COUNT && sent < back + 50) {
      size_t size = (size_t)(sent % 64 == 0 ? (sent * 2654435761u) % LARGEST : sent % 100);
      if (send(t, (int)(sent % 2), sent + 1, bytes, size) != STATUS_OK)
        break;
      sent++;
    }
    t->ops->flush(t);
    ok &= next(t, &event) == STATUS_OK && event.kind == EVENT_RESULT;
    if (!ok)
      break;
    ok &= event.message.index % 2 != (uint64_t)event.worker && event.message.index > seen[event.worker];
    ok &= memcmp(event.message.bytes, bytes, event.message.size) == 0;
    seen[event.worker] = event.message.index;
    back++;
  }
  check(ok, sentence);
  t->ops->stop(t, 1);
  free(bytes);
}

static void test_long(void) {
  enum { LONG = 5000000 };
  struct transport *t = open_with(echo_main, 1, RING);
  unsigned char *bytes = some_bytes(LONG, 7);
  struct event event;
  int i, ok = 1;
  for (i = 1; i <= 3; i++) {
    ok &= send(t, 0, (uint64_t)i, bytes, LONG) == STATUS_OK;
    t->ops->flush(t);
    ok &= next(t, &event) == STATUS_OK && event.kind == EVENT_RESULT && event.message.size == LONG &&
          memcmp(event.message.bytes, bytes, LONG) == 0;
  }
  check(ok, "a message of 5 MB goes there and back though nothing else happens");
  check(send(t, 0, 9, bytes, LONG) == STATUS_OK && send(t, 0, 10, bytes, LONG) == STATUS_AGAIN,
        "a second long message has to wait for the first");
  t->ops->stop(t, 0); /* in the midst of it */
  free(bytes);
}

static void test_full(void) {
  struct transport *t = open_with(echo_main, 1, 4096);
  uint64_t sent = 0, back = 0;
  struct event event;
  enum status status;
  int ok = 1;
  /* nobody receives: both rings fill, then the parent is told so and never waits */
  while (send(t, 0, sent + 1, "e", 1) == STATUS_OK)
    if (++sent % 10 == 0)
      t->ops->flush(t);
  t->ops->flush(t);
  check(sent >= 4096 / 17, "a worker whose rings are full takes no more");
  for (; back < sent; back++)
    ok &= next(t, &event) == STATUS_OK && event.message.index == back + 1;
  check(ok, "a worker that waited for room in its ring goes on when its replies are taken");
  while ((status = t->ops->receive(t, 0, &event)) == STATUS_OK && event.kind == EVENT_ADDED)
    continue; /* the news of its start: behind the replies, when these came without a pause */
  check(status == STATUS_AGAIN, "nothing comes twice");
  t->ops->stop(t, 1);
}

static void test_capacity(void) {
  struct transport *t = open_with(echo_main, 1, RING);
  int64_t deadline = clock_after(30);
  struct event event = {.capacity = -1};
  check(t->ops->receive(t, deadline, &event) == STATUS_OK && event.kind == EVENT_ADDED && event.capacity == 1,
        "a new worker is announced with room for one task");
  order(t, 0, 1, GROW);
  check(replied(t, 0, 1), "replies come before news");
  check(t->ops->receive(t, deadline, &event) == STATUS_OK && event.kind == EVENT_ADDED &&
            event.capacity <= 7 && event.capacity > 1,
        "a worker's larger capacity is announced");
  t->ops->stop(t, 1);
}

/* -- deaths ---------------------------------------------------------------------- */

static void test_death(void) {
  struct transport *t = open_with(echo_main, 2, RING);
  struct event event;
  struct loss loss;
  uint64_t i;
  int ok = 1;
  for (i = 1; i <= 10; i++)
    send(t, 0, i, "e", 1);
  order(t, 0, 11, DIE);
  for (i = 1; i <= 10; i++)
    ok &= replied(t, 0, i);
  check(ok, "the last replies of a killed worker still come");
  check(lost(t, 0, &loss) && loss.signal == SIGKILL && !loss.garbage && loss.culprit == 0,
        "then its death is told, with the signal");
  check(send(t, 0, 12, "e", 1) == STATUS_CLOSED, "a dead worker takes no task");
  order(t, 1, 13, ECHO);
  check(replied(t, 1, 13), "the other worker does not notice");
  check(t->ops->receive(t, clock_after(0.05), &event) == STATUS_AGAIN, "a death is told once");
  check(t->ops->start(t, 0) == STATUS_OK, "a dead worker's number can be started again");
  order(t, 0, 14, ECHO);
  check(replied(t, 0, 14), "its successor finds rings as new");
  order(t, 0, 15, EXIT);
  check(lost(t, 0, &loss) && loss.signal == 0 && loss.exit_code == 3, "an exit is told with its code");
  order(t, 1, 16, FAULT);
  check(lost(t, 1, &loss) && loss.signal == SIGSEGV, "a fault is told with its signal");
  t->ops->stop(t, 1);
  check(no_child(), "no zombie is left");
}

static void test_drop(void) {
  struct transport *t = open_with(echo_main, 1, RING);
  struct loss loss;
  order(t, 0, 1, ECHO);
  check(replied(t, 0, 1), "a worker works before it is dropped");
  t->ops->drop(t, 0);
  check(send(t, 0, 2, "e", 1) == STATUS_CLOSED, "a dropped worker takes no task");
  check(lost(t, 0, &loss) && loss.signal == SIGKILL, "a dropped worker is killed and told as lost");
  t->ops->drop(t, 0);
  check(no_child(), "dropping a dead worker does nothing");
  t->ops->stop(t, 0);
}

static void test_retire(void) {
  struct transport *t = open_with(echo_main, 2, RING);
  struct loss loss;
  order(t, 0, 1, ECHO);
  check(replied(t, 0, 1), "a worker works before it is retired");
  t->ops->retire(t, 0);
  check(lost(t, 0, &loss) && loss.signal == 0 && loss.exit_code == 0, "a retired worker leaves by itself");
  order(t, 1, 2, ECHO);
  check(replied(t, 1, 2), "the other one stays");
  t->ops->stop(t, 1);
}

static void test_junk(void) {
  struct transport *t = open_with(echo_main, 1, RING);
  struct loss loss;
  order(t, 0, 1, JUNK);
  check(lost(t, 0, &loss) && loss.garbage,
        "a worker that writes nonsense into its ring is killed and told so");
  t->ops->stop(t, 0);
}

static void test_hasty(void) {
  enum { LONG = 1000000 };
  struct transport *t = open_with(hasty_main, 1, RING);
  unsigned char *bytes = some_bytes(LONG, 7);
  struct event event;
  send(t, 0, 1, bytes, LONG);
  t->ops->flush(t);
  while (next(t, &event) == STATUS_OK && event.kind != EVENT_RESULT && event.kind != EVENT_LOST)
    continue;
  free(bytes); /* transport.h: valid until its result. ASan watches */
  t->ops->receive(t, clock_after(0.1), &event);
  t->ops->receive(t, clock_after(0.1), &event);
  check(1, "a worker that answers a task before it has read it makes the parent read no freed bytes");
  t->ops->stop(t, 0);
}

/* Old kernels have none, nor has valgrind. */
static int has_pidfd(void) {
#ifdef SYS_pidfd_open
  int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  if (fd >= 0)
    close(fd);
  return fd >= 0;
#else
  return 0;
#endif
}

static void test_haunted(void) {
  static const char sentence[] = "a task's own child that holds the bell does not hide the death";
  struct transport *t = open_with(echo_main, 1, RING);
  struct loss loss;
  int64_t soon = clock_after(HAUNT_MS / 2000.0);
  order(t, 0, 1, HAUNT);
  if (has_pidfd())
    check(lost(t, 0, &loss) && loss.signal == SIGKILL && clock_now() < soon, sentence);
  else
    check_skip(sentence, "no pidfd_open");
  t->ops->stop(t, 0);
}

static void test_polled(void) {
  struct transport *t = open_with(echo_main, 1, RING);
  struct event event = {.kind = EVENT_ADDED};
  int64_t end = clock_after(10);
  order(t, 0, 1, DIE);
  while (clock_now() < end)
    if (t->ops->receive(t, 0, &event) == STATUS_OK && event.kind == EVENT_LOST)
      break;
  check(event.kind == EVENT_LOST, "a caller that never waits hears of a death too");
  t->ops->stop(t, 0);
}

static void test_reaped(void) {
  struct transport *t;
  struct loss loss;
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  t = open_with(echo_main, 2, RING);
  order(t, 0, 1, DIE);
  check(lost(t, 0, &loss) && loss.signal == 0 && loss.exit_code == -1,
        "a death whose status goes to nobody (SIGCHLD ignored) is told as unknown");
  order(t, 1, 2, ECHO);
  check(replied(t, 1, 2), "with SIGCHLD ignored the others work");
  t->ops->stop(t, 1);
  signal(SIGCHLD, before);
  check(no_child(), "with SIGCHLD ignored nothing is left");
}

/* -- the end --------------------------------------------------------------------- */

static int alive(int pid) {
  return kill(pid, 0) == 0;
}

static void test_stop(int gently) {
  int before = descriptors(), round, ok = 1, pid = 0;
  for (round = 0; round < 20; round++) {
    struct transport *t = open_with(echo_main, 3, 4096);
    uint64_t i;
    for (i = 1; i <= 3 && gently; i++) {
      order(t, (int)i - 1, i, ECHO);
      ok &= replied(t, (int)i - 1, i);
    }
    pid = t->ops->pid(t, 1);
    ok &= alive(pid);
    t->ops->stop(t, gently);
    ok &= !alive(pid);
  }
  check(ok && no_child(), gently ? "a gentle end leaves no process" : "a hard end leaves no process");
  check(descriptors() == before,
        gently ? "a gentle end leaves no descriptor" : "a hard end leaves no descriptor");
}

/* The host has forked, and the child closes all that it has. */
static void test_forked_host(void) {
  int gently;
  for (gently = 0; gently <= 1; gently++) {
    struct transport *t = open_with(echo_main, 2, RING);
    int status = -1, ok;
    pid_t child = fork();
    if (child == 0) {
      t->ops->stop(t, gently);
      _exit(0);
    }
    waitpid(child, &status, 0);
    order(t, 0, 1, ECHO);
    ok = status == 0 && replied(t, 0, 1);
    order(t, 1, 2, ECHO);
    check(ok && replied(t, 1, 2),
          "a child of the host that stops what it has inherited does the workers no harm");
    t->ops->stop(t, 1);
  }
}

static struct transport *open_unused(void) {
  struct fork_options options = {.worker_count = 2, .thread_limit = 1, .ring_size = 4096, .main = echo_main};
  struct transport *t;
  return transport_fork_open(&t, &options) == STATUS_OK ? t : NULL;
}

static void test_unused(void) {
  int before = descriptors();
  struct transport *t = open_unused();
  t->ops->stop(t, 1);
  check(descriptors() == before, "a transport without workers can be stopped");
}

static void *open_and_stop(void *over) {
  while (!atomic_load((_Atomic int *)over)) {
    struct transport *t = open_with(echo_main, 1, 4096);
    t->ops->stop(t, 0);
  }
  return NULL;
}

/* A lock that the other thread held at the fork would stay locked in the child. */
static void test_threads_of_host(void) {
  _Atomic int over = 0;
  pthread_t thread;
  int i, ok = 1;
  pthread_create(&thread, NULL, open_and_stop, &over);
  for (i = 0; i < check_times(300) && ok; i++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
      struct transport *t;
      alarm(10);
      t = open_unused();
      t->ops->stop(t, 1);
      _exit(0);
    }
    ok = waitpid(child, &status, 0) == child && status == 0;
  }
  atomic_store(&over, 1);
  pthread_join(thread, NULL);
  check(ok, "a child that the host forks while another thread opens maps may have its own");
}

static void test_silence(void) {
  struct transport *t = open_with(echo_main, 2, RING);
  struct event event;
  int64_t start;
  while (t->ops->receive(t, clock_after(0.02), &event) == STATUS_OK)
    continue;
  start = clock_now();
  check(t->ops->receive(t, clock_after(0.05), &event) == STATUS_AGAIN &&
            clock_now() - start >= CLOCK_SECOND / 20,
        "when nothing comes, receive sleeps until its deadline");
  t->ops->stop(t, 1);
}

static void test_orphans(void) {
  int pids[2][2], line[2], status;
  pid_t parent;
  struct pollfd end = {.events = POLLIN};
  if (pipe(line) != 0)
    check_bail("no pipe");
  parent = fork();
  if (parent == 0) {
    struct transport *t = open_with(echo_main, 2, RING); /* the workers hold the pipe's writing end */
    pids[0][0] = t->ops->pid(t, 0);
    pids[0][1] = t->ops->pid(t, 1);
    if (write(line[1], pids[0], sizeof pids[0]) > 0)
      for (;;)
        pause();
    _exit(1);
  }
  close(line[1]);
  if (read(line[0], pids[0], sizeof pids[0]) != (ssize_t)sizeof pids[0])
    check_bail("no workers");
  check(alive(pids[0][0]) && alive(pids[0][1]), "workers live while their parent does");
  kill(parent, SIGKILL);
  waitpid(parent, &status, 0);
  end.fd = line[0];
  check(poll(&end, 1, 1000) == 1 && read(line[0], pids[1], 1) == 0,
        "when the parent is killed by SIGKILL, its workers are gone within a second");
  close(line[0]);
}

/* -- other event loops -------------------------------------------------------------- */

static int wait_bells(struct transport *t, int milliseconds) {
  struct pollfd *polls;
  int n = transport_fork_bells(t, &polls);
  return poll(polls, (nfds_t)n, milliseconds);
}

/* Events through the bells alone: one, or AGAIN when none came in 10 s. */
static enum status next_by_bells(struct transport *t, struct event *event) {
  int turns;
  for (turns = 0; turns < 1000; turns++) {
    enum status status = t->ops->receive(t, 0, event);
    if (status == STATUS_OK && event->kind != EVENT_ADDED)
      return status;
    if (status == STATUS_OK || transport_fork_arm(t))
      continue;
    if (wait_bells(t, 10000) == 0)
      return STATUS_AGAIN;
  }
  return STATUS_CLOSED; /* the bells never go silent */
}

/* Once nothing is there. A worker may ring late for a reply that was taken in already: it saw the bells armed for the next one. */
static int go_silent(struct transport *t) {
  struct event event;
  int rounds;
  for (rounds = 0; rounds < 10; rounds++) {
    while (t->ops->receive(t, 0, &event) == STATUS_OK || transport_fork_arm(t))
      continue;
    if (wait_bells(t, 0) == 0)
      return 1;
  }
  return 0;
}

static void test_bells(void) {
  struct transport *t = open_with(echo_main, 2, RING);
  struct event event;
  uint64_t i;
  int ok = 1;
  for (i = 1; i <= 1000; i++) {
    order(t, (int)(i % 2), i, ECHO);
    ok &= next_by_bells(t, &event) == STATUS_OK && event.kind == EVENT_RESULT && event.message.index == i;
  }
  check(ok, "the bells tell another event loop of every result");
  check(go_silent(t), "the bells go silent when nothing is there");
  order(t, 0, 1, DIE);
  check(next_by_bells(t, &event) == STATUS_OK && event.kind == EVENT_LOST && event.worker == 0,
        "the bells tell of a death");
  t->ops->stop(t, 1);
}

/* It comes to a thread that begins wait after wait. */
static int signalled(const sigset_t *set) {
  struct timespec nap = {.tv_nsec = 50000000}, none = {0};
  int64_t deadline = clock_after(20);
  while (clock_now() < deadline) {
    if (sigtimedwait(set, NULL, &none) == SIGUSR2)
      return 1;
    nanosleep(&nap, NULL);
  }
  return 0;
}

static void clear_signals(const sigset_t *set) {
  struct timespec none = {0};
  while (sigtimedwait(set, NULL, &none) > 0)
    continue;
}

static int rung_by_signal(struct transport *t, const sigset_t *set, uint64_t index, unsigned char what) {
  struct event event;
  while (t->ops->receive(t, 0, &event) == STATUS_OK || transport_fork_arm(t))
    continue;
  clear_signals(set);
  order(t, 0, index, what);
  return signalled(set) && next(t, &event) == STATUS_OK && (what == ECHO) == (event.kind == EVENT_RESULT);
}

static void test_notify(void) {
  struct transport *t = open_with(echo_main, 1, RING);
  const struct recipient to = usher_recipient(SIGUSR2);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  transport_fork_notify(t, &to);
  check(rung_by_signal(t, &set, 1, ECHO), "with notify a result comes with a signal");
  check(rung_by_signal(t, &set, 2, ECHO), "so does the next one");
  check(rung_by_signal(t, &set, 3, DIE), "a death comes with a signal");
  t->ops->start(t, 0);
  check(rung_by_signal(t, &set, 4, ECHO), "a worker started later signals too");
  t->ops->stop(t, 1);
  clear_signals(&set);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int main(void) {
  test_echo(RING, "messages go to two workers and back, whole and in order");
  test_echo(4096, "messages larger than the rings do too");
  test_long();
  test_full();
  test_capacity();
  test_death();
  test_drop();
  test_retire();
  test_junk();
  test_hasty();
  test_haunted();
  test_polled();
  test_reaped();
  test_stop(1);
  test_stop(0);
  test_forked_host();
  test_unused();
  test_threads_of_host();
  test_silence();
  test_orphans();
  test_bells();
  test_notify();
  return check_end();
}
