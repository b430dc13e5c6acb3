/* streams_test.c - at a fork each byte in a stream's buffer is written once, and nobody waits for a stream that another
   thread has locked. */
#include "config.h"
#include "streams.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct holder {
  FILE *f;
  int held[2], over[2]; /* pipes: a byte is word of it */
};

static void *hold(void *argument) {
  struct holder *h = argument;
  char byte = 0;
  flockfile(h->f);
  if (write(h->held[1], &byte, 1) == 1)
    while (read(h->over[0], &byte, 1) < 0)
      continue;
  funlockfile(h->f);
  return NULL;
}

/* What there is in the pipe. */
static const char *in_pipe(int fd) {
  static char text[256];
  ssize_t size;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  size = read(fd, text, sizeof text - 1);
  text[size < 0 ? 0 : size] = '\0';
  return text;
}

static FILE *open_pipe(int *reader) {
  int ends[2];
  if (pipe(ends) != 0)
    check_bail("no pipe");
  *reader = ends[0];
  return fdopen(ends[1], "w");
}

static void fork_and_flush(void) {
  int status;
  pid_t pid;
  streams_flush();
  pid = fork();
  if (pid == 0) {
    streams_forget();
    fflush(NULL);
    _exit(0);
  }
  waitpid(pid, &status, 0);
}

static void test_flush(void) {
  int reader;
  FILE *f = open_pipe(&reader);
  fputs("once", f);
  fork_and_flush();
  check(strcmp(in_pipe(reader), "once") == 0, "what a stream holds is written before the fork");
  fputs(", twice", f);
  fclose(f);
  check(strcmp(in_pipe(reader), ", twice") == 0, "and the stream goes on");
  close(reader);
}

static void test_locked(void) {
  struct holder h;
  pthread_t thread;
  char byte;
  int reader;
  h.f = open_pipe(&reader);
  fputs("once", h.f);
  if (pipe(h.held) != 0 || pipe(h.over) != 0 || pthread_create(&thread, NULL, hold, &h) != 0)
    check_bail("no thread");
  while (read(h.held[0], &byte, 1) < 0)
    continue;
#ifdef HAVE__IO_ITER_BEGIN
  fork_and_flush(); /* under the alarm of main */
  check(strcmp(in_pipe(reader), "") == 0, "nobody waits for a stream that another thread has locked");
#endif
  while (write(h.over[1], &byte, 1) < 0)
    continue;
  pthread_join(thread, NULL);
  fclose(h.f);
  check(strcmp(in_pipe(reader), "once") == 0, "what that holds is the parent's to write");
  close(reader);
}

static void test_reading(void) {
  FILE *f = tmpfile();
  char word[8];
  long at;
  fputs("some words", f);
  rewind(f);
  check(fscanf(f, "%7s", word) == 1 && strcmp(word, "some") == 0, "a file is read");
  at = (long)lseek(fileno(f), 0, SEEK_CUR);
  fork_and_flush();
  check(lseek(fileno(f), 0, SEEK_CUR) == at,
        "the position of a file that is read stays: others may share it");
  check(fscanf(f, "%7s", word) == 1 && strcmp(word, "words") == 0, "and it is read on");
  fclose(f);
}

int main(void) {
  alarm(20);
  test_flush();
  test_locked();
  test_reading();
  return check_end();
}
