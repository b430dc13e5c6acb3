#include "config.h"
#include "addresses.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16

/* The slot that holds the address, or the free one where it belongs. */
static struct address *slot_of(const struct addresses *a, const void *address) {
  uint64_t hash = (uint64_t)(uintptr_t)address * UINT64_C(0x9E3779B97F4A7C15);
  uint32_t i = (uint32_t)(hash >> 32) & (a->capacity - 1);
  while (a->slots[i].address != NULL && a->slots[i].address != address)
    i = (i + 1) & (a->capacity - 1);
  return &a->slots[i];
}

uint32_t addresses_get(const struct addresses *a, const void *address) {
  struct address *slot;
  if (a->count == 0)
    return 0;
  slot = slot_of(a, address);
  return slot->address == NULL ? 0 : slot->number;
}

/* Moves those with a number up to `last` to a table of the given capacity. */
static enum status rebuild(struct addresses *a, uint32_t capacity, uint32_t last) {
  struct addresses fresh = {calloc(capacity, sizeof *fresh.slots), capacity, 0};
  if (fresh.slots == NULL)
    return STATUS_NOMEM;
  for (uint32_t i = 0; i < a->capacity; i++) {
    if (a->slots[i].address == NULL || a->slots[i].number > last)
      continue;
    *slot_of(&fresh, a->slots[i].address) = a->slots[i];
    fresh.count++;
  }
  free(a->slots);
  *a = fresh;
  return STATUS_OK;
}

enum status addresses_put(struct addresses *a, const void *address, uint32_t number) {
  struct address *slot;
  if (a->count + 1 > a->capacity / 4 * 3) {
    enum status status = rebuild(a, a->capacity == 0 ? FIRST_CAPACITY : a->capacity * 2, UINT32_MAX);
    if (status != STATUS_OK)
      return status;
  }
  slot = slot_of(a, address);
  if (slot->address == NULL)
    a->count++;
  slot->address = address;
  slot->number = number;
  return STATUS_OK;
}

void addresses_cut(struct addresses *a, uint32_t last) {
  if (a->capacity == 0 || rebuild(a, a->capacity, last) == STATUS_OK)
    return;
  addresses_release(a); /* no memory to sort them: forgetting all is right too,
                           only slower for the caller */
}

void addresses_release(struct addresses *a) {
  free(a->slots);
  *a = (struct addresses){0};
}
