#include "config.h"
#include "ledger.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

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
      pool_fail(pool, i, slot, verdict, text);
    else
      pool_run_again(pool, i, slot);
  }
}

static void suspect(struct pool *pool, int worker, uint64_t index, const char *text) {
  struct slot *slot = window_slot(&pool->window, index);
  if (slot == NULL || slot->state != SLOT_SENT || slot->worker != worker || slot->suspect)
    return; /* taken back below, or long answered */
  if (!pool->options.rerun) {
    pool_fail(pool, index, slot, VERDICT_CRASH, text);
    return;
  }
  slot->suspect = 1;
  pool_run_again(pool, index, slot);
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

int pool_in_hand(const struct pool *pool, int worker, uint64_t index) {
  const struct slot *slot = window_slot(&pool->window, index);
  return slot != NULL && slot->state == SLOT_SENT && slot->worker == worker;
}

/* The task whose thread faulted, 0 when it is not known: it may have been answered since, or its number be nonsense. */
static uint64_t culprit_in_hand(const struct pool *pool, int worker, uint64_t culprit) {
  return pool_in_hand(pool, worker, culprit) ? culprit : 0;
}

/* The worker died in the state's own beginning, which would be the same in its successor: no task is to blame. */
static void fail_init(struct pool *pool, int worker, const char *text) {
  uint64_t i;
  for (i = pool->window.first; i < pool->window.next; i++) {
    struct slot *slot = window_slot(&pool->window, i);
    if (slot->state != SLOT_SENT || slot->worker != worker)
      continue;
    pool_fail(pool, i, slot, VERDICT_FATAL, text);
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

void pool_take_loss(struct pool *pool, const struct event *event) {
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
