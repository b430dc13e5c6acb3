#include "config.h"
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 2048 /* bytes: larger ones are malloc's */

static int holds(const struct arena *a, const void *block) {
  const unsigned char *b = block;
  return b != NULL && b >= a->begin && b < a->end;
}

static size_t rounded(size_t size) {
  return (size + 15) & ~(size_t)15;
}

static int is_last(const struct arena *a, const void *block, size_t size) {
  return (const unsigned char *)block + rounded(size) == a->next;
}

static void *take(struct arena *a, size_t size) {
  unsigned char *block = a->next;
  if (size > ARENA_BLOCK || rounded(size) > (size_t)(a->end - block))
    return malloc(size);
  a->next += rounded(size);
  return block;
}

static void give_back(struct arena *a, void *block, size_t size) {
  if (!holds(a, block))
    free(block);
  else if (is_last(a, block, size))
    a->next = block;
}

static void *move(struct arena *a, void *block, size_t old_size, size_t size) {
  void *moved;
  if (!holds(a, block))
    return realloc(block, size);
  if (size <= old_size)
    return block;
  moved = take(a, size);
  if (moved != NULL) {
    memcpy(moved, block, old_size);
    give_back(a, block, old_size);
  }
  return moved;
}

void *arena_allocate(void *data, void *block, size_t old_size, size_t size) {
  struct arena *a = data;
  if (block == NULL)
    old_size = 0;
  if (size == 0) {
    give_back(a, block, old_size);
    a->used -= old_size;
    return NULL;
  }
  if (size > old_size && (size > ARENA_BLOCK_MOST || (a->limit != 0 && a->used + size - old_size > a->limit)))
    return NULL;
  block = block == NULL ? take(a, size) : move(a, block, old_size, size);
  if (block != NULL)
    a->used += size - old_size;
  return block;
}
