/* arena.h - the memory of one Lua state: first lent bytes, never reused but at their end, then malloc's; at most so much.
   Level 1: libc. One thread at a time. Knows no Lua, but its allocator is a lua_Alloc.

   What a state is opened with lives as long as it, so that little is lost; and a forked child does not have to copy the
   parent's heap page by page for it.

   Life: struct arena a = {.begin = bytes, .next = bytes, .end = bytes + size}, or zeros -> arena_allocate, as often as the
   state likes. Nothing to release: what is not given back by then belongs to the state. */
#ifndef FAST_MAP_ARENA_H
#define FAST_MAP_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a block; more are refused without asking the system, which may have address space for them. */
#define ARENA_BLOCK_MOST (SIZE_MAX >> (sizeof(size_t) > 4 ? 20 : 1))

struct arena {
  unsigned char *begin, *next, *end; /* lent, free from next on; all NULL: none */
  size_t used, limit;                /* bytes in use, wherever they are; 0 as the limit: none */
};

/* data: the arena. NULL when the limit or the system refuses. */
void *arena_allocate(void *data, void *block, size_t old_size, size_t size);

#endif
