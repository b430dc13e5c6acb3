/* team_test.c - the threads of a worker: how many there are, and that no task or reply is ever lost between them.
   A fake state takes the place of Lua; the test's main thread is the parent. */
#include "config.h"
#include "team.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "blocking.h"
#include "check.h"
#include "clock.h"
#include "message.h"
#include "run.h"
#include "stamp.h"

/* -- the fake state ------------------------------------------------------------ */

/* A task's first byte tells the thread what to do; bytes 1..4 are a number for it. */
enum { ECHO = 'e', MEET = 'm', MEET_SILENTLY = 's', MEET_SPENT = 'z', LONG = 'l', SPENT = 'x', YIELD = 'y' };

struct task {
  char what;
  uint32_t number;
} __attribute__((packed));

struct state {
  struct buffer bytes;
};

static _Atomic int open_states, open_most, open_refusals;

enum status state_open(struct state **box, struct snapshot *snapshot, const struct state_options *options) {
  int now;
  (void)snapshot, (void)options;
  if (atomic_load(&open_refusals) > 0 && atomic_fetch_sub(&open_refusals, 1) > 0)
    return STATUS_NOMEM;
  *box = calloc(1, sizeof **box);
  now = atomic_fetch_add(&open_states, 1) + 1;
  if (now > atomic_load(&open_most))
    atomic_store(&open_most, now);
  return *box == NULL ? STATUS_NOMEM : STATUS_OK;
}

void state_close(struct state **box) {
  if (*box == NULL)
    return;
  buffer_release(&(*box)->bytes);
  free(*box);
  *box = NULL;
  atomic_fetch_sub(&open_states, 1);
}

void state_interrupt(struct state *state) {
  (void)state;
}

void state_ask(struct state *state, void (*tell)(void *teller, const char *text), void *teller) {
  (void)state, (void)tell, (void)teller;
}

void state_last_words(const struct state *state) {
  (void)state;
}

void state_trace(struct state *state, char *text, size_t size) {
  (void)state;
  if (size > 0)
    text[0] = '\0';
}

/* A meeting ends when `number` threads are in it: fewer threads would wait for ever. */
static pthread_mutex_t meeting_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t meeting = PTHREAD_COND_INITIALIZER;
static uint32_t present, meetings;

static void meet(uint32_t number) {
  uint32_t mine;
  pthread_mutex_lock(&meeting_lock);
  mine = meetings;
  if (++present == number) {
    present = 0;
    meetings++;
    pthread_cond_broadcast(&meeting);
  }
  while (meetings == mine)
    pthread_cond_wait(&meeting, &meeting_lock);
  pthread_mutex_unlock(&meeting_lock);
}

static void yield_often(uint32_t times) {
  while (times-- > 0) {
    blocking_begin();
    sched_yield();
    blocking_end();
  }
}

static void work(struct state *state, const struct job *job) {
  struct task task = {0};
  state->bytes.size = 0;
  if (job->size >= sizeof task)
    memcpy(&task, job->bytes, sizeof task);
  switch (task.what) {
  case MEET:
  case MEET_SPENT:
    blocking_begin();
    meet(task.number);
    blocking_end();
    break;
  case MEET_SILENTLY:
    meet(task.number);
    break;
  case YIELD:
    yield_often(task.number);
    break;
  case LONG:
    buffer_reserve(&state->bytes, task.number);
    if (task.number > 0)
      memset(state->bytes.bytes, (int)job->index, task.number);
    state->bytes.size = task.number;
    return;
  }
  buffer_append(&state->bytes, job->bytes, job->size);
}

void state_exit(struct state *state) {
  (void)state;
}

enum status state_serve(struct state *state, struct port *port) {
  struct job job;
  enum status status;
  while ((status = port->take(port, &job)) == STATUS_OK) {
    int spent = job.size > 0 && (job.bytes[0] == SPENT || job.bytes[0] == MEET_SPENT);
    work(state, &job);
    port->reply(port, &job, VERDICT_DONE, &state->bytes);
    if (spent)
      return STATUS_NOMEM;
  }
  return status;
}

/* A team's threads never end, and the kernel alone knows the stacks of their signal handlers. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
  return "leak:fault_watch";
}

/* A thread that ends gives its signal stack back; ASan wants to take back its own. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "use_sigaltstack=0";
}

/* -- a parent and a team in one process -------------------------------------------- */

struct rig {
  struct link link; /* the worker's side */
  struct team_options options;
  struct link_layout layout;
  struct team *team;
  int bell; /* the parent's end */
  struct ring_writer tasks;
  struct inbox inbox;
  size_t sent;
  struct rig *next;
};

static struct rig *rigs; /* a team never ends: kept reachable for the leak check */

/* The team's first thread. */
static void *join(void *argument) {
  struct rig *rig = argument;
  team_join(rig->team, NULL, NULL);
  return NULL;
}

/* What worker.c's listener does. */
static void *listen(void *argument) {
  struct rig *rig = argument;
  int again = 1;
  for (;;) {
    struct pollfd bell = {.fd = rig->link.bell, .events = POLLIN};
    int ready = poll(&bell, 1, again > 50 || again < 0 ? 50 : again);
    if (ready > 0) {
      if (doorbell_clear(rig->link.bell) == STATUS_CLOSED)
        return NULL;
      team_wake(rig->team);
      again = 1;
    } else {
      int share = team_share(rig->team);
      again = team_sample(rig->team);
      again = share < again ? share : again;
    }
  }
}

static void start_rig(struct rig *rig) {
  pthread_t thread;
  if (team_open(&rig->team, &rig->options) != STATUS_OK)
    check_bail("no team");
  pthread_create(&thread, NULL, listen, rig);
  pthread_detach(thread);
  pthread_create(&thread, NULL, join, rig);
  pthread_detach(thread);
}

static struct rig *make_rig(size_t ring_size, int thread_limit) {
  struct rig *rig = calloc(1, sizeof *rig);
  void *memory;
  int ends[2];
  rig->options = (struct team_options){.link = &rig->link, .thread_limit = thread_limit};
  link_layout_init(&rig->layout, ring_size, thread_limit);
  memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), rig->layout.footprint);
  memset(memory, 0, rig->layout.footprint);
  link_init(&rig->link, memory, &rig->layout);
  link_reset(&rig->link);
  if (doorbell_open(ends) != STATUS_OK)
    check_bail("no bell");
  rig->bell = ends[0];
  rig->link.bell = ends[1];
  ring_writer_init(&rig->tasks, rig->link.tasks, ring_size);
  ring_reader_init(&rig->inbox.reader, rig->link.replies, ring_size);
  rig->next = rigs;
  rigs = rig;
  atomic_store(&open_most, 0);
  atomic_store(&open_states, 0);
  return rig;
}

static struct rig *open_rig(size_t ring_size, int thread_limit) {
  struct rig *rig = make_rig(ring_size, thread_limit);
  start_rig(rig);
  return rig;
}

static void close_rig(struct rig *rig) {
  inbox_release(&rig->inbox);
  close(rig->bell); /* its listener ends; its threads stay idle */
}

static void ring_worker(struct rig *rig) {
  struct control *c = rig->link.control;
  if (bell_armed(&c->worker_asleep) || bell_armed(&c->room_wanted))
    doorbell_ring(rig->bell);
}

/* Parent: sleeps until rung; fails the test instead of hanging. */
static void sleep_until_rung(struct rig *rig) {
  struct pollfd bell = {.fd = rig->bell, .events = POLLIN};
  if (poll(&bell, 1, 30000) <= 0)
    check_bail("nobody rings: a task or a reply is lost, or everybody waits");
  doorbell_clear(rig->bell);
}

static int seen_reply(struct rig *rig, struct message *m) {
  enum status status = message_receive(&rig->inbox, m);
  if (status != STATUS_OK && status != STATUS_AGAIN)
    check_bail("the reply ring is broken");
  return status == STATUS_OK;
}

/* The next reply; valid until done. */
static void receive(struct rig *rig, struct message *m) {
  size_t size;
  while (!seen_reply(rig, m)) {
    ring_worker(rig); /* of the room that was made */
    bell_arm(&rig->link.control->parent_asleep);
    ring_peek(&rig->inbox.reader, 1, &size); /* only a look: to take some now would be to make room untold */
    if (size == 0)
      sleep_until_rung(rig);
    bell_disarm(&rig->link.control->parent_asleep);
  }
}

static void done(struct rig *rig, struct message *m) {
  message_done(&rig->inbox, m, NULL);
  ring_worker(rig);
}

static enum status send_bytes(struct rig *rig, uint64_t index, const void *bytes, size_t size) {
  struct message m = {.attempt = 1, .index = index, .bytes = bytes, .size = size};
  return message_send(&rig->tasks, &m, &rig->sent);
}

static enum status send(struct rig *rig, uint64_t index, char what, uint32_t number) {
  struct task task = {what, number};
  enum status status = send_bytes(rig, index, &task, sizeof task);
  ring_worker(rig);
  return status;
}

/* Tasks first .. first + count - 1 in one message. */
static enum status send_run(struct rig *rig, uint64_t first, int count, char what, uint32_t number) {
  struct task task = {what, number};
  struct message m = {.attempt = 1, .index = first, .run = (uint16_t)count};
  struct buffer items = {0};
  enum status status;
  int i;
  for (i = 0; i < count; i++)
    run_add(&items, 0, &task, sizeof task);
  m.bytes = items.bytes;
  m.size = items.size;
  status = message_send(&rig->tasks, &m, &rig->sent);
  buffer_release(&items);
  ring_worker(rig);
  return status;
}

static int threads(struct rig *rig) {
  return atomic_load(&rig->link.control->thread_count);
}

/* Notes the replies of a message; false: nonsense. Returns how many. */
static int note(const struct message *m, unsigned char *seen, uint64_t count, int *ok) {
  struct run run = {m->bytes, m->bytes + m->size};
  struct item item = {.verdict = m->kind};
  int i, n = m->kind == MESSAGE_RUN ? m->run : 1;
  for (i = 0; i < n; i++) {
    uint64_t index = m->index + (uint64_t)i;
    if (m->kind == MESSAGE_RUN)
      *ok &= run_next(&run, &item) == STATUS_OK;
    *ok &= item.verdict == VERDICT_DONE && index >= 1 && index <= count && !seen[index];
    if (index >= 1 && index <= count)
      seen[index] = 1;
  }
  return n;
}

/* Receives `count` replies; true when each index of 1..count came once. */
static int all_back(struct rig *rig, uint64_t count) {
  unsigned char *seen = calloc(count + 1, 1);
  uint64_t i = 0;
  int ok = 1;
  while (i < count) {
    struct message m;
    receive(rig, &m);
    i += (uint64_t)note(&m, seen, count, &ok);
    done(rig, &m);
  }
  free(seen);
  return ok && i == count;
}

/* -- threads ------------------------------------------------------------------------ */

static void test_one_thread(void) {
  struct rig *rig = open_rig(65536, 64);
  uint64_t i, count = (uint64_t)check_times(20000);
  int ok = 1;
  for (i = 1; i <= count; i++) {
    struct message m;
    ok &= send(rig, i, ECHO, 0) == STATUS_OK;
    receive(rig, &m);
    ok &= m.index == i && m.size == sizeof(struct task);
    done(rig, &m);
  }
  check(ok, "tasks one after the other are answered one after the other");
  for (i = 1; i <= 1000; i++)
    send(rig, i, ECHO, 0);
  check(all_back(rig, 1000), "tasks in a heap are all answered");
  check(threads(rig) == 1, "tasks that do not wait get one thread");
  close_rig(rig);
}

static void test_growth(void) {
  struct rig *rig = open_rig(65536, 64);
  uint32_t i;
  int round, ok = 1;
  for (round = 0; round < 20; round++) {
    for (i = 1; i <= 50; i++)
      ok &= send(rig, i, MEET, 50) == STATUS_OK;
    ok &= all_back(rig, 50);
  }
  check(ok, "tasks that wait for each other all get a thread");
  printf("# %d threads for 50 waiting tasks\n", threads(rig));
  check(threads(rig) >= 50 && threads(rig) <= 51, "no more threads than waiting tasks and one");
  check(atomic_load(&rig->link.control->capacity) <= 64,
        "no more tasks are asked for than there may be threads");
  close_rig(rig);
}

static void test_limit(void) {
  struct rig *rig = open_rig(65536, 8);
  uint32_t i;
  for (i = 1; i <= 80; i++)
    send(rig, i, MEET, 8);
  check(all_back(rig, 80), "more waiting tasks than threads are done in waves");
  check(threads(rig) == 8 && atomic_load(&open_most) == 8, "the limit of threads is reached and kept");
  close_rig(rig);
}

static void test_silent(void) {
  struct rig *rig = open_rig(65536, 8);
  uint32_t i;
  for (i = 1; i <= 8; i++)
    send(rig, i, MEET_SILENTLY, 8);
  check(all_back(rig, 8), "threads that wait without saying so are found");
  check(threads(rig) == 8, "and others are added for them");
  close_rig(rig);
}

/* -- many tasks in a message ----------------------------------------------------------- */

static void test_runs(void) {
  struct rig *rig = open_rig(65536, 8);
  uint64_t i, count = (uint64_t)check_times(20000) / 100 * 100;
  int ok = 1;
  for (i = 0; i < count; i += 100) {
    while (send_run(rig, i + 1, 100, ECHO, 0) != STATUS_OK)
      sched_yield();
    if (i % 1000 == 900) {
      uint64_t back;
      struct message m;
      for (back = 0; back < 1000; done(rig, &m)) {
        receive(rig, &m);
        back += m.kind == MESSAGE_RUN ? m.run : 1;
      }
      ok &= back == 1000;
    }
  }
  check(ok && threads(rig) == 1,
        "tasks that come in runs are all answered, by one thread when they do not wait");
  close_rig(rig);
}

/* Learns that tasks are short, then meets one that waits for those behind it. */
static void test_run_with_long(char what, const char *sentence) {
  struct rig *rig = open_rig(65536, 8);
  int i, ok;
  for (i = 0; i < 20; i++)
    send_run(rig, 1 + 50 * (uint64_t)i, 50, ECHO, 0);
  ok = all_back(rig, 1000);
  ok &= send_run(rig, 1, 8, what, 8) == STATUS_OK; /* each waits until eight do */
  ok &= all_back(rig, 8);
  check(ok && threads(rig) == 8, sentence);
  close_rig(rig);
}

/* Nobody but the thread that waits wakes the idle one: there is no listener. */
static void test_share_with_idle(void) {
  struct rig *rig = make_rig(65536, 2);
  pthread_t thread;
  int round, ok = 1;
  rig->options.chunksize = 2;
  if (team_open(&rig->team, &rig->options) != STATUS_OK)
    check_bail("no team");
  pthread_create(&thread, NULL, join, rig);
  pthread_detach(thread);
  for (round = 0; round < 200; round++) {
    ok &= send_run(rig, 1, 2, MEET, 2) == STATUS_OK;
    team_wake(rig->team);
    ok &= all_back(rig, 2);
  }
  check(ok && threads(rig) == 2, "a thread that waits gives the others of its run to one that is idle");
  close_rig(rig);
}

/* The parent sends only what the worker says it can use: it must hear that a thread waits, or the idle one stays idle. */
static void test_idle_asks(char what, const char *sentence) {
  struct rig *rig = open_rig(65536, 2);
  int round, ok = 1;
  for (round = 0; round < 20; round++) {
    _Atomic int *capacity = &rig->link.control->capacity;
    ok &= send(rig, 1, what, 2) == STATUS_OK;
    bell_arm(&rig->link.control->parent_asleep);
    while (atomic_load(capacity) < 2)
      sleep_until_rung(rig);
    bell_disarm(&rig->link.control->parent_asleep);
    ok &= send(rig, 2, what, 2) == STATUS_OK;
    ok &= all_back(rig, 2);
    while (atomic_load(capacity) > 1)
      sched_yield();
  }
  check(ok && threads(rig) == 2, sentence);
  close_rig(rig);
}

static void test_chunksize(void) {
  struct rig *rig = make_rig(65536, 4);
  struct message m;
  rig->options.chunksize = 10;
  start_rig(rig);
  send_run(rig, 1, 40, ECHO, 0);
  receive(rig, &m);
  check(m.kind == MESSAGE_RUN && m.run == 10 && m.index == 1,
        "with a chunksize so many replies come together");
  done(rig, &m);
  close_rig(rig);
}

/* -- rings that are full ------------------------------------------------------------- */

static void test_full(void) {
  struct rig *rig = open_rig(4096, 16);
  uint64_t sent = 0, refused = 0;
  while (refused < 1000) { /* nobody reads replies: at last both rings are full */
    if (rig->sent == 0 && send(rig, sent + 1, YIELD, 3) == STATUS_OK) {
      sent++;
      refused = 0;
    } else {
      refused++;
      sched_yield();
    }
  }
  check(sent >= 4096 / 21, "a team whose parent does not read takes what fits its rings");
  check(all_back(rig, sent), "when the parent reads again, all replies come");
  close_rig(rig);
}

static void test_long_replies(void) {
  struct rig *rig = open_rig(4096, 16);
  uint64_t i, count = (uint64_t)check_times(500);
  int ok = 1;
  for (i = 1; i <= count; i += 10) {
    uint64_t j;
    for (j = 0; j < 10; j++)
      ok &= send(rig, i + j, j % 3 == 0 ? LONG : YIELD, j % 3 == 0 ? (uint32_t)(2000 + 999 * j) : 2) ==
            STATUS_OK;
    for (j = 0; j < 10; j++) {
      struct message m;
      receive(rig, &m);
      if (m.size > sizeof(struct task))
        ok &= m.bytes[0] == (unsigned char)m.index && m.bytes[m.size - 1] == (unsigned char)m.index;
      done(rig, &m);
    }
  }
  check(ok, "replies longer than the ring come whole from between the short ones of other threads");
  close_rig(rig);
}

static void test_long_tasks(void) {
  struct rig *rig = open_rig(4096, 4);
  unsigned char *bytes = calloc(1, 100000);
  int round, ok = 1;
  for (round = 1; round <= 20; round++) {
    struct message m;
    while (send_bytes(rig, (uint64_t)round, bytes, 100000) != STATUS_OK) {
      ring_worker(rig);
      bell_arm(&rig->link.control->parent_asleep);
      if (ring_room(&rig->tasks, 2048) < 2048)
        sleep_until_rung(rig); /* the worker says that it has made room */
      bell_disarm(&rig->link.control->parent_asleep);
    }
    ring_worker(rig);
    receive(rig, &m);
    ok &= m.index == (uint64_t)round && m.size == 100000;
    done(rig, &m);
  }
  check(ok, "a task longer than the ring arrives though nothing else happens");
  free(bytes);
  close_rig(rig);
}

/* -- states that end, memory that is refused -------------------------------------------- */

static void test_spent(void) {
  struct rig *rig = open_rig(65536, 4);
  uint64_t i;
  for (i = 1; i <= 200; i++)
    send(rig, i, i % 2 ? SPENT : ECHO, 0);
  check(all_back(rig, 200), "a state that is spent has its reply sent before it is closed");
  close_rig(rig);
}

/* Each state that ends is in the middle of a run. */
static void test_spent_in_runs(void) {
  struct rig *rig = make_rig(65536, 4);
  uint64_t i;
  int ok = 1;
  rig->options.chunksize = 7;
  start_rig(rig);
  for (i = 0; i < 20; i++)
    ok &= send_run(rig, 1 + 20 * i, 20, i % 2 ? SPENT : ECHO, 0) == STATUS_OK;
  check(ok && all_back(rig, 400), "the others that its thread has taken are done in the state that follows");
  close_rig(rig);
}

static void test_no_state(void) {
  struct rig *rig;
  struct message m;
  atomic_store(&open_refusals, 3);
  rig = open_rig(65536, 4);
  send(rig, 1, ECHO, 0);
  receive(rig, &m);
  check(m.index == 1 && m.kind == VERDICT_MEMORY, "a task that there is no memory for a state for fails");
  done(rig, &m);
  atomic_store(&open_refusals, 0);
  send(rig, 2, ECHO, 0);
  receive(rig, &m);
  done(rig, &m);
  send(rig, 3, ECHO, 0);
  receive(rig, &m);
  check(m.kind == VERDICT_DONE, "when there is memory again, tasks are done again");
  done(rig, &m);
  close_rig(rig);
}

static void test_fewer(void) {
  struct rig *rig = open_rig(65536, 16);
  struct message m;
  uint32_t i;
  send(rig, 1, ECHO, 0);
  receive(rig, &m);
  done(rig, &m);
  atomic_store(&open_refusals, 1);
  for (i = 1; i <= 100; i++)
    send(rig, i, YIELD, 5);
  check(all_back(rig, 100), "a team that gets no memory for another thread goes on with those it has");
  atomic_store(&open_refusals, 0);
  close_rig(rig);
}

/* The linker puts this in the place of pthread_create. When `late_refusals` says so, the system refuses a thread, and takes
   its time: until somebody was refused memory for a state, and for a moment, so that who was may draw conclusions. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *);
static _Atomic int late_refusals;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *),
                          void *argument) {
  struct timespec moment = {0, 50000000};
  if (atomic_load(&late_refusals) == 0)
    return __real_pthread_create(thread, attributes, main, argument);
  atomic_fetch_sub(&late_refusals, 1);
  while (atomic_load(&open_refusals) > 0)
    sched_yield();
  nanosleep(&moment, NULL);
  return EAGAIN;
}

static void test_last_stays(void) {
  struct rig *rig = open_rig(65536, 4);
  struct message m;
  int kind;
  atomic_store(&open_refusals, 0);
  send(rig, 1, MEET_SPENT, 2);
  bell_arm(&rig->link.control->parent_asleep);
  while (atomic_load(&rig->link.control->capacity) < 2)
    sleep_until_rung(rig);
  bell_disarm(&rig->link.control->parent_asleep);
  atomic_store(&late_refusals, 1);
  atomic_store(&open_refusals, 1);
  send(rig, 2, ECHO, 0);
  while (atomic_load(&late_refusals) > 0)
    sched_yield();
  meet(2);
  receive(rig, &m);
  done(rig, &m);
  receive(rig, &m);
  kind = m.kind;
  done(rig, &m);
  send(rig, 3, ECHO, 0);
  receive(rig, &m);
  check(m.index == 3 && m.kind == VERDICT_DONE && (kind == VERDICT_MEMORY || kind == VERDICT_DONE),
        "a thread without memory stays when the one that is to be added may be refused");
  done(rig, &m);
  close_rig(rig);
}

#if !CHECK_SANITIZED && defined(__GLIBC__) /* a sanitizer needs memory of its own */
#define CAN_REFUSE_MEMORY 1

/* No byte more than there is now, for the arena that all threads then share. */
static void refuse_memory(void) {
  struct rlimit limit = {0, RLIM_INFINITY};
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL || fscanf(f, "%ld", &pages) != 1)
    check_bail("the system does not tell the size of a process");
  fclose(f);
  limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
  setrlimit(RLIMIT_AS, &limit);
}

/* A task that there is no memory for: true when its reply has a stamp of this moment. */
static int refuses_in_time(void) {
  enum { SIZE = 1000000 };
  struct rig *rig;
  struct message m;
  struct stamp stamp;
  size_t size;
  char *bytes = calloc(1, SIZE);
  int64_t before = clock_now();
  mallopt(M_ARENA_MAX, 1);
  rig = make_rig(4 << 20, 1);
  rig->options.stamped = 1;
  start_rig(rig);
  send(rig, 1, ECHO, 0);
  receive(rig, &m);
  done(rig, &m);
  refuse_memory();
  send_bytes(rig, 2, bytes, SIZE);
  ring_worker(rig);
  receive(rig, &m);
  size = m.size;
  return m.index == 2 && m.kind == VERDICT_MEMORY && stamp_take(m.bytes, &size, &stamp) == STATUS_OK &&
         stamp.start >= before && stamp.ns >= 0 && stamp.start + stamp.ns <= clock_now();
}
#else
#define CAN_REFUSE_MEMORY 0
#endif

static void test_refusal(void) {
  const char *sentence = "a task that there is no memory for is stamped with the time of its refusal";
#if CAN_REFUSE_MEMORY
  if (getenv("UNDER_VALGRIND") == NULL) { /* that needs memory of its own, too */
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
      alarm(10);
      _exit(refuses_in_time() ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    check(status == 0, sentence);
    return;
  }
#endif
  check_skip(sentence, "memory cannot be refused here");
}

/* -- everything at once --------------------------------------------------------------------- */

static void test_many(uint64_t seed) {
  struct rig *rig = open_rig(4096, 64);
  uint64_t count = (uint64_t)check_times(20000), sent = 0, back = 0;
  int ok = 1;
  while (back < count) {
    struct message m;
    while (sent < count && rig->sent == 0 && sent < back + 200) {
      uint32_t number = (uint32_t)check_random(&seed, 5);
      char what = check_random(&seed, 50) == 0 ? LONG : check_random(&seed, 50) == 0 ? SPENT : YIELD;
      if (send(rig, sent + 1, what, what == LONG ? number * 2000 : number) != STATUS_OK)
        break;
      sent++;
    }
    receive(rig, &m);
    ok &= m.kind == VERDICT_DONE;
    done(rig, &m);
    back++;
  }
  check(ok, "many threads that begin and end waiting at random lose nothing");
  printf("# %d threads\n", threads(rig));
  close_rig(rig);
}

int main(void) {
  uint64_t seed = check_seed(5);
  test_refusal(); /* while there is no thread yet: it forks */
  test_one_thread();
  test_growth();
  test_limit();
  test_silent();
  test_runs();
  test_run_with_long(MEET, "a task of a run that waits gives the others of its run to other threads");
  test_run_with_long(MEET_SILENTLY, "also when it does not say that it waits");
  test_share_with_idle();
  test_idle_asks(MEET, "a thread that waits has the parent send something for one that is idle");
  test_idle_asks(MEET_SILENTLY, "also when it does not say that it waits");
  test_chunksize();
  test_full();
  test_long_replies();
  test_long_tasks();
  test_spent();
  test_spent_in_runs();
  test_no_state();
  test_fewer();
  test_last_stays();
  test_many(seed);
  fflush(stdout);
  return check_end();
}
