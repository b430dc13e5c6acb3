/* suspend.h - a worker stops when its parent is stopped (by Ctrl-Z, or by a batch system), and goes on with it.
   Level 1: scheduling, clock.

   A stop signal reaches the parent, or its group, and SIGSTOP cannot be handled. So a worker looks now and then whether its
   parent is stopped; then it stops its own group, commands included, and has a timer that continues it, to look again. */
#ifndef FAST_MAP_SUSPEND_H
#define FAST_MAP_SUSPEND_H

/* Worker main thread, before any other. */
void suspend_prepare(int parent);

/* Any thread: returns at once when the parent is not stopped, else when it goes on. */
void suspend_look(void);

/* The only thread: from now on it looks by itself while it computes, or no longer. */
void suspend_look_alone(int on);

#endif
