#include "config.h"
#include "record.h"

#include <stdlib.h>

static int make_room(struct records *r) {
  size_t capacity = r->capacity * 2 + 256;
  struct record *list;
  if (r->count >= RECORDS_MOST)
    return 0;
  if (r->count < r->capacity)
    return 1;
  if ((list = realloc(r->list, capacity * sizeof *list)) == NULL)
    return 0;
  r->list = list;
  r->capacity = capacity;
  return 1;
}

void record_add(struct records *r, const struct record *record) {
  if (make_room(r))
    r->list[r->count++] = *record;
  else
    r->left_out++;
}

void records_release(struct records *r) {
  free(r->list);
  *r = (struct records){0};
}
