/* groups.h - process groups that outlive their leaders: what the tasks of a worker have started and not waited for.
   Level 0: libc. One thread. */
#ifndef FAST_MAP_GROUPS_H
#define FAST_MAP_GROUPS_H

#include <stddef.h>
#include <sys/types.h>

/* Zeroed: none. */
struct groups {
  pid_t *leaders;
  size_t count, capacity;
};

/* The leader has just been reaped: its group is kept in mind if there is still something in it, and memory for that. */
void groups_note(struct groups *g, pid_t leader);

/* Ends what is left of all of them. */
void groups_kill(struct groups *g);

void groups_release(struct groups *g);

#endif
