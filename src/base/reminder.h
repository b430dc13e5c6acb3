/* reminder.h - word to a thread, later.
   Level 1: usher.

   Life: reminder_init -> reminder_set, again and again -> reminder_release. A zeroed struct is one without a thread, and a forked
   child's copy is dead: the functions leave both alone. */
#ifndef FAST_MAP_REMINDER_H
#define FAST_MAP_REMINDER_H

#include <stdint.h>
#include <sys/types.h>

#include "usher.h"

struct reminder {
  struct recipient to;
  int timer; /* descriptor; valid when has_timer */
  int has_timer;
  pid_t owner; /* the process; a child shares the timer. 0: a zeroed struct */
  int64_t at;  /* when it is set for; CLOCK_NEVER: it is not */
};

void reminder_init(struct reminder *r, const struct recipient *to);

/* One call at that time (clock.h), at once when it has passed; CLOCK_NEVER: none. None comes either where the system has no
   timer to give. */
void reminder_set(struct reminder *r, int64_t at);

void reminder_release(struct reminder *r);

#endif
