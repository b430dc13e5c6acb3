#include "config.h"
#include "output.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "forks.h"
#include "wire.h"

#define KEPT_MOST   ((size_t)16 << 20) /* bytes of one task; from there on it prints at once */
#define KEPT_IDLE   ((size_t)64 << 10) /* bytes of buffers kept between tasks */
#define LINE_MOST   ((size_t)1 << 20)  /* a longer one is broken */
#define PIECE_HEAD  ((size_t)9)
#define ATTACH_HEAD ((size_t)8)

static _Thread_local struct output *printing; /* this thread's own */

void output_release(struct output *o) {
  for (int i = 0; i < o->sink_count; i++)
    sink_release(&o->sinks[i]);
  free(o->sinks);
  buffer_release(&o->kept);
  buffer_release(&o->line[0]);
  buffer_release(&o->line[1]);
  buffer_release(&o->ready);
}

void output_label(struct output *o, uint64_t index, const char *name) {
  if (name != NULL)
    snprintf(o->label, sizeof o->label, "[%s] ", name);
  else
    snprintf(o->label, sizeof o->label, "[%llu] ", (unsigned long long)index);
}

static FILE *stream_of(int number) {
  return number == 1 ? stdout : stderr;
}

/* -- at once --------------------------------------------------------------- */

static struct sink *find_sink(const struct output *o, const FILE *f) {
  for (int i = 0; i < o->sink_count; i++)
    if (o->sinks[i].f == f)
      return &o->sinks[i];
  return NULL;
}

/* NULL: no memory, errno says so. */
static struct sink *sink_of(struct output *o, FILE *f) {
  struct sink *sinks = find_sink(o, f);
  if (sinks != NULL)
    return sinks;
  sinks = realloc(o->sinks, (size_t)(o->sink_count + 1) * sizeof *sinks);
  if (sinks == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  o->sinks = sinks;
  sink_open(&sinks[o->sink_count], f);
  return &sinks[o->sink_count++];
}

static int write_through(struct output *o, FILE *f, const void *bytes, size_t size) {
  struct sink *s;
  if (o == NULL)
    return fwrite(bytes, 1, size, f) == size;
  if (f == stderr && (s = find_sink(o, stdout)) != NULL)
    sink_settle(s); /* where both lead to one place, the order there is that of the task */
  return (s = sink_of(o, f)) != NULL && sink_write(s, bytes, size);
}

int output_flush(struct output *o, FILE *f) {
  struct sink *s = find_sink(o, f);
  return s == NULL || sink_flush(s);
}

enum status output_set_mode(struct output *o, FILE *f, enum sink_mode mode, size_t size) {
  struct sink *s = sink_of(o, f);
  if (s == NULL)
    return STATUS_NOMEM;
  s->mode = mode;
  s->most = size;
  sink_flush(s);
  return STATUS_OK;
}

void output_yield(void) {
  for (int i = 0; printing != NULL && i < printing->sink_count; i++)
    sink_flush(&printing->sinks[i]);
}

void output_pause(void) {
  for (int i = 0; printing != NULL && i < printing->sink_count; i++)
    sink_settle(&printing->sinks[i]);
}

void output_last_words(const struct output *o) {
  for (int i = 0; i < o->sink_count; i++)
    sink_last_words(&o->sinks[i]);
}

/* What is left is the parent's to write. */
static void forget(void) {
  for (int i = 0; printing != NULL && i < printing->sink_count; i++)
    sink_forget(&printing->sinks[i]);
}

static void watch_forks(void) {
  static const struct forks_handlers handlers = {.before = output_pause, .in_child = forget};
  forks_watch(FORKS_OUTPUT, &handlers);
}

void output_begin(struct output *o) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  printing = o;
}

void output_end(struct output *o) {
  output_finish(o);
  printing = NULL;
}

/* -- kept ------------------------------------------------------------------ */

static int get_piece(const unsigned char **at, const unsigned char *end, int *stream, uint64_t *size) {
  if (end - *at < (ptrdiff_t)PIECE_HEAD)
    return 0;
  *stream = *(*at)++;
  return get_fixed(at, end, 8, size) == STATUS_OK && *size <= (uint64_t)(end - *at);
}

/* Writes pieces, through `o` (NULL: at once). */
static enum status show_pieces(struct output *o, const unsigned char *at, const unsigned char *end) {
  while (at < end) {
    int stream;
    uint64_t size;
    if (!get_piece(&at, end, &stream, &size))
      return STATUS_FORMAT;
    if (o == NULL && stream == 2)
      fflush(stdout); /* as write_through does */
    output_write(o, stream_of(stream), at, (size_t)size);
    at += size;
  }
  return STATUS_OK;
}

/* The last piece when it is of the same stream, else a new one. */
static enum status keep(struct output *o, int stream, const void *bytes, size_t size) {
  struct buffer *b = &o->kept;
  if (buffer_reserve(b, PIECE_HEAD + size) != STATUS_OK)
    return STATUS_NOMEM;
  if (b->size == 0 || b->bytes[o->piece] != stream) {
    o->piece = b->size;
    b->bytes[b->size] = (unsigned char)stream;
    b->size += PIECE_HEAD;
  }
  memcpy(b->bytes + b->size, bytes, size);
  b->size += size;
  put_fixed(b->bytes + o->piece + 1, b->size - o->piece - PIECE_HEAD, 8);
  return STATUS_OK;
}

static int write_kept(struct output *o, int stream, const void *bytes, size_t size) {
  if (!o->through && o->kept.size + size > KEPT_MOST) {
    o->through = 1;
    show_pieces(o, o->kept.bytes, o->kept.bytes + o->kept.size);
    o->kept.size = 0;
  }
  if (o->through)
    return write_through(o, stream_of(stream), bytes, size);
  if (keep(o, stream, bytes, size) == STATUS_OK)
    return 1;
  errno = ENOMEM;
  return 0;
}

/* -- tagged ---------------------------------------------------------------- */

static enum status add_line(struct output *o, const struct buffer *begun, const void *bytes, size_t size) {
  enum status status = buffer_append(&o->ready, o->label, strlen(o->label));
  if (status == STATUS_OK)
    status = buffer_append(&o->ready, begun->bytes, begun->size);
  return status == STATUS_OK ? buffer_append(&o->ready, bytes, size) : status;
}

/* Whole lines go out in one piece; what follows the last one waits for its end. */
static int write_tagged(struct output *o, int stream, const char *bytes, size_t size) {
  struct buffer *begun = &o->line[stream - 1];
  enum status status = STATUS_OK;
  const char *end;
  o->ready.size = 0;
  while (status == STATUS_OK && (end = memchr(bytes, '\n', size)) != NULL) {
    size_t length = (size_t)(end - bytes) + 1;
    status = add_line(o, begun, bytes, length);
    begun->size = 0;
    bytes += length;
    size -= length;
  }
  if (status == STATUS_OK)
    status = buffer_append(begun, bytes, size);
  if (status == STATUS_OK && begun->size > LINE_MOST) {
    status = add_line(o, begun, "\n", 1);
    begun->size = 0;
  }
  if (status != STATUS_OK) {
    errno = ENOMEM;
    return 0;
  }
  return o->ready.size == 0 || write_through(o, stream_of(stream), o->ready.bytes, o->ready.size);
}

/* -- both ------------------------------------------------------------------ */

int output_write(struct output *o, FILE *f, const void *bytes, size_t size) {
  int stream = f == stdout ? 1 : f == stderr ? 2 : 0;
  if (o == NULL || o->mode == OUTPUT_LINE || stream == 0)
    return write_through(o, f, bytes, size);
  if (size == 0)
    return 1;
  return o->mode == OUTPUT_GROUP ? write_kept(o, stream, bytes, size) : write_tagged(o, stream, bytes, size);
}

static void end_lines(struct output *o) {
  int stream;
  for (stream = 1; stream <= 2; stream++) {
    if (o->line[stream - 1].size > 0)
      write_tagged(o, stream, "\n", 1);
    buffer_reset(&o->line[stream - 1], KEPT_IDLE);
  }
  buffer_reset(&o->ready, KEPT_IDLE);
}

void output_finish(struct output *o) {
  int i;
  if (o->mode == OUTPUT_TAG)
    end_lines(o);
  for (i = 0; i < o->sink_count; i++)
    while (o->sinks[i].bytes.size > 0)
      sink_flush(&o->sinks[i]); /* (again only after an interruption) */
}

enum status output_attach(const struct output *o, struct buffer *reply) {
  if (o->mode != OUTPUT_GROUP)
    return STATUS_OK;
  if (buffer_reserve(reply, ATTACH_HEAD + o->kept.size) != STATUS_OK)
    return STATUS_NOMEM;
  put_fixed(reply->bytes, o->kept.size, ATTACH_HEAD);
  reply->size = ATTACH_HEAD;
  return buffer_append(reply, o->kept.bytes, o->kept.size);
}

void output_reset(struct output *o) {
  buffer_reset(&o->kept, KEPT_IDLE);
  o->through = 0;
}

/* *kept: the pieces' bytes, in front of the message that is then left. */
static enum status split(const unsigned char **bytes, size_t *size, const unsigned char **kept) {
  const unsigned char *at = *bytes, *end = at + *size;
  uint64_t kept_size;
  if (get_fixed(&at, end, ATTACH_HEAD, &kept_size) != STATUS_OK || kept_size > (uint64_t)(end - at))
    return STATUS_FORMAT;
  *kept = at;
  *bytes = at + kept_size;
  *size = (size_t)(end - *bytes);
  return STATUS_OK;
}

enum status output_show(struct output *o, const unsigned char **bytes, size_t *size) {
  const unsigned char *kept;
  enum status status = split(bytes, size, &kept);
  return status == STATUS_OK ? show_pieces(o, kept, *bytes) : status;
}

enum status output_skip(const unsigned char **bytes, size_t *size) {
  const unsigned char *kept;
  return split(bytes, size, &kept);
}
