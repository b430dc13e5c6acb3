/* usher.h - word to a thread that runs a script, of results that came while the script does something else: a signal.
   Level 1: scheduling, clock, forks.

   The thread looks by itself while it computes: the kernel sends the signal from a clock of the thread's processor time, so no call
   of the system that the script waits in is cut short. A script that does next to nothing but wait never gets far enough. For that
   there is the usher, a thread that is started when it is first needed: when a result has waited for a second, and the script has
   begun several waits meanwhile, it sends the signal all the same. */
#ifndef FAST_MAP_USHER_H
#define FAST_MAP_USHER_H

#include <stdint.h>
#include <time.h>

/* A thread that gets word. */
struct recipient {
  int epoll;     /* the usher's; -1: there is none, the system refused something */
  uint64_t key;  /* of the thread: with a descriptor, what events there carry */
  timer_t timer; /* of the thread's processor time; valid unless epoll is -1 */
};

/* The calling thread, which will get that signal. */
struct recipient usher_recipient(int signal_number);

/* The thread itself: it gets the signal when it has computed for so long, the last time that was said counts. */
void usher_look_in(const struct recipient *to, int64_t ns);

/* Any thread: adds a descriptor that is readable while there is something. Closing it takes it out. */
void usher_add(const struct recipient *to, int fd);

#endif
