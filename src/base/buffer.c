#include "config.h"
#include "buffer.h"

#include <stdint.h>
#include <stdlib.h>

enum status buffer_grow(struct buffer *b, size_t extra) {
  size_t capacity = b->capacity < 64 ? 64 : b->capacity;
  unsigned char *bytes;
  if (extra > SIZE_MAX / 4 - b->size)
    return STATUS_NOMEM;
  while (capacity - b->size < extra)
    capacity += capacity; /* doubling: a byte is copied at most once on average */
  bytes = realloc(b->bytes, capacity);
  if (bytes == NULL)
    return STATUS_NOMEM;
  b->bytes = bytes;
  b->capacity = capacity;
  return STATUS_OK;
}

void buffer_release(struct buffer *b) {
  free(b->bytes);
  *b = (struct buffer){0};
}

void buffer_reset(struct buffer *b, size_t keep) {
  if (b->capacity > keep)
    buffer_release(b);
  b->size = 0;
}
