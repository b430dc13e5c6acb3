/* addresses.h - a hash from addresses to numbers.
   Level 1: libc.

   Life: struct addresses a = {0} -> addresses_put / addresses_get ->
   addresses_release. Owner: the caller. */
#ifndef FAST_MAP_ADDRESSES_H
#define FAST_MAP_ADDRESSES_H

#include <stdint.h>

#include "status.h"

struct address {
  const void *address; /* NULL: free */
  uint32_t number;
};

struct addresses {
  struct address *slots; /* NULL while empty */
  uint32_t capacity;     /* a power of two */
  uint32_t count;
};

/* The number, or 0 when the address is not there. */
uint32_t addresses_get(const struct addresses *a, const void *address);

/* Stores or replaces; number is not 0, address not NULL. OK NOMEM */
enum status addresses_put(struct addresses *a, const void *address, uint32_t number);

/* Forgets every address whose number is above `last`. */
void addresses_cut(struct addresses *a, uint32_t last);

void addresses_release(struct addresses *a);

#endif
