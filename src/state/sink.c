#include "config.h"
#include "sink.h"

#include <errno.h>
#ifdef HAVE__IO_ITER_BEGIN
#include <stdio_ext.h>
#endif
#include <unistd.h>

#include "clock.h"
#include "streams.h"

#define FULL_MOST ((size_t)16 << 10)
#define LINE_MOST ((size_t)1 << 20) /* of a line without an end; a longer one is broken */
#define KEPT_IDLE ((size_t)64 << 10)
#define OLD_NS    100000000 /* somebody may be watching a pipe */

static int stdout_in_lines; /* the script has said so; written by sink_prepare */

/* ------------------------------------------------------------------ the stream beside it */

#ifdef HAVE__IO_ITER_BEGIN

/* A buffer of one byte is what setvbuf "no" leaves. */
static int is_in_lines(FILE *f) {
  return __flbf(f) || __fbufsize(f) == 1;
}

static int has_pending(FILE *f) {
  return __fpending(f) > 0;
}

static int may_read(FILE *f) {
  return __freadable(f);
}

/* It thinks that it knows the descriptor's offset. */
static void after_write(FILE *f) {
  f->_offset = may_read(f) ? lseek(fileno(f), 0, SEEK_CUR) : -1; /* -1: the next seek asks the system */
}

#else

static int is_in_lines(FILE *f) {
  (void)f;
  return 0;
}

static int has_pending(FILE *f) {
  (void)f;
  return 1;
}

static int may_read(FILE *f) {
  (void)f;
  return 0;
}

static void after_write(FILE *f) {
  (void)f;
}

#endif

/* What a C library has printed comes first, and a stream that has read ahead goes back to where its reader is, if no other process
   has read on; unless another thread holds it, perhaps for long. */
static void before_write(FILE *f) {
  if ((has_pending(f) || may_read(f)) && ftrylockfile(f) == 0) {
    streams_settle(f);
    funlockfile(f);
  }
}

/* ------------------------------------------------------------------ life */

void sink_prepare(void) {
  static char room[BUFSIZ]; /* (to be told: after "no", setvbuf would keep one byte) */
  static int prepared;
  if (!prepared)
    stdout_in_lines = is_in_lines(stdout);
  prepared = 1;
  setvbuf(stdout, room, _IOLBF, sizeof room);
}

void sink_open(struct sink *s, FILE *f) {
  *s = (struct sink){.f = f, .most = FULL_MOST};
  outlet_open(&s->outlet, fileno(f));
  if (may_read(f))
    s->mode = SINK_NONE;
  else if (s->outlet.terminal || f == stderr || (f == stdout ? stdout_in_lines : is_in_lines(f)))
    s->mode = SINK_LINES;
}

void sink_release(struct sink *s) {
  buffer_release(&s->bytes);
}

/* ------------------------------------------------------------------ writing */

/* The first `size` of the kept bytes have gone, one way or the other. */
static void drop(struct sink *s, size_t size) {
  s->bytes.size -= size;
  if (s->bytes.size > 0)
    memmove(s->bytes.bytes, s->bytes.bytes + size, s->bytes.size);
  else
    buffer_reset(&s->bytes, KEPT_IDLE);
  s->whole = s->whole > size ? s->whole - size : 0;
}

void sink_forget(struct sink *s) {
  drop(s, s->bytes.size);
}

static size_t emit(const struct sink *s, const void *bytes, size_t size) {
  size_t written;
  int error;
  before_write(s->f);
  written = outlet_write(&s->outlet, bytes, size);
  error = errno;
  after_write(s->f);
  errno = error;
  return written;
}

/* Writes the first `size` of the kept bytes. */
static int put_out(struct sink *s, size_t size) {
  size_t written;
  if (size == 0)
    return 1;
  written = emit(s, s->bytes.bytes, size);
  if (written == size || errno == EINTR) {
    drop(s, written);
    return 1;
  }
  drop(s, s->bytes.size);
  return 0;
}

int sink_flush(struct sink *s) {
  return put_out(s, s->bytes.size);
}

int sink_settle(struct sink *s) {
  return put_out(s, s->whole);
}

/* How many of the bytes are whole lines. */
static size_t whole_lines(const char *bytes, size_t size) {
  while (size > 0 && bytes[size - 1] != '\n')
    size--;
  return size;
}

/* A piece with a carriage return draws over a line that is there already, to be seen now. */
static int is_drawn(const struct sink *s, const char *rest, size_t size) {
  return s->mode == SINK_LINES && size > 0 && memchr(rest, '\r', size) != NULL;
}

static int keep(struct sink *s, const char *bytes, size_t size, size_t whole) {
  if (buffer_append(&s->bytes, bytes, size) != STATUS_OK) {
    errno = ENOMEM;
    return 0;
  }
  if (whole == 0)
    return 1;
  if (s->whole == 0 && s->mode == SINK_FULL)
    s->since = clock_now();
  s->whole = s->bytes.size - (size - whole);
  return 1;
}

static int is_due(const struct sink *s) {
  return s->mode != SINK_FULL || s->bytes.size >= s->most || clock_now() - s->since > OLD_NS;
}

int sink_write(struct sink *s, const void *bytes, size_t size) {
  const char *at = bytes;
  size_t whole = whole_lines(at, size), written;
  if (whole > 0 && s->bytes.size == 0 && (s->mode != SINK_FULL || whole >= s->most)) {
    written = emit(s, at, whole);
    if (written < whole && errno != EINTR)
      return 0;
    at += written;
    size -= written;
    whole -= written;
  }
  if (size > 0 && !keep(s, at, size, whole))
    return 0;
  if (s->mode == SINK_NONE || s->bytes.size - s->whole > LINE_MOST || is_drawn(s, at + whole, size - whole))
    return sink_flush(s);
  return s->whole == 0 || !is_due(s) || sink_settle(s);
}

void sink_last_words(const struct sink *s) {
  size_t written = 0;
  ssize_t n;
  while (written < s->bytes.size &&
         (n = write(s->outlet.fd, s->bytes.bytes + written, s->bytes.size - written)) > 0)
    written += (size_t)n;
}
