/* doorbell_test.c - a sleeper is always woken, a death is always heard, and nothing ever blocks or kills. */
#include "config.h"
#include "doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void open_bell(int ends[2]) {
  if (doorbell_open(ends) != STATUS_OK)
    check_bail("no bell");
}

static void close_bell(const int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static int readable(int end) {
  struct pollfd bell = {.fd = end, .events = POLLIN};
  return poll(&bell, 1, 0) == 1;
}

static void test_ring(void) {
  int ends[2], i, ok;
  open_bell(ends);
  check((fcntl(ends[0], F_GETFD) & FD_CLOEXEC) && (fcntl(ends[1], F_GETFD) & FD_CLOEXEC),
        "both ends close on exec");
  check(doorbell_clear(ends[0]) == STATUS_OK, "a bell that nobody rang is clear");
  doorbell_ring(ends[0]);
  check(readable(ends[1]) && !readable(ends[0]), "a ring is heard on the other end only");
  check(doorbell_clear(ends[1]) == STATUS_OK && !readable(ends[1]), "a cleared bell is silent");
  for (i = ok = 1; i <= 1024; i++) { /* around the size of the buffer that rings are eaten with */
    int j;
    for (j = 0; j < i; j += 255)
      doorbell_ring(ends[0]);
    ok &= doorbell_clear(ends[1]) == STATUS_OK && !readable(ends[1]);
  }
  for (i = 0; i < 512; i++)
    doorbell_ring(ends[0]);
  ok &= doorbell_clear(ends[1]) == STATUS_OK && !readable(ends[1]);
  check(ok, "any number of rings is cleared at once");
  errno = 77;
  for (i = 0; i < 100000; i++)
    doorbell_ring(ends[0]);
  check(errno == 77, "a bell too full for more rings neither blocks nor touches errno");
  check(readable(ends[1]), "a bell too full for more rings is still heard");
  close_bell(ends);
}

static void test_closed(void) {
  int ends[2];
  open_bell(ends);
  doorbell_ring(ends[1]);
  close(ends[1]);
  doorbell_ring(ends[0]);
  check(1, "ringing where nobody lives raises no SIGPIPE");
  check(doorbell_clear(ends[0]) == STATUS_CLOSED || doorbell_clear(ends[0]) == STATUS_CLOSED,
        "the other end's closing is told after its last rings");
  check(doorbell_clear(ends[0]) == STATUS_CLOSED && readable(ends[0]), "a closed bell stays closed");
  close(ends[0]);
  open_bell(ends);
  doorbell_ring(ends[0]); /* unread when the other end goes: a reset instead of an end of file */
  close(ends[1]);
  check(doorbell_clear(ends[0]) == STATUS_CLOSED, "an end closed with rings unread is closed too");
  close(ends[0]);
}

static void test_killed(void) {
  int ends[2];
  pid_t pid;
  struct pollfd bell = {.events = POLLIN};
  open_bell(ends);
  pid = fork();
  if (pid == 0) {
    close(ends[0]);
    for (;;)
      pause();
  }
  close(ends[1]);
  bell.fd = ends[0];
  check(!readable(ends[0]), "a living partner's bell is silent");
  kill(pid, SIGKILL);
  check(poll(&bell, 1, 60000) == 1 && doorbell_clear(ends[0]) == STATUS_CLOSED,
        "a partner killed by SIGKILL is heard");
  doorbell_ring(ends[0]);
  waitpid(pid, NULL, 0);
  close(ends[0]);
}

/* -- flag and bell: no wake-up is lost ------------------------------------- */

/* One side of a ping-pong: its own flag and counter, the partner's, and its end. */
struct player {
  _Atomic int *flag, *other_flag;
  _Atomic int *turn, *other_turn;
  int end, rounds;
  int slept;
};

static void await(struct player *p, int round) {
  struct pollfd bell = {.fd = p->end, .events = POLLIN};
  while (atomic_load_explicit(p->other_turn, memory_order_acquire) < round) {
    bell_arm(p->flag);
    if (atomic_load_explicit(p->other_turn, memory_order_acquire) < round) {
      p->slept++;
      poll(&bell, 1, -1); /* no timeout: a lost wake-up hangs here */
    }
    bell_disarm(p->flag);
    doorbell_clear(p->end);
  }
}

static void serve(struct player *p, int round) {
  atomic_store_explicit(p->turn, round, memory_order_release);
  if (bell_armed(p->other_flag))
    doorbell_ring(p->end);
}

static void *play_second(void *argument) {
  struct player *p = argument;
  int round;
  for (round = 1; round <= p->rounds; round++) {
    await(p, round);
    serve(p, round);
  }
  return NULL;
}

static void play_first(struct player *p) {
  int round;
  for (round = 1; round <= p->rounds; round++) {
    serve(p, round);
    await(p, round);
  }
}

struct court {
  _Alignas(64) _Atomic int flag[2];
  _Alignas(64) _Atomic int turn[2];
};

static void players(struct court *court, const int ends[2], int rounds, struct player two[2]) {
  int i;
  for (i = 0; i < 2; i++)
    two[i] = (struct player){
        &court->flag[i], &court->flag[1 - i], &court->turn[i], &court->turn[1 - i], ends[i], rounds, 0};
}

static void test_threads(void) {
  static struct court court;
  struct player two[2];
  pthread_t thread;
  int ends[2];
  open_bell(ends);
  players(&court, ends, check_times(200000), two);
  pthread_create(&thread, NULL, play_second, &two[1]);
  play_first(&two[0]);
  pthread_join(thread, NULL);
  check(court.turn[1] == two[1].rounds, "no wake-up is lost between two threads");
  printf("# %d rounds, %d and %d sleeps\n", two[0].rounds, two[0].slept, two[1].slept);
  fflush(stdout);
  close_bell(ends);
}

static void test_processes(void) {
  struct court *court = mmap(NULL, sizeof *court, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct player two[2];
  int ends[2];
  pid_t pid;
  open_bell(ends);
  players(court, ends, check_times(100000), two);
  pid = fork();
  if (pid == 0) {
    close(ends[0]);
    play_second(&two[1]);
    _exit(0);
  }
  close(ends[1]);
  play_first(&two[0]);
  waitpid(pid, NULL, 0);
  check(court->turn[1] == two[1].rounds, "no wake-up is lost between two processes");
  close(ends[0]);
  munmap(court, sizeof *court);
}

int main(void) {
  test_ring();
  test_closed();
  test_killed();
  test_threads();
  test_processes();
  return check_end();
}
