/* home_test.c - each thread's own working directory and umask. */
#include "config.h"
#include "home.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static struct home home;
static char start[4096], there[4096];
static mode_t start_mask;

static mode_t mask_now(void) {
  mode_t mask = umask(0);
  umask(mask);
  return mask;
}

static void *leave(void *unused) {
  (void)unused;
  home_enter(&home);
  check(getcwd(there, sizeof there) != NULL && strcmp(there, start) == 0,
        "a thread of one that has left begins at home");
  check(mask_now() == start_mask, "with the umask of home");
  check(chdir("/") == 0, "it may leave, too");
  umask(0123);
  return NULL;
}

/* Leaves, and starts a thread from there. */
static void *leave_and_start(void *unused) {
  pthread_t thread;
  (void)unused;
  home_enter(&home);
  check(chdir("/proc") == 0, "a thread leaves home");
  umask(0111);
  if (pthread_create(&thread, NULL, leave, NULL) != 0)
    check_bail("no thread to be had");
  pthread_join(thread, NULL);
  check(getcwd(there, sizeof there) != NULL && strcmp(there, "/proc") == 0,
        "it stays there, wherever the other one went");
  check(mask_now() == 0111, "its umask is its own");
  return NULL;
}

int main(void) {
  pthread_t thread;
#ifdef CLONE_FS
  if (unshare(CLONE_FS) != 0)
#endif
  {
    printf("1..0 # SKIP the system gives no thread a directory of its own\n");
    return 0;
  }
  start_mask = 0027;
  umask(start_mask);
  if (getcwd(start, sizeof start) == NULL)
    check_bail("where are we?");
  home_note(&home);
  check(mask_now() == start_mask, "to note it changes nothing");
  if (pthread_create(&thread, NULL, leave_and_start, NULL) != 0)
    check_bail("no thread to be had");
  pthread_join(thread, NULL);
  check(getcwd(there, sizeof there) != NULL && strcmp(there, start) == 0, "the first thread is where it was");
  check(mask_now() == start_mask, "with its umask");
  return check_end();
}
