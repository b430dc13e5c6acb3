/* reminder_test.c - a signal at its time, to the thread that asked for it; not in a forked child. */
#include "config.h"
#include "reminder.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"

static pthread_t asker;
static volatile sig_atomic_t signals, strange; /* stored by the handler alone */

static void on_signal(int number) {
  (void)number;
  strange |= !pthread_equal(pthread_self(), asker);
  signals++;
}

/* Until so many signals have come; false: they do not within ten seconds. */
static int come(int count) {
  int64_t deadline = clock_after(10);
  while (signals < count && clock_now() < deadline)
    continue;
  return signals >= count;
}

static void test_signals(void) {
  struct reminder r;
  int64_t at = clock_after(0.02);
  reminder_init(&r, SIGURG);
  reminder_set(&r, at);
  check(come(1) && clock_now() >= at, "a signal comes at its time");
  reminder_set(&r, 1);
  check(come(2), "a time that has passed is now");
  reminder_set(&r, clock_after(3600));
  reminder_set(&r, clock_after(0.01));
  check(come(3), "the last time that was set counts");
  reminder_set(&r, clock_after(0.05));
  reminder_set(&r, CLOCK_NEVER);
  at = clock_after(0.1);
  while (clock_now() < at)
    continue;
  check(signals == 3, "none comes when it was set back");
  reminder_release(&r);
}

static void *pass_time(void *flag) {
  while (!atomic_load((_Atomic int *)flag))
    continue;
  return NULL;
}

static void test_threads(void) {
  _Atomic int over = 0;
  pthread_t other;
  struct reminder r;
  int i, before = signals;
  pthread_create(&other, NULL, pass_time, &over);
  reminder_init(&r, SIGURG);
  for (i = 0; i < 20; i++) {
    reminder_set(&r, clock_after(0.001));
    come(before + i + 1);
  }
  check(signals == before + 20 && !strange, "it comes to the thread that asked");
  atomic_store(&over, 1);
  pthread_join(other, NULL);
  reminder_release(&r);
}

/* Timers are numbered from 0 in each process: the child's own has the number that its parent's had there. */
static int child(struct reminder *inherited) {
  struct reminder own;
  int before = signals;
  reminder_set(inherited, 1);
  reminder_init(&own, SIGURG);
  reminder_set(&own, clock_after(0.1));
  reminder_release(inherited);
  return come(before + 1) && signals == before + 1 ? 0 : 1;
}

static void test_fork(void) {
  struct reminder r;
  int status, before = signals;
  pid_t pid;
  reminder_init(&r, SIGURG);
  reminder_set(&r, clock_after(3600));
  pid = fork();
  if (pid == 0)
    _exit(child(&r));
  waitpid(pid, &status, 0);
  check(status == 0, "a forked child's copy is dead, and harmless to what the child has of its own");
  reminder_set(&r, 1);
  check(come(before + 1), "the parent's is not harmed by the child");
  reminder_release(&r);
}

static void test_zeroed(void) {
  struct reminder r = {0};
  int before = signals;
  reminder_set(&r, 1);
  reminder_release(&r);
  reminder_release(&r);
  check(signals == before, "a zeroed one does nothing");
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGURG, &action, NULL);
  asker = pthread_self();
  test_signals();
  test_threads();
  test_fork();
  test_zeroed();
  return check_end();
}
