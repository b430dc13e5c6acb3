#include "config.h"
#include "queue.h"

#include <stdlib.h>

void queue_init(struct queue *q, struct ring *ring, size_t ring_size) {
  *q = (struct queue){0};
  ring_reader_init(&q->inbox.reader, ring, ring_size);
}

int queue_there(struct queue *q) {
  size_t size;
  if (q->leftovers != NULL || q->left > 0)
    return 1;
  if (q->inbox.gathering)
    return ring_peek(&q->inbox.reader, 1, &size) == STATUS_OK && size > 0;
  return ring_peek(&q->inbox.reader, MESSAGE_HEADER, &size) == STATUS_OK && size >= MESSAGE_HEADER;
}

/* Takes from a run; without memory for more, one task; without memory for one, none, and it is refused. */
static enum status take_run(struct run *run, uint32_t *left, uint64_t *index, uint32_t attempt, uint32_t most,
                            struct bite *bite, struct job *refused) {
  uint32_t count = most < *left ? most : *left;
  struct item item;
  enum status status = bite_load_run(bite, run, count, *index, attempt);
  if (status == STATUS_NOMEM && count > 1)
    status = bite_load_run(bite, run, count = 1, *index, attempt);
  if (status == STATUS_NOMEM && run_next(run, &item) == STATUS_OK)
    *refused = (struct job){.index = *index, .attempt = attempt};
  if (status == STATUS_FORMAT)
    return STATUS_CLOSED;
  *index += count;
  *left -= count;
  return status;
}

static enum status take_leftover(struct queue *q, struct bite *bite, uint32_t most, struct job *refused) {
  struct leftover *l = q->leftovers;
  enum status status = take_run(&l->rest, &l->left, &l->index, l->attempt, most, bite, refused);
  if (l->left == 0) {
    q->leftovers = l->next;
    free(l);
  }
  return status;
}

static enum status take_open(struct queue *q, struct bite *bite, uint32_t most, struct job *refused) {
  enum status status = take_run(&q->rest, &q->left, &q->open.index, q->open.attempt, most, bite, refused);
  if (q->left == 0)
    message_done(&q->inbox, &q->open, NULL);
  return status;
}

/* A message of one task: its bytes move to the bite, since others may take from the ring before it is done. */
static enum status take_single(struct queue *q, const struct message *m, struct bite *bite,
                               struct job *refused) {
  enum status status = STATUS_OK;
  *refused = (struct job){.index = m->index, .attempt = m->attempt};
  bite->held.size = 0;
  if (q->inbox.gathering) {
    message_done(&q->inbox, m, &bite->held);
  } else {
    buffer_reset(&bite->held, BITE_KEEP);
    status = buffer_append(&bite->held, m->bytes, m->size);
    message_done(&q->inbox, m, NULL);
  }
  if (status == STATUS_OK)
    bite_load(bite, m->index, m->attempt);
  return status;
}

static void open_run(struct queue *q, const struct message *m) {
  q->open = *m;
  q->rest = (struct run){m->bytes, m->bytes + m->size};
  q->left = m->run;
}

enum status queue_take(struct queue *q, struct bite *bite, uint32_t most, struct job *refused) {
  struct message m;
  enum status status;
  if (q->leftovers != NULL)
    return take_leftover(q, bite, most, refused);
  if (q->left > 0)
    return take_open(q, bite, most, refused);
  while ((status = message_receive(&q->inbox, &m)) == STATUS_OK) {
    if (m.kind == MESSAGE_TASK && m.run > 0) {
      open_run(q, &m);
      return take_open(q, bite, most, refused);
    }
    if (m.kind == MESSAGE_TASK)
      return take_single(q, &m, bite, refused);
    q->ending = 1; /* MESSAGE_END */
    message_done(&q->inbox, &m, NULL);
  }
  return status == STATUS_AGAIN ? STATUS_AGAIN : STATUS_CLOSED;
}

int queue_return(struct queue *q, struct bite *bite) {
  struct leftover *l = bite_strip(bite);
  if (l == NULL)
    return 0;
  l->next = q->leftovers;
  q->leftovers = l;
  return 1;
}
