/* ring_fuzz.c - whatever the other process writes into a ring, and wherever it says that it ends, its reader gets messages or
   an error, and never reads beyond. A libFuzzer target: the input is split into pieces that are published one by one. */
#include "config.h"
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>

#define RING 4096

#define insist(what)                                                                                         \
  do {                                                                                                       \
    if (!(what)) {                                                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);                                   \
      abort();                                                                                               \
    }                                                                                                        \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void look_at(const unsigned char *bytes, size_t size) {
  if (size > 0) /* the sanitizer sees when either end is outside */
    sink = (unsigned char)(bytes[0] + bytes[size - 1]);
}

/* What the parent does with what workers write. */
static void read_replies(struct inbox *inbox, enum status *status) {
  struct message m;
  while ((*status = message_receive(inbox, &m)) == STATUS_OK) {
    struct run run = {m.bytes, m.bytes + m.size};
    struct item item;
    int i;
    look_at(m.bytes, m.size);
    for (i = 0; i < m.run && run_next(&run, &item) == STATUS_OK; i++) {
      insist(item.bytes >= m.bytes && item.bytes + item.size <= m.bytes + m.size);
      look_at(item.bytes, item.size);
    }
    message_done(inbox, &m, NULL);
  }
  insist(*status == STATUS_AGAIN || *status == STATUS_CLOSED || *status == STATUS_FORMAT ||
         *status == STATUS_NOMEM);
}

/* What a worker's threads do with what the parent writes. */
static void take_tasks(struct queue *queue, struct bite *bite, uint8_t how, enum status *status) {
  struct job job;
  while ((*status = queue_take(queue, bite, 1 + how % 7, &job)) == STATUS_OK) {
    int n = how % 3;
    while (n-- != 0 && bite_next(bite, &job))
      look_at(job.bytes, job.size);
    if (!queue_return(queue, bite))
      while (bite_next(bite, &job))
        look_at(job.bytes, job.size);
    how += 5;
  }
  insist(*status == STATUS_AGAIN || *status == STATUS_CLOSED || *status == STATUS_NOMEM);
}

/* Publishes a piece of the input, up to 255 bytes, or sets the position to what it says. Returns what is left. */
static size_t write_piece(struct ring_writer *writer, const uint8_t **data, size_t size) {
  size_t wanted = **data, room;
  (*data)++, size--;
  if (wanted == 255 && size >= 8) {
    uint64_t position;
    memcpy(&position, *data, 8);
    atomic_store(&writer->ring->written, position);
    *data += 8;
    return size - 8;
  }
  room = ring_room(writer, wanted);
  wanted = wanted < size ? wanted : size;
  wanted = wanted < room ? wanted : room;
  ring_put(writer, *data, wanted);
  ring_publish(writer);
  *data += wanted;
  return size - wanted;
}

static void release(struct queue *queue, struct bite *bite) {
  while (queue->leftovers != NULL) {
    struct leftover *l = queue->leftovers;
    queue->leftovers = l->next;
    free(l);
  }
  inbox_release(&queue->inbox);
  buffer_release(&bite->held);
  buffer_release(&bite->replies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ring *ring = aligned_alloc(RING_LINE, ring_footprint(RING));
  struct ring_writer writer;
  struct inbox inbox = {0};
  struct queue queue;
  struct bite bite;
  enum status status = STATUS_AGAIN;
  uint8_t kind = size > 0 ? *data++ : 0;
  ring_init(ring, RING);
  ring_writer_init(&writer, ring, RING);
  ring_reader_init(&inbox.reader, ring, RING);
  queue_init(&queue, ring, RING);
  bite_init(&bite);
  for (size -= size > 0; size > 0 && status == STATUS_AGAIN;) {
    size = write_piece(&writer, &data, size);
    if (kind % 2 == 0)
      read_replies(&inbox, &status);
    else
      take_tasks(&queue, &bite, kind, &status);
  }
  inbox_release(&inbox);
  release(&queue, &bite);
  free(ring);
  return 0;
}
