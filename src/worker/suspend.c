#include "config.h"
#include "suspend.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "scheduling.h"

#define LOOK_NS                                                                                              \
  (CLOCK_SECOND /                                                                                            \
   4) /* between two looks at the parent; of processor time, when the only thread looks itself */
#define STOP_NS (CLOCK_SECOND / 2)  /* stopped until the next look */
#define LATE_NS (CLOCK_SECOND * 20) /* until then, if we were put aside for so long just before we stopped */
#define PULSE   (SIGRTMAX - 4)

static int parent;
static int64_t looked;    /* clock_now(); of the thread that looks */
static timer_t wakers[2]; /* they send SIGCONT; valid when has_wakers */
static timer_t pulse;     /* sends PULSE; valid when has_pulse */
static int has_wakers, has_pulse;

static int open_timer(timer_t *timer, clockid_t clock, int number) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = number;
  return timer_create(clock, &event, timer) == 0;
}

static void set_timer(timer_t timer, int64_t ns, int again) {
  struct timespec span = {ns / CLOCK_SECOND, ns % CLOCK_SECOND};
  struct itimerspec times = {.it_value = span};
  if (again)
    times.it_interval = span;
  timer_settime(timer, 0, &times, NULL);
}

void suspend_prepare(int pid) {
  parent = pid;
  looked = clock_now();
  has_wakers =
      open_timer(&wakers[0], CLOCK_MONOTONIC, SIGCONT) && open_timer(&wakers[1], CLOCK_MONOTONIC, SIGCONT);
}

static int is_parent_stopped(void) {
  return scheduling_state(parent, parent) == 'T';
}

/* A signal that nobody handles rings a timer once only. */
static void stop_for_a_while(void) {
  set_timer(wakers[1], LATE_NS, 0);
  set_timer(wakers[0], STOP_NS, 0);
  kill(0, SIGSTOP);
}

/* Also a signal handler. */
static void follow_parent(void) {
  if (!has_wakers || !is_parent_stopped())
    return;
  do
    stop_for_a_while();
  while (is_parent_stopped());
  set_timer(wakers[0], 0, 0);
  set_timer(wakers[1], 0, 0);
  kill(0, SIGCONT); /* the commands */
}

void suspend_look(void) {
  int64_t now = clock_now();
  if (now - looked < LOOK_NS)
    return;
  follow_parent();
  looked = clock_now();
}

static void on_pulse(int number) {
  int saved = errno;
  (void)number;
  follow_parent();
  errno = saved;
}

/* The timer rings only while we compute: no call of the system is interrupted. */
void suspend_look_alone(int on) {
  struct sigaction action;
  if (on && !has_pulse) {
    memset(&action, 0, sizeof action);
    action.sa_handler = on_pulse;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(PULSE, &action, NULL);
    has_pulse = open_timer(&pulse, CLOCK_PROCESS_CPUTIME_ID, PULSE);
  }
  if (has_pulse)
    set_timer(pulse, on ? LOOK_NS : 0, 1);
}
