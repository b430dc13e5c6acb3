#include "config.h"
#include "crew.h"

#include <stdlib.h>

#include "clock.h"

#define START_NS 60000000  /* from the fork to the first answer, if the first task is short */
#define BRISK_NS 20000000  /* between two answers of a worker that gets on */
#define FRESH_NS 300000000 /* a worker's first moments: others wait for it */

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

enum status crew_open(struct crew *crew, int limit, int64_t task_count, uint64_t quota, uint64_t chunk) {
  *crew = (struct crew){.limit = limit,
                        .task_count = task_count,
                        .quota = quota,
                        .chunk = chunk > 0 ? chunk : 1,
                        .emptying = -1};
  crew->men = calloc((size_t)limit, sizeof *crew->men);
  return crew->men == NULL ? STATUS_NOMEM : STATUS_OK;
}

void crew_close(struct crew *crew) {
  free(crew->men);
  *crew = (struct crew){0};
}

int crew_vacancy(const struct crew *crew) {
  int i;
  if (crew->alive < crew->limit)
    for (i = 0; i < crew->limit; i++)
      if (!crew->men[i].alive)
        return i;
  return -1;
}

void crew_start(struct crew *crew, int man, int64_t now) {
  crew->men[man] = (struct crewman){.alive = 1, .capacity = 1, .started = now};
  crew->alive++;
  if (crew->pace.at == 0)
    crew->pace.at = now;
}

void crew_lost(struct crew *crew, int man) {
  crew->men[man] = (struct crewman){0};
  crew->alive--;
  if (crew->emptying == man)
    crew->emptying = -1;
}

void crew_sent(struct crew *crew, int man, uint64_t count) {
  crew->men[man].in_hand += count;
  crew->men[man].assigned += count;
}

void crew_answered(struct crew *crew, int man) {
  crew->men[man].in_hand--;
  crew->men[man].answered = 1;
  crew->men[man].last_answer = crew->pace.at;
  crew->men[man].alone = 0;
  pace_result(&crew->pace);
}

void crew_pass(struct crew *crew, int64_t now) {
  int i, busy = 0;
  for (i = 0; i < crew->limit; i++)
    busy += crew->men[i].in_hand > 0;
  pace_pass(&crew->pace, now, busy);
}

/* How far a worker may be ahead of one that is just starting. */
static uint64_t lead_allowed(const struct crew *crew) {
  return crew->task_count > 0 ? 16 + (uint64_t)crew->task_count / 50 : 64;
}

/* In its first moments a worker counts as just starting: until it answers, and while it answers briskly. One that is busy
   with a long task does not: nobody waits for that. Returns when that ends; 0: it has. */
static int64_t fresh_until(const struct crew *crew, const struct crewman *m) {
  int64_t until = m->answered ? m->last_answer + BRISK_NS : m->started + START_NS;
  if (!m->alive || until > m->started + FRESH_NS)
    return 0;
  return until > crew->pace.at ? until : 0;
}

int64_t crew_next_change(const struct crew *crew) {
  int64_t next = CLOCK_NEVER;
  int i;
  for (i = 0; i < crew->limit; i++) {
    int64_t until = crew->alive > 1 ? fresh_until(crew, &crew->men[i]) : 0;
    if (until != 0 && until < next)
      next = until;
  }
  return next;
}

/* Short maps spread evenly too: a worker that starts a moment later shall not find everything done. */
static uint64_t lead_limit(const struct crew *crew) {
  uint64_t limit = UINT64_MAX;
  int i;
  for (i = 0; i < crew->limit; i++)
    if (fresh_until(crew, &crew->men[i]) != 0)
      limit = least(limit, crew->men[i].assigned + lead_allowed(crew));
  return limit;
}

/* The last tasks must not queue behind each other in one worker. */
static uint64_t even_share(const struct crew *crew, uint64_t left) {
  int i;
  if (left == UINT64_MAX || crew->alive == 0)
    return left;
  for (i = 0; i < crew->limit; i++)
    left += crew->men[i].in_hand;
  return (left + (uint64_t)crew->alive - 1) / (uint64_t)crew->alive;
}

struct ration crew_ration(const struct crew *crew, uint64_t left) {
  return (struct ration){.share = even_share(crew, left), .lead = lead_limit(crew)};
}

uint64_t crew_appetite(const struct crew *crew, int man, const struct ration *ration) {
  const struct crewman *m = &crew->men[man];
  uint64_t target, now = (uint64_t)m->capacity * crew->chunk, ahead = pace_ahead(&crew->pace);
  if (!m->alive || m->full || m->alone || man == crew->emptying || m->retired || m->in_hand > now + ahead / 2)
    return 0; /* of short tasks it first does half of what waits: many in one message, and one wake-up, cost little */
  target = least(now + ahead, ration->share);
  if (ration->lead != UINT64_MAX)
    target = least(target, m->in_hand + (ration->lead > m->assigned ? ration->lead - m->assigned : 0));
  if (crew->quota != 0)
    target = least(target, m->in_hand + crew->quota - least(m->assigned, crew->quota));
  return target > m->in_hand ? target - m->in_hand : 0;
}

uint64_t crew_hunger(const struct crew *crew, const struct ration *ration) {
  uint64_t hunger = 0;
  int i;
  for (i = 0; i < crew->limit; i++)
    hunger += crew_appetite(crew, i, ration);
  return hunger;
}

int crew_hungriest(const struct crew *crew, const struct ration *ration, uint64_t *appetite) {
  int i, best = -1;
  *appetite = 0;
  for (i = 0; i < crew->limit; i++) {
    uint64_t wants = crew_appetite(crew, i, ration);
    if (wants > *appetite ||
        (wants > 0 && wants == *appetite && crew->men[i].in_hand < crew->men[best].in_hand)) {
      *appetite = wants;
      best = i;
    }
  }
  return best;
}

int crew_worn_out(const struct crew *crew, int man) {
  const struct crewman *m = &crew->men[man];
  return crew->quota != 0 && m->alive && !m->retired && m->in_hand == 0 && m->assigned >= crew->quota;
}

int crew_idle(const struct crew *crew) {
  int i;
  for (i = 0; i < crew->limit; i++)
    if (crew->men[i].alive && !crew->men[i].retired && crew->men[i].in_hand == 0)
      return i;
  return -1;
}

/* When it will have nothing in hand, if it goes on as since its last answer. */
static double time_to_empty(const struct crew *crew, const struct crewman *m) {
  int64_t since = m->answered ? m->last_answer : m->started;
  return (double)(crew->pace.at - since + 1) * (double)m->in_hand;
}

int crew_emptiest(const struct crew *crew) {
  int i, best = -1;
  for (i = 0; i < crew->limit; i++) {
    const struct crewman *m = &crew->men[i];
    if (m->alone)
      return -1;
    if (m->alive && !m->retired &&
        (best < 0 || time_to_empty(crew, m) < time_to_empty(crew, &crew->men[best])))
      best = i;
  }
  return best;
}
