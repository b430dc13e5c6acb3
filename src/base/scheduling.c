#include "config.h"
#include "scheduling.h"

#include <errno.h>
#include <fcntl.h>
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

/* Returns the bytes read, or -1. */
static ssize_t read_file(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got;
  if (fd < 0)
    return -1;
  got = read(fd, text, size);
  close(fd);
  return got;
}

char scheduling_state(int pid, int tid) {
  char path[64], text[128], *at;
  int saved = errno;
  ssize_t size;
  at = append_number(append(path, "/proc/"), (unsigned)pid);
  append(append_number(append(at, "/task/"), (unsigned)tid), "/stat");
  size = read_file(path, text, sizeof text - 1);
  errno = saved;
  if (size <= 0)
    return 0;
  text[size] = '\0';
  at = strrchr(text, ')'); /* the name before it may hold anything */
  return at != NULL && at[1] == ' ' ? at[2] : 0;
}
