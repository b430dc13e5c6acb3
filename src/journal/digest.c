/* Written from the description in J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF" (2012), and,
   for the output of 128 bits, from the constants that its authors published later. */
#include "config.h"
#include "digest.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t *v) {
  v[0] += v[1];
  v[2] += v[3];
  v[1] = rotate(v[1], 13) ^ v[0];
  v[3] = rotate(v[3], 16) ^ v[2];
  v[0] = rotate(v[0], 32);
  v[2] += v[1];
  v[0] += v[3];
  v[1] = rotate(v[1], 17) ^ v[2];
  v[3] = rotate(v[3], 21) ^ v[0];
  v[2] = rotate(v[2], 32);
}

static inline void take_word(uint64_t *v, const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, 8);
  word = le64toh(word);
  v[3] ^= word;
  sip_round(v);
  sip_round(v);
  v[0] ^= word;
}

static void begin(struct digester *d, uint64_t key0, uint64_t key1) {
  d->v[0] = key0 ^ UINT64_C(0x736f6d6570736575);
  d->v[1] = key1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee;
  d->v[2] = key0 ^ UINT64_C(0x6c7967656e657261);
  d->v[3] = key1 ^ UINT64_C(0x7465646279746573);
  d->size = 0;
}

void digest_begin(struct digester *d, uint64_t kind) {
  begin(d, UINT64_C(0x0706050403020100) ^ kind,
        UINT64_C(0x0f0e0d0c0b0a0908)); /* kind 0: as the published vectors */
}

void digest_add(struct digester *d, const void *data, size_t size) {
  const unsigned char *bytes = data;
  size_t used = d->size % 8, head = (8 - used) % 8;
  if (size == 0)
    return;
  d->size += size;
  if (used > 0) {
    if (head > size)
      head = size;
    memcpy(d->rest + used, bytes, head);
    bytes += head;
    size -= head;
    if (used + head < 8)
      return;
    take_word(d->v, d->rest);
  }
  for (; size >= 8; size -= 8, bytes += 8)
    take_word(d->v, bytes);
  memcpy(d->rest, bytes, size);
}

static void finish_half(uint64_t *v, unsigned char *bytes) {
  uint64_t half;
  int i;
  for (i = 0; i < 4; i++)
    sip_round(v);
  half = htole64(v[0] ^ v[1] ^ v[2] ^ v[3]);
  memcpy(bytes, &half, 8);
}

struct digest digest_end(struct digester *d) {
  struct digest result = {{0}};
  unsigned char last[8] = {0};
  memcpy(last, d->rest, d->size % 8);
  last[7] = (unsigned char)d->size;
  take_word(d->v, last);
  d->v[2] ^= 0xee;
  finish_half(d->v, result.bytes);
  d->v[1] ^= 0xdd;
  finish_half(d->v, result.bytes + 8);
  return result;
}

struct digest digest_of(uint64_t kind, const void *bytes, size_t size) {
  struct digester d;
  digest_begin(&d, kind);
  digest_add(&d, bytes, size);
  return digest_end(&d);
}
