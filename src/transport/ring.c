#include "config.h"
#include "ring.h"

#include <string.h>

size_t ring_footprint(size_t size) {
  return sizeof(struct ring) + size;
}

void ring_init(struct ring *ring, size_t size) {
  atomic_store_explicit(&ring->written, 0, memory_order_relaxed); /* nobody looks yet */
  atomic_store_explicit(&ring->taken, 0, memory_order_relaxed);
  ring->size = size;
}

void ring_writer_init(struct ring_writer *w, struct ring *ring, size_t size) {
  *w = (struct ring_writer){.ring = ring, .size = size};
}

void ring_reader_init(struct ring_reader *r, struct ring *ring, size_t size) {
  *r = (struct ring_reader){.ring = ring, .size = size};
}

size_t ring_room(struct ring_writer *w, size_t wanted) {
  uint64_t used = w->written - w->taken;
  if (w->size - used < wanted) {
    /* pairs with the release in ring_release: the reader is done with those bytes */
    w->taken = atomic_load_explicit(&w->ring->taken, memory_order_acquire);
    used = w->written - w->taken;
  }
  return used > w->size ? 0 : w->size - used; /* a mad reader only ever makes the ring look full */
}

void ring_put(struct ring_writer *w, const void *bytes, size_t size) {
  size_t at = w->written & (w->size - 1);
  size_t first = w->size - at;
  if (size == 0)
    return;
  if (first >= size) {
    memcpy(w->ring->bytes + at, bytes, size);
  } else {
    memcpy(w->ring->bytes + at, bytes, first);
    memcpy(w->ring->bytes, (const unsigned char *)bytes + first, size - first);
  }
  w->written += size;
}

void ring_publish(struct ring_writer *w) {
  /* pairs with the acquire in ring_peek: the bytes are there before the position says so */
  atomic_store_explicit(&w->ring->written, w->written, memory_order_release);
}

enum status ring_peek(struct ring_reader *r, size_t wanted, size_t *size) {
  if (r->written - r->taken < wanted)
    /* pairs with the release in ring_publish */
    r->written = atomic_load_explicit(&r->ring->written, memory_order_acquire);
  *size = r->written - r->taken;
  return *size <= r->size ? STATUS_OK : STATUS_CLOSED;
}

const unsigned char *ring_piece(const struct ring_reader *r, size_t size, size_t *piece) {
  size_t at = r->taken & (r->size - 1);
  size_t first = r->size - at;
  *piece = size < first ? size : first;
  return r->ring->bytes + at;
}

void ring_take(struct ring_reader *r, void *bytes, size_t size) {
  size_t piece;
  const unsigned char *from = ring_piece(r, size, &piece);
  if (size == 0)
    return;
  memcpy(bytes, from, piece);
  if (size > piece)
    memcpy((unsigned char *)bytes + piece, r->ring->bytes, size - piece);
  r->taken += size;
}

void ring_skip(struct ring_reader *r, size_t size) {
  r->taken += size;
}

void ring_release(struct ring_reader *r) {
  /* pairs with the acquire in ring_room: we are done reading before the writer may overwrite */
  atomic_store_explicit(&r->ring->taken, r->taken, memory_order_release);
}
