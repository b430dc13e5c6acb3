#include "config.h"
#include "streams.h"

#include <stdio.h>
#ifdef HAVE__IO_ITER_BEGIN
#include <stdio_ext.h>

/* glibc exports these (for debuggers and its own fork), but has no header for them. */
FILE *_IO_iter_begin(void);
FILE *_IO_iter_end(void);
FILE *_IO_iter_next(FILE *);
void _IO_list_lock(void); /* recursive; fork takes it too */
void _IO_list_unlock(void);

static void each_stream(void (*visit)(FILE *)) {
  FILE *f;
  _IO_list_lock();
  for (f = _IO_iter_begin(); f != _IO_iter_end(); f = _IO_iter_next(f))
    visit(f);
  _IO_list_unlock();
}

/* A stream that reads is not touched: fflush would move its file's position. */
static void flush(FILE *f) {
  if (ftrylockfile(f) != 0)
    return;
  if (__fpending(f) > 0)
    fflush(f);
  funlockfile(f);
}

/* The fork has made the locks anew. */
static void forget(FILE *f) {
  if (__fpending(f) > 0)
    __fpurge(f);
}

void streams_flush(void) {
  each_stream(flush);
}

void streams_forget(void) {
  each_stream(forget);
}

#else

void streams_flush(void) {
  fflush(NULL);
}

void streams_forget(void) {
}

#endif
