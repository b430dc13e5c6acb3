/* link_test.c - what a parent and a worker share lies apart, aligned, and as new after a reset. */
#include "config.h"
#include "link.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define SEATS 5

static int aligned_at(const void *at) {
  return (uintptr_t)at % RING_LINE == 0;
}

static const unsigned char *end_of(const void *at, size_t size) {
  return (const unsigned char *)at + size;
}

static void test_layout(void *memory, const struct link_layout *layout) {
  struct link link;
  link_init(&link, memory, layout);
  check(layout->footprint % (size_t)sysconf(_SC_PAGESIZE) == 0, "a link takes whole pages");
  check(aligned_at(link.control) && aligned_at(link.tasks) && aligned_at(link.replies),
        "each part begins a cache line");
  check(end_of(link.control, sizeof *link.control) <= (unsigned char *)link.tasks &&
            end_of(link.tasks, ring_footprint(4096)) <= (unsigned char *)link.replies &&
            end_of(link.replies, ring_footprint(4096)) <= (unsigned char *)link.seats &&
            end_of(link.seats, SEATS * sizeof *link.seats) <= end_of(memory, layout->footprint),
        "no part overlaps another or the end");
  check(link.bell == -1, "a new link has no bell");
}

static void spoil(struct link *link) {
  struct control *c = link->control;
  int i;
  memset(link->tasks, 0xee, ring_footprint(4096));
  memset(link->replies, 0xee, ring_footprint(4096));
  c->parent_asleep = c->worker_asleep = c->room_wanted = 1;
  c->capacity = c->thread_count = 12345; /* more than there are seats */
  c->fault_index = 7;
  for (i = 0; i < SEATS; i++)
    link->seats[i].index = 9;
}

static void test_reset(void *memory, const struct link_layout *layout) {
  struct link link;
  struct control *c;
  int i, ok = 1;
  link_init(&link, memory, layout);
  c = link.control;
  spoil(&link);
  link_reset(&link);
  check(link.tasks->written == 0 && link.tasks->taken == 0 && link.replies->written == 0 &&
            link.replies->taken == 0,
        "a reset empties the rings");
  check(c->parent_asleep == 0 && c->worker_asleep == 0 && c->room_wanted == 0 && c->thread_count == 0 &&
            c->fault_index == 0,
        "a reset clears what the last worker left");
  check(c->capacity == 1, "a new worker can use one task");
  for (i = 0; i < SEATS; i++)
    ok &= link.seats[i].index == 0;
  check(ok, "a reset clears the seats, and none beyond them");
  c->thread_count = -1;
  link_reset(&link);
  check(c->thread_count == 0, "a count that cannot be true does no harm");
}

int main(void) {
  struct link_layout layout;
  void *memory;
  link_layout_init(&layout, 4096, SEATS);
  memory = aligned_alloc((size_t)sysconf(_SC_PAGESIZE), layout.footprint);
  memset(memory, 0, layout.footprint);
  test_layout(memory, &layout);
  test_reset(memory, &layout);
  free(memory);
  return check_end();
}
