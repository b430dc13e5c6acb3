#include "config.h"
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crew.h"
#include "run.h"
#include "stamp.h"

#define BYTES_AHEAD                                                                                          \
  ((size_t)64 << 20)      /* soft bound on the window's memory: no more tasks are pulled beyond it */
#define DRAIN         256 /* replies taken in before results are handed out */
#define RUN_TASK_MOST 512 /* bytes of a task that shares a message with others */
#define DELAY_MOST    (86400 * CLOCK_SECOND)
#define AUDIT_NS      CLOCK_SECOND /* between two looks at workers that do not answer */
#define STRIKES       3            /* audits after which a worker that does nothing is given up */
#define DEATHS_MOST   3            /* in a row without a task completed or failed: the map ends */

/* A task that runs again, but not at once. */
struct delay {
  uint64_t index;
  int64_t until;
};

struct pool {
  struct pool_options options;
  struct transport *transport;
  struct window window;
  struct crew crew;
  int ended;
  int refused;          /* the system refused a worker: go on with those there are */
  uint64_t fatal;       /* the task with whose result the map ends, since init failed; 0: none */
  int deaths;           /* since a task was last completed */
  int64_t last_death;   /* of those: clock_now() */
  int64_t audit_at;     /* clock_now() of the next audit */
  uint64_t unsent;      /* nothing before it is QUEUED */
  uint64_t queued;      /* slots in state QUEUED */
  uint64_t suspects;    /* of those, tasks that must run alone */
  struct delay *delays; /* of those, tasks that wait for their moment */
  size_t delay_count, delay_capacity;
  struct buffer run;           /* of tasks, on its way into a message */
  uint64_t turn;               /* where the search for a ready result goes on when unordered */
  struct pool_figures figures; /* but added, oldest and workers */
};

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
  pool->unsent = pool->turn = 1;
  pool->audit_at = clock_now() + AUDIT_NS;
  window_init(&pool->window);
  *box = pool;
  return STATUS_OK;
}

void pool_close(struct pool **box) {
  struct pool *pool = *box;
  if (pool == NULL)
    return;
  *box = NULL;
  pool->transport->ops->stop(pool->transport, pool_finished(pool));
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

/* -- tasks out ---------------------------------------------------------- */

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
  return (!pool->refused || pool->crew.alive == 0) && pool->crew.alive < pool->crew.limit;
}

uint64_t pool_room(struct pool *pool) {
  uint64_t in_window = window_count(&pool->window), room, window_room;
  struct ration r;
  if (pool->ended || in_window > pool->options.window_limit)
    return 0;
  if (pool->window.byte_count > BYTES_AHEAD && in_window > (uint64_t)pool->crew.alive)
    return 0;
  r = ration(pool);
  room = crew_hunger(&pool->crew, &r) + (may_start(pool) ? 1 : 0);
  room = room > pool->queued ? room - pool->queued : 0;
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

/* A suspect goes to a worker with nothing else in hand: if that dies, the culprit is known. */
static void deal_suspects(struct pool *pool) {
  uint64_t i;
  for (i = pool->window.first; pool->suspects > 0 && i < pool->window.next; i++) {
    struct slot *slot = window_slot(&pool->window, i);
    int worker;
    if (slot->state != SLOT_QUEUED || !slot->suspect || slot->delayed)
      continue;
    worker = crew_idle(&pool->crew);
    if (worker < 0 || send_slot(pool, worker, i, slot) != STATUS_OK)
      return;
    pool->crew.men[worker].alone = 1;
    pool->suspects--;
  }
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

/* Replaces dead workers while there is something for them to do. OK; SYSTEM, NOMEM: there is none, and none can be had. */
static enum status replace_workers(struct pool *pool) {
  enum status status = STATUS_OK;
  while (status == STATUS_OK && may_start(pool) && pool->queued > pool->delay_count) {
    status = start_worker(pool);
    deal(pool);
  }
  return status;
}

/* -- again ---------------------------------------------------------------- */

static void queue_again(struct pool *pool, uint64_t index, struct slot *slot) {
  slot->state = SLOT_QUEUED;
  slot->worker = -1;
  pool->queued++;
  pool->suspects += slot->suspect;
  if (index < pool->unsent)
    pool->unsent = index;
}

/* Its worker died. */
static void run_again(struct pool *pool, uint64_t index, struct slot *slot) {
  pool->figures.rerun++;
  queue_again(pool, index, slot);
}

/* NOMEM: it runs again at once instead. */
static void postpone(struct pool *pool, uint64_t index, struct slot *slot, int64_t until) {
  if (pool->delay_count == pool->delay_capacity) {
    size_t capacity = pool->delay_capacity * 2 + 8;
    struct delay *delays = realloc(pool->delays, capacity * sizeof *delays);
    if (delays == NULL)
      return;
    pool->delays = delays;
    pool->delay_capacity = capacity;
  }
  pool->delays[pool->delay_count++] = (struct delay){index, until};
  slot->delayed = 1;
}

static void release_delays(struct pool *pool, int64_t now) {
  size_t i = 0;
  while (i < pool->delay_count) {
    struct delay d = pool->delays[i];
    if (d.until > now) {
      i++;
      continue;
    }
    window_slot(&pool->window, d.index)->delayed = 0;
    if (d.index < pool->unsent)
      pool->unsent = d.index;
    pool->delays[i] = pool->delays[--pool->delay_count];
  }
}

static int64_t next_release(const struct pool *pool) {
  int64_t first = CLOCK_NEVER;
  size_t i;
  for (i = 0; i < pool->delay_count; i++)
    if (pool->delays[i].until < first)
      first = pool->delays[i].until;
  return first;
}

static int64_t retry_delay(const struct pool *pool, const struct slot *slot) {
  int64_t delay = pool->options.retry_delay_ns;
  int i;
  for (i = 0; i < slot->failures && delay < DELAY_MOST; i++)
    delay *= 2;
  return delay < DELAY_MOST ? delay : DELAY_MOST;
}

/* True when the task gets another run. */
static int retry(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict) {
  if ((verdict != VERDICT_ERROR && verdict != VERDICT_TIMEOUT) || slot->failures >= pool->options.retries)
    return 0;
  pool->figures.retried++;
  queue_again(pool, index, slot);
  if (pool->options.retry_delay_ns > 0)
    postpone(pool, index, slot, clock_now() + retry_delay(pool, slot));
  slot->failures++;
  return 1;
}

/* -- results in --------------------------------------------------------- */

static void finish(struct pool *pool, struct slot *slot, enum verdict verdict, const void *bytes,
                   size_t size) {
  int worker = slot->worker;
  if (window_finish(&pool->window, slot, verdict, bytes, size) != STATUS_OK) {
    /* the parent is short of memory: this task's result is what is lost, and it says so */
    verdict = VERDICT_MEMORY;
    window_finish(&pool->window, slot, verdict, NULL, 0);
  }
  slot->pid = worker >= 0 && verdict != VERDICT_DONE ? pool->transport->ops->pid(pool->transport, worker) : 0;
}

/* The verdict is the pool's own: its bytes are text. */
static void fail(struct pool *pool, uint64_t index, struct slot *slot, enum verdict verdict,
                 const char *text) {
  if (retry(pool, index, slot, verdict))
    return;
  finish(pool, slot, verdict, text, strlen(text));
  slot->own = 1;
}

enum status pool_add_done(struct pool *pool, enum verdict verdict, const void *bytes, size_t size) {
  enum status status = window_add(&pool->window, NULL, 0);
  if (status == STATUS_OK)
    finish(pool, window_slot(&pool->window, pool->window.next - 1), verdict, bytes, size);
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
    fail(pool, index, slot, VERDICT_TRANSFER, trouble);
  else if (!retry(pool, index, slot, (enum verdict)item->verdict))
    finish(pool, slot, (enum verdict)item->verdict, item->bytes, item->size);
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

static void describe_loss(const struct loss *loss, char *text, size_t size) {
  if (loss->timed_out)
    snprintf(text, size, "it did not yield to the interruption%s%s", *loss->trace ? "\n" : "", loss->trace);
  else if (loss->garbage)
    snprintf(text, size, "the worker wrote nonsense into its ring and was killed");
  else if (loss->signal != 0)
    snprintf(text, size, "the worker was killed by signal %d (%s)%s%s", loss->signal, strsignal(loss->signal),
             *loss->trace ? "\n" : "", loss->trace);
  else if (loss->exit_code >= 0)
    snprintf(text, size, "the worker exited with code %d", loss->exit_code);
  else
    snprintf(text, size, "the worker died (somebody else took its exit status)");
}

/* Every task that the worker had runs again, except a known culprit; of the rest, those that were running are suspects. */
static void take_back(struct pool *pool, int worker, uint64_t culprit, enum verdict verdict,
                      const char *text) {
  uint64_t i;
  for (i = pool->window.first; i < pool->window.next; i++) {
    struct slot *slot = window_slot(&pool->window, i);
    if (slot->state != SLOT_SENT || slot->worker != worker)
      continue;
    if (i == culprit || slot->suspect) /* a suspect was alone: it is the culprit */
      fail(pool, i, slot, verdict, text);
    else
      run_again(pool, i, slot);
  }
}

static void suspect(struct pool *pool, int worker, uint64_t index, const char *text) {
  struct slot *slot = window_slot(&pool->window, index);
  if (slot == NULL || slot->state != SLOT_SENT || slot->worker != worker || slot->suspect)
    return; /* taken back below, or long answered */
  if (!pool->options.rerun) {
    fail(pool, index, slot, VERDICT_CRASH, text);
    return;
  }
  slot->suspect = 1;
  run_again(pool, index, slot);
}

/* Those that were running, but the known culprit; after nonsense all that the worker had: its replies may be what is lost. */
static void mark_suspects(struct pool *pool, int worker, uint64_t culprit, int all, const char *text) {
  uint64_t index;
  int place = 0;
  while (!all && (index = pool->transport->ops->running(pool->transport, worker, &place)) != 0)
    if (index != culprit)
      suspect(pool, worker, index, text);
  for (index = pool->window.first; all && index < pool->window.next; index++)
    suspect(pool, worker, index, text);
}

/* The culprit is known. Those beside it run again, unless no task may run twice. */
static void take_neighbours(struct pool *pool, int worker, uint64_t culprit) {
  char text[64];
  if (pool->options.rerun)
    return;
  snprintf(text, sizeof text, "the worker died of another task, number %llu", (unsigned long long)culprit);
  mark_suspects(pool, worker, culprit, 0, text);
}

static int in_hand(const struct pool *pool, int worker, uint64_t index) {
  const struct slot *slot = window_slot(&pool->window, index);
  return slot != NULL && slot->state == SLOT_SENT && slot->worker == worker;
}

/* The task whose thread faulted, 0 when it is not known: it may have been answered since, or its number be nonsense. */
static uint64_t culprit_in_hand(const struct pool *pool, int worker, uint64_t culprit) {
  return in_hand(pool, worker, culprit) ? culprit : 0;
}

/* The worker died in the state's own beginning, which would be the same in its successor: no task is to blame. */
static void fail_init(struct pool *pool, int worker, const char *text) {
  uint64_t i;
  for (i = pool->window.first; i < pool->window.next; i++) {
    struct slot *slot = window_slot(&pool->window, i);
    if (slot->state != SLOT_SENT || slot->worker != worker)
      continue;
    fail(pool, i, slot, VERDICT_FATAL, text);
    pool->fatal = i;
    return;
  }
}

/* Those that die together count once: in a row are those that were started after the one before had died. */
static void count_death(struct pool *pool, int worker) {
  if (pool->crew.men[worker].started < pool->last_death)
    return;
  pool->deaths++;
  pool->last_death = clock_now();
}

static void take_loss(struct pool *pool, const struct event *event) {
  const struct loss *loss = &event->loss;
  uint64_t culprit = culprit_in_hand(pool, event->worker, loss->culprit);
  uint64_t done = pool->window.done;
  uint64_t in_hand = pool->crew.men[event->worker].in_hand;
  char text[LOSS_TEXT];
  describe_loss(loss, text, sizeof text);
  pool->figures.deaths += loss->signal != 0 || loss->exit_code != 0 || in_hand > 0;
  pool->refused = 0; /* there is room for one again */
  if (loss->culprit == INDEX_INIT)
    fail_init(pool, event->worker, text);
  if (culprit == 0)
    mark_suspects(pool, event->worker, 0, loss->garbage, text);
  else
    take_neighbours(pool, event->worker, culprit);
  take_back(pool, event->worker, culprit, loss->timed_out ? VERDICT_TIMEOUT : VERDICT_CRASH, text);
  if (pool->window.done > done)
    pool->deaths = 0; /* it cost a task: things get on */
  else if (!loss->timed_out && in_hand > 0)
    count_death(pool, event->worker);
  crew_lost(&pool->crew, event->worker);
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
    take_loss(pool, event);
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

/* -- audits: a worker whose memory was overwritten may have lost tasks, and nobody would ever hear of them ---------- */

/* True when one of the worker's threads works on a task that it has in hand. */
static int works(struct pool *pool, int worker) {
  uint64_t index;
  int place = 0;
  while ((index = pool->transport->ops->running(pool->transport, worker, &place)) != 0)
    if (index == INDEX_INIT || in_hand(pool, worker, index))
      return 1;
  return 0;
}

static void audit_man(struct pool *pool, int worker) {
  struct crewman *m = &pool->crew.men[worker];
  uint64_t answered = m->assigned - m->in_hand;
  int idle = m->alive && m->in_hand > 0 && answered == m->audited &&
             pool->transport->ops->quiet(pool->transport, worker) && !works(pool, worker);
  m->strikes = idle ? m->strikes + 1 : 0;
  m->audited = answered;
  if (m->strikes >= STRIKES)
    pool->transport->ops->drop(pool->transport, worker);
}

static void audit(struct pool *pool, int64_t now) {
  int i;
  if (now < pool->audit_at)
    return;
  pool->audit_at = now + AUDIT_NS;
  for (i = 0; i < pool->crew.limit; i++)
    audit_man(pool, i);
}

static int64_t sooner(int64_t a, int64_t b) {
  return a < b ? a : b;
}

int64_t pool_due(const struct pool *pool) {
  return sooner(sooner(next_release(pool), crew_next_change(&pool->crew)), pool->audit_at);
}

/* What no worker may have yet: another is just starting (crew.h). */
static int has_undealt(const struct pool *pool) {
  return !pool->ended || pool->queued > pool->delay_count;
}

int64_t pool_wanted(const struct pool *pool) {
  return sooner(next_release(pool), has_undealt(pool) ? crew_next_change(&pool->crew) : CLOCK_NEVER);
}

enum status pool_wait(struct pool *pool, int64_t deadline) {
  int64_t began, now, own; /* when we must look again ourselves, however long the caller would wait */
  enum status status;
  int error;
  if (pool->crew.alive == 0 && replace_workers(pool) != STATUS_OK)
    return STATUS_SYSTEM; /* nobody would ever wake us */
  pool_flush(pool);
  own = pool_due(pool);
  errno = 0;
  began = deadline == 0 ? 0 : clock_now();
  status = take_events(pool, sooner(own, deadline));
  error = errno;
  now = clock_now();
  pool->figures.waited_ns += began == 0 ? 0 : now - began;
  audit(pool, now);
  crew_pass(&pool->crew, now);
  release_delays(pool, now);
  if (pool->deaths >= DEATHS_MOST)
    return STATUS_CLOSED;
  if (replace_workers(pool) != STATUS_OK)
    return STATUS_SYSTEM;
  pool_flush(pool);
  errno = error;
  return status == STATUS_AGAIN && own > now ? STATUS_AGAIN : STATUS_OK;
}

/* -- results out -------------------------------------------------------- */

static struct slot *any_done(struct pool *pool, uint64_t *index) {
  struct slot *slot;
  if (pool->window.done == 0)
    return NULL;
  for (;; pool->turn++) {
    if (pool->turn < pool->window.first || pool->turn >= pool->window.next)
      pool->turn = pool->window.first;
    slot = window_slot(&pool->window, pool->turn);
    if (slot->state == SLOT_DONE)
      break;
  }
  *index = pool->turn;
  return slot;
}

enum status pool_ready(struct pool *pool, struct delivery *d) {
  struct slot *slot;
  uint64_t index = pool->window.first;
  slot = pool->options.ordered ? window_slot(&pool->window, index) : any_done(pool, &index);
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
  window_remove(&pool->window, d->index);
  pool->figures.delivered++;
}
