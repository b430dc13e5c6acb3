/* buffer.h - bytes that grow at their end.
   Level 1: libc.

   Life: struct buffer b = {0} -> buffer_append / buffer_reserve -> buffer_release. Owner: the caller. */
#ifndef FAST_MAP_BUFFER_H
#define FAST_MAP_BUFFER_H

#include <stddef.h>
#include <string.h>

#include "status.h"

struct buffer {
  unsigned char *bytes; /* NULL while capacity is 0 */
  size_t size;          /* bytes in use */
  size_t capacity;
};

/* Makes room for `extra` more bytes behind size; the slow half of buffer_reserve. OK NOMEM */
enum status buffer_grow(struct buffer *b, size_t extra);

/* Frees the bytes; the buffer is empty and usable again. */
void buffer_release(struct buffer *b);

/* Empties the buffer; frees its bytes when they are more than `keep`, so that one huge value is not kept for ever. */
void buffer_reset(struct buffer *b, size_t keep);

/* OK NOMEM; after OK, bytes[size .. size + extra) may be written. */
static inline enum status buffer_reserve(struct buffer *b, size_t extra) {
  return b->capacity - b->size >= extra ? STATUS_OK : buffer_grow(b, extra);
}

/* OK NOMEM */
static inline enum status buffer_append(struct buffer *b, const void *bytes, size_t size) {
  enum status status = buffer_reserve(b, size);
  if (status == STATUS_OK && size > 0) {
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
  }
  return status;
}

#endif
