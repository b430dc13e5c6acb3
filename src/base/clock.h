/* clock.h - monotonic time.
   Level 0: nothing. */
#ifndef FAST_MAP_CLOCK_H
#define FAST_MAP_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000000)
#define CLOCK_NEVER  INT64_MAX

static inline int64_t clock_sooner(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Nanoseconds since some fixed point in the past; the same in every process of the machine. */
int64_t clock_now(void);

/* The moment `seconds` from now; CLOCK_NEVER when that is beyond 63 years, now when negative or nan. */
int64_t clock_after(double seconds);

#endif
