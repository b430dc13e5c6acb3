/* bite_test.c - what a thread has taken, and what others may take from it. */
#include "config.h"
#include "bite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "queue.h"

#define RING 4096

/* A run of tasks "1", "22", "333" … whose sizes are their numbers. */
static void make_run(struct buffer *b, int count) {
  int i;
  for (i = 1; i <= count; i++) {
    char text[64];
    memset(text, '0' + i % 10, (size_t)i);
    run_add(b, 0, text, (size_t)i);
  }
}

static struct buffer text(const char *s) {
  return (struct buffer){.bytes = (unsigned char *)s, .size = strlen(s)};
}

/* Begins and answers the next task; true when it is the one of this size. */
static int do_one(struct bite *bite, uint64_t index, size_t size) {
  struct job job;
  struct buffer reply;
  if (!bite_next(bite, &job) || job.index != index || job.size != size)
    return 0;
  reply = (struct buffer){.bytes = (unsigned char *)job.bytes, .size = job.size};
  return bite_answer(bite, &job, VERDICT_DONE, &reply, 1000) == STATUS_OK;
}

static void release(struct bite *bite) {
  buffer_release(&bite->held);
  buffer_release(&bite->replies);
}

static void test_tasks(void) {
  struct buffer items = {0};
  struct bite bite;
  struct run run;
  struct job job;
  make_run(&items, 5);
  run = (struct run){items.bytes, items.bytes + items.size};
  bite_init(&bite);
  check(bite_load_run(&bite, &run, 3, 7, 1) == STATUS_OK, "a thread takes some tasks of a run");
  check(do_one(&bite, 7, 1) && do_one(&bite, 8, 2) && do_one(&bite, 9, 3),
        "it gets them one after the other");
  check(!bite_next(&bite, &job), "and no more");
  check(bite_load_run(&bite, &run, 2, 10, 1) == STATUS_OK && do_one(&bite, 10, 4) && do_one(&bite, 11, 5),
        "the run goes on where it was");
  check(bite_load_run(&bite, &run, 1, 12, 1) == STATUS_FORMAT, "beyond its end a run is nonsense");
  release(&bite);
  buffer_release(&items);
}

static void test_replies(void) {
  struct buffer items = {0}, reply = text("a reply");
  struct bite bite;
  struct run run;
  struct job job;
  struct message m;
  struct item item;
  make_run(&items, 3);
  run = (struct run){items.bytes, items.bytes + items.size};
  bite_init(&bite);
  bite_load_run(&bite, &run, 3, 40, 1);
  check(!bite_message(&bite, &m), "at first there is no reply");
  bite_next(&bite, &job);
  bite_answer(&bite, &job, VERDICT_ERROR, &reply, 1000);
  check(bite_message(&bite, &m) && m.kind == VERDICT_ERROR && m.run == 0 && m.index == 40 &&
            m.size == reply.size && memcmp(m.bytes, reply.bytes, m.size) == 0,
        "one reply is a message like any other");
  bite_next(&bite, &job);
  check(bite_answer(&bite, &job, VERDICT_DONE, &reply, 10) == STATUS_AGAIN, "when there is much, it says so");
  check(bite_message(&bite, &m) && m.kind == MESSAGE_RUN && m.run == 2 && m.index == 40,
        "several replies are a run");
  run = (struct run){m.bytes, m.bytes + m.size};
  check(run_next(&run, &item) == STATUS_OK && item.verdict == VERDICT_ERROR &&
            run_next(&run, &item) == STATUS_OK && item.verdict == VERDICT_DONE && item.size == reply.size &&
            run.at == run.end,
        "each with its verdict");
  bite_sent(&bite);
  bite_next(&bite, &job);
  bite_answer(&bite, &job, VERDICT_DONE, &reply, 1000);
  check(bite_message(&bite, &m) && m.index == 42, "those that follow name their own first");
  release(&bite);
  buffer_release(&items);
}

static void test_strip(void) {
  struct buffer items = {0};
  struct bite bite, other;
  struct run run;
  struct job job;
  struct leftover *l;
  make_run(&items, 6);
  run = (struct run){items.bytes, items.bytes + items.size};
  bite_init(&bite);
  bite_init(&other);
  bite_load_run(&bite, &run, 6, 1, 1);
  do_one(&bite, 1, 1);
  l = bite_strip(&bite);
  check(l != NULL && l->left == 5 && l->index == 2 && !bite_next(&bite, &job),
        "what a thread has not begun can be taken away");
  check(bite_strip(&bite) == NULL, "once");
  check(bite_load_run(&other, &l->rest, 5, l->index, l->attempt) == STATUS_OK && do_one(&other, 2, 2) &&
            do_one(&other, 3, 3),
        "and another thread does it");
  free(l);
  release(&bite);
  release(&other);
  buffer_release(&items);
}

/* -- the queue ------------------------------------------------------------------ */

struct rig {
  struct ring *ring;
  struct ring_writer writer;
  struct queue queue;
};

static void open_rig(struct rig *rig) {
  rig->ring = aligned_alloc(RING_LINE, ring_footprint(RING));
  ring_init(rig->ring, RING);
  ring_writer_init(&rig->writer, rig->ring, RING);
  queue_init(&rig->queue, rig->ring, RING);
}

static void close_rig(struct rig *rig) {
  inbox_release(&rig->queue.inbox);
  free(rig->ring);
}

static int send(struct rig *rig, struct message m) {
  size_t sent = 0;
  return message_send(&rig->writer, &m, &sent) == STATUS_OK;
}

static void test_queue(void) {
  struct buffer items = {0};
  struct bite bite, other;
  struct rig rig;
  struct job job;
  open_rig(&rig);
  bite_init(&bite);
  bite_init(&other);
  make_run(&items, 9);
  check(!queue_there(&rig.queue) && queue_take(&rig.queue, &bite, 5, &job) == STATUS_AGAIN,
        "an empty queue has no task");
  send(&rig, (struct message){.attempt = 1, .index = 1, .run = 9, .bytes = items.bytes, .size = items.size});
  send(&rig, (struct message){.attempt = 3, .index = 50, .bytes = (const unsigned char *)"fifty", .size = 5});
  send(&rig, (struct message){.kind = MESSAGE_END});
  check(queue_take(&rig.queue, &bite, 4, &job) == STATUS_OK && do_one(&bite, 1, 1),
        "a thread takes a part of a run");
  check(queue_take(&rig.queue, &other, 100, &job) == STATUS_OK && other.left == 5 && do_one(&other, 5, 5),
        "another takes the rest");
  check(queue_return(&rig.queue, &bite) && queue_there(&rig.queue),
        "what the first gives back is there again");
  bite_sent(&bite);
  check(queue_take(&rig.queue, &bite, 2, &job) == STATUS_OK && do_one(&bite, 2, 2) && do_one(&bite, 3, 3),
        "for whoever comes first");
  check(queue_take(&rig.queue, &bite, 2, &job) == STATUS_OK && do_one(&bite, 4, 4), "until it is done");
  bite_sent(&bite);
  check(queue_take(&rig.queue, &bite, 2, &job) == STATUS_OK && bite_next(&bite, &job) && job.index == 50 &&
            job.attempt == 3 && job.size == 5,
        "a task that came alone is taken alone");
  check(!queue_return(&rig.queue, &bite), "and never given back");
  check(queue_take(&rig.queue, &bite, 2, &job) == STATUS_AGAIN && rig.queue.ending,
        "after the last comes the end");
  release(&bite);
  release(&other);
  buffer_release(&items);
  close_rig(&rig);
}

static void test_queue_nonsense(void) {
  static const unsigned char cut[] = {0x50, 'x'}; /* says five bytes, has one */
  struct bite bite;
  struct rig rig;
  struct job job;
  open_rig(&rig);
  bite_init(&bite);
  send(&rig, (struct message){.attempt = 1, .index = 1, .run = 2, .bytes = cut, .size = sizeof cut});
  check(queue_take(&rig.queue, &bite, 2, &job) == STATUS_CLOSED, "a run that is cut short breaks the queue");
  release(&bite);
  close_rig(&rig);
}

int main(void) {
  test_tasks();
  test_replies();
  test_strip();
  test_queue();
  test_queue_nonsense();
  return check_end();
}
