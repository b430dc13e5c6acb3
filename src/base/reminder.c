#include "config.h"
#include "reminder.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"

void reminder_init(struct reminder *r, const struct recipient *to) {
  *r = (struct reminder){.to = *to, .owner = getpid(), .at = CLOCK_NEVER};
}

static int open_timer(struct reminder *r) {
  r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (r->timer < 0)
    return 0;
  usher_add(&r->to, r->timer);
  return r->has_timer = 1;
}

/* A zeroed time stops the timer. */
static struct itimerspec moment(int64_t at) {
  if (at == CLOCK_NEVER)
    return (struct itimerspec){0};
  at = at > 0 ? at : 1;
  return (struct itimerspec){.it_value = {at / CLOCK_SECOND, at % CLOCK_SECOND}};
}

void reminder_set(struct reminder *r, int64_t at) {
  struct itimerspec when = moment(at);
  if (r->owner != getpid() || (at == CLOCK_NEVER && r->at == CLOCK_NEVER))
    return;
  if ((r->has_timer || open_timer(r)) && timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
    r->at = at;
}

/* A child may still hold the timer, and with it the usher's interest. */
void reminder_release(struct reminder *r) {
  reminder_set(r, CLOCK_NEVER);
  if (r->has_timer)
    close(r->timer);
  *r = (struct reminder){0};
}
