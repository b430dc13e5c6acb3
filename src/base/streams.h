/* streams.h - C's streams at a fork: each byte that one has read ahead, or has still to write, belongs to one of the two processes.
   Level 0: libc.

   Parent and child share the offset of a file. fflush, setvbuf and exit move it back when a stream has read ahead, so none of
   them is for a stream whose bytes another process has. Where the C library does not let us look at its streams, unread bytes
   stay with both, and writing is fflush. */
#ifndef FAST_MAP_STREAMS_H
#define FAST_MAP_STREAMS_H

#include <stdio.h>
#include <sys/types.h>

/* Parent, before the fork: writes what streams hold, as fflush(NULL) does, but passes by those that another thread has locked: one
   that reads may do so for ever. */
void streams_flush(void);

/* Child, in its only thread: what is still in a buffer, read or to be written, is the parent's. */
void streams_forget(void);

/* Child, at its end: streams_settle on each, but for those that another thread has locked. */
void streams_leave(void);

/* Parent, once a child has ended: it may have moved the offsets of files. */
void streams_look_again(void);

/* Writes what the stream holds; what it has read ahead goes back to the file when no other process has read from there
   since. 0, or EOF and errno. */
int streams_settle(FILE *f);

/* As fwrite, of one piece, to a stream that nobody shares: two that append to one file do not part each other's lines. What the
   buffer holds is written first where the piece has no room beside it, and a piece that is larger than the buffer goes past it.
   0: failed; errno says why. */
int streams_write(FILE *f, const void *bytes, size_t size);

/* The offset in the file at which the stream's user is. Moves nothing. -1 and errno */
off_t streams_position(FILE *f);

/* As fseeko and ftello, at one moment for all who share the offset. -1 and errno */
off_t streams_seek(FILE *f, off_t by, int whence);

#endif
