#include "config.h"
#include "ledger.h"

#include <stdlib.h>

#include "clock.h"

#define DELAY_MOST (86400 * CLOCK_SECOND)

/* A queued task may run. */
static void release(struct pool *pool, uint64_t index, struct slot *slot) {
  uint64_t *from = slot->suspect ? &pool->accused : &pool->unsent;
  slot->delayed = 0;
  pool->suspects += slot->suspect;
  if (index < *from)
    *from = index;
}

static void queue_again(struct pool *pool, struct slot *slot) {
  slot->state = SLOT_QUEUED;
  slot->worker = -1;
  pool->queued++;
}

void pool_run_again(struct pool *pool, uint64_t index, struct slot *slot) {
  pool->figures.rerun++;
  queue_again(pool, slot);
  release(pool, index, slot);
}

/* pool->delays is a heap: none is over before the one at (its place - 1) / 2. The first `count` are one; one more is added. */
static void push(struct delay *delays, size_t count, struct delay delay) {
  size_t at = count;
  for (; at > 0 && delays[(at - 1) / 2].until > delay.until; at = (at - 1) / 2)
    delays[at] = delays[(at - 1) / 2];
  delays[at] = delay;
}

/* Of `count`, the first leaves. */
static void pop(struct delay *delays, size_t count) {
  struct delay last = delays[--count];
  size_t at = 0, next;
  for (; (next = 2 * at + 1) < count; at = next) {
    next += next + 1 < count && delays[next + 1].until < delays[next].until;
    if (delays[next].until >= last.until)
      break;
    delays[at] = delays[next];
  }
  delays[at] = last;
}

/* Queued, but not to run before that time. OK; NOMEM: it is not kept in mind. */
static enum status postpone(struct pool *pool, uint64_t index, struct slot *slot, int64_t until) {
  if (pool->delay_count == pool->delay_capacity) {
    size_t capacity = pool->delay_capacity * 2 + 8;
    struct delay *delays = realloc(pool->delays, capacity * sizeof *delays);
    if (delays == NULL)
      return STATUS_NOMEM;
    pool->delays = delays;
    pool->delay_capacity = capacity;
  }
  push(pool->delays, pool->delay_count++, (struct delay){index, until});
  slot->delayed = 1;
  return STATUS_OK;
}

void pool_release_delays(struct pool *pool, int64_t now) {
  while (pool_next_release(pool) <= now) {
    uint64_t index = pool->delays[0].index;
    pop(pool->delays, pool->delay_count--);
    release(pool, index, window_slot(&pool->window, index));
  }
}

int64_t pool_next_release(const struct pool *pool) {
  return pool->delay_count == 0 ? CLOCK_NEVER : pool->delays[0].until;
}

static int64_t retry_delay(const struct pool *pool, const struct slot *slot) {
  int64_t delay = pool->options.retry_delay_ns;
  int i;
  for (i = 0; i < slot->failures && delay < DELAY_MOST; i++)
    delay *= 2;
  return delay < DELAY_MOST ? delay : DELAY_MOST;
}

int pool_retry(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict) {
  if ((verdict != VERDICT_ERROR && verdict != VERDICT_TIMEOUT) || slot->failures >= pool->options.retries)
    return 0;
  pool->figures.retried++;
  queue_again(pool, slot);
  if (pool->options.retry_delay_ns == 0 ||
      postpone(pool, index, slot, clock_now() + retry_delay(pool, slot)) != STATUS_OK)
    release(pool, index, slot);
  slot->failures++;
  return 1;
}
