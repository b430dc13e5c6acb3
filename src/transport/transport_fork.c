#include "config.h"
#include "transport_fork.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "mask.h"
#include "port.h"
#include "process.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0 /* a hint */
#endif

#define RING_SIZE_LEAST ((size_t)4096)
#define TURN            64    /* replies taken from one worker before the next one's turn */
#define NAP_NS          30000 /* instead of a sleep while replies come thick: saves the workers' wake-up calls */
#define NAP_AFTER       16    /* replies since the last sleep that make a nap worth it */
#define DEAF_ROUNDS     64    /* of receiving without sleep, after which it is looked who died */

/* -- giving one up ------------------------------------------------------ */

static void give_up(struct process *p) {
  if (p->life == LIFE_NONE)
    return;
  process_kill(p);
  p->life = LIFE_LEAVING;
}

static void drop(struct transport *t, int worker) {
  struct process *p = &transport_fork_self(t)->processes[worker];
  p->garbage = 1;
  give_up(p);
}

/* A position that cannot be true was not written by a worker in its right mind: nothing is on its way. */
static int quiet(struct transport *t, int worker) {
  struct process *p = &transport_fork_self(t)->processes[worker];
  size_t size, room = ring_room(&p->tasks, p->tasks.size);
  int mad = room == 0 && p->tasks.written - p->tasks.taken > p->tasks.size;
  int unread = room < p->tasks.size && !mad;
  return !unread && (ring_peek(&p->inbox.reader, 1, &size) != STATUS_OK || size == 0);
}

/* A full ring can wait no longer than until stop, which hangs up. */
static void retire(struct transport *t, int worker) {
  static const struct message end = {.kind = MESSAGE_END};
  struct process *p = &transport_fork_self(t)->processes[worker];
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
  struct process *p = &transport_fork_self(t)->processes[worker];
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
  struct transport_fork *f = transport_fork_self(t);
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
    process_bury(f, p, &event->loss);
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
  struct transport_fork *f = transport_fork_self(t);
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

int transport_fork_bells(struct transport *t, struct pollfd **polls) {
  struct transport_fork *f = transport_fork_self(t);
  *polls = f->polls;
  return pollset(f);
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
  struct transport_fork *f = transport_fork_self(t);
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

/* -- life ---------------------------------------------------------------- */

static void stop(struct transport *t, int gently) {
  struct transport_fork *f = transport_fork_self(t);
  int i, saved = errno;
  if (f->owner == getpid())
    process_end_all(f, gently);
  for (i = 0; i < f->options.worker_count; i++)
    process_forget(&f->processes[i]);
  process_unlist(f);
  groups_release(&f->left);
  munmap(f->memory, f->layout.footprint * (size_t)f->options.worker_count);
  free(f->processes);
  free(f->polls);
  free(f);
  errno = saved;
}

static int pid_of(struct transport *t, int worker) {
  return (int)transport_fork_self(t)->processes[worker].pid;
}

static const struct transport_ops fork_ops = {process_start, send_task, flush,  receive, seats_running,
                                              quiet,         drop,      retire, pid_of,  stop};

/* Shared memory for all links, of which they touch little; with smaller rings when there is little. */
static enum status share(struct transport_fork *f) {
  size_t ring_size;
  for (ring_size = f->options.ring_size; ring_size >= RING_SIZE_LEAST; ring_size /= 2) {
    void *memory;
    size_t size;
    link_layout_init(&f->layout, ring_size, f->options.thread_limit);
    if (__builtin_mul_overflow(f->layout.footprint, (size_t)f->options.worker_count, &size))
      continue; /* 32 bits, 1,000 processes */
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
      f->memory = memory;
      f->base.run_size = ring_size / 2 - MESSAGE_HEADER;
      return STATUS_OK;
    }
  }
  return STATUS_NOMEM;
}

enum status transport_fork_open(struct transport **t, const struct fork_options *options) {
  struct transport_fork *f = process_prepare() == STATUS_OK ? calloc(1, sizeof *f) : NULL;
  size_t count = (size_t)options->worker_count, i;
  if (f == NULL)
    return STATUS_NOMEM;
  f->base.ops = &fork_ops;
  f->options = *options;
  f->owner = getpid();
  f->held = -1;
  f->notified.epoll = -1;
  f->processes = calloc(count, sizeof *f->processes);
  f->polls = calloc(2 * count + 1, sizeof *f->polls);
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
  process_list(f);
  *t = &f->base;
  return STATUS_OK;
}
