#include "config.h"
#include "doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"

#ifdef SOCK_CLOEXEC
enum status doorbell_open(int ends[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return STATUS_SYSTEM;
  return descriptor_own_pair(ends) == 0 ? STATUS_OK : STATUS_SYSTEM;
}
#else
enum status doorbell_open(int ends[2]) {
  int i;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || descriptor_own_pair(ends) != 0)
    return STATUS_SYSTEM;
  for (i = 0; i < 2; i++) {
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[i], F_SETFL, O_NONBLOCK);
#ifdef SO_NOSIGPIPE
    setsockopt(ends[i], SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
  }
  return STATUS_OK;
}
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

void doorbell_ring(int end) {
  int saved = errno;
  ssize_t sent;
  do
    sent = send(end, "!", 1, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR); /* EAGAIN: rings enough are waiting already */
  errno = saved;
}

void doorbell_leave(int end) {
  shutdown(end, SHUT_WR);
}

enum status doorbell_clear(int end) {
  char rings[256];
  int saved = errno;
  ssize_t got;
  do
    got = recv(end, rings, sizeof rings, 0);
  while (got == (ssize_t)sizeof rings || (got < 0 && errno == EINTR));
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) {
    errno = saved;
    return STATUS_CLOSED;
  }
  errno = saved;
  return STATUS_OK;
}
