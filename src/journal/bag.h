/* bag.h - which digests there are, each with a number, and each to be taken out once: the oldest of equal ones first.
   Level 2: digest.

   Life: bag_put ... -> bag_seal -> bag_take ... -> bag_release. A zeroed bag is empty, and not sealed. Owner: the caller.
   32 bytes for each digest that was put in, and 4 to 8 more once sealed. */
#ifndef FAST_MAP_BAG_H
#define FAST_MAP_BAG_H

#include "digest.h"
#include "status.h"

struct bag_item {
  struct digest digest;
  uint64_t number;
  uint32_t next; /* on its chain; 0: the last */
};

struct bag {
  struct bag_item *items; /* [1, count], in the order they came */
  uint32_t count, capacity;
  uint32_t *chains; /* when sealed: chain_mask + 1 many; an item each, 0: empty */
  uint32_t chain_mask;
};

/* OK NOMEM */
enum status bag_put(struct bag *bag, const struct digest *digest, uint64_t number);

/* No more will be put in. OK NOMEM */
enum status bag_seal(struct bag *bag);

/* OK: the number of the oldest with this digest, which is then gone; AGAIN: there is none. */
enum status bag_take(struct bag *bag, const struct digest *digest, uint64_t *number);

void bag_release(struct bag *bag);

#endif
