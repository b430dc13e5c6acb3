/* arena.h - the memory of one Lua state, fast to get and fast to copy as a whole.
   Level 1: libc. One thread.

   Small blocks come from chunks, by size; large ones from malloc. What a *mold* holds, from small to large, lies in one piece of
   memory, with the struct that owns the arena at its beginning: a copy of that piece, in which every pointer into it is
   moved, is another arena with the same contents.

   Life: arena_open, or arena_mold -> arena_cast (any number of times, any thread); arena_get for all blocks -> arena_close. */
#ifndef FAST_MAP_ARENA_H
#define FAST_MAP_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define ARENA_GRAIN 16
#define ARENA_SMALL 512 /* the largest block from a chunk */

struct arena_chunk;

struct arena {
  unsigned char *piece, *piece_end; /* the owner, then what was molded */
  unsigned char *next, *end;        /* unused bytes of the newest chunk */
  struct arena_chunk *chunks;
  void *unused[ARENA_SMALL / ARENA_GRAIN + 1]; /* lists of freed blocks by size */
  size_t used, limit;                          /* bytes; limit 0: none */
  int molding;                                 /* all blocks come from the piece; NULL when it is full */
};

/* The owner is `size` bytes, zeroed, and has its struct arena at `offset`. NULL without memory. */
void *arena_open(size_t size, size_t offset);

/* The same for an owner that is to be copied: all in one piece of `room` bytes. */
void *arena_mold(size_t size, size_t offset, size_t room);

/* Frees everything, the owner included. */
void arena_close(struct arena *arena);

/* As a lua_Alloc: [block, old_size] becomes `size` bytes; 0 frees. NULL: refused. */
void *arena_get(struct arena *arena, void *block, size_t old_size, size_t size);

/* Where the pointers in a mold are. */
struct arena_cast {
  unsigned char *piece;
  size_t size, arena_offset;
  uint32_t *pointers; /* offsets / sizeof(void *) */
  uint32_t pointer_count;
};

/* Ends the molding; the owner stays valid until the cast is released, and must not change meanwhile. OK NOMEM */
enum status arena_cast_open(struct arena_cast *cast, struct arena *mold);
void arena_cast_release(struct arena_cast *cast);

/* Any thread. A copy of the owner, or NULL without memory. */
void *arena_cast(const struct arena_cast *cast);

#endif
