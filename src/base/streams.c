#include "config.h"
#include "streams.h"

#include <errno.h>
#include <stdio.h>
#ifdef HAVE__IO_ITER_BEGIN
#include <stdio_ext.h>
#include <unistd.h>

#define FIRST_BUFFER 4096 /* that a stream on most files gets */

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

/* The offset that the C library remembers is that of its last call; processes that share the file may have moved it since. */
static void doubt_offset(FILE *f) {
  if (f->_offset >= 0 && fileno(f) >= 0 && f->_offset != lseek(fileno(f), 0, SEEK_CUR))
    f->_offset = -1; /* unknown: the next seek asks the system */
}

static void flush(FILE *f) {
  if (ftrylockfile(f) != 0)
    return;
  if (__fpending(f) > 0)
    fflush(f);
  doubt_offset(f);
  funlockfile(f);
}

/* The fork has made the locks anew. What has no descriptor is memory, and this process has a copy of its own. */
static void forget(FILE *f) {
  if (fileno(f) < 0)
    return;
  __fpurge(f);
  f->_offset = lseek(fileno(f), 0, SEEK_CUR);
}

/* The bytes read ahead are returned only when the offset is where this process has left it: else others have read since, and
   would get some twice. */
static void return_rest(FILE *f) {
  off_t end = fileno(f) < 0 ? -1 : lseek(fileno(f), 0, SEEK_CUR);
  if (end < 0 || f->_IO_read_ptr == f->_IO_read_end || end != f->_offset)
    return;
  f->_offset = lseek(fileno(f), ftello(f), SEEK_SET);
  __fpurge(f);
}

static void settle(FILE *f) {
  if (ftrylockfile(f) != 0)
    return;
  streams_settle(f);
  funlockfile(f);
}

static void look_again(FILE *f) {
  if (ftrylockfile(f) != 0)
    return;
  doubt_offset(f);
  funlockfile(f);
}

int streams_settle(FILE *f) {
  int result = 0;
  flockfile(f);
  if (__fpending(f) > 0)
    result = fflush(f);
  else
    return_rest(f);
  funlockfile(f);
  return result;
}

/* Past the buffer, which is empty. */
static int write_past(FILE *f, const char *bytes, size_t size) {
  ssize_t n = 0;
  while (size > 0 && ((n = write(fileno(f), bytes, size)) >= 0 || errno == EINTR)) {
    bytes += n > 0 ? n : 0;
    size -= n > 0 ? (size_t)n : 0;
  }
  f->_offset = -1; /* unknown: the next seek asks the system */
  return size == 0;
}

int streams_write(FILE *f, const void *bytes, size_t size) {
  size_t room = __fbufsize(f), pending = __fpending(f);
  if (room == 0) /* it gets its buffer with the first piece */
    room = FIRST_BUFFER;
  if (__freadable(f) || pending + size <= room)
    return fwrite(bytes, 1, size, f) == size;
  if (pending > 0 && fflush(f) != 0)
    return 0;
  return size <= room ? fwrite(bytes, 1, size, f) == size : write_past(f, bytes, size);
}

off_t streams_position(FILE *f) {
  off_t position;
  flockfile(f);
  if (__fpending(f) > 0)
    fflush(f);
  if (f->_IO_read_ptr == f->_IO_read_end)
    doubt_offset(f);
  position = ftello(f);
  funlockfile(f);
  return position;
}

void streams_flush(void) {
  each_stream(flush);
}

void streams_forget(void) {
  each_stream(forget);
}

void streams_leave(void) {
  each_stream(settle);
}

void streams_look_again(void) {
  each_stream(look_again);
}

/* Not fseek: that asks how long the file is and goes there in a second step, when others may have made it longer. */
off_t streams_seek(FILE *f, off_t by, int whence) {
  off_t at = streams_position(f); /* nothing is left to be written */
  flockfile(f);
  if (whence == SEEK_CUR && f->_IO_read_ptr != f->_IO_read_end) {
    whence = SEEK_SET;
    by += at;
  }
  at = lseek(fileno(f), by, whence);
  if (at >= 0) {
    __fpurge(f);
    f->_offset = at;
  }
  funlockfile(f);
  return at;
}

#else

void streams_flush(void) {
  fflush(NULL);
}

void streams_forget(void) {
}

void streams_leave(void) {
  fflush(NULL);
}

void streams_look_again(void) {
}

int streams_settle(FILE *f) {
  return fflush(f);
}

int streams_write(FILE *f, const void *bytes, size_t size) {
  return fwrite(bytes, 1, size, f) == size;
}

off_t streams_position(FILE *f) {
  return ftello(f);
}

off_t streams_seek(FILE *f, off_t by, int whence) {
  return fseeko(f, by, whence) == 0 ? ftello(f) : -1;
}

#endif
