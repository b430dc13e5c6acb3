#include "config.h"
#include "scheduling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* snprintf may take locks. Returns the end. */
static char *append(char *at, const char *text) {
  size_t size = strlen(text);
  memcpy(at, text, size + 1);
  return at + size;
}

static char *append_number(char *at, unsigned number) {
  char digits[16], *first = digits + sizeof digits - 1;
  *first = '\0';
  do
    *--first = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return append(at, first);
}

/* The file of that name about the thread, as a string: its beginning, or "". */
static void read_about(int pid, int tid, const char *name, char *text, size_t size) {
  char path[80], *at = append_number(append(path, "/proc/"), (unsigned)pid);
  int fd, saved = errno;
  ssize_t got;
  append(append_number(append(at, "/task/"), (unsigned)tid), name);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  got = fd < 0 ? 0 : read(fd, text, size - 1);
  text[got > 0 ? got : 0] = '\0';
  if (fd >= 0)
    close(fd);
  errno = saved;
}

char scheduling_state(int pid, int tid) {
  char text[128], *at;
  read_about(pid, tid, "/stat", text, sizeof text);
  at = strrchr(text, ')'); /* the name before it may hold anything */
  return at != NULL && at[1] == ' ' ? at[2] : 0;
}

uint64_t scheduling_waits(int pid, int tid) {
  static const char field[] = "\nvoluntary_ctxt_switches:\t";
  char text[4096], *at;
  read_about(pid, tid, "/status", text, sizeof text);
  at = strstr(text, field);
  return at != NULL ? strtoull(at + sizeof field - 1, NULL, 10) : 0;
}
