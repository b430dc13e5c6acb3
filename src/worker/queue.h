/* queue.h - the tasks of a worker that none of its threads has begun: those in its ring, and those that threads gave back.
   Level 2: message, bite. Under the team's lock; never waits.

   Life: queue_init -> queue_take, queue_return. */
#ifndef FAST_MAP_QUEUE_H
#define FAST_MAP_QUEUE_H

#include "bite.h"

struct queue {
  struct inbox inbox;
  struct message open; /* a run that is taken piece by piece; its bytes stay in the inbox until the last */
  struct run rest;     /* of it */
  uint32_t left;       /* tasks in `rest`; 0: no run is open */
  struct leftover *leftovers; /* given back, to be done first */
  int ending;                 /* the parent said that no more tasks come */
};

void queue_init(struct queue *q, struct ring *ring, size_t ring_size);

/* True when there is a task, or a part of one. */
int queue_there(struct queue *q);

/* True when a part of a long task is there, and the parent may wait for room to send the rest. An open run is whole. */
static inline int queue_gathering(const struct queue *q) {
  return q->inbox.gathering && q->left == 0;
}

/* Loads the bite with at most `most` tasks. OK; AGAIN: there is none; NOMEM: for want of memory the one task that
   *refused names was taken out undone; CLOSED: the ring cannot be followed any more. */
enum status queue_take(struct queue *q, struct bite *bite, uint32_t most, struct job *refused);

/* What the bite's thread has not begun is there for others. True when there was something. */
int queue_return(struct queue *q, struct bite *bite);

#endif
