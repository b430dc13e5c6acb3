#include "config.h"
#include "bag.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64
#define MOST           (UINT32_C(1) << 30)

static enum status grow(struct bag *bag) {
  uint32_t capacity = bag->capacity == 0 ? FIRST_CAPACITY : bag->capacity * 2;
  struct bag_item *items;
  if (bag->capacity >= MOST)
    return STATUS_NOMEM;
  items = realloc(bag->items, (capacity + (size_t)1) * sizeof *items);
  if (items == NULL)
    return STATUS_NOMEM;
  bag->items = items;
  bag->capacity = capacity;
  return STATUS_OK;
}

enum status bag_put(struct bag *bag, const struct digest *digest, uint64_t number) {
  if (bag->count == bag->capacity && grow(bag) != STATUS_OK)
    return STATUS_NOMEM;
  bag->items[++bag->count] = (struct bag_item){*digest, number, 0};
  return STATUS_OK;
}

/* A digest is as good as random already. */
static uint32_t *chain_of(const struct bag *bag, const struct digest *digest) {
  uint32_t hash;
  memcpy(&hash, digest->bytes, sizeof hash);
  return &bag->chains[hash & bag->chain_mask];
}

enum status bag_seal(struct bag *bag) {
  uint32_t size = 1, i;
  while (size < bag->count)
    size *= 2;
  bag->chains = calloc(size, sizeof *bag->chains);
  if (bag->chains == NULL)
    return STATUS_NOMEM;
  bag->chain_mask = size - 1;
  for (i = bag->count; i > 0;
       i--) { /* backwards: the oldest is then the first on its chain, however many are equal */
    uint32_t *first = chain_of(bag, &bag->items[i].digest);
    bag->items[i].next = *first;
    *first = i;
  }
  return STATUS_OK;
}

enum status bag_take(struct bag *bag, const struct digest *digest, uint64_t *number) {
  uint32_t *link;
  for (link = chain_of(bag, digest); *link != 0; link = &bag->items[*link].next) {
    const struct bag_item *item = &bag->items[*link];
    if (memcmp(item->digest.bytes, digest->bytes, DIGEST_SIZE) != 0)
      continue;
    *number = item->number;
    *link = item->next;
    return STATUS_OK;
  }
  return STATUS_AGAIN;
}

void bag_release(struct bag *bag) {
  free(bag->items);
  free(bag->chains);
  *bag = (struct bag){0};
}
