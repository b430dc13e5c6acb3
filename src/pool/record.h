/* record.h - which task ran when and where: what a timeline is drawn from.
   Level 3: stamp, port. In the parent; only when the script wants one.

   Life: struct records r = {0} -> record_add for each reply -> records_release. */
#ifndef FAST_MAP_RECORD_H
#define FAST_MAP_RECORD_H

#include "port.h"
#include "stamp.h"

#define RECORDS_MOST ((size_t)1 << 20)

struct record {
  struct stamp stamp;
  uint64_t index;
  uint32_t attempt;
  int worker;
  enum verdict verdict;
};

struct records {
  struct record *list; /* [0, count) */
  size_t count, capacity;
  uint64_t left_out; /* beyond RECORDS_MOST, or for want of memory */
};

void record_add(struct records *records, const struct record *record);
void records_release(struct records *records);

#endif
