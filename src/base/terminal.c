#include "config.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
#define ENDING_COUNT (sizeof endings / sizeof *endings)

/* One thread stores all of it: the one that runs the script. Its signal handler reads the text, whose size is stored last
   and cleared first. */
static char farewell[128];
static volatile sig_atomic_t farewell_size;
static volatile sig_atomic_t
    left; /* the text was written, and what it undoes is gone; stored by the handler, cleared with a new text */
static pid_t owner;      /* a forked process inherits the text, but it is not its own to write */
static unsigned handled; /* bit i: the handler of endings[i] is ours */

enum terminal terminal_size(int *columns, int *rows) {
  struct winsize size;
  pid_t foreground = tcgetpgrp(STDERR_FILENO);
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || !isatty(STDERR_FILENO))
    return TERMINAL_NONE;
  if (foreground > 0 && foreground != getpgrp())
    return TERMINAL_OF_OTHERS;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return TERMINAL_OURS;
}

void terminal_write(const char *text, size_t size) {
  struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&room, 1, 0) <= 0 || (room.revents & POLLOUT) == 0)
    return;
  while (size > 0) {
    ssize_t written = write(STDERR_FILENO, text, size);
    if (written <= 0)
      return;
    text += written;
    size -= (size_t)written;
  }
}

static void write_farewell(void) {
  if (farewell_size > 0 && owner == getpid() && !left)
    terminal_write(farewell, (size_t)farewell_size);
  left = 1;
}

/* signal handler: it was the default's turn, which has it after us */
static void on_ending(int number) {
  write_farewell();
  signal(number, SIG_DFL);
  raise(number);
}

static void take_stop(void);

/* signal handler: the same, but we come back */
static void on_stop(int number) {
  int saved = errno;
  sigset_t stop;
  write_farewell();
  signal(number, SIG_DFL);
  sigemptyset(&stop);
  sigaddset(&stop, number);
  raise(number);
  pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* here */
  take_stop();
  errno = saved;
}

static void take_stop(void) {
  struct sigaction ours = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
  sigemptyset(&ours.sa_mask);
  sigaction(SIGTSTP, &ours, NULL);
}

static void handle_stop(int take) {
  struct sigaction now;
  if (sigaction(SIGTSTP, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0)
    return;
  if (take && now.sa_handler == SIG_DFL)
    take_stop();
  else if (!take && now.sa_handler == on_stop)
    signal(SIGTSTP, SIG_DFL);
}

/* Takes over the signals that nobody handles, or gives back those that are still ours. */
static void handle_endings(int take) {
  struct sigaction now, ours = {.sa_handler = on_ending};
  unsigned i;
  sigemptyset(&ours.sa_mask);
  for (i = 0; i < ENDING_COUNT; i++) {
    if (sigaction(endings[i], NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) != 0)
      continue;
    if (take && now.sa_handler == SIG_DFL) {
      sigaction(endings[i], &ours, NULL);
      handled |= 1u << i;
    } else if (!take && (handled & 1u << i) != 0 && now.sa_handler == on_ending) {
      signal(endings[i], SIG_DFL);
    }
  }
  if (!take)
    handled = 0;
}

void terminal_at_end(const char *text) {
  static int registered;
  size_t size = text == NULL ? 0 : strnlen(text, sizeof farewell - 1);
  farewell_size = 0;
  if (size > 0) {
    memcpy(farewell, text, size);
    owner = getpid();
    if (!registered)
      registered = atexit(write_farewell) == 0;
  }
  left = 0;
  farewell_size = (sig_atomic_t)size;
  handle_endings(size > 0);
  handle_stop(size > 0);
}

int terminal_was_left(void) {
  return farewell_size > 0 && left;
}
