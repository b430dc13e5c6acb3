/* digest.h - 128 bits that tell byte sequences apart: SipHash-2-4 with the long output.
   Level 1: libc. Of good quality, so that no two different inputs meet by chance; no defence against somebody who
   looks for such a pair, since the key is known.

   Life: digest_begin -> digest_add, any number of times -> digest_end. How the input is cut into pieces makes no
   difference. Owner: the caller, who may copy the struct to go on twice from one point. */
#ifndef FAST_MAP_DIGEST_H
#define FAST_MAP_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16

struct digest {
  unsigned char bytes[DIGEST_SIZE];
};

struct digester {
  uint64_t v[4];
  unsigned char rest[8]; /* [0, size % 8): bytes that are no whole word yet */
  uint64_t size;         /* bytes added */
};

/* `kind` makes the same bytes give other digests for another purpose. */
void digest_begin(struct digester *d, uint64_t kind);
void digest_add(struct digester *d, const void *bytes, size_t size);
struct digest digest_end(struct digester *d);

/* All three. */
struct digest digest_of(uint64_t kind, const void *bytes, size_t size);

#endif
