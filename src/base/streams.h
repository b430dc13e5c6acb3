/* streams.h - the buffers of C's streams at a fork: each is written once, by one of the two processes.
   Level 0: libc. */
#ifndef FAST_MAP_STREAMS_H
#define FAST_MAP_STREAMS_H

/* Parent, before the fork: writes what streams hold, as fflush(NULL) does, but passes by those that another thread has locked: one
   that reads may do so for ever. Where the C library does not let us look at its streams, it is fflush(NULL). */
void streams_flush(void);

/* Child, in its only thread: what is still in a buffer is the parent's to write. */
void streams_forget(void);

#endif
