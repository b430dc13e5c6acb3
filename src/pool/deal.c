#include "config.h"
#include "ledger.h"

#include "clock.h"
#include "run.h"

#define BYTES_AHEAD                                                                                          \
  ((size_t)64 << 20)      /* soft bound on the window's memory: no more tasks are pulled beyond it */
#define RUN_TASK_MOST 512 /* bytes of a task that shares a message with others */

/* Tasks queued or still to come; UINT64_MAX when nobody knows: the count may be the user's guess. */
static uint64_t tasks_left(const struct pool *pool) {
  uint64_t added = pool->window.next - 1;
  if (pool->ended)
    return pool->queued;
  if (pool->options.task_count < 0 || (uint64_t)pool->options.task_count <= added)
    return UINT64_MAX;
  return (uint64_t)pool->options.task_count - added + pool->queued;
}

static struct ration ration(const struct pool *pool) {
  return crew_ration(&pool->crew, tasks_left(pool));
}

static int may_start(const struct pool *pool) {
  return (!pool->refused || pool->crew.alive == 0) && pool->crew.alive < pool->places;
}

uint64_t pool_room(struct pool *pool) {
  uint64_t in_window = window_count(&pool->window), waiting = pool_waiting(pool), room, window_room;
  struct ration r;
  if (pool->ended || in_window > pool->options.window_limit)
    return 0;
  if (pool->window.byte_count > BYTES_AHEAD && in_window > (uint64_t)pool->crew.alive)
    return 0;
  r = ration(pool);
  room = crew_hunger(&pool->crew, &r) + (may_start(pool) ? 1 : 0);
  room = room > waiting ? room - waiting : 0;
  /* buffersize counts tasks beyond the one being delivered, which is the window's first */
  window_room = pool->options.window_limit + 1 - in_window;
  return room < window_room ? room : window_room;
}

/* OK also when the system refuses one more. */
static enum status start_worker(struct pool *pool) {
  int number = crew_vacancy(&pool->crew);
  int64_t began = clock_now(), now;
  enum status status = pool->transport->ops->start(pool->transport, number);
  now = clock_now();
  pool->figures.starting_ns += now - began;
  if (status == STATUS_OK) {
    crew_start(&pool->crew, number, now);
    return STATUS_OK;
  }
  pool->refused = 1;
  return pool->crew.alive > 0 ? STATUS_OK : status;
}

static void note_sent(struct pool *pool, int worker, struct slot *slot) {
  slot->state = SLOT_SENT;
  slot->attempt++;
  slot->worker = worker;
  pool->queued--;
}

static enum status send_message(struct pool *pool, int worker, const struct message *m) {
  if (pool->transport->ops->send(pool->transport, worker, m) == STATUS_OK)
    return STATUS_OK;
  pool->crew.men[worker].full = 1;
  return STATUS_AGAIN;
}

/* OK; AGAIN: the worker takes no more now. */
static enum status send_slot(struct pool *pool, int worker, uint64_t index, struct slot *slot) {
  struct message m = {.kind = MESSAGE_TASK, .index = index, .size = slot->size, .bytes = slot_bytes(slot)};
  m.attempt = slot->attempt + 1u;
  if (send_message(pool, worker, &m) != STATUS_OK)
    return STATUS_AGAIN;
  note_sent(pool, worker, slot);
  crew_sent(&pool->crew, worker, 1);
  return STATUS_OK;
}

static int is_waiting(const struct slot *slot) {
  return slot->state == SLOT_QUEUED && !slot->suspect && !slot->delayed;
}

/* The oldest task that any worker may have; its index is pool->unsent. */
static struct slot *next_queued(struct pool *pool) {
  struct slot *slot;
  if (pool->unsent < pool->window.first)
    pool->unsent = pool->window.first;
  while ((slot = window_slot(&pool->window, pool->unsent)) != NULL && !is_waiting(slot))
    pool->unsent++;
  return slot;
}

/* The oldest of pool->suspects, which are not 0; its index is pool->accused. */
static struct slot *next_suspect(struct pool *pool) {
  struct slot *slot;
  if (pool->accused < pool->window.first)
    pool->accused = pool->window.first;
  while (slot = window_slot(&pool->window, pool->accused),
         slot->state != SLOT_QUEUED || !slot->suspect || slot->delayed)
    pool->accused++;
  return slot;
}

/* A suspect goes to a worker with nothing else in hand: if that dies, the culprit is known. There may never be one while new
   tasks keep coming. */
static void deal_suspects(struct pool *pool) {
  int worker;
  while (pool->suspects > 0 && (worker = crew_idle(&pool->crew)) >= 0) {
    struct slot *slot = next_suspect(pool);
    if (send_slot(pool, worker, pool->accused, slot) != STATUS_OK)
      break;
    pool->crew.men[worker].alone = 1;
    pool->suspects--;
  }
  pool->crew.emptying = pool->suspects > 0 ? crew_emptiest(&pool->crew) : -1;
}

/* Puts neighbours from pool->unsent on into pool->run: short ones that run for the first time. Returns how many. */
static uint64_t gather_run(struct pool *pool, uint64_t most) {
  size_t size_most = pool->transport->run_size;
  uint64_t count = 0;
  pool->run.size = 0;
  for (; count < most && count < MESSAGE_RUN_MAX; count++) {
    const struct slot *slot = window_slot(&pool->window, pool->unsent + count);
    if (slot == NULL || !is_waiting(slot) || slot->attempt != 0 || slot->size > RUN_TASK_MOST)
      break;
    if (pool->run.size + slot->size + RUN_HEAD_MOST > size_most ||
        run_add(&pool->run, 0, slot_bytes(slot), slot->size) != STATUS_OK)
      break;
  }
  return count;
}

/* Sends the oldest tasks that wait, at most `most`, in one message. Returns how many; 0: the worker takes no more now, or
   there are none. */
static uint64_t send_some(struct pool *pool, int worker, uint64_t most) {
  struct slot *slot = next_queued(pool);
  struct message m = {.kind = MESSAGE_TASK, .attempt = 1};
  uint64_t count, i;
  if (slot == NULL)
    return 0;
  count = most > 1 ? gather_run(pool, most) : 0;
  if (count < 2)
    return send_slot(pool, worker, pool->unsent, slot) == STATUS_OK;
  m.run = (uint16_t)count;
  m.index = pool->unsent;
  m.bytes = pool->run.bytes;
  m.size = pool->run.size;
  if (send_message(pool, worker, &m) != STATUS_OK)
    return 0;
  for (i = 0; i < count; i++)
    note_sent(pool, worker, window_slot(&pool->window, m.index + i));
  crew_sent(&pool->crew, worker, count);
  pool->unsent += count;
  return count;
}

/* Deals what is queued, the hungriest first, in runs. */
static void deal(struct pool *pool) {
  struct ration r;
  deal_suspects(pool);
  if (pool->queued == 0)
    return;
  r = ration(pool);
  for (;;) {
    uint64_t wants, n, sent;
    int worker = crew_hungriest(&pool->crew, &r, &wants);
    if (worker < 0 || next_queued(pool) == NULL)
      return;
    for (n = (wants + 1) / 2; n > 0; n -= sent)
      if ((sent = send_some(pool, worker, n)) == 0)
        break;
  }
}

enum status pool_start(struct pool *pool) {
  enum status status = STATUS_OK;
  while (status == STATUS_OK && !pool->ended && may_start(pool))
    status = start_worker(pool);
  pool->places = pool->crew.alive > 0 ? pool->crew.alive : 1;
  return status;
}

static enum status note_added(struct pool *pool, size_t size) {
  enum status status = STATUS_OK;
  pool->queued++;
  pool->figures.bytes_out += size;
  if (may_start(pool)) {
    status = start_worker(pool);
    deal(pool);
  }
  return status;
}

enum status pool_give(struct pool *pool, struct buffer *b) {
  size_t size = b->size;
  enum status status = window_give(&pool->window, b);
  return status == STATUS_OK ? note_added(pool, size) : status;
}

/* Nothing is left to send: workers leave by themselves after their last task, which saves waking them for it. A task that
   may run again would need them. */
static void retire_all(struct pool *pool) {
  int i;
  for (i = 0; i < pool->crew.limit; i++)
    if (pool->crew.men[i].alive && !pool->crew.men[i].retired) {
      pool->crew.men[i].retired = 1;
      pool->transport->ops->retire(pool->transport, i);
    }
}

void pool_flush(struct pool *pool) {
  deal(pool);
  if (pool->ended && pool->queued == 0 && pool->options.retries == 0)
    retire_all(pool);
  pool->transport->ops->flush(pool->transport);
}

enum status pool_replace_workers(struct pool *pool) {
  enum status status = STATUS_OK;
  while (status == STATUS_OK && may_start(pool) && pool_waiting(pool) > 0) {
    status = start_worker(pool);
    deal(pool);
  }
  return status;
}
