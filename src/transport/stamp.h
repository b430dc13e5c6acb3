/* stamp.h - when and where a task ran: behind the bytes of its reply, when the map keeps records.
   Level 2: buffer. Both ends are forks of one image: the struct travels as it is. */
#ifndef FAST_MAP_STAMP_H
#define FAST_MAP_STAMP_H

#include <stdint.h>

#include "buffer.h"

struct stamp {
  int64_t start;   /* clock_now(); the clock is the same in all processes */
  int64_t ns;      /* until its reply was ready */
  int64_t waited;  /* of these, as far as it said that it waits */
  int64_t wait_at; /* when it first did; 0: never */
  int32_t thread;  /* of its worker, from 0 */
  int32_t pid;
};

/* OK NOMEM */
static inline enum status stamp_put(struct buffer *b, const struct stamp *stamp) {
  return buffer_append(b, stamp, sizeof *stamp);
}

/* Takes it off the end of *size bytes. OK; FORMAT: there is none. */
static inline enum status stamp_take(const unsigned char *bytes, size_t *size, struct stamp *stamp) {
  if (*size < sizeof *stamp)
    return STATUS_FORMAT;
  *size -= sizeof *stamp;
  memcpy(stamp, bytes + *size, sizeof *stamp);
  return STATUS_OK;
}

#endif
