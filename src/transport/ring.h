/* ring.h - bytes with one writing process and one reading process, in memory that both map.
   Level 1: libc and <stdatomic.h>. Knows neither Lua nor processes, and never waits.

   Life: ring_init (once, before the fork) -> a ring_writer on one side, a ring_reader on the other. Bytes written
   become visible at ring_publish, room taken is given back at ring_release; a crash of either side leaves both
   positions as they were. The reader trusts only its own position: a writer gone mad yields CLOSED, not a bad pointer. */
#ifndef FAST_MAP_RING_H
#define FAST_MAP_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define RING_LINE 64 /* a cache line: the two positions must not share one */

struct ring {
  /* stored by the writer (release, ring_publish), loaded by the reader (acquire, ring_peek) */
  _Alignas(RING_LINE) _Atomic uint64_t written;
  /* stored by the reader (release, ring_release), loaded by the writer (acquire, ring_room) */
  _Alignas(RING_LINE) _Atomic uint64_t taken;
  /* constant after ring_init; a power of two */
  _Alignas(RING_LINE) uint64_t size;
  /* [taken, written) belongs to the reader, the rest to the writer; positions count from 0 for ever */
  _Alignas(RING_LINE) unsigned char bytes[];
};

/* The writer's own view; lives in its process. */
struct ring_writer {
  struct ring *ring;
  uint64_t size;    /* as at init: the shared copy is not trusted */
  uint64_t written; /* beyond the published position by what is not yet published */
  uint64_t taken;   /* the reader's position when last looked at */
};

/* The reader's own view; lives in its process. */
struct ring_reader {
  struct ring *ring;
  uint64_t size;
  uint64_t taken;   /* beyond the released position by what is not yet released */
  uint64_t written; /* the writer's position when last looked at */
};

/* Bytes of memory that a ring of `size` (a power of two) takes. */
size_t ring_footprint(size_t size);

/* Before the fork, or when neither side uses it. */
void ring_init(struct ring *ring, size_t size);
void ring_writer_init(struct ring_writer *w, struct ring *ring, size_t size);
void ring_reader_init(struct ring_reader *r, struct ring *ring, size_t size);

/* Writer: how many bytes can be put now. Looks at the shared position only when fewer than `wanted` are known. */
size_t ring_room(struct ring_writer *w, size_t wanted);

/* Writer: copies size bytes, at most ring_room of them. Not visible before ring_publish. */
void ring_put(struct ring_writer *w, const void *bytes, size_t size);

/* Writer: makes all that was put visible. */
void ring_publish(struct ring_writer *w);

/* Reader: how many bytes are there; looks at the shared position only when fewer than `wanted` are known.
   OK; CLOSED when the writer's position cannot be true. */
enum status ring_peek(struct ring_reader *r, size_t wanted, size_t *size);

/* Reader: the next bytes in place: as many of `size` (<= ring_peek's) as lie in one piece, stored to *piece. */
const unsigned char *ring_piece(const struct ring_reader *r, size_t size, size_t *piece);

/* Reader: copies size (<= ring_peek's) bytes and steps over them. */
void ring_take(struct ring_reader *r, void *bytes, size_t size);

/* Reader: steps over size (<= ring_peek's) bytes. */
void ring_skip(struct ring_reader *r, size_t size);

/* Reader: gives the room of all that was taken back to the writer; pointers from ring_piece end. */
void ring_release(struct ring_reader *r);

#endif
