/* fake_transport.h - workers that exist only as lists: a test says what each of them answers, and when, and who dies.
   No processes, no waiting; time is a number that the test (or a deadline) moves. Include it in the test's one file. */
#ifndef FAST_MAP_FAKE_TRANSPORT_H
#define FAST_MAP_FAKE_TRANSPORT_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"
#include "port.h"
#include "run.h"
#include "transport.h"

#define FAKE_WORKERS 16
#define FAKE_TASKS   8192

/* -- time -------------------------------------------------------------------- */

static int64_t fake_now = CLOCK_SECOND;

int64_t clock_now(void) {
  return fake_now;
}

int64_t clock_after(double seconds) {
  return fake_now + (int64_t)(seconds * 1e9);
}

/* -- workers ------------------------------------------------------------------ */

struct fake_worker {
  int alive, starts, retired;
  struct message tasks[FAKE_TASKS]; /* not answered, the oldest first; bytes are copies */
  int count;
  int taken; /* in all lives */
};

struct fake {
  struct transport base;
  struct fake_worker workers[FAKE_WORKERS];
  int start_limit;      /* starts granted; the next ones are refused */
  int ring_limit;       /* tasks that a worker's ring holds; then AGAIN */
  int capacity;         /* of a new worker */
  int runs;             /* received */
  struct event *events; /* [first_event, event_count) are to come */
  size_t first_event, event_count, event_capacity;
  unsigned char *held;               /* bytes of the last event */
  uint64_t running[FAKE_WORKERS][8]; /* what a dead worker's threads did; 0 ends it */
  int quiet[FAKE_WORKERS];           /* nothing is in its rings: it must have its tasks */
  int hung;                          /* somebody waited for ever although nothing would come */
  int stopped, stopped_gently;
};

static struct fake *fake_self(struct transport *t) {
  return (struct fake *)t;
}

static unsigned char *fake_copy(const void *bytes, size_t size) {
  unsigned char *copy = malloc(size + 1);
  if (size > 0)
    memcpy(copy, bytes, size);
  return copy;
}

static void fake_event(struct fake *f, const struct event *event) {
  if (f->event_count == f->event_capacity) {
    f->event_capacity = f->event_capacity * 2 + 16;
    f->events = realloc(f->events, f->event_capacity * sizeof *f->events);
  }
  f->events[f->event_count++] = *event;
}

static enum status fake_start(struct transport *t, int worker) {
  struct fake *f = fake_self(t);
  struct fake_worker *w = &f->workers[worker];
  struct event event = {.kind = EVENT_ADDED, .worker = worker, .capacity = f->capacity};
  if (worker < 0 || worker >= FAKE_WORKERS || w->alive)
    check_bail("worker %d is started though it lives", worker);
  if (f->start_limit-- <= 0) {
    errno = EAGAIN;
    return STATUS_SYSTEM;
  }
  w->alive = 1;
  w->retired = 0;
  w->starts++;
  fake_event(f, &event);
  return STATUS_OK;
}

static void fake_take(struct fake_worker *w, const struct message *m) {
  w->tasks[w->count] = *m;
  w->tasks[w->count].run = 0;
  w->tasks[w->count].bytes = fake_copy(m->bytes, m->size);
  w->count++;
  w->taken++;
}

/* Each task of a run by itself. */
static void fake_take_run(struct fake *f, struct fake_worker *w, const struct message *m) {
  struct run run = {m->bytes, m->bytes + m->size};
  struct message task = *m;
  struct item item;
  f->runs++;
  if (m->run < 2 || m->size > f->base.run_size)
    check_bail("a run of %d tasks, %zu bytes", m->run, m->size);
  for (; task.index < m->index + m->run; task.index++) {
    if (run_next(&run, &item) != STATUS_OK || item.verdict != 0)
      check_bail("a run that ends in the middle of a task");
    task.bytes = item.bytes;
    task.size = item.size;
    fake_take(w, &task);
  }
  if (run.at != run.end)
    check_bail("a run with more in it than its tasks");
}

static enum status fake_send(struct transport *t, int worker, const struct message *m) {
  struct fake *f = fake_self(t);
  struct fake_worker *w = &f->workers[worker];
  if (!w->alive)
    return STATUS_CLOSED;
  if (w->retired)
    check_bail("task %llu is sent to a retired worker", (unsigned long long)m->index);
  if (m->attempt < 1 || m->attempt > MESSAGE_ATTEMPT_MAX)
    check_bail("attempt %u does not fit a message", (unsigned)m->attempt);
  if (w->count > 0 && w->count + (m->run > 0 ? m->run : 1) > f->ring_limit)
    return STATUS_AGAIN; /* what is not larger than run_size fits an empty ring */
  if (m->run > 0)
    fake_take_run(f, w, m);
  else
    fake_take(w, m);
  return STATUS_OK;
}

static void fake_flush(struct transport *t) {
  (void)t;
}

static enum status fake_receive(struct transport *t, int64_t deadline, struct event *event) {
  struct fake *f = fake_self(t);
  free(f->held); /* bytes are valid until the next call: ASan watches */
  f->held = NULL;
  errno = 0;
  if (f->first_event == f->event_count) {
    f->hung |= deadline == CLOCK_NEVER;
    if (deadline != CLOCK_NEVER && deadline > fake_now)
      fake_now = deadline;
    return STATUS_AGAIN;
  }
  *event = f->events[f->first_event++];
  if (event->kind == EVENT_RESULT)
    f->held = (unsigned char *)event->message.bytes;
  return STATUS_OK;
}

static uint64_t fake_running(struct transport *t, int worker, int *place) {
  return *place < 8 ? fake_self(t)->running[worker][(*place)++] : 0;
}

static int fake_quiet(struct transport *t, int worker) {
  return fake_self(t)->quiet[worker];
}

static void fake_empty(struct fake_worker *w) {
  while (w->count > 0)
    free((void *)w->tasks[--w->count].bytes);
}

/* The worker dies now; its tasks are lost with it. */
static void fake_lose(struct fake *f, int worker, struct loss loss) {
  struct event event = {.kind = EVENT_LOST, .worker = worker, .loss = loss};
  f->workers[worker].alive = 0;
  fake_empty(&f->workers[worker]);
  fake_event(f, &event);
}

static void fake_drop(struct transport *t, int worker) {
  if (fake_self(t)->workers[worker].alive)
    fake_lose(fake_self(t), worker, (struct loss){.signal = 9});
}

/* It leaves by itself when it has nothing to do any more. */
static void fake_leave(struct fake *f, int worker) {
  struct fake_worker *w = &f->workers[worker];
  if (w->alive && w->retired && w->count == 0)
    fake_lose(f, worker, (struct loss){.exit_code = 0});
}

static void fake_retire(struct transport *t, int worker) {
  fake_self(t)->workers[worker].retired = 1;
  fake_leave(fake_self(t), worker);
}

/* Each life of a worker has another. */
static int fake_pid(struct transport *t, int worker) {
  return 1000 + worker + 100 * fake_self(t)->workers[worker].starts;
}

static void fake_stop(struct transport *t, int gently) {
  struct fake *f = fake_self(t);
  int i;
  f->stopped++;
  f->stopped_gently = gently;
  for (i = 0; i < FAKE_WORKERS; i++)
    fake_empty(&f->workers[i]);
  for (; f->first_event < f->event_count; f->first_event++)
    if (f->events[f->first_event].kind == EVENT_RESULT)
      free((void *)f->events[f->first_event].message.bytes);
  free(f->events);
  free(f->held);
  f->events = NULL;
  f->held = NULL;
}

static const struct transport_ops fake_ops = {.start = fake_start,
                                              .send = fake_send,
                                              .flush = fake_flush,
                                              .receive = fake_receive,
                                              .running = fake_running,
                                              .quiet = fake_quiet,
                                              .drop = fake_drop,
                                              .retire = fake_retire,
                                              .pid = fake_pid,
                                              .stop = fake_stop};

/* The test's own, so that it can look at it after stop; fake_free ends it. */
static struct fake *fake_new(void) {
  struct fake *f = calloc(1, sizeof *f);
  f->base.ops = &fake_ops;
  f->start_limit = 1000000;
  f->ring_limit = FAKE_TASKS;
  f->capacity = 1;
  return f;
}

__attribute__((unused)) static void fake_free(struct fake *f) {
  free(f);
}

/* A reply, true or false. */
static void fake_reply(struct fake *f, int worker, uint64_t index, uint32_t attempt, int kind,
                       const void *bytes, size_t size) {
  struct event event = {.kind = EVENT_RESULT, .worker = worker};
  event.message =
      (struct message){.kind = (unsigned char)kind, .index = index, .attempt = attempt, .size = size};
  event.message.bytes = fake_copy(bytes, size);
  fake_event(f, &event);
}

/* Replies to consecutive tasks in one message; `items` as run.h has them, right or wrong. */
__attribute__((unused)) static void fake_reply_run(struct fake *f, int worker, uint64_t first, int count,
                                                   const struct buffer *items) {
  struct event event = {.kind = EVENT_RESULT, .worker = worker};
  event.message = (struct message){
      .kind = MESSAGE_RUN, .run = (uint16_t)count, .index = first, .attempt = 1, .size = items->size};
  event.message.bytes = fake_copy(items->bytes, items->size);
  fake_event(f, &event);
}

/* The worker answers the nth of its tasks with the verdict and the task's own bytes. */
static void fake_answer(struct fake *f, int worker, int nth, int verdict) {
  struct fake_worker *w = &f->workers[worker];
  struct message m = w->tasks[nth];
  fake_reply(f, worker, m.index, m.attempt, verdict, m.bytes, m.size);
  free((void *)m.bytes);
  memmove(&w->tasks[nth], &w->tasks[nth + 1], (size_t)(w->count - nth - 1) * sizeof m);
  w->count--;
  fake_leave(f, worker);
}

__attribute__((unused)) static void fake_grow(struct fake *f, int worker, int capacity) {
  struct event event = {.kind = EVENT_ADDED, .worker = worker, .capacity = capacity};
  fake_event(f, &event);
}

/* Which worker has the task; -1: none. */
__attribute__((unused)) static int fake_holder(const struct fake *f, uint64_t index) {
  int i, j;
  for (i = 0; i < FAKE_WORKERS; i++)
    for (j = 0; j < f->workers[i].count; j++)
      if (f->workers[i].tasks[j].index == index)
        return i;
  return -1;
}

#endif
