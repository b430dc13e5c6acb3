/* sink.h - where a thread's lines go: a stream that others write to as well, and the bytes that are not yet written there.
   Level 2: buffer, outlet, clock. Knows no Lua. One thread's.

   Bytes go past the stream's own buffer, which all threads share, to its descriptor: whole lines in one piece. A line without an
   end waits in the sink, so no other thread's line gets between its pieces.

   Life: sink_open -> sink_write, sink_flush, sink_settle -> sink_release. */
#ifndef FAST_MAP_SINK_H
#define FAST_MAP_SINK_H

#include <stdint.h>
#include <stdio.h>

#include "buffer.h"
#include "outlet.h"

/* As setvbuf's modes. */
enum sink_mode {
  SINK_FULL,  /* lines are written when they are many, or old */
  SINK_LINES, /* when they end */
  SINK_NONE   /* bytes are written as they come */
};

struct sink {
  FILE *f;
  struct outlet outlet;
  enum sink_mode mode;
  size_t most;         /* FULL: so many bytes are written at the latest */
  struct buffer bytes; /* not yet written */
  size_t whole;        /* of these, so many are whole lines */
  int64_t since;       /* clock_now() when the first of the whole lines came */
};

/* Worker, in its only thread, before any sink is opened: what the script has told its stdout. C libraries that print there write
   whole lines from now on, too, up to a size. */
void sink_prepare(void);

/* The mode is the one that suits the stream: LINES for terminals, stderr, and what the script has set to "line" or "no"; NONE for
   those that are read, too, so that a reader finds what was written. */
void sink_open(struct sink *s, FILE *f);
void sink_release(struct sink *s);

/* 0: failed; errno says why, and what was kept is lost. An interruption is no failure: the rest is kept. */
int sink_write(struct sink *s, const void *bytes, size_t size);

/* Writes all that is kept. Returns as sink_write does. */
int sink_flush(struct sink *s);

/* Writes the whole lines. Returns as sink_write does. */
int sink_settle(struct sink *s);

/* Nothing is kept any more. */
void sink_forget(struct sink *s);

/* From a handler of a fatal signal on the sink's own thread: what is kept, as far as it goes. */
void sink_last_words(const struct sink *s);

#endif
