/* blocking.h - a thread says that it is about to wait, so that its team may let another thread compute.
   Level 1: nothing.

   A team's thread installs its hook for its life; elsewhere the calls do nothing. */
#ifndef FAST_MAP_BLOCKING_H
#define FAST_MAP_BLOCKING_H

struct blocking {
  void (*begin)(struct blocking *self); /* any function that waits: before; never raises */
  void (*end)(struct blocking *self);   /* after */
};

void blocking_install(struct blocking *hook); /* NULL: none. Affects the calling thread only. */
void blocking_begin(void);
void blocking_end(void);

#endif
