#include "config.h"
#include "process.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "scheduling.h"

/* Its seats are as it left them until it is started again. */
uint64_t seats_running(struct transport *t, int worker, int *place) {
  const struct link *link = &transport_fork_self(t)->processes[worker].link;
  int used = atomic_load_explicit(&link->control->thread_count, memory_order_relaxed);
  while (*place < used && *place < link->layout.thread_limit) {
    uint64_t index = atomic_load_explicit(&link->seats[(*place)++].index, memory_order_relaxed);
    if (index != 0)
      return index;
  }
  return 0;
}

/* -- for people --------------------------------------------------------- */

void transport_fork_tally(struct transport *t, struct tally_worker *workers) {
  struct transport_fork *f = transport_fork_self(t);
  struct timespec used;
  struct tally_worker life;
  clockid_t clock;
  int i;
  for (i = 0; i < f->options.worker_count; i++) {
    if (f->processes[i].life == LIFE_NONE)
      continue;
    process_read_life(f, &f->processes[i], &life);
    if (clock_getcpuclockid(f->processes[i].pid, &clock) == 0 && clock_gettime(clock, &used) == 0)
      life.cpu_ns = (uint64_t)used.tv_sec * (uint64_t)CLOCK_SECOND + (uint64_t)used.tv_nsec;
    tally_add(&workers[i], &life);
  }
}

/* The n-th of a worker's seats that were ever used; NULL: there are no more. */
static struct seat *seat_of(const struct process *p, int n) {
  const struct link *link = &p->link;
  int used = atomic_load_explicit(&link->control->thread_count, memory_order_relaxed);
  return p->life == LIFE_RUNNING && n < used && n < link->layout.thread_limit ? &link->seats[n] : NULL;
}

/* Calls visit for every seat with a task; returns for how many it said true. */
static int each_busy(struct transport_fork *f, int (*visit)(struct process *p, int n, struct seat *seat)) {
  struct seat *seat;
  int i, n, count = 0;
  for (i = 0; i < f->options.worker_count; i++)
    for (n = 0; (seat = seat_of(&f->processes[i], n)) != NULL; n++)
      /* pairs with the release in exchange.c's sit_down */
      if (atomic_load_explicit(&seat->index, memory_order_acquire) != 0)
        count += visit(&f->processes[i], n, seat);
  return count;
}

/* What waits in a library's C function would be cut short: it is left alone, and its place is not known. Between this look and the
   signal it may begin to wait. */
static int may_be_asked(const struct process *p, const struct seat *seat, int tid) {
  return atomic_load_explicit(&seat->at_ease, memory_order_relaxed) || scheduling_state(p->pid, tid) == 'R';
}

static int ask(struct process *p, int n, struct seat *seat) {
  int tid = atomic_load_explicit(&seat->tid, memory_order_relaxed);
  (void)n;
#ifdef SYS_tgkill
  if (tid <= 0 || !may_be_asked(p, seat, tid))
    return 0;
  atomic_store_explicit(&seat->asked, atomic_load_explicit(&p->link.control->asked, memory_order_relaxed),
                        memory_order_relaxed);
  return syscall(SYS_tgkill, p->pid, tid, LINK_ASK_SIGNAL) == 0;
#else
  return (void)p, (void)seat, tid < 0;
#endif
}

static int has_answered(const struct process *p, const struct seat *seat) {
  /* pairs with the release in fatal.c's tell */
  return atomic_load_explicit(&seat->answered, memory_order_acquire) ==
         atomic_load_explicit(&p->link.control->asked, memory_order_relaxed);
}

static int is_silent(struct process *p, int n, struct seat *seat) {
  (void)n;
  return atomic_load_explicit(&seat->asked, memory_order_relaxed) ==
             atomic_load_explicit(&p->link.control->asked, memory_order_relaxed) &&
         !has_answered(p, seat);
}

void transport_fork_ask(struct transport *t, int64_t most_ns) {
  struct transport_fork *f = transport_fork_self(t);
  struct timespec nap = {0, 1000000};
  int64_t deadline = clock_now() + most_ns;
  int i;
  for (i = 0; i < f->options.worker_count; i++)
    if (f->processes[i].life == LIFE_RUNNING) /* no other writer: a plain step */
      atomic_store_explicit(&f->processes[i].link.control->asked,
                            atomic_load_explicit(&f->processes[i].link.control->asked, memory_order_relaxed) +
                                1,
                            memory_order_relaxed);
  if (each_busy(f, ask) > 0)
    while (each_busy(f, is_silent) > 0 && clock_now() < deadline)
      nanosleep(&nap, NULL);
}

int transport_fork_tasks(struct transport *t, struct running_task *tasks, int most) {
  struct transport_fork *f = transport_fork_self(t);
  struct seat *seat;
  int i, n, count = 0;
  for (i = 0; i < f->options.worker_count; i++)
    for (n = 0; (seat = seat_of(&f->processes[i], n)) != NULL; n++) {
      struct process *p = &f->processes[i];
      /* pairs with the release in exchange.c's sit_down */
      uint64_t index = atomic_load_explicit(&seat->index, memory_order_acquire);
      if (index == 0 || count++ >= most)
        continue;
      tasks[count - 1] = (struct running_task){.index = index, .pid = p->pid, .worker = i, .thread = n};
      tasks[count - 1].since = atomic_load_explicit(&seat->since, memory_order_relaxed);
      if (has_answered(p, seat))
        memcpy(tasks[count - 1].place, p->link.places[n], LINK_PLACE - 1);
    }
  return count;
}
