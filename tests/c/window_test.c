/* window_test.c - the tasks between the oldest undelivered and the newest: their order, bytes and memory. */
#include "config.h"
#include "window.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static int scarce; /* when set, memory is refused */

static void *scarce_malloc(size_t size) {
  return scarce ? NULL : malloc(size);
}

#define malloc scarce_malloc
#include "window.c"
#undef malloc

/* What task or result `index` holds: sizes around SLOT_INLINE, and none. */
static size_t content(uint64_t index, int result, unsigned char bytes[64]) {
  size_t size = (size_t)((index * 5 + (result ? 3 : 0)) % 60);
  memset(bytes, (int)(index + (result ? 100 : 0)), size);
  return size;
}

static int holds(const struct window *w, uint64_t index, int result) {
  unsigned char bytes[64];
  size_t size = content(index, result, bytes);
  const struct slot *slot = window_slot(w, index);
  return slot != NULL && slot->size == size && memcmp(slot_bytes(slot), bytes, size) == 0;
}

static enum status add(struct window *w, uint64_t index) {
  unsigned char bytes[64];
  size_t size = content(index, 0, bytes);
  return window_add(w, bytes, size);
}

static enum status finish(struct window *w, uint64_t index) {
  unsigned char bytes[64];
  size_t size = content(index, 1, bytes);
  return window_finish(w, window_slot(w, index), VERDICT_DONE, bytes, size);
}

static void test_empty(void) {
  struct window w;
  window_init(&w);
  check(window_count(&w) == 0 && window_slot(&w, 0) == NULL && window_slot(&w, 1) == NULL,
        "a new window has no task");
  window_release(&w);
  check(window_count(&w) == 0, "an empty window can be released");
}

static void test_life(void) {
  struct window w;
  struct slot *slot;
  window_init(&w);
  check(window_add(&w, NULL, 0) == STATUS_OK, "a task may have no bytes");
  slot = window_slot(&w, 1);
  check(slot->state == SLOT_QUEUED && slot->attempt == 0 && slot->worker == -1 && slot->size == 0,
        "the first task has index 1 and waits for its first attempt");
  check(window_slot(&w, 0) == NULL && window_slot(&w, 2) == NULL && window_slot(&w, UINT64_MAX) == NULL,
        "an index outside of the window has no slot");
  check(window_finish(&w, slot, VERDICT_ERROR, "why", 3) == STATUS_OK && slot->state == SLOT_DONE &&
            slot->verdict == VERDICT_ERROR && w.done == 1,
        "a finished task keeps its verdict");
  check(slot->size == 3 && memcmp(slot_bytes(slot), "why", 3) == 0, "a result takes the place of its task");
  window_remove(&w, 1);
  check(window_count(&w) == 0 && w.done == 0 && window_slot(&w, 1) == NULL, "a delivered task is gone");
  window_release(&w);
}

static void test_growth(void) {
  struct window w;
  uint64_t i;
  int ok = 1;
  window_init(&w);
  for (i = 1; i <= 50; i++) /* so that the first task is not the first slot */
    ok &= add(&w, i) == STATUS_OK;
  for (i = 1; i <= 40; i++)
    window_remove(&w, i);
  for (i = 51; i <= 5000; i++)
    ok &= add(&w, i) == STATUS_OK;
  for (i = 41; i <= 5000; i++)
    ok &= holds(&w, i, 0);
  check(ok && window_count(&w) == 4960,
        "tasks keep their bytes, short and long, while the window grows around its end");
  window_release(&w);
  check(w.byte_count == 0, "a released window counts no bytes");
}

static void test_bounded(void) {
  struct window w;
  uint64_t i;
  window_init(&w);
  for (i = 1; i <= 100000; i++) {
    add(&w, i);
    if (i > 10) {
      finish(&w, i - 10);
      window_remove(&w, i - 10);
    }
  }
  check(w.capacity == 64, "a window that moves does not grow");
  window_release(&w);
}

/* Random life of many tasks beside a plain model of what must be there. */
#define TASKS 3000

static void test_any_order(uint64_t seed) {
  static unsigned char state[TASKS + 1];
  struct window w;
  uint64_t added = 0, i, oldest = 1;
  int step, ok = 1;
  memset(state, SLOT_FREE, sizeof state);
  window_init(&w);
  for (step = 0; step < 200000 && oldest <= TASKS; step++) {
    uint64_t span = added - oldest + 1;
    i = span > 0 ? oldest + check_random(&seed, span) : 0;
    if (added < TASKS && (span == 0 || check_random(&seed, 3) == 0)) {
      ok &= add(&w, ++added) == STATUS_OK;
      state[added] = SLOT_QUEUED;
    } else if (state[i] == SLOT_QUEUED) {
      ok &= holds(&w, i, 0) && finish(&w, i) == STATUS_OK;
      state[i] = SLOT_DONE;
    } else if (state[i] == SLOT_DONE) {
      ok &= holds(&w, i, 1) && window_slot(&w, i)->verdict == VERDICT_DONE;
      window_remove(&w, i);
      state[i] = SLOT_FREE;
      while (oldest <= added && state[oldest] == SLOT_FREE)
        oldest++;
      ok &= w.first == oldest;
    }
  }
  for (i = oldest; i <= added; i++)
    if (state[i] != SLOT_FREE)
      window_remove(&w, i);
  check(ok, "tasks finished and delivered in any order keep their own bytes");
  check(window_count(&w) == 0 && w.byte_count == 0 && w.done == 0,
        "when all are delivered nothing is counted any more");
  window_release(&w);
}

static void test_release_half(void) {
  struct window w;
  uint64_t i;
  window_init(&w);
  for (i = 1; i <= 200; i++)
    add(&w, i);
  for (i = 1; i <= 200; i += 3)
    finish(&w, i);
  for (i = 2; i <= 200; i += 5)
    window_remove(&w, i);
  window_release(&w); /* ASan's leak check watches */
  check(w.byte_count == 0 && window_count(&w) == 0, "a window can be released in the midst of its tasks");
}

static void test_scarce(void) {
  static const unsigned char large[1000];
  struct window w;
  uint64_t i;
  int ok = 1;
  window_init(&w);
  scarce = 1;
  check(window_add(&w, "x", 1) == STATUS_NOMEM && window_count(&w) == 0,
        "a window without memory takes no task");
  scarce = 0;
  for (i = 1; i <= 64; i++)
    add(&w, i);
  scarce = 1;
  check(window_add(&w, "x", 1) == STATUS_NOMEM && window_count(&w) == 64,
        "a window that cannot grow stays as it was");
  check(window_finish(&w, window_slot(&w, 7), VERDICT_DONE, large, sizeof large) == STATUS_NOMEM &&
            window_slot(&w, 7)->state == SLOT_QUEUED && holds(&w, 7, 0) && w.done == 0,
        "a result that there is no memory for leaves the task as it was");
  check(window_finish(&w, window_slot(&w, 7), VERDICT_MEMORY, NULL, 0) == STATUS_OK && w.done == 1,
        "a result without bytes needs no memory");
  window_remove(&w, 1);
  check(window_add(&w, large, sizeof large) == STATUS_NOMEM && window_count(&w) == 63,
        "a task that there is no memory for is not added");
  check(window_add(&w, "x", 1) == STATUS_OK, "a short task needs no memory while there is a slot");
  scarce = 0;
  for (i = 2; i <= 64; i++)
    ok &= i == 7 || holds(&w, i, 0);
  check(ok, "the other tasks do not notice");
  window_release(&w);
}

static void test_give(void) {
  struct window w;
  struct buffer b = {0};
  static unsigned char bytes[10000];
  const unsigned char *at;
  window_init(&w);
  buffer_append(&b, "short", 5);
  check(window_give(&w, &b) == STATUS_OK && b.size == 5 &&
            memcmp(slot_bytes(window_slot(&w, 1)), "short", 5) == 0,
        "of a short task the window takes a copy");
  b.size = 0;
  buffer_append(&b, bytes, sizeof bytes);
  at = b.bytes;
  check(window_give(&w, &b) == STATUS_OK && b.bytes == NULL && b.size == 0 &&
            slot_bytes(window_slot(&w, 2)) == at && w.byte_count == sizeof bytes,
        "of a long one, the memory");
  window_release(&w);
  buffer_release(&b);
}

int main(void) {
  test_give();
  uint64_t seed = check_seed(11);
  test_empty();
  test_life();
  test_growth();
  test_bounded();
  test_any_order(seed);
  test_release_half();
  test_scarce();
  return check_end();
}
