#include "config.h"
#include "pace.h"

#define AHEAD_NS 4000000.0 /* of work in hand beyond the running task */
#define LONG_NS                                                                                              \
  20000000.0             /* tasks shorter than this have one waiting, longer ones none: they spread evenly */
#define READING_NS 20000 /* the least worker time of a reading */

void pace_pass(struct pace *p, int64_t now, int busy_count) {
  double ns;
  if (p->at != 0)
    p->worked_ns += (now - p->at) * busy_count;
  p->at = now;
  if (p->results == 0 || p->worked_ns < READING_NS)
    return;
  ns = (double)p->worked_ns / (double)p->results;
  p->task_ns = p->task_ns == 0 ? ns : (p->task_ns + ns) / 2;
  p->worked_ns = 0;
  p->results = 0;
}

uint64_t pace_ahead(const struct pace *p) {
  if (p->task_ns == 0 || p->task_ns > LONG_NS)
    return 0;
  return 1 + (uint64_t)(AHEAD_NS / p->task_ns);
}
