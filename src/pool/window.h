/* window.h - the tasks from the oldest undelivered to the newest pulled: their bytes, their state, their order.
   Level 2: buffer, port.h. One process, one thread; knows neither workers' insides nor Lua.

   Life of a slot: window_add -> QUEUED -> SENT (to a worker) -> DONE (its bytes are now the result's) -> window_remove. */
#ifndef FAST_MAP_WINDOW_H
#define FAST_MAP_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "port.h"
#include "status.h"

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_SENT, SLOT_DONE };

#define SLOT_INLINE 24

struct slot {
  unsigned char state;   /* enum slot_state */
  unsigned char verdict; /* enum verdict, when DONE */
  unsigned char suspect; /* was running when a worker died of an unknown cause: runs alone from then on */
  unsigned char own;     /* DONE by the pool itself: its bytes are text */
  unsigned char delayed; /* QUEUED, but not before a moment that the pool knows */
  uint16_t attempt;      /* of the current or last run; 0 before the first */
  uint16_t failures;     /* runs that raised or timed out */
  union {
    int32_t worker; /* when SENT: who has it; -1 */
    int32_t pid;    /* when DONE, but not with VERDICT_DONE: of the process that had it; 0: none had */
  };
  uint64_t later; /* when DONE: the task that was done next, where results leave in that order; 0: none yet */
  size_t size;
  union {
    unsigned char own[SLOT_INLINE]; /* size <= SLOT_INLINE: most tasks and results need no malloc */
    unsigned char *heap;
  } bytes;
};

struct window {
  struct slot *slots; /* circular, capacity a power of two; slot of index i is slots[i & (capacity - 1)] */
  uint64_t capacity;
  uint64_t first;    /* index of the oldest undelivered task, from 1 */
  uint64_t next;     /* index the next task gets */
  uint64_t done;     /* slots in state DONE */
  size_t byte_count; /* heap bytes of all slots */
};

void window_init(struct window *w);
void window_release(struct window *w);

/* Tasks in the window. */
static inline uint64_t window_count(const struct window *w) {
  return w->next - w->first;
}

/* The slot of a task, or NULL when index is outside the window. Pointers end at window_add. */
static inline struct slot *window_slot(const struct window *w, uint64_t index) {
  return index >= w->first && index < w->next ? &w->slots[index & (w->capacity - 1)] : NULL;
}

/* Appends a task with a copy of its bytes, QUEUED. OK NOMEM */
enum status window_add(struct window *w, const void *bytes, size_t size);

/* The same with the bytes of a buffer. Of a long task it takes over the memory, and leaves the buffer empty. */
enum status window_give(struct window *w, struct buffer *b);

/* The bytes of a slot: a task's until window_finish, a result's after it. Valid until window_add for short ones. */
static inline const unsigned char *slot_bytes(const struct slot *slot) {
  return slot->size > SLOT_INLINE ? slot->bytes.heap : slot->bytes.own;
}

/* Replaces the task's bytes by the result's; state DONE. OK; NOMEM (unchanged). */
enum status window_finish(struct window *w, struct slot *slot, enum verdict verdict, const void *bytes,
                          size_t size);

/* Takes a delivered task out. The first ones of the window leave for good; one in the middle stays as FREE. */
void window_remove(struct window *w, uint64_t index);

#endif
