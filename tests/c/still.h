/* still.h - an allocator for a Lua state that is to stay as it is: tells afterwards whether a table, a function, an upvalue or
   a prototype was written to. ThreadSanitizer does not see that: Lua's library is not built with it. */
#ifndef FAST_MAP_STILL_H
#define FAST_MAP_STILL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>

#define STILL_UPVALUE   LUA_NUMTYPES /* Lua's own tags for what is no value */
#define STILL_PROTOTYPE (LUA_NUMTYPES + 1)

struct still_block {
  struct still_block *previous, *next; /* only of those that are watched */
  size_t size;
  uint64_t sum;
  _Alignas(16) unsigned char bytes[];
};

struct still {
  struct still_block watched; /* the head of the list */
  int closed;                 /* no more blocks are watched: later ones belong to the readers */
};

static void still_init(struct still *s) {
  *s = (struct still){0};
  s->watched.previous = s->watched.next = &s->watched;
}

static struct still_block *still_block(void *bytes) {
  return (struct still_block *)((unsigned char *)bytes - offsetof(struct still_block, bytes));
}

static void still_watch(struct still *s, struct still_block *b, size_t tag) {
  if (s->closed ||
      (tag != LUA_TTABLE && tag != LUA_TFUNCTION && tag != STILL_UPVALUE && tag != STILL_PROTOTYPE))
    return;
  b->previous = &s->watched;
  b->next = s->watched.next;
  b->next->previous = b->previous->next = b;
}

static void still_forget(struct still_block *b) {
  if (b->next == NULL)
    return;
  b->next->previous = b->previous;
  b->previous->next = b->next;
}

/* A lua_Alloc. */
static void *still_allocate(void *data, void *bytes, size_t old_size, size_t size) {
  struct still_block *b = bytes == NULL ? NULL : still_block(bytes);
  struct still *s = data;
  if (size == 0) {
    if (b != NULL)
      still_forget(b);
    free(b);
    return NULL;
  }
  if (b != NULL) {
    b = realloc(b, sizeof *b + size);                     /* what is watched never grows */
  } else if ((b = calloc(1, sizeof *b + size)) != NULL) { /* all bytes are summed up, used or not */
    still_watch(s, b, old_size);
  }
  if (b == NULL)
    return NULL;
  b->size = size;
  return b->bytes;
}

static uint64_t still_sum(const struct still_block *b) {
  uint64_t sum = 14695981039346656037u;
  for (size_t i = 0; i < b->size; i++)
    sum = (sum ^ b->bytes[i]) * 1099511628211u;
  return sum;
}

/* From now on nothing may change. */
static void still_close(struct still *s) {
  s->closed = 1;
  for (struct still_block *b = s->watched.next; b != &s->watched; b = b->next)
    b->sum = still_sum(b);
}

/* How many blocks were written to. */
static int still_changed(const struct still *s) {
  int count = 0;
  for (const struct still_block *b = s->watched.next; b != &s->watched; b = b->next)
    count += still_sum(b) != b->sum;
  return count;
}

#endif
