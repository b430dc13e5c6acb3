/* written.h - what a message holds already: objects and short strings, by
   address. Level 1: libc. For the encoder, inline since each value passes through
   here.

   Life: X_init -> X_meet / X_put -> X_release. Owner: the caller, who must not
   move them. */
#ifndef FAST_MAP_WRITTEN_H
#define FAST_MAP_WRITTEN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

#define SEEN_FIRST  16   /* spots before the heap is asked: most messages hold few tables */
#define NAMES_FIRST 16   /* the same for strings */
#define NAMES_MOST  1024 /* then the older make room: 16 KB stay in a core's first cache */

/* An address, NULL in a free spot, and a number that its owner makes something of. */
struct spot {
  const void *what;
  uint64_t where;
};

/* Objects: open addressing, at most half full. */
struct seen {
  struct spot *spots;
  size_t mask; /* number of spots - 1 */
  size_t count;
  struct spot first[SEEN_FIRST];
};

/* Strings: pairs of spots, the last one used first; what does not fit is forgotten. */
struct names {
  struct spot *spots;
  size_t mask;  /* number of pairs - 1 */
  size_t count; /* put in since it grew */
  struct spot first[NAMES_FIRST];
};

static inline void seen_init(struct seen *s) {
  memset(s->first, 0, sizeof s->first);
  s->spots = s->first;
  s->mask = SEEN_FIRST - 1;
  s->count = 0;
}

static inline void seen_release(struct seen *s) {
  if (s->spots != s->first)
    free(s->spots);
}

/* Neighbours in memory, made one after the other, mostly stay neighbours here: the
   cache likes that. */
static inline size_t seen_home(const void *what) {
  uintptr_t n = (uintptr_t)what >> 5;
  return (size_t)(n ^ n >> 8 ^ n >> 17);
}

/* The spot of `what`, or the free one where it belongs. */
static inline struct spot *seen_find(const struct seen *s, const void *what) {
  size_t i = seen_home(what) & s->mask;
  while (s->spots[i].what != NULL && s->spots[i].what != what)
    i = (i + 1) & s->mask;
  return &s->spots[i];
}

/* OK NOMEM. Four times the room. */
static enum status seen_grow(struct seen *s) {
  struct spot *old = s->spots;
  size_t i, size = s->mask + 1;
  struct spot *spots = calloc(size * 4, sizeof *spots);
  if (spots == NULL)
    return STATUS_NOMEM;
  s->spots = spots;
  s->mask = size * 4 - 1;
  for (i = 0; i < size; i++)
    if (old[i].what != NULL)
      *seen_find(s, old[i].what) = old[i];
  if (old != s->first)
    free(old);
  return STATUS_OK;
}

/* OK: `what` is new and now goes with *where; AGAIN: it is not, *where tells with
   what it went; NOMEM */
static inline enum status seen_meet(struct seen *s, const void *what, uint64_t *where) {
  struct spot *spot;
  if (s->count > s->mask / 2 && seen_grow(s) != STATUS_OK)
    return STATUS_NOMEM;
  spot = seen_find(s, what);
  if (spot->what != NULL) {
    *where = spot->where;
    return STATUS_AGAIN;
  }
  s->count++;
  spot->what = what;
  spot->where = *where;
  return STATUS_OK;
}

static inline void names_init(struct names *n) {
  memset(n->first, 0, sizeof n->first);
  n->spots = n->first;
  n->mask = NAMES_FIRST / 2 - 1;
  n->count = 0;
}

static inline void names_release(struct names *n) {
  if (n->spots != n->first)
    free(n->spots);
}

static inline struct spot *names_pair(const struct names *n, const void *what) {
  return n->spots + 2 * ((size_t)((uintptr_t)what * UINT64_C(0x9E3779B97F4A7C15) >> 40) & n->mask);
}

static inline void names_insert(struct names *n, const void *what, uint64_t where) {
  struct spot *pair = names_pair(n, what);
  pair[1].what = pair[0].what;
  pair[1].where = pair[0].where;
  pair[0].what = what;
  pair[0].where = where;
}

/* Four times the room; stays as it is when memory is refused. */
static void names_grow(struct names *n) {
  struct spot *old = n->spots;
  size_t i, size = 2 * (n->mask + 1);
  struct spot *spots = calloc(size * 4, sizeof *spots);
  n->count = 0;
  if (spots == NULL)
    return;
  n->spots = spots;
  n->mask = size * 2 - 1;
  for (i = size; i-- > 0;) /* the last used of a pair comes last */
    if (old[i].what != NULL)
      names_insert(n, old[i].what, old[i].where);
  if (old != n->first)
    free(old);
}

/* The number that goes with the string, to be read and changed until the next call; NULL: it is not there. */
static inline uint64_t *names_find(struct names *n, const void *what) {
  struct spot *pair = names_pair(n, what);
  uint64_t where;
  if (pair[0].what == what)
    return &pair[0].where;
  if (pair[1].what != what)
    return NULL;
  where = pair[1].where;
  pair[1].what = pair[0].what;
  pair[1].where = pair[0].where;
  pair[0].what = what;
  pair[0].where = where;
  return &pair[0].where;
}

/* After names_find has not found it. */
static inline void names_put(struct names *n, const void *what, uint64_t where) {
  if (++n->count > n->mask && 2 * n->mask < NAMES_MOST - 2)
    names_grow(n);
  names_insert(n, what, where);
}

#endif
