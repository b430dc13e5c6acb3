#include "config.h"
#include "ledger.h"

#include "clock.h"

/* A worker whose memory was overwritten may have lost tasks, and nobody would ever hear of them. */

#define STRIKES 3 /* audits after which a worker that does nothing is given up */

/* True when one of the worker's threads works on a task that it has in hand. */
static int works(struct pool *pool, int worker) {
  uint64_t index;
  int place = 0;
  while ((index = pool->transport->ops->running(pool->transport, worker, &place)) != 0)
    if (index == INDEX_INIT || pool_in_hand(pool, worker, index))
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

void pool_audit(struct pool *pool, int64_t now) {
  int i;
  if (now < pool->audit_at)
    return;
  pool->audit_at = now + POOL_AUDIT_NS;
  for (i = 0; i < pool->crew.limit; i++)
    audit_man(pool, i);
}
