/* forks_test.c - the order of what happens at a fork. */
#include "config.h"
#include "forks.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char told[64]; /* what happened, a letter each */

static void tell(char letter) {
  size_t size = strlen(told);
  if (size < sizeof told - 1)
    told[size] = letter;
}

static void begin_late(void);

static void last_before(void) {
  tell('3');
}

static void last_after(void) {
  tell('c');
}

static void first_before(void) {
  tell('1');
}

static void first_after(void) {
  tell('a');
}

static void first_in_child(void) {
  tell('A');
}

static void middle_before(void) {
  tell('2');
  begin_late();
}

static const struct forks_handlers first = {first_before, first_after, first_in_child};
static const struct forks_handlers middle = {.before = middle_before};
static const struct forks_handlers last = {last_before, last_after, last_after};
static const struct forks_handlers late = {.after = first_after, .in_child = first_after};

/* As another thread might, during the fork. */
static void begin_late(void) {
  forks_watch(FORKS_COMPANY, &late);
}

/* What was told in the child. */
static int fork_and_compare(const char *expected) {
  int status = -1;
  pid_t pid;
  memset(told, 0, sizeof told);
  pid = fork();
  if (pid == 0)
    _exit(strcmp(told, expected) != 0);
  waitpid(pid, &status, 0);
  return status == 0;
}

static void test_order(void) {
  int in_child;
  forks_watch(FORKS_TRANSPORTS, &last);
  forks_watch(FORKS_SNAPSHOTS, &first);
  forks_watch(FORKS_SNAPSHOTS, &first);
  in_child = fork_and_compare("13cA");
  check(strcmp(told, "13ca") == 0,
        "the ranks decide who is called first, not who came first; afterwards the last");
  check(in_child, "in the child it is the same");
}

static void test_late(void) {
  int in_child;
  forks_watch(FORKS_JOURNALS, &middle);
  in_child = fork_and_compare("123cA");
  check(strcmp(told, "123ca") == 0 && in_child,
        "who begins to watch during a fork is not called after what it has not seen begin");
}

int main(void) {
  test_order();
  test_late();
  return check_end();
}
