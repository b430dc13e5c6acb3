#include "config.h"
#include "window.h"

#include <stdlib.h>
#include <string.h>

#define GIVE_LEAST 4096 /* bytes: shorter ones are copied, which costs less than a new buffer for the next */

void window_init(struct window *w) {
  *w = (struct window){.first = 1, .next = 1};
}

static void empty(struct window *w, struct slot *slot) {
  if (slot->size > SLOT_INLINE) {
    w->byte_count -= slot->size;
    free(slot->bytes.heap);
  }
  slot->size = 0;
}

void window_release(struct window *w) {
  uint64_t i;
  for (i = w->first; i < w->next; i++)
    empty(w, &w->slots[i & (w->capacity - 1)]);
  free(w->slots);
  window_init(w);
}

static enum status grow(struct window *w) {
  uint64_t i, capacity = w->capacity == 0 ? 64 : w->capacity * 2;
  struct slot *slots = malloc(capacity * sizeof *slots);
  if (slots == NULL)
    return STATUS_NOMEM;
  for (i = w->first; i < w->next; i++)
    slots[i & (capacity - 1)] = w->slots[i & (w->capacity - 1)];
  free(w->slots);
  w->slots = slots;
  w->capacity = capacity;
  return STATUS_OK;
}

/* On NOMEM the slot keeps what it had. */
static enum status fill(struct window *w, struct slot *slot, const void *bytes, size_t size) {
  unsigned char *heap = NULL;
  if (size > SLOT_INLINE) {
    heap = malloc(size);
    if (heap == NULL)
      return STATUS_NOMEM;
    memcpy(heap, bytes, size);
  }
  empty(w, slot);
  if (heap != NULL) {
    slot->bytes.heap = heap;
    w->byte_count += size;
  } else if (size > 0) {
    memcpy(slot->bytes.own, bytes, size);
  }
  slot->size = size;
  return STATUS_OK;
}

/* OK; NOMEM. The next slot, empty; not in the window before it is begun. */
static enum status next_slot(struct window *w, struct slot **slot) {
  if (window_count(w) == w->capacity) {
    enum status status = grow(w);
    if (status != STATUS_OK)
      return status;
  }
  *slot = &w->slots[w->next & (w->capacity - 1)];
  (*slot)->size = 0;
  return STATUS_OK;
}

static void begin(struct window *w, struct slot *slot) {
  slot->state = SLOT_QUEUED;
  slot->suspect = slot->own = slot->delayed = 0;
  slot->attempt = slot->failures = 0;
  slot->worker = -1;
  w->next++;
}

enum status window_add(struct window *w, const void *bytes, size_t size) {
  struct slot *slot;
  enum status status = next_slot(w, &slot);
  if (status == STATUS_OK)
    status = fill(w, slot, bytes, size);
  if (status == STATUS_OK)
    begin(w, slot);
  return status;
}

enum status window_give(struct window *w, struct buffer *b) {
  struct slot *slot;
  enum status status;
  if (b->size < GIVE_LEAST || b->capacity > 2 * b->size)
    return window_add(w, b->bytes, b->size);
  status = next_slot(w, &slot);
  if (status != STATUS_OK)
    return status;
  slot->bytes.heap = b->bytes;
  slot->size = b->size;
  w->byte_count += b->size;
  *b = (struct buffer){0};
  begin(w, slot);
  return STATUS_OK;
}

enum status window_finish(struct window *w, struct slot *slot, enum verdict verdict, const void *bytes,
                          size_t size) {
  enum status status = fill(w, slot, bytes, size);
  if (status != STATUS_OK)
    return status;
  slot->state = SLOT_DONE;
  slot->verdict = verdict;
  w->done++;
  return STATUS_OK;
}

void window_remove(struct window *w, uint64_t index) {
  struct slot *slot = window_slot(w, index);
  if (slot->state == SLOT_DONE)
    w->done--;
  empty(w, slot);
  slot->state = SLOT_FREE;
  while (w->first < w->next && w->slots[w->first & (w->capacity - 1)].state == SLOT_FREE)
    w->first++;
}
