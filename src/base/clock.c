#include "config.h"
#include "clock.h"

#include <time.h>

int64_t clock_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * CLOCK_SECOND + now.tv_nsec;
}

int64_t clock_after(double seconds) {
  int64_t now = clock_now();
  if (!(seconds > 0))
    return now;
  if (seconds >= 2e9) /* a time_t of 32 bits holds what is less */
    return CLOCK_NEVER;
  return now + (int64_t)(seconds * (double)CLOCK_SECOND);
}
