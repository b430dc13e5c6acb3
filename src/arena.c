#include "config.h"
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 4096 /* bytes of a chunk after the first */
#define FIRST 2048 /* unused bytes behind a copied piece */
#define PIECE_GRAIN 256

/* AddressSanitizer sees what happens to blocks of malloc only. */
#if defined(__SANITIZE_ADDRESS__)
#define FROM_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FROM_MALLOC 1
#endif
#endif
#ifndef FROM_MALLOC
#define FROM_MALLOC 0
#endif

struct arena_chunk {
  struct arena_chunk *older;
  size_t size;
};

static size_t rounded(size_t size) {
  return (size + ARENA_GRAIN - 1) / ARENA_GRAIN * ARENA_GRAIN;
}

static struct arena *begin(unsigned char *piece, size_t size, size_t offset, size_t room) {
  struct arena *a = (struct arena *)(piece + offset);
  a->piece = piece;
  a->piece_end = piece + rounded(size);
  a->next = a->piece_end;
  a->end = piece + room;
  return a;
}

static void *new_piece(size_t size) {
  return aligned_alloc(PIECE_GRAIN, (size + PIECE_GRAIN - 1) / PIECE_GRAIN * PIECE_GRAIN);
}

void *arena_open(size_t size, size_t offset) {
  size_t room = rounded(size) + FIRST;
  unsigned char *piece = new_piece(room);
  if (piece == NULL)
    return NULL;
  memset(piece, 0, rounded(size));
  begin(piece, size, offset, room);
  return piece;
}

void *arena_mold(size_t size, size_t offset, size_t room) {
  unsigned char *piece = FROM_MALLOC ? NULL : new_piece(room);
  if (piece == NULL)
    return NULL;
  memset(piece, 0, room);
  begin(piece, size, offset, room)->molding = 1;
  return piece;
}

void arena_close(struct arena *a) {
  struct arena_chunk *chunk = a->chunks;
  while (chunk != NULL) {
    struct arena_chunk *older = chunk->older;
    free(chunk);
    chunk = older;
  }
  free(a->piece);
}

/* ------------------------------------------------------------------ blocks */

static int in_piece(const struct arena *a, const void *block) {
  return (const unsigned char *)block >= a->piece && (const unsigned char *)block < a->piece_end;
}

static void *carve(struct arena *a, size_t size) {
  unsigned char *block = a->next;
  if (size > (size_t)(a->end - a->next)) {
    struct arena_chunk *chunk = a->molding ? NULL : malloc(CHUNK);
    if (chunk == NULL)
      return NULL;
    chunk->older = a->chunks;
    chunk->size = CHUNK;
    a->chunks = chunk;
    block = (unsigned char *)chunk + rounded(sizeof *chunk);
    a->end = (unsigned char *)chunk + CHUNK;
  }
  a->next = block + size;
  return block;
}

static void *get(struct arena *a, size_t size) {
  void **list;
  if (a->molding) /* no block twice: see arena_cast_open */
    return carve(a, rounded(size));
  if (FROM_MALLOC || size > ARENA_SMALL)
    return malloc(size);
  size = rounded(size);
  list = &a->unused[size / ARENA_GRAIN];
  if (*list != NULL) {
    void *block = *list;
    *list = *(void **)block;
    return block;
  }
  return carve(a, size);
}

static void put(struct arena *a, void *block, size_t size) {
  void **list;
  if (FROM_MALLOC || (size > ARENA_SMALL && !a->molding && !in_piece(a, block))) {
    free(block);
    return;
  }
  if (size > ARENA_SMALL)
    size = ARENA_SMALL; /* a large one of the piece: at least it can be a small one now */
  list = &a->unused[rounded(size) / ARENA_GRAIN];
  *(void **)block = *list;
  *list = block;
}

/* Whether a block stays where it is when its size changes. */
static int fits(size_t old_size, size_t size) {
  return !FROM_MALLOC && old_size <= ARENA_SMALL && rounded(old_size) == rounded(size);
}

void *arena_get(struct arena *a, void *block, size_t old_size, size_t size) {
  void *moved;
  if (block == NULL)
    old_size = 0; /* (Lua tells the kind of object there) */
  if (size == 0) {
    if (block != NULL)
      put(a, block, old_size);
    a->used -= old_size;
    return NULL;
  }
  if (size > old_size && (size > SIZE_MAX >> 20 || (a->limit != 0 && a->used + size - old_size > a->limit)))
    return NULL;
  if (block == NULL) {
    moved = get(a, size);
  } else if (fits(old_size, size)) {
    moved = block;
  } else if (FROM_MALLOC || (old_size > ARENA_SMALL && size > ARENA_SMALL && !a->molding && !in_piece(a, block))) {
    moved = realloc(block, size);
  } else {
    moved = get(a, size);
    if (moved != NULL) {
      memcpy(moved, block, old_size < size ? old_size : size);
      put(a, block, old_size);
    } else if (size < old_size && size <= ARENA_SMALL && old_size <= ARENA_SMALL) {
      moved = block; /* shrinking must not fail */
    }
  }
  if (moved != NULL)
    a->used += size - old_size;
  return moved;
}

/* ------------------------------------------------------------------ copies */

/* What looks like a pointer into the mold is one: the memory was all zeros, and no block was used twice, so that a word
   that is no pointer never was one. But for the padding behind a tag (Lua's union in struct UpVal): that is why pieces
   are aligned so that the lowest byte never changes. */
enum status arena_cast_open(struct arena_cast *cast, struct arena *mold) {
  uintptr_t begin_at = (uintptr_t)mold->piece, end = (uintptr_t)mold->next, word;
  mold->molding = 0;
  mold->piece_end = mold->next;
  *cast = (struct arena_cast){.piece = mold->piece, .size = (size_t)(mold->next - mold->piece)};
  cast->arena_offset = (size_t)((unsigned char *)mold - mold->piece);
  cast->pointers = malloc(cast->size / sizeof(void *) * sizeof *cast->pointers);
  if (cast->pointers == NULL)
    return STATUS_NOMEM;
  for (size_t at = 0; at + sizeof word <= cast->size; at += sizeof word) {
    memcpy(&word, cast->piece + at, sizeof word);
    if (word >= begin_at && word <= end) /* some point right behind a block */
      cast->pointers[cast->pointer_count++] = (uint32_t)(at / sizeof word);
  }
  return STATUS_OK;
}

void arena_cast_release(struct arena_cast *cast) {
  free(cast->pointers);
  *cast = (struct arena_cast){0};
}

void *arena_cast(const struct arena_cast *cast) {
  unsigned char *piece = new_piece(cast->size + FIRST);
  struct arena *a;
  uintptr_t delta;
  if (piece == NULL)
    return NULL;
  memcpy(piece, cast->piece, cast->size);
  delta = (uintptr_t)piece - (uintptr_t)cast->piece;
  for (uint32_t i = 0; i < cast->pointer_count; i++)
    ((uintptr_t *)piece)[cast->pointers[i]] += delta;
  a = (struct arena *)(piece + cast->arena_offset);
  a->end = a->next + FIRST;
  return piece;
}
