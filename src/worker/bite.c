#include "config.h"
#include "bite.h"

#include <stdlib.h>

void bite_init(struct bite *b) {
  *b = (struct bite){0};
  pthread_mutex_init(&b->lock, NULL);
}

static void start(struct bite *b, uint64_t index, uint32_t attempt, uint32_t count) {
  pthread_mutex_lock(&b->lock);
  b->rest = (struct run){b->held.bytes, b->held.bytes};
  if (b->held.size > 0) /* else bytes may be NULL */
    b->rest.end += b->held.size;
  b->left = count;
  b->next = index;
  b->attempt = attempt;
  pthread_mutex_unlock(&b->lock);
}

void bite_load(struct bite *b, uint64_t index, uint32_t attempt) {
  b->single = 1;
  start(b, index, attempt, 1);
}

enum status bite_load_run(struct bite *b, struct run *run, uint32_t count, uint64_t index, uint32_t attempt) {
  struct run after = *run;
  struct item item;
  uint32_t i;
  for (i = 0; i < count; i++)
    if (run_next(&after, &item) != STATUS_OK)
      return STATUS_FORMAT;
  buffer_reset(&b->held, BITE_KEEP);
  if (buffer_append(&b->held, run->at, (size_t)(after.at - run->at)) != STATUS_OK)
    return STATUS_NOMEM;
  *run = after;
  b->single = 0;
  start(b, index, attempt, count);
  return STATUS_OK;
}

int bite_next(struct bite *b, struct job *job) {
  struct item item = {.bytes = b->held.bytes, .size = b->held.size};
  int got = 0;
  pthread_mutex_lock(&b->lock);
  if (b->left > 0 && (b->single || run_next(&b->rest, &item) == STATUS_OK)) {
    *job = (struct job){.index = b->next++, .attempt = b->attempt, .bytes = item.bytes, .size = item.size};
    b->left--;
    b->begun++;
    got = 1;
  }
  pthread_mutex_unlock(&b->lock);
  return got;
}

enum status bite_answer(struct bite *b, const struct job *job, enum verdict verdict,
                        const struct buffer *bytes, size_t most) {
  enum status status;
  pthread_mutex_lock(&b->lock);
  status = run_add(&b->replies, (unsigned char)verdict, bytes->bytes, bytes->size);
  if (status == STATUS_OK && b->reply_count++ == 0)
    b->reply_first = job->index;
  if (status == STATUS_OK && b->replies.size >= most)
    status = STATUS_AGAIN;
  pthread_mutex_unlock(&b->lock);
  return status;
}

uint32_t bite_begun(struct bite *b) {
  uint32_t begun;
  pthread_mutex_lock(&b->lock);
  begun = b->begun;
  pthread_mutex_unlock(&b->lock);
  return begun;
}

int bite_message(const struct bite *b, struct message *m) {
  if (b->reply_count == 0)
    return 0;
  *m = (struct message){.index = b->reply_first, .attempt = b->attempt};
  if (b->reply_count == 1) {
    struct run run = {b->replies.bytes, b->replies.bytes + b->replies.size};
    struct item item = {0};
    run_next(&run, &item);
    m->kind = item.verdict;
    m->bytes = item.bytes;
    m->size = item.size;
  } else {
    m->kind = MESSAGE_RUN;
    m->run = (uint16_t)b->reply_count;
    m->bytes = b->replies.bytes;
    m->size = b->replies.size;
  }
  return 1;
}

void bite_sent(struct bite *b) {
  buffer_reset(&b->replies, BITE_KEEP);
  b->reply_count = 0;
}

struct leftover *bite_strip(struct bite *b) {
  struct leftover *l = NULL;
  size_t size;
  pthread_mutex_lock(&b->lock);
  size = (size_t)(b->rest.end - b->rest.at);
  if (b->left > 0 && !b->single && (l = malloc(sizeof *l + size)) != NULL) {
    *l = (struct leftover){.left = b->left, .index = b->next, .attempt = b->attempt};
    memcpy(l->bytes, b->rest.at, size);
    l->rest = (struct run){l->bytes, l->bytes + size};
    b->left = 0;
  }
  pthread_mutex_unlock(&b->lock);
  return l;
}
