/* usher_test.c - a thread gets word while it computes; what it waits in is not cut short. */
#include "config.h"
#include "usher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"

static volatile sig_atomic_t signals, strange; /* stored by the handler alone */
static pthread_t asker;

static void on_signal(int number) {
  (void)number;
  strange |= !pthread_equal(pthread_self(), asker);
  signals++;
}

static void ring(int end) {
  (void)!write(end, "!", 1);
}

/* Computes until so many signals have come, ten seconds at most. */
static int come(int count) {
  int64_t deadline = clock_after(10);
  while (signals < count && clock_now() < deadline)
    continue;
  return signals >= count;
}

static int nap_is_whole(long ns) {
  struct timespec span = {ns / 1000000000, ns % 1000000000};
  return nanosleep(&span, NULL) == 0;
}

static void test_computing(const struct recipient *to) {
  int before = signals;
  usher_look_in(to, 1000000);
  check(come(before + 1), "a thread that computes gets the signal that it wants");
  usher_look_in(to, 1000000);
  check(come(before + 2), "and another one");
}

static void test_waiting(const struct recipient *to) {
  struct pollfd nothing = {.fd = -1};
  int ends[2], before = signals;
  (void)!pipe(ends);
  usher_add(to, ends[0]);
  usher_look_in(to, CLOCK_SECOND / 100);
  ring(ends[1]);
  check(nap_is_whole(1500000000), "a nap that lasts is not cut short");
  ring(ends[1]);
  check(poll(&nothing, 1, 1500) == 0, "nor is a poll, also of a thread that has slept before");
  check(come(before + 1), "it gets the signal afterwards");
  close(ends[0]);
  close(ends[1]);
}

static void test_idling(const struct recipient *to) {
  int64_t deadline = clock_after(20);
  int ends[2], before = signals;
  (void)!pipe(ends);
  usher_add(to, ends[0]);
  ring(ends[1]);
  while (signals == before && clock_now() < deadline)
    nap_is_whole(100000000);
  check(signals > before, "a thread that begins wait after wait gets it, too");
  close(ends[0]);
  close(ends[1]);
}

static void test_taken(const struct recipient *to) {
  char byte;
  int ends[2], before;
  int64_t until = clock_after(3);
  (void)!pipe(ends);
  usher_add(to, ends[0]);
  before = signals;
  ring(ends[1]);
  (void)!read(ends[0], &byte, 1);
  while (clock_now() < until)
    nap_is_whole(50000000);
  check(signals == before, "what it has taken meanwhile does not disturb it");
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  struct sigaction action;
  struct recipient to;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGURG, &action, NULL);
  asker = pthread_self();
  to = usher_recipient(SIGURG);
  test_computing(&to);
  test_waiting(&to);
  test_idling(&to);
  test_taken(&to);
  check(!strange, "all signals went to the thread that asked");
  return check_end();
}
