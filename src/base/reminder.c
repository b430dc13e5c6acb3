#include "config.h"
#include "reminder.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

#if defined(SIGEV_THREAD_ID) && !defined(sigev_notify_thread_id)
#define sigev_notify_thread_id _sigev_un._tid /* glibc has no name for it */
#endif

void reminder_init(struct reminder *r, int signal) {
  *r = (struct reminder){.signal = signal, .owner = getpid(), .at = CLOCK_NEVER};
#ifdef SYS_gettid
  r->thread = (pid_t)syscall(SYS_gettid);
#endif
}

/* A timer of POSIX: those of timerfd send no signals (O_ASYNC does nothing there). A child that is forked has none of them. */
static int open_timer(struct reminder *r) {
#ifdef SIGEV_THREAD_ID
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = r->signal;
  event.sigev_notify_thread_id = r->thread;
  r->has_timer = timer_create(CLOCK_MONOTONIC, &event, &r->timer) == 0;
#endif
  return r->has_timer;
}

/* A zeroed time would stop the timer. */
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
  if ((r->has_timer || open_timer(r)) && timer_settime(r->timer, TIMER_ABSTIME, &when, NULL) == 0)
    r->at = at;
}

void reminder_release(struct reminder *r) {
  if (r->has_timer && r->owner == getpid())
    timer_delete(r->timer);
  *r = (struct reminder){0};
}
