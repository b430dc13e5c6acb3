#include "config.h"
#include "link.h"

#include <unistd.h>

static size_t aligned(size_t size, size_t to) {
  return (size + to - 1) / to * to;
}

static size_t control_size(void) {
  return aligned(sizeof(struct control), RING_LINE);
}

void link_layout_init(struct link_layout *layout, size_t ring_size, int thread_limit) {
  size_t size = control_size() + 2 * ring_footprint(ring_size);
  size += (size_t)thread_limit * (sizeof(struct seat) + LINK_PLACE);
  *layout = (struct link_layout){.ring_size = ring_size, .thread_limit = thread_limit};
  layout->footprint = aligned(size, (size_t)sysconf(_SC_PAGESIZE));
}

void link_init(struct link *link, void *memory, const struct link_layout *layout) {
  unsigned char *at = memory;
  link->control = memory;
  at += control_size();
  link->tasks = (struct ring *)at;
  at += ring_footprint(layout->ring_size);
  link->replies = (struct ring *)at;
  at += ring_footprint(layout->ring_size);
  link->seats = (struct seat *)at;
  at += (size_t)layout->thread_limit * sizeof(struct seat);
  link->places = (char(*)[LINK_PLACE])at;
  link->layout = *layout;
  link->bell = -1;
}

static void reset_seat(struct seat *seat) {
  atomic_store_explicit(&seat->index, 0, memory_order_relaxed);
  atomic_store_explicit(&seat->tid, 0, memory_order_relaxed);
  atomic_store_explicit(&seat->answered, 0, memory_order_relaxed);
}

static void reset_figures(struct control *c) {
  int i;
  atomic_store_explicit(&c->asked, 0, memory_order_relaxed);
  atomic_store_explicit(&c->working_ns, 0, memory_order_relaxed);
  for (i = 0; i < TALLY_SLOW; i++) {
    atomic_store_explicit(&c->slow_index[i], 0, memory_order_relaxed);
    atomic_store_explicit(&c->slow_ns[i], 0, memory_order_relaxed);
  }
}

void link_reset(struct link *link) {
  struct control *c = link->control;
  int i, used = atomic_load_explicit(&c->thread_count, memory_order_relaxed);
  ring_init(link->tasks, link->layout.ring_size);
  ring_init(link->replies, link->layout.ring_size);
  for (i = 0; i < used && i < link->layout.thread_limit;
       i++) /* only those touched: the rest are zero pages */
    reset_seat(&link->seats[i]);
  atomic_store_explicit(&c->parent_asleep, 0, memory_order_relaxed);
  atomic_store_explicit(&c->worker_asleep, 0, memory_order_relaxed);
  atomic_store_explicit(&c->room_wanted, 0, memory_order_relaxed);
  atomic_store_explicit(&c->capacity, 1, memory_order_relaxed);
  atomic_store_explicit(&c->thread_count, 0, memory_order_relaxed);
  atomic_store_explicit(&c->fault_timeout, 0, memory_order_relaxed);
  atomic_store_explicit(&c->fault_index, 0, memory_order_relaxed);
  reset_figures(c);
  c->fault_trace[0] = '\0';
}
