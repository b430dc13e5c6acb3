/* outlet.h - a descriptor to which several threads and processes write, each time whole.
   Level 0: forks.

   To a file or a terminal one `write` is one piece. A pipe or a socket takes apart what is longer than it has room for, so writers
   take turns: those of one process by a mutex, those of several by a lock of the kernel's on the pipe itself, which ends with
   its owner. */
#ifndef FAST_MAP_OUTLET_H
#define FAST_MAP_OUTLET_H

#include <stddef.h>

struct outlet {
  int fd;
  int terminal;
  int turn; /* of the mutexes, when writers take turns; else -1 */
};

/* Any thread. */
void outlet_open(struct outlet *o, int fd);

/* Any thread. Returns how many bytes were written: fewer than size when that failed, or was interrupted before the first of them;
   errno says which. */
size_t outlet_write(const struct outlet *o, const void *bytes, size_t size);

#endif
