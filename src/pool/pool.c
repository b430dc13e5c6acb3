#include "config.h"
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ledger.h"
#include "run.h"
#include "stamp.h"

#define DRAIN       256 /* replies taken in before results are handed out */
#define DEATHS_MOST 3   /* in a row without a task completed or failed: the map ends */

enum status pool_open(struct pool **box, const struct pool_options *options, struct transport *transport) {
  struct pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL || crew_open(&pool->crew, options->worker_limit, options->task_count,
                                options->worker_quota, options->chunksize) != STATUS_OK) {
    free(pool);
    transport->ops->stop(transport, 0);
    return STATUS_NOMEM;
  }
  pool->options = *options;
  pool->transport = transport;
  pool->places = options->worker_limit;
  pool->unsent = pool->accused = 1;
  pool->audit_at = clock_now() + POOL_AUDIT_NS;
  window_init(&pool->window);
  *box = pool;
  return STATUS_OK;
}

void pool_stop(struct pool *pool) {
  if (pool->transport != NULL)
    pool->transport->ops->stop(pool->transport, pool_finished(pool));
  pool->transport = NULL;
}

void pool_close(struct pool **box) {
  struct pool *pool = *box;
  if (pool == NULL)
    return;
  *box = NULL;
  pool_stop(pool);
  window_release(&pool->window);
  crew_close(&pool->crew);
  buffer_release(&pool->run);
  free(pool->delays);
  free(pool);
}

void pool_end(struct pool *pool) {
  pool->ended = 1;
}

int pool_finished(const struct pool *pool) {
  return pool->ended && window_count(&pool->window) == 0;
}

struct transport *pool_transport(struct pool *pool) {
  return pool->transport;
}

void pool_figures(const struct pool *pool, struct pool_figures *figures) {
  *figures = pool->figures;
  figures->added = pool->window.next - 1;
  figures->oldest = pool->window.first;
  figures->workers = pool->crew.alive;
}

int pool_pid(const struct pool *pool, int worker) {
  return pool->crew.men[worker].alive ? pool->transport->ops->pid(pool->transport, worker) : 0;
}

/* -- results in --------------------------------------------------------- */

/* Unordered results leave as they came. */
static void queue_up(struct pool *pool, uint64_t index) {
  struct slot *before = window_slot(&pool->window, pool->latest);
  if (pool->earliest == 0)
    pool->earliest = index;
  else
    before->later = index;
  pool->latest = index;
}

static void finish(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict,
                   const void *bytes, size_t size) {
  int worker = slot->worker;
  if (window_finish(&pool->window, slot, verdict, bytes, size) != STATUS_OK) {
    /* the parent is short of memory: this task's result is what is lost, and it says so */
    verdict = VERDICT_MEMORY;
    window_finish(&pool->window, slot, verdict, NULL, 0);
  }
  slot->pid = worker >= 0 && verdict != VERDICT_DONE ? pool->transport->ops->pid(pool->transport, worker) : 0;
  slot->later = 0;
  if (!pool->options.ordered)
    queue_up(pool, index);
}

void pool_fail(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict, const char *text) {
  if (pool_retry(pool, index, slot, verdict))
    return;
  finish(pool, index, slot, verdict, text, strlen(text));
  slot->own = 1;
}

enum status pool_add_done(struct pool *pool, enum verdict verdict, const void *bytes, size_t size) {
  enum status status = window_add(&pool->window, NULL, 0);
  uint64_t index = pool->window.next - 1;
  if (status == STATUS_OK)
    finish(pool, index, window_slot(&pool->window, index), verdict, bytes, size);
  return status;
}

/* A worker that has done its share leaves; its place is filled again when there is work. */
static void retire_worn_out(struct pool *pool, int worker) {
  if (!crew_worn_out(&pool->crew, worker))
    return;
  pool->crew.men[worker].retired = 1;
  pool->transport->ops->retire(pool->transport, worker);
}

static int is_workers_verdict(int kind) {
  return (kind >= VERDICT_DONE && kind <= VERDICT_TIMEOUT) || kind == VERDICT_FATAL;
}

/* NULL, or why the result may not be handed over. */
static const char *keep(const struct pool *pool, uint64_t index, const struct item *item) {
  const struct pool_options *o = &pool->options;
  return o->keep == NULL ? NULL : o->keep(o->keeper, index, item->bytes, item->size);
}

/* Takes the stamp off the reply. OK; FORMAT: it has none. */
static enum status note(struct pool *pool, int worker, uint64_t index, uint32_t attempt, struct item *item) {
  struct record record = {
      .index = index, .attempt = attempt, .worker = worker, .verdict = (enum verdict)item->verdict};
  enum status status = stamp_take(item->bytes, &item->size, &record.stamp);
  if (status == STATUS_OK)
    record_add(pool->options.records, &record);
  return status;
}

static void take_reply(struct pool *pool, int worker, uint64_t index, uint32_t attempt, struct item *item) {
  const char *trouble;
  struct slot *slot = window_slot(&pool->window, index);
  if (slot == NULL || slot->state != SLOT_SENT || slot->worker != worker || slot->attempt != attempt)
    return; /* of an older attempt, or nonsense */
  if (!is_workers_verdict(item->verdict) ||
      (pool->options.records != NULL && note(pool, worker, index, attempt, item) != STATUS_OK)) {
    pool->transport->ops->drop(pool->transport, worker); /* it is out of its mind */
    return;
  }
  crew_answered(&pool->crew, worker);
  pool->figures.bytes_in += item->size;
  pool->deaths = 0;
  slot->suspect = 0; /* it has not killed its worker */
  if (item->verdict == VERDICT_FATAL && pool->fatal == 0)
    pool->fatal = index;
  if (item->verdict == VERDICT_DONE && (trouble = keep(pool, index, item)) != NULL)
    pool_fail(pool, index, slot, VERDICT_TRANSFER, trouble);
  else if (!pool_retry(pool, index, slot, (enum verdict)item->verdict))
    finish(pool, index, slot, (enum verdict)item->verdict, item->bytes, item->size);
}

static void take_run(struct pool *pool, int worker, const struct message *m) {
  struct run run = {m->bytes, m->bytes + m->size};
  struct item item;
  int i;
  for (i = 0; i < m->run; i++) {
    if (run_next(&run, &item) != STATUS_OK) {
      pool->transport->ops->drop(pool->transport, worker);
      return;
    }
    take_reply(pool, worker, m->index + (uint64_t)i, m->attempt, &item);
  }
}

static void take_result(struct pool *pool, const struct event *event) {
  const struct message *m = &event->message;
  pool->crew.men[event->worker].full = 0;
  if (m->kind == MESSAGE_RUN)
    take_run(pool, event->worker, m);
  else
    take_reply(pool, event->worker, m->index, m->attempt, &(struct item){m->kind, m->bytes, m->size});
  retire_worn_out(pool, event->worker);
}

static void take_event(struct pool *pool, const struct event *event) {
  switch (event->kind) {
  case EVENT_RESULT:
    take_result(pool, event);
    break;
  case EVENT_ADDED:
    pool->crew.men[event->worker].capacity = event->capacity;
    break;
  case EVENT_LOST:
    pool_take_loss(pool, event);
    break;
  }
}

/* Takes in what there is. AGAIN: nothing came. */
static enum status take_events(struct pool *pool, int64_t deadline) {
  struct event event;
  int count = 0;
  while (count < DRAIN &&
         pool->transport->ops->receive(pool->transport, count == 0 ? deadline : 0, &event) == STATUS_OK) {
    take_event(pool, &event);
    count++;
  }
  return count > 0 ? STATUS_OK : STATUS_AGAIN;
}

/* -- waiting ------------------------------------------------------------ */

int64_t pool_due(const struct pool *pool) {
  return clock_sooner(clock_sooner(pool_next_release(pool), crew_next_change(&pool->crew)), pool->audit_at);
}

/* What no worker may have yet: another is just starting (crew.h). */
static int has_undealt(const struct pool *pool) {
  return !pool->ended || pool_waiting(pool) > 0;
}

int64_t pool_wanted(const struct pool *pool) {
  return clock_sooner(pool_next_release(pool),
                      has_undealt(pool) ? crew_next_change(&pool->crew) : CLOCK_NEVER);
}

enum status pool_wait(struct pool *pool, int64_t deadline) {
  int64_t began, now, own; /* when we must look again ourselves, however long the caller would wait */
  enum status status;
  int error;
  if (pool->crew.alive == 0 && pool_replace_workers(pool) != STATUS_OK)
    return STATUS_SYSTEM; /* nobody would ever wake us */
  pool_flush(pool);
  own = pool_due(pool);
  errno = 0;
  began = deadline == 0 ? 0 : clock_now();
  status = take_events(pool, clock_sooner(own, deadline));
  error = errno;
  now = clock_now();
  pool->figures.waited_ns += began == 0 ? 0 : now - began;
  pool_audit(pool, now);
  crew_pass(&pool->crew, now);
  pool_release_delays(pool, now);
  if (pool->deaths >= DEATHS_MOST)
    return STATUS_CLOSED;
  if (pool_replace_workers(pool) != STATUS_OK)
    return STATUS_SYSTEM;
  pool_flush(pool);
  errno = error;
  return status == STATUS_AGAIN && own > now ? STATUS_AGAIN : STATUS_OK;
}

/* -- results out -------------------------------------------------------- */

enum status pool_ready(struct pool *pool, struct delivery *d) {
  uint64_t index = pool->options.ordered ? pool->window.first : pool->earliest;
  struct slot *slot = window_slot(&pool->window, index);
  if ((slot == NULL || slot->state != SLOT_DONE) && pool->fatal != 0) { /* what is ready goes before */
    index = pool->fatal;
    slot = window_slot(&pool->window, index);
  }
  if (slot == NULL || slot->state != SLOT_DONE)
    return STATUS_AGAIN;
  d->index = index;
  d->attempt = slot->attempt;
  d->verdict = (enum verdict)slot->verdict;
  d->pid = slot->pid;
  d->own = slot->own;
  d->bytes = slot_bytes(slot);
  d->size = slot->size;
  return STATUS_OK;
}

void pool_delivered(struct pool *pool, const struct delivery *d) {
  if (d->index == pool->earliest)
    pool->earliest = window_slot(&pool->window, d->index)->later;
  window_remove(&pool->window, d->index);
  pool->figures.delivered++;
}
