/* reminder.h - a signal to a thread, later.
   Level 0: nothing. Used by that thread alone.

   Life: reminder_init -> reminder_set, again and again -> reminder_release. A zeroed struct is one without a thread, and a forked
   child's copy is dead: the functions leave both alone. */
#ifndef FAST_MAP_REMINDER_H
#define FAST_MAP_REMINDER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct reminder {
  timer_t timer; /* valid when has_timer */
  int has_timer;
  int signal;
  pid_t thread;
  pid_t
      owner; /* the process; the timer's number means something else in another, or nothing. 0: a zeroed struct */
  int64_t at; /* when it is set for; CLOCK_NEVER: it is not */
};

/* The signal will go to the calling thread. */
void reminder_init(struct reminder *r, int signal);

/* One signal at that time (clock.h), at once when it has passed; CLOCK_NEVER: none. None comes either where the system has no
   timer to give. */
void reminder_set(struct reminder *r, int64_t at);

void reminder_release(struct reminder *r);

#endif
