/* digest_test.c - SipHash's published values, input in pieces, and that small differences show. */
#include "config.h"
#include "digest.h"

#include <string.h>

#include "check.h"

static unsigned char counting[4096];

static int is(struct digest d, const char *hex) {
  char text[2 * DIGEST_SIZE + 1];
  int i;
  for (i = 0; i < DIGEST_SIZE; i++)
    snprintf(text + 2 * i, 3, "%02x", d.bytes[i]);
  return strcmp(text, hex) == 0;
}

static int same(struct digest a, struct digest b) {
  return memcmp(a.bytes, b.bytes, DIGEST_SIZE) == 0;
}

/* Key 00 01 .. 0f, input 00 01 02 ...; the values that `openssl mac` gives too. */
static void test_published(void) {
  check(is(digest_of(0, "", 0), "a3817f04ba25a8e66df67214c7550293"), "nothing has the published digest");
  check(is(digest_of(0, counting, 1), "da87c1d86b99af44347659119b22fc45"), "so has a byte");
  check(is(digest_of(0, counting, 7), "a1f1ebbed8dbc153c0b84aa61ff08239"), "so have 7 bytes");
  check(is(digest_of(0, counting, 8), "3b62a9ba6258f5610f83e264f31497b4"), "so has a whole word");
  check(is(digest_of(0, counting, 15), "5493e99933b0a8117e08ec0f97cfc3d9"), "so have 15 bytes");
  check(is(digest_of(0, counting, 63), "5150d1772f50834a503e069a973fbd7c"), "so have 63 bytes");
}

static void test_pieces(uint64_t seed) {
  int ok = 1, i;
  for (i = 0; i < check_times(2000); i++) {
    size_t size = check_random(&seed, sizeof counting), at = 0;
    struct digester d;
    digest_begin(&d, 7);
    while (at < size) {
      size_t piece = check_random(&seed, i % 2 ? 20 : 600);
      piece = piece < size - at ? piece : size - at;
      digest_add(&d, counting + at, piece);
      at += piece;
    }
    ok &= same(digest_end(&d), digest_of(7, counting, size));
  }
  check(ok, "it makes no difference how the input is cut into pieces");
}

static void test_differences(void) {
  struct digest d = digest_of(1, counting, 100);
  unsigned char copy[100];
  int ok = 1, i;
  for (i = 0; i < 800; i++) {
    memcpy(copy, counting, sizeof copy);
    copy[i / 8] ^= (unsigned char)(1 << i % 8);
    ok &= !same(d, digest_of(1, copy, sizeof copy));
  }
  check(ok, "each flipped bit changes the digest");
  check(!same(digest_of(1, "", 0), digest_of(1, "\0", 1)) &&
            !same(digest_of(1, "\0", 1), digest_of(1, "\0\0", 2)),
        "so do zeros at the end");
  check(!same(d, digest_of(2, counting, 100)), "so does the kind");
}

int main(void) {
  uint64_t seed = check_seed(5);
  size_t i;
  for (i = 0; i < sizeof counting; i++)
    counting[i] = (unsigned char)i;
  test_published();
  test_pieces(seed);
  test_differences();
  return check_end();
}
