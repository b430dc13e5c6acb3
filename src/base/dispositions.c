#include "config.h"
#include "dispositions.h"

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#define LAST 31 /* real-time signals come only where somebody asked for them */

static sigset_t ours; /* ignored by this process alone; empty until a worker writes it, in its only thread */

static int is_handled(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 &&
         ((now.sa_flags & SA_SIGINFO) != 0 || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN));
}

static int is_default(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

static void ignore(int number) {
  if (!is_default(number))
    return;
  signal(number, SIG_IGN);
  sigaddset(&ours, number);
}

static int has_terminal(void) {
  int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0)
    close(terminal);
  return terminal >= 0;
}

/* SIGCHLD tells of the worker's own children only: a library that the script uses too (libuv) relies on the handler that it
   installed there. A script that handles SIGPIPE sees that a write fails, and so does a task. SIGUSR1 asks the script, by
   name perhaps, what runs. A worker is never in the terminal's foreground: whoever reads it there would stop, with all that
   the worker does, and nobody could continue it; so reading fails, in commands too. */
void dispositions_of_worker(void) {
  int number, sees_pipes = is_handled(SIGPIPE);
  sigemptyset(&ours);
  for (number = 1; number <= LAST; number++)
    if (number != SIGCHLD && is_handled(number))
      signal(number, SIG_DFL);
  ignore(SIGUSR1);
  if (sees_pipes)
    ignore(SIGPIPE);
  if (has_terminal()) {
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
  }
}

void dispositions_of_child(void) {
  int number;
  for (number = 1; number <= LAST; number++)
    if (sigismember(&ours, number) == 1 && !is_handled(number))
      signal(number, SIG_DFL);
  sigemptyset(&ours);
}

const sigset_t *dispositions_default(void) {
  return &ours;
}
