#include "config.h"
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int descriptor_own(int fd) {
  int own, error;
  if (fd < 0 || fd > STDERR_FILENO)
    return fd;
  own = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  error = errno;
  close(fd);
  errno = error;
  return own;
}

int descriptor_own_pair(int ends[2]) {
  int i, error;
  for (i = 0; i < 2; i++) {
    ends[i] = descriptor_own(ends[i]);
    if (ends[i] < 0) {
      error = errno;
      close(ends[!i]);
      errno = error;
      return -1;
    }
  }
  return 0;
}

void descriptor_fill_standard(void) {
  int fd;
  for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest one free: fd */
}
