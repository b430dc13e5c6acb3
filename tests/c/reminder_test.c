/* reminder_test.c - word at its time, to the thread that asked for it; not in a forked child. */
#include "config.h"
#include "reminder.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
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

static void init(struct reminder *r) {
  const struct recipient to = usher_recipient(SIGURG);
  reminder_init(r, &to);
  signals = 0;
}

/* Begins wait after wait: whoever computes looks by itself. True when a signal comes within that time. */
static int comes(double seconds) {
  struct timespec nap = {.tv_nsec = 20000000};
  int64_t deadline = clock_after(seconds);
  while (signals == 0 && clock_now() < deadline)
    nanosleep(&nap, NULL);
  return signals > 0;
}

static void test_times(void) {
  struct reminder r;
  int64_t at = clock_after(0.2);
  init(&r);
  reminder_set(&r, at);
  check(comes(20) && clock_now() >= at, "word comes at its time");
  signals = 0;
  reminder_set(&r, 1);
  check(comes(20), "a time that has passed is now");
  reminder_set(&r, clock_after(3600));
  reminder_set(&r, clock_after(0.01));
  signals = 0;
  check(comes(20), "the last time that was set counts");
  reminder_set(&r, clock_after(3600));
  reminder_set(&r, CLOCK_NEVER);
  signals = 0;
  check(!comes(2.5), "none comes when it was set back");
  reminder_release(&r);
  check(!strange, "it comes to the thread that asked");
}

/* The child shares its parent's timer. */
static int child(struct reminder *inherited) {
  struct reminder own;
  init(&own);
  reminder_set(inherited, 1);
  if (comes(2.5))
    return 1;
  reminder_set(&own, clock_after(0.1));
  reminder_release(inherited);
  return comes(20) ? 0 : 2;
}

static void test_fork(void) {
  struct reminder r;
  int status;
  pid_t pid;
#ifdef __SANITIZE_THREAD__
  return; /* it does not follow a child that starts threads: no word comes there */
#endif
  init(&r);
  reminder_set(&r, clock_after(3600));
  pid = fork();
  if (pid == 0)
    _exit(child(&r));
  waitpid(pid, &status, 0);
  check(status == 0, "a forked child's copy is dead, and harmless to what the child has of its own");
  signals = 0;
  reminder_set(&r, 1);
  check(comes(20), "the parent's is not harmed by the child");
  reminder_release(&r);
}

static void test_zeroed(void) {
  struct reminder r = {0};
  reminder_set(&r, 1);
  reminder_release(&r);
  reminder_release(&r);
  signals = 0;
  check(!comes(1.5), "a zeroed one does nothing");
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGURG, &action, NULL);
  asker = pthread_self();
  test_times();
  test_fork();
  test_zeroed();
  return check_end();
}
