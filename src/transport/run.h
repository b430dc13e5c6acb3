/* run.h - several short tasks, or several replies, side by side in one message.
   Level 2: wire, buffer. Inline, since each task of a busy map passes through here four times.

   A run's tasks have consecutive indexes and the same attempt; the message (message.h) names the first.
   wire: for each of them: varint size << 4 | verdict, then the bytes. A task's verdict is 0. */
#ifndef FAST_MAP_RUN_H
#define FAST_MAP_RUN_H

#include "buffer.h"
#include "wire.h"

#define RUN_HEAD_MOST 10 /* bytes in front of an item's own */

/* What is still to be read. */
struct run {
  const unsigned char *at, *end;
};

struct item {
  unsigned char verdict;
  const unsigned char *bytes;
  size_t size;
};

/* OK NOMEM */
static inline enum status run_add(struct buffer *b, unsigned char verdict, const void *bytes, size_t size) {
  unsigned char *p;
  if (buffer_reserve(b, RUN_HEAD_MOST + size) != STATUS_OK)
    return STATUS_NOMEM;
  p = put_varint(b->bytes + b->size, (uint64_t)size << 4 | verdict);
  if (size > 0)
    memcpy(p, bytes, size);
  b->size = (size_t)(p - b->bytes) + size;
  return STATUS_OK;
}

/* The next item, in place. OK; FORMAT when it does not end before the run does. */
static inline enum status run_next(struct run *run, struct item *item) {
  uint64_t head;
  if (get_varint(&run->at, run->end, &head) != STATUS_OK || head >> 4 > (uint64_t)(run->end - run->at))
    return STATUS_FORMAT;
  item->verdict = head & 0xf;
  item->size = head >> 4;
  item->bytes = run->at;
  run->at += item->size;
  return STATUS_OK;
}

#endif
