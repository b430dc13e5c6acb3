#include "config.h"
#include "mask.h"

#include <errno.h>
#include <stddef.h>

static _Thread_local int held;
static _Thread_local sigset_t own;

void mask_hold(void) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
  sigset_t most;
  size_t i;
  if (held)
    return;
  sigfillset(&most);
  for (i = 0; i < sizeof faults / sizeof *faults; i++)
    sigdelset(&most, faults[i]);
  held = pthread_sigmask(SIG_BLOCK, &most, &own) == 0;
}

const sigset_t *mask_asleep(void) {
  return held ? &own : NULL;
}

void mask_release(void) {
  int saved = errno;
  if (held)
    pthread_sigmask(SIG_SETMASK, &own, NULL);
  held = 0;
  errno = saved;
}
