/* home.h - the working directory and the umask that the threads of a process begin with; each has its own.
   Level 0: descriptor. A kernel without unshare, or a sandbox that refuses it, leaves one for all of the process. */
#ifndef FAST_MAP_HOME_H
#define FAST_MAP_HOME_H

#include <sys/types.h>

struct home {
  int directory; /* -1: it could not be opened */
  mode_t mask;
};

/* While the process has one thread: what they are now. */
void home_note(struct home *h);

/* A thread that others may have started far from home: goes there, and alone from now on. The thread that noted it need not:
   once all others have left, what it has is its own. */
void home_enter(const struct home *h);

#endif
