#include "config.h"
#include "groups.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

void groups_note(struct groups *g, pid_t leader) {
  if (kill(-leader, 0) != 0 && errno == ESRCH)
    return;
  if (g->count == g->capacity) {
    size_t capacity = g->capacity * 2 + 8;
    pid_t *leaders = realloc(g->leaders, capacity * sizeof *leaders);
    if (leaders == NULL)
      return;
    g->leaders = leaders;
    g->capacity = capacity;
  }
  g->leaders[g->count++] = leader;
}

/* The system gives no process the number of a group that has members. So when there is a process of that number, the group has
   ended long ago, and the number belongs to a stranger. */
static void kill_one(pid_t leader) {
  if (kill(leader, 0) != 0 && errno == ESRCH)
    kill(-leader, SIGKILL);
}

void groups_kill(struct groups *g) {
  while (g->count > 0)
    kill_one(g->leaders[--g->count]);
}

void groups_release(struct groups *g) {
  free(g->leaders);
  *g = (struct groups){0};
}
