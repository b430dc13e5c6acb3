/* bag_test.c - each digest is taken out as often as it was put in, the oldest first; without memory, too. */
#include "config.h"
#include "bag.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static int scarce; /* when set, memory is refused */

static void *scarce_realloc(void *old, size_t size) {
  return scarce ? NULL : realloc(old, size);
}

static void *scarce_calloc(size_t count, size_t size) {
  return scarce ? NULL : calloc(count, size);
}

#define realloc scarce_realloc
#define calloc  scarce_calloc
#include "bag.c"
#undef realloc
#undef calloc

static struct digest digest_of_number(uint64_t n) {
  return digest_of(3, &n, sizeof n);
}

static enum status put(struct bag *bag, uint64_t n, uint64_t number) {
  struct digest d = digest_of_number(n);
  return bag_put(bag, &d, number);
}

static enum status take(struct bag *bag, uint64_t n, uint64_t *number) {
  struct digest d = digest_of_number(n);
  return bag_take(bag, &d, number);
}

static void test_empty(void) {
  struct bag bag = {0};
  uint64_t number;
  check(bag_seal(&bag) == STATUS_OK && take(&bag, 1, &number) == STATUS_AGAIN, "an empty bag has nothing");
  bag_release(&bag);
}

static void test_many(void) {
  struct bag bag = {0};
  uint64_t n, number;
  int ok = 1;
  for (n = 0; n < 10000; n++)
    ok &= put(&bag, n, n * 3) == STATUS_OK;
  check(ok && bag_seal(&bag) == STATUS_OK, "ten thousand digests go in");
  for (n = 10000; n-- > 0;)
    ok &= take(&bag, n, &number) == STATUS_OK && number == n * 3;
  check(ok, "each is found with its number");
  for (n = 0; n < 10001; n++)
    ok &= take(&bag, n, &number) == STATUS_AGAIN;
  check(ok, "none is found twice, nor one that never was there");
  bag_release(&bag);
}

static void test_equal(void) {
  struct bag bag = {0};
  uint64_t n, number;
  int ok = 1;
  for (n = 0; n < 300000; n++) {
    put(&bag, 7, n);
    if (n % 1000 == 0)
      put(&bag, n + 8, n);
  }
  bag_seal(&bag);
  for (n = 0; n < 300000; n++)
    ok &= take(&bag, 7, &number) == STATUS_OK && number == n;
  check(ok && take(&bag, 7, &number) == STATUS_AGAIN, "equal ones come out in the order they came in");
  for (n = 0; n < 300000; n += 1000)
    ok &= take(&bag, n + 8, &number) == STATUS_OK && number == n;
  check(ok, "others are not disturbed");
  bag_release(&bag);
}

static void test_scarce(void) {
  struct bag bag = {0};
  uint64_t n = 0, number;
  scarce = 1;
  check(put(&bag, 1, 1) == STATUS_NOMEM, "a bag without memory takes nothing");
  scarce = 0;
  put(&bag, 0, 0);
  scarce = 1;
  do
    n++;
  while (put(&bag, n, n) == STATUS_OK);
  check(bag_seal(&bag) == STATUS_NOMEM, "nor can it be sealed");
  scarce = 0;
  check(put(&bag, n, n) == STATUS_OK && bag_seal(&bag) == STATUS_OK, "it goes on when there is memory again");
  check(take(&bag, n, &number) == STATUS_OK && number == n && take(&bag, 0, &number) == STATUS_OK,
        "and has lost nothing");
  bag_release(&bag);
}

int main(void) {
  test_empty();
  test_many();
  test_equal();
  test_scarce();
  return check_end();
}
