/* buffer_test.c - bytes that grow at their end, and what they do without memory. */
#include "config.h"
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>

#include "check.h"

static int scarce; /* when set, memory is refused */

static void *scarce_realloc(void *old, size_t size) {
  return scarce ? NULL : realloc(old, size);
}

#define realloc scarce_realloc
#include "buffer.c"
#undef realloc

static void test_append(void) {
  struct buffer b = {0};
  int ok = 1, i;
  check(buffer_append(&b, NULL, 0) == STATUS_OK && b.bytes == NULL,
        "nothing appended to nothing takes no memory");
  for (i = 0; i < 1000; i++)
    ok &= buffer_append(&b, "abc", 3) == STATUS_OK;
  for (i = 0; i < 1000; i++)
    ok &= memcmp(b.bytes + 3 * i, "abc", 3) == 0;
  check(ok && b.size == 3000 && b.capacity >= 3000 && b.capacity < 8192,
        "bytes appended stay in order while it grows");
  buffer_release(&b);
  check(b.bytes == NULL && b.size == 0 && b.capacity == 0, "a released buffer is empty");
  check(buffer_append(&b, "x", 1) == STATUS_OK && b.bytes[0] == 'x', "a released buffer is usable again");
  buffer_release(&b);
}

static void test_reset(void) {
  struct buffer b = {0};
  unsigned char *bytes;
  buffer_append(&b, "abc", 3);
  bytes = b.bytes;
  buffer_reset(&b, 64);
  check(b.size == 0 && b.bytes == bytes, "a reset keeps bytes that are few");
  buffer_reserve(&b, 1000);
  b.size = 1000;
  buffer_reset(&b, 64);
  check(b.size == 0 && b.bytes == NULL && b.capacity == 0, "a reset frees bytes that are many");
}

static void test_scarce(void) {
  struct buffer b = {0};
  buffer_append(&b, "abc", 3);
  scarce = 1;
  check(buffer_reserve(&b, 1000) == STATUS_NOMEM, "a buffer says when memory is refused");
  check(buffer_append(&b, "d", 1) == STATUS_OK, "what still fits needs no memory");
  scarce = 0;
  check(b.size == 4 && memcmp(b.bytes, "abcd", 4) == 0, "a refusal leaves the bytes as they were");
  check(buffer_reserve(&b, SIZE_MAX) == STATUS_NOMEM && buffer_reserve(&b, SIZE_MAX / 2) == STATUS_NOMEM,
        "sizes that would overflow are refused");
  check(b.size == 4 && memcmp(b.bytes, "abcd", 4) == 0, "an overflow leaves the bytes as they were");
  buffer_release(&b);
}

int main(void) {
  test_append();
  test_reset();
  test_scarce();
  return check_end();
}
