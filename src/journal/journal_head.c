#include "config.h"
#include "journal_head.h"

#include <string.h>

#include "wire.h"

#define KIND_SUM UINT64_C(0x73756d) /* of the checksum's digest */

void journal_head_begin_sum(struct digester *d, uint64_t at, const unsigned char *head) {
  unsigned char place[8];
  put_fixed(place, at, 8);
  digest_begin(d, KIND_SUM);
  digest_add(d, place, sizeof place);
  digest_add(d, head, SUMMED);
}

int journal_head_sum_is(struct digester *d, const unsigned char *sum) {
  struct digest digest = digest_end(d);
  return memcmp(digest.bytes, sum, HEAD - SUMMED) == 0;
}

static uint64_t number_at(const unsigned char *bytes, size_t size) {
  uint64_t number = 0;
  memcpy(&number, bytes, size);
  return le64toh(number);
}

enum status journal_head_read(const unsigned char *head, uint64_t at, struct journal_record *r) {
  if (memcmp(head, marker, sizeof marker) != 0)
    return STATUS_FORMAT;
  r->at = at;
  r->kind = (uint32_t)number_at(head + 4, 4);
  r->size = number_at(head + 8, 8);
  memcpy(r->digest.bytes, head + 16, DIGEST_SIZE);
  return STATUS_OK;
}

void journal_head_write(unsigned char *head, uint64_t at, uint32_t kind, const struct digest *digest,
                        const void *body, size_t size) {
  struct digest sum;
  struct digester d;
  memcpy(head, marker, sizeof marker);
  put_fixed(head + 4, kind, 4);
  put_fixed(head + 8, size, 8);
  memcpy(head + 16, digest->bytes, DIGEST_SIZE);
  journal_head_begin_sum(&d, at, head);
  digest_add(&d, body, size);
  sum = digest_end(&d);
  memcpy(head + SUMMED, sum.bytes, HEAD - SUMMED);
}
