/* outlet_test.c - what threads and processes write to a pipe stays whole, also when one of them is killed in the middle. */
#include "config.h"
#include "outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PIECE     200000
#define PIECES    10
#define PROCESSES 3

static int ends[2];

/* Each of two threads writes pieces of one byte. */
static void *write_pieces(void *byte) {
  static _Thread_local char piece[PIECE];
  struct outlet o;
  outlet_open(&o, ends[1]);
  memset(piece, *(char *)byte, sizeof piece);
  for (int i = 0; i < PIECES; i++)
    if (outlet_write(&o, piece, sizeof piece) != sizeof piece)
      _exit(1);
  return NULL;
}

static pid_t start_writer(char byte) {
  char other = (char)(byte + 1);
  pthread_t thread;
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  close(ends[0]);
  if (pthread_create(&thread, NULL, write_pieces, &other) != 0)
    _exit(1);
  write_pieces(&byte);
  pthread_join(thread, NULL);
  _exit(0);
}

/* Returns the number of pieces, or -1 when one is not whole. */
static int read_pieces(void) {
  static char piece[PIECE];
  int count = 0;
  for (;;) {
    size_t got = 0;
    ssize_t n = 1;
    while (got < sizeof piece && (n = read(ends[0], piece + got, sizeof piece - got)) > 0)
      got += (size_t)n;
    if (got == 0)
      return count;
    for (size_t i = 0; i < sizeof piece; i++)
      if (got < sizeof piece || piece[i] != piece[0])
        return -1;
    count++;
  }
}

static void test_many(void) {
  int i, status, good = 1;
  pid_t writers[PROCESSES];
  if (pipe(ends) != 0)
    return;
  for (i = 0; i < PROCESSES; i++)
    writers[i] = start_writer((char)('a' + 2 * i));
  close(ends[1]);
  check(read_pieces() == PROCESSES * 2 * PIECES, "each piece is whole");
  close(ends[0]);
  for (i = 0; i < PROCESSES; i++)
    good &= waitpid(writers[i], &status, 0) == writers[i] && status == 0;
  check(good, "and nobody's is lost");
}

/* Waits until the pipe has taken something: whoever writes has its turn. */
static void await_bytes(void) {
  int there = 0;
  while (there == 0)
    ioctl(ends[0], FIONREAD, &there);
}

static void test_death(void) {
  static char room[1 << 20];
  struct outlet o;
  pid_t pid;
  if (pipe(ends) != 0)
    return;
  if ((pid = start_writer('x')) > 0) {
    await_bytes();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  while (read(ends[0], room, sizeof room) > 0)
    continue;
  outlet_open(&o, ends[1]);
  check(outlet_write(&o, "next", 4) == 4 && read(ends[0], room, sizeof room) == 4,
        "a dead writer's turn is over");
  close(ends[1]);
  close(ends[0]);
}

/* Some programs leave their pipes so, and C's streams then lose what the pipe does not take. */
static void test_nonblocking(void) {
  pid_t pid;
  int status;
  if (pipe(ends) != 0)
    return;
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  pid = start_writer('p');
  close(ends[1]);
  check(read_pieces() == 2 * PIECES && waitpid(pid, &status, 0) == pid && status == 0,
        "a pipe that does not block is waited for");
  close(ends[0]);
}

static void test_failure(void) {
  struct outlet o;
  signal(SIGPIPE, SIG_IGN);
  if (pipe(ends) != 0)
    return;
  outlet_open(&o, ends[1]);
  check(!o.terminal, "a pipe is no terminal");
  close(ends[0]);
  errno = 0;
  check(outlet_write(&o, "x", 1) == 0 && errno == EPIPE, "a failure is told");
  close(ends[1]);
  errno = 0;
  check(outlet_write(&o, "x", 1) == 0 && errno == EBADF, "also of a descriptor that is closed");
}

int main(void) {
  test_many();
  test_death();
  test_nonblocking();
  test_failure();
  return check_end();
}
