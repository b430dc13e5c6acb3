/* physical.c - the machine's own limit: the benches' tasks in bare C, as many processes as CPUs, pthreads where they
   wait, results in shared memory. No Lua, no messages, no order to keep, no errors to carry.

   usage: physical noop N | compute N MICROSECONDS | wait N SECONDS | wait_compute N SECONDS MICROSECONDS |
          startup REPEATS | together COMMAND [ARGUMENT...]
   Prints one line of key=value figures. `together` runs one copy of the command for each CPU, all at once. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (1 << 20) /* what a Lua thread needs; only touched pages cost memory */

struct shared {
  _Atomic long taken; /* the next task to take: every process adds to it */
  uint32_t
      results[]; /* element k: written by the process that took task k, read by the parent after waitpid */
};

struct work {
  struct shared *shared;
  long count;
  double wait_seconds;
  long iterations;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
  fprintf(stderr, "physical: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int cpus(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void sleep_for(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  while (nanosleep(&t, &t) != 0 && errno == EINTR)
    ;
}

/* The tasks' computation, the same in every language of the benches. */
static uint32_t spin(uint32_t x, long iterations) {
  while (iterations-- > 0) {
    x = (x * 5 + 1) & 0xffff;
    __asm__ volatile("" : "+r"(x)); /* the compiler must not find a formula for it */
  }
  return x;
}

/* Iterations of spin that take so many microseconds: the median of several tries. */
static long calibrate(double microseconds) {
  enum { TRIES = 9, ITERATIONS = 1000000 };
  double rate[TRIES];
  int i, k;
  for (i = 0; i < TRIES; i++) {
    clock_t began = clock(); /* processor time: what else the machine does must not make the tasks shorter */
    double r;
    spin(1, ITERATIONS);
    r = ITERATIONS / ((double)(clock() - began) * 1e6 / CLOCKS_PER_SEC);
    for (k = i; k > 0 && rate[k - 1] > r; k--)
      rate[k] = rate[k - 1];
    rate[k] = r;
  }
  return (long)(rate[TRIES / 2] * microseconds + 0.5);
}

static void run_task(const struct work *w, long k) {
  if (w->wait_seconds > 0)
    sleep_for(w->wait_seconds);
  w->shared->results[k] = w->iterations > 0 ? spin((uint32_t)k + 1, w->iterations) : (uint32_t)k + 1;
}

/* Worker process without threads: takes tasks until none is left; short tasks many at a time. */
static void run_loop(const struct work *w) {
  long step = w->iterations > 0 ? 1 : 1000, first, k;
  while ((first = atomic_fetch_add_explicit(&w->shared->taken, step, memory_order_relaxed)) < w->count)
    for (k = first; k < first + step && k < w->count; k++)
      run_task(w, k);
}

static void *thread_main(void *argument) { /* worker thread: one task */
  const struct work *w = argument;
  run_task(w, atomic_fetch_add_explicit(&w->shared->taken, 1, memory_order_relaxed));
  return NULL;
}

/* Worker process with one thread for each of its tasks, in waves where the system refuses that many. */
static void run_threads(struct work *w, long count) {
  pthread_t *threads = malloc((size_t)count * sizeof *threads);
  pthread_attr_t attributes;
  long made = 0, joined = 0;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  while (made < count) {
    if (pthread_create(&threads[made], &attributes, thread_main, w) == 0)
      made++;
    else if (joined < made)
      pthread_join(threads[joined++], NULL);
    else
      fail("pthread_create");
  }
  while (joined < made)
    pthread_join(threads[joined++], NULL);
  free(threads);
}

static double run_processes(struct work *w) {
  int processes = cpus(), p, status;
  double began = now();
  if (processes > w->count)
    processes = (int)w->count;
  for (p = 0; p < processes; p++) {
    pid_t pid = fork();
    if (pid < 0)
      fail("fork");
    if (pid == 0) {
      if (w->wait_seconds > 0)
        run_threads(w, w->count / processes + (p < w->count % processes));
      else
        run_loop(w);
      _exit(0);
    }
  }
  for (p = 0; p < processes; p++)
    if (wait(&status) < 0 || status != 0)
      fail("a worker failed");
  return now() - began;
}

/* The plain loop over the first part of the tasks: at most a quarter of a second's worth. */
static double run_plain(struct work *w, long count) {
  double began = now();
  for (long k = 0; k < count; k++)
    w->shared->results[k] = spin((uint32_t)k + 1, w->iterations);
  return (now() - began) * (double)w->count / (double)count;
}

static void report(struct work *w, double microseconds) {
  double plain = 0, seconds;
  uint64_t sum = 0;
  long part = w->count;
  if (microseconds > 0 && (double)part * microseconds > 250000)
    part = (long)(250000 / microseconds) + 1;
  if (microseconds > 0)
    plain = run_plain(w, part);
  memset(w->shared->results, 0, (size_t)w->count * sizeof(uint32_t));
  seconds = run_processes(w);
  for (long k = 0; k < w->count; k++)
    sum += w->shared->results[k];
  printf("seconds=%.6f checksum=%llu", seconds, (unsigned long long)sum);
  if (microseconds > 0) /* half before, half after: the machine's speed drifts */
    printf(" plain=%.6f iterations=%ld", (plain + run_plain(w, part)) / 2, w->iterations);
  printf("\n");
}

static void startup(int repeats) {
  double *costs = malloc((size_t)repeats * sizeof *costs);
  int i, k;
  for (i = 0; i < repeats; i++) {
    double began = now(), cost;
    pid_t pid = fork();
    if (pid == 0)
      _exit(0);
    waitpid(pid, NULL, 0);
    cost = now() - began;
    for (k = i; k > 0 && costs[k - 1] > cost; k--)
      costs[k] = costs[k - 1];
    costs[k] = cost;
  }
  printf("seconds=%.9f checksum=1\n", costs[repeats / 2]);
  free(costs);
}

static void together(char **command) {
  int processes = cpus(), p, status, failed = 0;
  double began = now();
  for (p = 0; p < processes; p++)
    if (fork() == 0) {
      execvp(command[0], command);
      _exit(127);
    }
  for (p = 0; p < processes; p++)
    failed += wait(&status) < 0 || status != 0;
  printf("seconds=%.6f processes=%d failed=%d\n", now() - began, processes, failed);
}

int main(int argc, char **argv) {
  const char *workload = argc > 2 ? argv[1] : "";
  struct work w = {0};
  double microseconds = 0;
  if (strcmp(workload, "startup") == 0) {
    startup(atoi(argv[2]));
    return 0;
  }
  if (strcmp(workload, "together") == 0) {
    together(argv + 2);
    return 0;
  }
  if (strcmp(workload, "wait") == 0 || strcmp(workload, "wait_compute") == 0)
    w.wait_seconds = argc > 3 ? atof(argv[3]) : 1;
  if (strcmp(workload, "wait_compute") == 0 && argc > 4)
    microseconds = atof(argv[4]);
  if (strcmp(workload, "compute") == 0 && argc > 3)
    microseconds = atof(argv[3]);
  if (w.wait_seconds == 0 && microseconds == 0 && strcmp(workload, "noop") != 0) {
    fprintf(stderr, "physical: it has no workload '%s'\n", workload);
    return 2;
  }
  w.count = atol(argv[2]);
  w.iterations = microseconds > 0 ? calibrate(microseconds) : 0;
  w.shared = mmap(NULL, sizeof(struct shared) + (size_t)w.count * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (w.shared == MAP_FAILED)
    fail("mmap");
  report(&w, microseconds);
  return 0;
}
