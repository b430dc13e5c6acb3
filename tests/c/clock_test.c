/* clock_test.c - monotonic time, and deadlines for any number a user may name. */
#include "config.h"
#include "clock.h"

#include <math.h>

#include "check.h"

static void test_now(void) {
  int64_t before = clock_now(), now = before;
  int i, ok = 1;
  for (i = 0; i < 100000; i++) {
    now = clock_now();
    ok &= now >= before;
    before = now;
  }
  check(ok, "time never goes back");
  while (clock_now() == now)
    continue;
  check(1, "time passes");
}

static void test_after(void) {
  int64_t now = clock_now(), then = clock_after(1.5);
  check(then >= now + 3 * CLOCK_SECOND / 2 && then < now + 100 * CLOCK_SECOND,
        "a moment lies that many seconds ahead");
  check(clock_after(0) < now + 100 * CLOCK_SECOND, "no seconds are now");
  check(clock_after(-1e300) >= now && clock_after(-1e300) < now + 100 * CLOCK_SECOND,
        "negative seconds are now");
  check(clock_after(NAN) >= now && clock_after(NAN) < now + 100 * CLOCK_SECOND, "nan seconds are now");
  check(clock_after(INFINITY) == CLOCK_NEVER && clock_after(1e300) == CLOCK_NEVER,
        "endless seconds are never");
  check(clock_after(1.9e9) > 0, "the longest time does not overflow");
}

int main(void) {
  test_now();
  test_after();
  return check_end();
}
