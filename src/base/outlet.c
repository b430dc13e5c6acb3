#include "config.h"
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forks.h"

#define TRIES 10
#define TURNS 16 /* pipes that share a mutex wait for each other, no more */

static pthread_mutex_t turns[TURNS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A thread of the parent's may have had one at the fork; nothing but a `write` is done under it. */
static void renew(void) {
  for (int i = 0; i < TURNS; i++)
    turns[i] = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void prepare(void) {
  static const struct forks_handlers handlers = {.in_child = renew};
  renew();
  forks_watch(FORKS_OUTLETS, &handlers);
}

void outlet_open(struct outlet *o, int fd) {
  struct stat about;
  *o = (struct outlet){.fd = fd, .turn = -1};
  if (fstat(fd, &about) != 0)
    return;
  o->terminal = S_ISCHR(about.st_mode) && isatty(fd);
  if (!S_ISFIFO(about.st_mode) && !S_ISSOCK(about.st_mode))
    return;
  pthread_once(&once, prepare);
  o->turn = (int)(about.st_ino % TURNS);
}

/* 0: interrupted. Where the kernel knows no such lock, there is none. A short line is written sooner than a sleeper wakes. */
static int begin(const struct outlet *o) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int tries = TRIES;
  if (o->turn < 0)
    return 1;
  pthread_mutex_lock(&turns[o->turn]);
  while (tries-- > 0)
    if (fcntl(o->fd, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES))
      return 1;
  if (fcntl(o->fd, F_SETLKW, &lock) == 0 || errno != EINTR)
    return 1;
  pthread_mutex_unlock(&turns[o->turn]);
  return 0;
}

static void end(const struct outlet *o) {
  struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  int saved = errno;
  if (o->turn < 0)
    return;
  fcntl(o->fd, F_SETLK, &lock);
  pthread_mutex_unlock(&turns[o->turn]);
  errno = saved;
}

/* What was begun is written to its end, unless nobody takes it any more. */
static int goes_on(const struct outlet *o, size_t written) {
  struct pollfd room = {.fd = o->fd, .events = POLLOUT};
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return poll(&room, 1, -1) >= 0 || (errno == EINTR && written > 0);
  return errno == EINTR && written > 0;
}

size_t outlet_write(const struct outlet *o, const void *bytes, size_t size) {
  const char *at = bytes;
  size_t written = 0;
  if (!begin(o))
    return 0;
  while (written < size) {
    ssize_t n = write(o->fd, at + written, size - written);
    if (n >= 0)
      written += (size_t)n;
    else if (!goes_on(o, written))
      break;
  }
  end(o);
  return written;
}
