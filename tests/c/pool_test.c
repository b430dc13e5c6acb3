/* pool_test.c - order, bounds, fairness, re-runs and refusals of a map, on a fake transport: no processes, no time. */
#include "config.h"
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_transport.h"

/* -- a map and its script ------------------------------------------------------ */

struct map {
  struct fake *fake;
  struct pool *pool;
  struct pool_options options;
  uint64_t input, added, delivered; /* tasks the script has, gave, got back */
  uint64_t most_ahead;              /* pulled beyond the one being delivered */
  uint64_t order[FAKE_TASKS];       /* in which results came */
  struct delivery last;
  char last_text[128];
  int failed[VERDICT_FATAL + 1]; /* results by verdict */
  int ok;                        /* every result had its task's bytes */
  enum status status;            /* of the last pool_wait */
};

static struct map *open_map(struct pool_options options, uint64_t input) {
  struct map *m = calloc(1, sizeof *m);
  m->fake = fake_new();
  m->options = options;
  m->input = input;
  m->ok = 1;
  if (pool_open(&m->pool, &options, &m->fake->base) != STATUS_OK)
    check_bail("no pool");
  return m;
}

static struct pool_options usual(int workers) {
  return (struct pool_options){.worker_limit = workers,
                               .thread_limit = 64,
                               .window_limit = 1000,
                               .task_count = -1,
                               .ordered = 1,
                               .rerun = 1};
}

static void close_map(struct map *m) {
  pool_close(&m->pool);
  if (m->fake->stopped != 1 || m->pool != NULL)
    check_bail("the transport was not stopped once");
  fake_free(m->fake);
  free(m);
}

static void text_of(uint64_t index, char text[64]) {
  snprintf(text, 64, index % 2 ? "task %llu" : "a task with more bytes than a slot has of its own: %llu",
           (unsigned long long)index);
}

static enum status give_text(struct map *m, const char *text) {
  struct buffer b = {0};
  enum status status = buffer_append(&b, text, strlen(text));
  if (status == STATUS_OK)
    status = pool_give(m->pool, &b);
  buffer_release(&b);
  return status;
}

static void give(struct map *m) {
  uint64_t room;
  char text[64];
  while (m->added < m->input && (room = pool_room(m->pool)) > 0)
    for (; room > 0 && m->added < m->input; room--) {
      text_of(++m->added, text);
      m->status = give_text(m, text);
      if (m->status != STATUS_OK)
        return;
      if (m->added - m->delivered - 1 > m->most_ahead)
        m->most_ahead = m->added - m->delivered - 1;
    }
  if (m->added == m->input)
    pool_end(m->pool);
  pool_flush(m->pool);
}

static int get_one(struct map *m) {
  struct delivery d;
  char text[64];
  if (pool_ready(m->pool, &d) != STATUS_OK)
    return 0;
  text_of(d.index, text);
  if (d.verdict == VERDICT_DONE)
    m->ok &= d.size == strlen(text) && memcmp(d.bytes, text, d.size) == 0;
  if (d.verdict <= VERDICT_FATAL)
    m->failed[d.verdict]++;
  snprintf(m->last_text, sizeof m->last_text, "%.*s", (int)d.size, (const char *)d.bytes);
  m->last = d;
  m->order[m->delivered++] = d.index;
  pool_delivered(m->pool, &d);
  return 1;
}

static void get(struct map *m) {
  while (get_one(m))
    continue;
}

/* The script's loop until nothing more can happen without an answer. */
static void turn(struct map *m) {
  int i;
  for (i = 0; i < 4; i++) {
    give(m);
    m->status = pool_wait(m->pool, 0);
    get(m);
  }
  give(m);
}

static int busiest_first(struct map *m, int backwards) {
  int i, any = 0;
  for (i = 0; i < FAKE_WORKERS; i++)
    while (m->fake->workers[i].count > 0) {
      fake_answer(m->fake, i, backwards ? m->fake->workers[i].count - 1 : 0, VERDICT_DONE);
      any = 1;
    }
  return any;
}

/* Everybody answers everything until the map is done; false: it stands still before. */
static int finish(struct map *m, int backwards) {
  int still = 0;
  while (!pool_finished(m->pool) && still < 4) {
    uint64_t before = m->delivered + m->added;
    turn(m);
    still = busiest_first(m, backwards) || m->delivered + m->added > before ? 0 : still + 1;
    fake_now += 1000;
    if (still == 2) /* as a script that has nothing else to do */
      pool_wait(m->pool, CLOCK_NEVER);
  }
  return pool_finished(m->pool);
}

static int in_order(const struct map *m) {
  uint64_t i;
  for (i = 0; i < m->delivered; i++)
    if (m->order[i] != i + 1)
      return 0;
  return 1;
}

static int each_once(const struct map *m) {
  static unsigned char seen[FAKE_TASKS + 1];
  uint64_t i;
  memset(seen, 0, sizeof seen);
  for (i = 0; i < m->delivered; i++)
    if (m->order[i] > FAKE_TASKS || seen[m->order[i]]++)
      return 0;
  return m->delivered == m->input;
}

/* -- order and bounds -------------------------------------------------------------- */

static void test_empty(void) {
  struct map *m = open_map(usual(2), 0);
  struct delivery d;
  check(pool_ready(m->pool, &d) == STATUS_AGAIN && !pool_finished(m->pool),
        "a map without tasks yet has no result");
  pool_end(m->pool);
  check(pool_finished(m->pool) && m->fake->workers[0].starts == 0, "a map without tasks starts no worker");
  close_map(m);
}

static void test_order(void) {
  struct map *m = open_map(usual(3), 2000);
  check(finish(m, 1) && in_order(m) && each_once(m) && m->ok,
        "results keep the tasks' order when workers finish backwards");
  check(m->last.attempt == 1, "a result names its attempt");
  pool_close(&m->pool);
  check(m->fake->stopped_gently, "a finished map ends its workers gently");
  pool_close(&m->pool);
  fake_free(m->fake);
  free(m);
}

static void test_slow_head(void) {
  struct pool_options options = usual(2);
  struct map *m;
  int i;
  options.window_limit = 50;
  m = open_map(options, 5000);
  turn(m);
  for (i = 0; i < 1000; i++) { /* all but task 1 */
    int w, j;
    for (w = 0; w < 2; w++)
      for (j = m->fake->workers[w].count - 1; j >= 0; j--)
        if (m->fake->workers[w].tasks[j].index != 1)
          fake_answer(m->fake, w, j, VERDICT_DONE);
    fake_now += 1000000;
    turn(m);
  }
  check(m->delivered == 0 && m->added == 51,
        "behind a slow first task, as many are pulled as buffersize says, no more");
  check(finish(m, 0) && in_order(m) && each_once(m) && m->most_ahead == 50, "then all come in order");
  close_map(m);
}

static void test_buffersize(void) {
  static const uint64_t sizes[] = {0, 1, 2, 7, 63, 64, 65};
  size_t i;
  int ok = 1;
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct pool_options options = usual(3);
    struct map *m;
    options.window_limit = sizes[i];
    m = open_map(options, 500);
    m->fake->capacity = 64;
    ok &= finish(m, (int)i % 2) && in_order(m) && each_once(m) && m->most_ahead <= sizes[i];
    close_map(m);
  }
  check(ok, "never more than buffersize tasks are pulled ahead, whatever it is");
}

static void test_unordered(void) {
  struct pool_options options = usual(2);
  struct map *m;
  options.ordered = 0;
  m = open_map(options, 1000);
  turn(m);
  check(fake_holder(m->fake, 2) >= 0, "two workers have a task each");
  fake_answer(m->fake, fake_holder(m->fake, 2), 0, VERDICT_DONE);
  turn(m);
  check(m->delivered == 1 && m->order[0] == 2, "unordered results come as they are done");
  check(finish(m, 1) && each_once(m) && m->ok, "all of them, once");
  close_map(m);
}

/* A fast worker answers one task after the other; what a slow one answers in between has its turn. */
static void test_unordered_in_turn(void) {
  struct pool_options options = usual(2);
  struct delivery d;
  struct map *m;
  int i, fast;
  options.ordered = 0;
  m = open_map(options, 1000);
  turn(m);
  fast = fake_holder(m->fake, 2);
  for (i = 0; i < 50; i++) {
    fake_answer(m->fake, fast, 0, VERDICT_DONE);
    turn(m);
  }
  fake_answer(m->fake, fake_holder(m->fake, 1), 0, VERDICT_DONE);
  fake_answer(m->fake, fast, 0, VERDICT_DONE);
  m->status = pool_wait(m->pool, 0);
  check(pool_ready(m->pool, &d) == STATUS_OK && d.index == 1,
        "an old task that is done goes before those done after it");
  check(finish(m, 0) && each_once(m) && m->ok, "and none is lost over it");
  close_map(m);
}

/* -- fairness ---------------------------------------------------------------------- */

static void test_even(void) {
  struct pool_options options = usual(2);
  struct map *m;
  int most;
  options.task_count = 1000;
  m = open_map(options, 1000);
  finish(m, 0);
  most = m->fake->workers[0].taken > m->fake->workers[1].taken ? m->fake->workers[0].taken
                                                               : m->fake->workers[1].taken;
  check(each_once(m) && most <= 550, "equal tasks spread evenly: none of two gets more than 55%");
  close_map(m);
  m = open_map(usual(4), 3);
  m->fake->capacity = 10;
  turn(m);
  check(m->fake->workers[2].starts == 1 && m->fake->workers[3].starts == 0,
        "there are never more workers than tasks");
  check(m->fake->workers[0].taken == 1 && m->fake->workers[1].taken == 1, "few tasks go to a worker each");
  finish(m, 0);
  close_map(m);
}

/* The first task takes long; its worker has not answered anything yet. */
static void test_slow_start(void) {
  struct map *m = open_map(usual(2), 500);
  int slow, i;
  m->options.window_limit = 1000;
  turn(m);
  slow = fake_holder(m->fake, 1);
  for (i = 0; i < 600; i++) {
    if (m->fake->workers[1 - slow].count > 0)
      fake_answer(m->fake, 1 - slow, 0, VERDICT_DONE);
    fake_now += 1000000;
    turn(m);
    if (m->fake->workers[1 - slow].count == 0) {
      pool_wait(m->pool, CLOCK_NEVER); /* what a script does that has nothing to do */
      turn(m);
    }
  }
  check(m->added == 500 && m->fake->workers[1 - slow].count == 0 && m->fake->workers[slow].count < 250,
        "a worker busy with a long first task does not hold up the other");
  close_map(m);
}

static void test_growth(void) {
  struct map *m = open_map(usual(1), 100);
  turn(m);
  check(m->fake->workers[0].count == 1, "a new worker gets one task");
  fake_grow(m->fake, 0, 40);
  turn(m);
  check(m->fake->workers[0].count == 40, "a worker that can use more gets them");
  check(finish(m, 1) && in_order(m), "and all come in order");
  close_map(m);
}

static void test_wrong_total(void) {
  struct pool_options options = usual(2);
  struct map *m;
  options.task_count = 10;
  m = open_map(options, 300);
  check(finish(m, 0) && each_once(m), "a total that the user said too low loses no task");
  close_map(m);
  options.task_count = 100000;
  m = open_map(options, 300);
  check(finish(m, 0) && each_once(m), "nor does one too high");
  close_map(m);
}

/* -- runs: many tasks in a message --------------------------------------------------- */

static struct map *open_with_runs(struct pool_options options, uint64_t input, size_t run_size) {
  struct map *m = open_map(options, input);
  m->fake->base.run_size = run_size;
  return m;
}

/* Answers tasks 0 to count - 1 of the worker's, neighbours, in one message. */
static void answer_run(struct map *m, int worker, int count) {
  struct fake_worker *w = &m->fake->workers[worker];
  struct buffer items = {0};
  int i;
  for (i = 0; i < count; i++)
    run_add(&items, VERDICT_DONE, w->tasks[i].bytes, w->tasks[i].size);
  fake_reply_run(m->fake, worker, w->tasks[0].index, count, &items);
  for (i = 0; i < count; i++)
    free((void *)w->tasks[i].bytes);
  memmove(w->tasks, w->tasks + count, (size_t)(w->count - count) * sizeof *w->tasks);
  w->count -= count;
  buffer_release(&items);
  fake_leave(m->fake, worker);
}

/* How many of the worker's tasks, from the first on, are neighbours. */
static int neighbours(const struct fake_worker *w, int most) {
  int n = 1;
  while (n < most && n < w->count && w->tasks[n].index == w->tasks[0].index + (uint64_t)n)
    n++;
  return n;
}

static int finish_in_runs(struct map *m, uint64_t *seed) {
  int still = 0, i;
  while (!pool_finished(m->pool) && still < 6) {
    uint64_t before = m->delivered + m->added;
    turn(m);
    for (i = 0; i < FAKE_WORKERS; i++) {
      int n = neighbours(&m->fake->workers[i], 1 + (int)check_random(seed, 40));
      if (m->fake->workers[i].count > 0 && n > 1)
        answer_run(m, i, n);
      else if (m->fake->workers[i].count > 0)
        fake_answer(m->fake, i, 0, VERDICT_DONE);
    }
    fake_now += 1000;
    still = m->delivered + m->added > before ? 0 : still + 1;
    if (still > 2)
      pool_wait(m->pool, CLOCK_NEVER);
  }
  return pool_finished(m->pool);
}

static void test_runs(uint64_t seed) {
  struct map *m = open_with_runs(usual(2), 3000, 600);
  m->fake->capacity = 40;
  check(finish_in_runs(m, &seed) && in_order(m) && each_once(m) && m->ok,
        "tasks and results that travel in runs all come, once, in order");
  check(m->fake->runs > 0 && m->fake->runs < 3000 / 2, "short tasks share messages");
  close_map(m);
}

static void test_chunks(void) {
  struct pool_options options = usual(1);
  struct map *m;
  options.chunksize = 25;
  m = open_with_runs(options, 200, 100000);
  m->fake->capacity = 2;
  turn(m);
  check(m->fake->workers[0].count == 50, "with a chunksize each thread has so many tasks");
  check(finish(m, 1) && in_order(m) && each_once(m), "and all come in order");
  close_map(m);
}

static void test_run_nonsense(void) {
  struct map *m = open_with_runs(usual(1), 200, 100000);
  struct buffer items = {0};
  m->fake->capacity = 50;
  turn(m);
  run_add(&items, VERDICT_DONE, "x", 1);
  items.bytes[0] = 0xff; /* a length beyond the end */
  fake_reply_run(m->fake, 0, 1, 50, &items);
  turn(m);
  check(m->fake->workers[0].starts == 2 && m->delivered == 0,
        "a worker whose run of replies is cut short is replaced");
  check(finish(m, 0) && each_once(m), "its tasks run again");
  close_map(m);
  m = open_with_runs(usual(1), 200, 100000);
  m->fake->capacity = 50;
  turn(m);
  items.size = 0;
  run_add(&items, VERDICT_DONE, "task 1", 6);
  run_add(&items, VERDICT_CRASH, "x", 1);
  fake_reply_run(m->fake, 0, 1, 2, &items);
  turn(m);
  check(m->fake->workers[0].starts == 2 && m->delivered == 1,
        "so is one that gives a verdict that is not its own");
  check(finish(m, 0) && each_once(m), "its tasks run again");
  buffer_release(&items);
  close_map(m);
}

/* -- refusals ------------------------------------------------------------------------ */

static void test_refused(void) {
  struct map *m = open_map(usual(8), 300);
  m->fake->start_limit = 2;
  check(finish(m, 0) && each_once(m) && in_order(m),
        "when the system refuses further processes, the map goes on with those");
  check(m->fake->workers[0].taken + m->fake->workers[1].taken == 300, "two do all");
  close_map(m);
  m = open_map(usual(8), 300);
  m->fake->start_limit = 0;
  give(m);
  check(m->status == STATUS_SYSTEM, "when the system refuses even one, the map says so");
  close_map(m);
}

static void test_refused_then_lost(void) {
  struct map *m = open_map(usual(4), 300);
  m->fake->start_limit = 1;
  turn(m);
  m->fake->start_limit = 1; /* by now one may be had again */
  fake_lose(m->fake, 0, (struct loss){.signal = 9});
  check(finish(m, 0) && each_once(m), "a refusal long ago does not keep the last worker from being replaced");
  close_map(m);
  m = open_map(usual(4), 300);
  m->fake->start_limit = 1;
  turn(m);
  fake_lose(m->fake, 0, (struct loss){.signal = 9});
  m->status = pool_wait(m->pool, CLOCK_NEVER);
  if (m->status == STATUS_OK)
    m->status = pool_wait(m->pool, CLOCK_NEVER);
  check(m->status == STATUS_SYSTEM,
        "when no worker is left and none can be had, the map says so instead of waiting");
  close_map(m);
}

/* -- one moment ---------------------------------------------------------------------- */

static int alive(const struct map *m) {
  struct pool_figures figures;
  pool_figures(m->pool, &figures);
  return figures.workers;
}

static void test_start(void) {
  struct map *m = open_map(usual(4), 300);
  check(pool_start(m->pool) == STATUS_OK && alive(m) == 4,
        "all workers start before the first task is there");
  check(finish(m, 0) && each_once(m) && in_order(m) && m->fake->workers[0].starts == 1, "and do them");
  close_map(m);
  m = open_map(usual(4), 300);
  m->fake->start_limit = 0;
  check(pool_start(m->pool) == STATUS_SYSTEM, "when none can be had, the map says so");
  close_map(m);
}

static void test_start_refused(void) {
  struct map *m = open_map(usual(4), 300);
  m->fake->start_limit = 2;
  check(pool_start(m->pool) == STATUS_OK && alive(m) == 2,
        "the map begins with those that the system grants");
  m->fake->start_limit = 99;
  fake_lose(m->fake, 1, (struct loss){.signal = 9});
  turn(m);
  check(alive(m) == 2, "a lost one is replaced, and nobody else starts at a later moment");
  check(finish(m, 0) && each_once(m), "two do all");
  close_map(m);
}

static void test_start_at_the_end(void) {
  struct pool_options options = usual(4);
  uint64_t known = 1;
  struct map *m;
  options.retries = 1;
  m = open_map(options, 2);
  pool_add_done(m->pool, VERDICT_RECORDED, &known, sizeof known);
  m->added = 1;
  give(m);
  check(pool_start(m->pool) == STATUS_OK && alive(m) == 1,
        "when no more tasks will come, no more workers start");
  fake_answer(m->fake, 0, 0, VERDICT_ERROR);
  pool_wait(m->pool, 0);
  check(alive(m) == 1 && m->fake->workers[0].count == 1, "nor for a task that runs again");
  close_map(m);
}

static void test_full(void) {
  struct map *m = open_map(usual(2), 1000);
  m->fake->ring_limit = 3;
  m->fake->capacity = 50;
  check(finish(m, 0) && each_once(m) && in_order(m), "full rings hold tasks back, but lose none");
  close_map(m);
}

/* -- nonsense -------------------------------------------------------------------------- */

static void test_nonsense(uint64_t seed) {
  struct map *m = open_map(usual(2), 500);
  int i, holder;
  turn(m);
  holder = fake_holder(m->fake, 1);
  fake_reply(m->fake, 1 - holder, 1, 1, VERDICT_DONE, "wrong worker", 12);
  fake_reply(m->fake, holder, 1, 2, VERDICT_DONE, "wrong attempt", 13);
  fake_reply(m->fake, holder, 0, 1, VERDICT_DONE, "no task", 7);
  fake_reply(m->fake, holder, 400, 1, VERDICT_DONE, "not yet sent", 12);
  fake_reply(m->fake, holder, UINT64_C(1) << 47, 1, VERDICT_DONE, "far away", 8);
  turn(m);
  check(m->delivered == 0, "replies with a wrong worker, attempt or task are dropped");
  fake_reply(m->fake, holder, 1, 1, VERDICT_DONE, "task 1", 6);
  fake_reply(m->fake, holder, 1, 1, VERDICT_DONE, "again", 5);
  turn(m);
  check(m->delivered == 1 && m->ok, "a reply that comes twice counts once");
  fake_reply(m->fake, holder, 1, 1, VERDICT_DONE, "late", 4);
  m->fake->workers[holder].tasks[0].attempt = 77; /* never answered truly: its reply is wrong */
  m->fake->workers[holder].tasks[0].attempt = 1;
  for (i = 0; i < 5000; i++) {
    uint64_t index = check_random(&seed, 600);
    fake_reply(m->fake, (int)check_random(&seed, 2), index, (uint32_t)check_random(&seed, 3) + 2,
               VERDICT_DONE, "x", 1);
    if (i % 50 == 0)
      turn(m);
  }
  while (m->fake->workers[holder].count > 0 && m->fake->workers[holder].tasks[0].index == 1) {
    free((void *)m->fake->workers[holder].tasks[0].bytes);
    m->fake->workers[holder].count--;
    memmove(&m->fake->workers[holder].tasks[0], &m->fake->workers[holder].tasks[1],
            (size_t)m->fake->workers[holder].count * sizeof m->fake->workers[holder].tasks[0]);
  }
  check(finish(m, 0) && each_once(m) && in_order(m) && m->ok, "replies at random change no result");
  close_map(m);
}

static void test_foreign_verdicts(void) {
  static const int kinds[] = {0, VERDICT_CRASH, VERDICT_CANCELLED, VERDICT_FATAL + 1, 255};
  struct map *m = open_map(usual(1), 50);
  size_t i;
  int ok = 1;
  for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    turn(m);
    if (m->fake->workers[0].count > 0)
      fake_answer(m->fake, 0, 0, kinds[i]);
    turn(m);
    ok &= m->delivered == 0 || m->last.own ||
          (m->last.verdict >= VERDICT_DONE && m->last.verdict <= VERDICT_TIMEOUT);
    if (m->fake->workers[0].count == 0) /* the worker counts as broken, or the reply was dropped */
      break;
  }
  check(ok, "a verdict that no worker gives is never handed over as a worker's");
  close_map(m);
}

/* -- deaths ------------------------------------------------------------------------------ */

static void die(struct map *m, int worker, struct loss loss, uint64_t running) {
  m->fake->running[worker][0] = running;
  m->fake->running[worker][1] = 0;
  fake_lose(m->fake, worker, loss);
  turn(m);
}

static void test_culprit(void) {
  struct map *m = open_map(usual(2), 200);
  int worker;
  m->fake->capacity = 10;
  turn(m);
  worker = fake_holder(m->fake, 3);
  die(m, worker, (struct loss){.signal = 11, .culprit = 3}, 0);
  check(finish(m, 0) && each_once(m) && in_order(m) && m->ok,
        "when a worker dies, its other tasks run again and all come once");
  check(m->failed[VERDICT_CRASH] == 1 && m->failed[VERDICT_DONE] == 199,
        "a crash whose culprit is known costs that task only");
  close_map(m);
}

/* A successor is there before the failure is handed over. */
static void test_pid(void) {
  struct map *m = open_map(usual(1), 20);
  int pid, workers_pid;
  m->fake->capacity = 10;
  turn(m);
  pid = m->fake->base.ops->pid(&m->fake->base, 0);
  workers_pid = pool_pid(m->pool, 0);
  die(m, 0, (struct loss){.signal = 11, .culprit = 1}, 0);
  check(m->last.index == 1 && m->last.verdict == VERDICT_CRASH && m->last.pid == pid,
        "a crash names the process that died, though its successor is at work");
  check(workers_pid == pid && pool_pid(m->pool, 0) != pid,
        "a worker's process id is that of its present life");
  finish(m, 0);
  check(pool_pid(m->pool, 0) == 0, "one that has left has none");
  close_map(m);
}

static void test_suspects(void) {
  struct map *m = open_map(usual(2), 200);
  int worker, i;
  m->fake->capacity = 10;
  turn(m);
  worker = fake_holder(m->fake, 3);
  m->fake->running[worker][1] = 0;
  die(m, worker, (struct loss){.signal = 9}, 3);
  for (i = 0; i < 100 && (worker = fake_holder(m->fake, 3)) < 0; i++) {
    busiest_first(m, 0);
    turn(m);
  }
  check(worker >= 0 && m->fake->workers[worker].count == 1, "a suspect runs alone");
  if (worker >= 0)
    die(m, worker, (struct loss){.signal = 9}, 3);
  check(finish(m, 0) && each_once(m) && in_order(m) && m->ok,
        "and when that worker dies too, the rest still comes");
  check(m->failed[VERDICT_CRASH] == 1 && m->failed[VERDICT_DONE] == 199,
        "a suspect whose worker dies again is the culprit");
  close_map(m);
}

/* No worker can be had in the dead one's place, and the other is never without tasks. */
static void test_suspect_beside_others(void) {
  struct map *m = open_map(usual(2), 1000);
  int worker, i;
  m->fake->capacity = 10;
  turn(m);
  turn(m);
  worker = fake_holder(m->fake, 3);
  m->fake->start_limit = 0;
  die(m, worker, (struct loss){.signal = 9}, 3);
  worker = 1 - worker;
  for (i = 0; i < 100 && fake_holder(m->fake, 3) < 0; i++) {
    fake_answer(m->fake, worker, 0, VERDICT_DONE);
    fake_now += 1000000;
    turn(m);
  }
  check(i < 100 && m->fake->workers[worker].count == 1,
        "a suspect's turn to run alone comes, however many tasks there are beside it");
  check(finish(m, 0) && each_once(m) && in_order(m), "and then theirs again");
  close_map(m);
}

static void test_innocent(void) {
  struct map *m = open_map(usual(2), 200);
  m->fake->capacity = 10;
  turn(m);
  die(m, fake_holder(m->fake, 3), (struct loss){.signal = 9}, 3);
  check(finish(m, 0) && each_once(m) && m->failed[VERDICT_DONE] == 200,
        "a suspect that completes alone is innocent");
  close_map(m);
}

/* A suspect that fails in its own right gets its retries like any other. */
static void test_suspect_retried(void) {
  struct pool_options options = usual(2);
  struct map *m;
  int worker, i;
  options.retries = 2;
  m = open_map(options, 100);
  m->fake->capacity = 10;
  turn(m);
  die(m, fake_holder(m->fake, 3), (struct loss){.signal = 9}, 3);
  for (i = 0; i < 100 && (worker = fake_holder(m->fake, 3)) < 0; i++) {
    busiest_first(m, 0);
    turn(m);
  }
  if (worker >= 0)
    fake_answer(m->fake, worker, 0, VERDICT_ERROR);
  check(finish(m, 0) && each_once(m) && m->failed[VERDICT_DONE] == 100,
        "a suspect that raises an error is retried");
  close_map(m);
}

static void test_wrong_culprit(void) {
  struct map *m = open_map(usual(2), 100);
  int worker, i;
  turn(m);
  die(m, fake_holder(m->fake, 1), (struct loss){.signal = 9}, 1);
  for (i = 0; i < 100 && (worker = fake_holder(m->fake, 1)) < 0; i++) {
    busiest_first(m, 0);
    turn(m);
  }
  if (worker >= 0)
    die(m, worker, (struct loss){.signal = 11, .culprit = 77777}, 0);
  check(finish(m, 0) && each_once(m), "a dead worker that names a task which is not there stops nothing");
  close_map(m);
}

static void test_no_rerun(void) {
  struct pool_options options = usual(2);
  struct map *m;
  options.rerun = 0;
  m = open_map(options, 100);
  m->fake->capacity = 10;
  turn(m);
  die(m, fake_holder(m->fake, 3), (struct loss){.signal = 9}, 3);
  check(finish(m, 0) && each_once(m) && m->failed[VERDICT_CRASH] == 1,
        "with rerun off, what was running fails as a crash");
  close_map(m);
}

static void test_no_rerun_of_neighbours(void) {
  struct pool_options options = usual(1);
  struct map *m;
  options.rerun = 0;
  m = open_map(options, 10);
  m->fake->capacity = 3;
  turn(m);
  m->fake->running[0][1] = 2;
  m->fake->running[0][2] = 0;
  m->fake->running[0][0] = 1;
  fake_lose(m->fake, 0, (struct loss){.signal = 11, .culprit = 1});
  turn(m);
  check(finish(m, 0) && each_once(m) && in_order(m) && m->failed[VERDICT_CRASH] == 2,
        "with rerun off, so does what ran beside a known culprit");
  close_map(m);
}

static void test_deaths_in_a_row(void) {
  struct map *m = open_map(usual(1), 100);
  int i;
  for (i = 0; i < 10 && m->status != STATUS_CLOSED; i++) {
    give(m);
    fake_lose(m->fake, 0, (struct loss){.exit_code = 1});
    m->status = pool_wait(m->pool, 0);
  }
  check(i == 3, "three deaths in a row without a completed task end the map");
  close_map(m);
}

/* Its memory was overwritten, and with it the tasks it had. */
static void test_lost_tasks(void) {
  struct map *m = open_map(usual(2), 100);
  int worker, i;
  turn(m);
  worker = fake_holder(m->fake, 1);
  m->fake->quiet[worker] = 1;
  m->fake->running[worker][0] = 1;
  for (i = 0; i < 20; i++)
    pool_wait(m->pool, CLOCK_NEVER);
  check(m->fake->workers[worker].alive, "a worker that works on a task may take as long as it likes");
  m->fake->running[worker][0] = 12345678;
  for (i = 0; i < 20 && m->fake->workers[worker].alive; i++)
    pool_wait(m->pool, CLOCK_NEVER);
  m->fake->running[worker][0] = 0;
  check(i < 20, "one that has lost its tasks is given up");
  m->fake->quiet[worker] = 0;
  check(finish(m, 0) && each_once(m) && m->ok, "and they run again");
  close_map(m);
}

/* -- init ------------------------------------------------------------------------------------ */

static void test_failed_init(void) {
  struct map *m = open_map(usual(1), 20);
  struct delivery d;
  m->fake->capacity = 4;
  turn(m);
  turn(m);
  fake_answer(m->fake, 0, 2, VERDICT_FATAL);
  fake_answer(m->fake, 0, 0, VERDICT_DONE);
  while (pool_wait(m->pool, 0) == STATUS_OK)
    continue;
  check(pool_ready(m->pool, &d) == STATUS_OK && d.index == 1 && d.verdict == VERDICT_DONE,
        "what is ready comes before the failure of init");
  pool_delivered(m->pool, &d);
  check(pool_ready(m->pool, &d) == STATUS_OK && d.index == 3 && d.verdict == VERDICT_FATAL && !d.own,
        "then it comes, though tasks before it have no result");
  close_map(m);
}

static void test_dead_init(void) {
  struct map *m = open_map(usual(1), 20);
  struct delivery d;
  m->fake->capacity = 4;
  turn(m);
  fake_lose(m->fake, 0, (struct loss){.signal = 11, .culprit = INDEX_INIT});
  pool_wait(m->pool, 0);
  check(pool_ready(m->pool, &d) == STATUS_OK && d.verdict == VERDICT_FATAL && d.own,
        "an init that kills its worker fails like one that raises");
  close_map(m);
}

static void test_crash_text(void) {
  struct pool_options options = usual(1);
  struct map *m = open_map(options, 1);
  turn(m);
  die(m, 0, (struct loss){.signal = 11, .culprit = 1}, 0);
  check(m->delivered == 1 && m->last.verdict == VERDICT_CRASH && m->last.own &&
            strstr(m->last_text, "11") != NULL,
        "a crash says the signal in words of the pool's own");
  check(m->last.pid == 1100, "a crash names the process that died, not its successor");
  close_map(m);
}

/* -- retries and replacements ---------------------------------------------------------------- */

static void test_retries(void) {
  struct pool_options options = usual(1);
  struct map *m;
  int i;
  options.retries = 3;
  m = open_map(options, 1);
  for (i = 1; i <= 4; i++) {
    turn(m);
    check(m->fake->workers[0].count == 1 && m->fake->workers[0].tasks[0].attempt == (uint32_t)i &&
              m->delivered == 0,
          "a task that raised runs again, with its attempt's number");
    fake_answer(m->fake, 0, 0, VERDICT_ERROR);
  }
  turn(m);
  check(m->delivered == 1 && m->last.verdict == VERDICT_ERROR && m->last.attempt == 4,
        "until its retries are used up");
  check(m->last.pid == 1100, "a failure names its process");
  close_map(m);
}

static void test_delay(void) {
  struct pool_options options = usual(2);
  struct map *m;
  int64_t start;
  int i;
  options.retries = 2;
  options.retry_delay_ns = CLOCK_SECOND;
  m = open_map(options, 20);
  turn(m);
  fake_answer(m->fake, fake_holder(m->fake, 1), 0, VERDICT_ERROR);
  start = fake_now;
  turn(m);
  check(fake_holder(m->fake, 1) < 0, "a task to be retried later is not sent at once");
  while (busiest_first(m, 0))
    turn(m);
  check(m->delivered == 0, "the others wait for it: order is kept");
  for (i = 0; i < 5 && fake_holder(m->fake, 1) < 0; i++) {
    pool_wait(m->pool, CLOCK_NEVER);
    turn(m);
  }
  check(fake_holder(m->fake, 1) >= 0 && fake_now - start >= CLOCK_SECOND &&
            fake_now - start < 2 * CLOCK_SECOND,
        "it runs when its delay is over");
  check(finish(m, 0) && in_order(m) && each_once(m), "and all come in order");
  close_map(m);
}

/* As many tasks wait for their moment as workers could have. */
static void test_beside_delays(void) {
  struct pool_options options = usual(2);
  struct map *m;
  int i;
  options.ordered = 0;
  options.retries = 1;
  options.retry_delay_ns = CLOCK_SECOND;
  m = open_map(options, 100);
  turn(m);
  for (i = 1; i <= 2; i++)
    fake_answer(m->fake, fake_holder(m->fake, (uint64_t)i), 0, VERDICT_ERROR);
  for (i = 0; i < 1000; i++) {
    turn(m);
    busiest_first(m, 0);
    fake_now += 100000;
  }
  check(m->delivered == 98, "beside tasks to be retried later the others go on");
  check(finish(m, 0) && each_once(m), "and these come in the end");
  close_map(m);
}

/* Those that have failed more often wait longer, so the moments come in another order than the delays began in. */
static void test_delays_in_turn(void) {
  enum { COUNT = 60 };
  struct pool_options options = usual(1);
  struct map *m;
  int64_t failed_at[COUNT + 1] = {0}, wait[COUNT + 1] = {0};
  int i, runs = 0, ok = 1;
  options.retries = 5;
  options.retry_delay_ns = CLOCK_SECOND;
  options.ordered = 0;
  m = open_map(options, COUNT);
  m->fake->capacity = COUNT;
  while (!pool_finished(m->pool) && runs < 10000) {
    struct fake_worker *w = &m->fake->workers[0];
    turn(m);
    while (w->count > 0) {
      uint64_t index = w->tasks[0].index;
      uint32_t attempt = w->tasks[0].attempt;
      ok &= attempt == 1 ||
            (fake_now >= failed_at[index] + wait[index] && fake_now <= failed_at[index] + wait[index] + 1000);
      wait[index] = CLOCK_SECOND << (attempt - 1);
      fake_now += 1;
      failed_at[index] = fake_now;
      runs++;
      fake_answer(m->fake, 0, 0, attempt <= 1 + index * 7 % 5 ? VERDICT_ERROR : VERDICT_DONE);
      m->status = pool_wait(m->pool, 0);
    }
    for (i = 0; i < 3 && w->count == 0 && !pool_finished(m->pool); i++)
      pool_wait(m->pool, CLOCK_NEVER);
  }
  check(pool_finished(m->pool) && each_once(m) && runs == COUNT + COUNT * 3,
        "tasks that fail again and again come in the end");
  check(ok, "and each runs when its own delay is over");
  close_map(m);
}

static void test_quota(void) {
  struct pool_options options = usual(2);
  struct map *m;
  options.worker_quota = 7;
  m = open_map(options, 500);
  m->fake->capacity = 5;
  check(finish(m, 1) && in_order(m) && each_once(m) && m->ok,
        "workers that are replaced after some tasks lose none");
  check(m->fake->workers[0].starts + m->fake->workers[1].starts >= 500 / 7, "none does more than its share");
  close_map(m);
}

/* -- everything at once --------------------------------------------------------------------------- */

static void shake(struct map *m, uint64_t *seed) {
  int worker = (int)check_random(seed, (uint64_t)m->options.worker_limit);
  struct fake_worker *w = &m->fake->workers[worker];
  uint64_t dice = check_random(seed, 100);
  if (!w->alive)
    return;
  if (dice < 3 && w->count > 0) {
    int nth = (int)check_random(seed, (uint64_t)w->count);
    uint64_t index = w->tasks[nth].index;
    m->fake->running[worker][0] = dice == 0 ? 0 : index;
    m->fake->running[worker][1] = 0;
    fake_lose(m->fake, worker, (struct loss){.signal = 9, .culprit = dice == 1 ? index : 0});
  } else if (dice < 6) {
    fake_grow(m->fake, worker, 1 + (int)check_random(seed, 30));
  } else if (dice < 10) {
    fake_reply(m->fake, worker, check_random(seed, m->added + 2), (uint32_t)check_random(seed, 2) + 60000,
               VERDICT_DONE, "?", 1);
  } else if (w->count > 0) {
    int verdict = dice < 20 ? VERDICT_ERROR : VERDICT_DONE;
    fake_answer(m->fake, worker, (int)check_random(seed, (uint64_t)w->count), verdict);
  }
  fake_now += (int64_t)check_random(seed, 1000000);
}

static int chaos(uint64_t *seed) {
  struct pool_options options = usual(1 + (int)check_random(seed, 4));
  uint64_t input = check_random(seed, 300);
  struct map *m;
  int i, ok;
  options.window_limit = check_random(seed, 100);
  options.ordered = (int)check_random(seed, 2);
  options.retries = (int)check_random(seed, 3);
  options.retry_delay_ns = (int64_t)check_random(seed, 2) * 1000000;
  options.worker_quota = check_random(seed, 2) * 10;
  options.rerun = (int)check_random(seed, 2);
  options.task_count = check_random(seed, 2) ? (int64_t)input : -1;
  m = open_map(options, input);
  m->fake->ring_limit = 1 + (int)check_random(seed, 20);
  m->fake->base.run_size = (size_t)check_random(seed, 2) * 300;
  for (i = 0; i < 3000 && !pool_finished(m->pool) && m->status != STATUS_CLOSED; i++) {
    give(m);
    m->status = pool_wait(m->pool, 0);
    if (check_random(seed, 3) > 0)
      get(m);
    shake(m, seed);
  }
  ok = m->status == STATUS_CLOSED || (finish(m, 0) && each_once(m) && m->ok);
  ok &= m->most_ahead <= options.window_limit && (!options.ordered || in_order(m));
  if (!ok)
    printf("# status %d, %llu of %llu delivered, %llu added, %llu ahead of %llu, ordered %d, quota %llu, "
           "retries %d\n",
           m->status, (unsigned long long)m->delivered, (unsigned long long)m->input,
           (unsigned long long)m->added, (unsigned long long)m->most_ahead,
           (unsigned long long)options.window_limit, options.ordered,
           (unsigned long long)options.worker_quota, options.retries);
  close_map(m);
  return ok;
}

static void test_chaos(uint64_t seed) {
  int round, ok = 1;
  for (round = 0; ok && round < check_times(1000); round++) {
    uint64_t before = seed;
    ok = chaos(&seed);
    if (!ok)
      printf("# round %d: SEED=%llu\n", round, (unsigned long long)before);
  }
  check(ok, "whatever happens, every result comes once, in order, within bounds");
}

/* -- results that come from elsewhere, and go elsewhere ------------------------------ */

static void test_done_before(void) {
  struct map *m = open_map(usual(2), 0);
  struct delivery d;
  int i, ok = 1;
  for (i = 1; i <= 100; i++)
    ok &= pool_room(m->pool) > 0 && pool_add_done(m->pool, VERDICT_RECORDED, &i, sizeof i) == STATUS_OK;
  check(ok && m->fake->workers[0].starts == 0, "a task that is done already starts no worker");
  for (i = 1; i <= 50; i++) {
    ok &= pool_ready(m->pool, &d) == STATUS_OK && d.index == (uint64_t)i && d.verdict == VERDICT_RECORDED &&
          !d.own && d.pid == 0 && d.size == sizeof i && memcmp(d.bytes, &i, sizeof i) == 0;
    pool_delivered(m->pool, &d);
  }
  check(ok, "its result is there at once, at its turn");
  check(pool_wait(m->pool, 0) == STATUS_AGAIN && m->fake->workers[0].starts == 0,
        "waiting starts none either");
  pool_end(m->pool);
  for (; i <= 100; i++) {
    ok &= pool_ready(m->pool, &d) == STATUS_OK && d.index == (uint64_t)i;
    pool_delivered(m->pool, &d);
  }
  check(ok && pool_finished(m->pool) && m->fake->workers[0].starts == 0,
        "a map of only such tasks has no worker");
  close_map(m);
}

static void test_mixed(int ordered) {
  struct pool_options options = usual(2);
  struct map *m;
  struct delivery d;
  uint64_t i, count = 0;
  int seen[41] = {0}, ok = 1, rounds;
  options.ordered = ordered;
  m = open_map(options, 0);
  for (i = 1; i <= 40; i++) {
    if (i % 3 == 0)
      ok &= pool_add_done(m->pool, VERDICT_RECORDED, &i, sizeof i) == STATUS_OK;
    else
      ok &= give_text(m, "task") == STATUS_OK;
  }
  pool_end(m->pool);
  for (rounds = 0; rounds < 100 && !pool_finished(m->pool); rounds++) {
    pool_flush(m->pool);
    busiest_first(m, 1);
    pool_wait(m->pool, 0);
    while (pool_ready(m->pool, &d) == STATUS_OK) {
      ok &= (d.verdict == VERDICT_RECORDED) == (d.index % 3 == 0) && !seen[d.index]++;
      ok &= !ordered || d.index == count + 1;
      count++;
      pool_delivered(m->pool, &d);
    }
  }
  check(ok && count == 40, ordered ? "done and other tasks come in one order"
                                   : "done and other tasks come each once, in no order");
  close_map(m);
}

struct keeper {
  uint64_t count, sum, refused;
};

static const char *keep_result(void *self, uint64_t index, const void *bytes, size_t size) {
  struct keeper *k = self;
  char text[64];
  text_of(index, text);
  k->count++;
  k->sum += size == strlen(text) && memcmp(bytes, text, size) == 0 ? index : 0;
  return index == k->refused ? "no room for it" : NULL;
}

static void test_keep(void) {
  struct pool_options options = usual(2);
  struct keeper keeper = {.refused = 30};
  struct map *m;
  int i;
  options.keep = keep_result;
  options.keeper = &keeper;
  options.retries = 2;
  m = open_map(options, 30);
  give(m);
  for (i = 0; i < 8; i++) { /* all answers but that to the first task: nothing can be handed over */
    struct fake_worker *w = &m->fake->workers[i % 2];
    while (w->count > 0 && w->tasks[w->count - 1].index != 1)
      fake_answer(m->fake, i % 2, w->count - 1, VERDICT_DONE);
    turn(m);
  }
  check(keeper.count > 0 && m->delivered == 0, "the keeper has each result before the first is handed over");
  check(finish(m, 0) && each_once(m) && keeper.count == 30 && keeper.sum == 30 * 31 / 2, "and each once");
  check(m->failed[VERDICT_TRANSFER] == 1 && m->last.own && strcmp(m->last_text, "no room for it") == 0,
        "what it refuses fails, and says why");
  close_map(m);
}

static void test_kept_failures(void) {
  struct pool_options options = usual(1);
  struct keeper keeper = {0};
  struct map *m;
  options.keep = keep_result;
  options.keeper = &keeper;
  m = open_map(options, 1);
  give(m);
  fake_answer(m->fake, 0, 0, VERDICT_ERROR);
  turn(m);
  check(m->failed[VERDICT_ERROR] == 1 && keeper.count == 0, "failures are not kept");
  close_map(m);
}

int main(void) {
  uint64_t seed = check_seed(1);
  test_empty();
  test_order();
  test_slow_head();
  test_buffersize();
  test_unordered();
  test_unordered_in_turn();
  test_even();
  test_slow_start();
  test_growth();
  test_wrong_total();
  test_runs(seed);
  test_chunks();
  test_run_nonsense();
  test_refused();
  test_refused_then_lost();
  test_start();
  test_start_refused();
  test_start_at_the_end();
  test_full();
  test_nonsense(seed);
  test_foreign_verdicts();
  test_culprit();
  test_pid();
  test_suspects();
  test_suspect_beside_others();
  test_innocent();
  test_suspect_retried();
  test_wrong_culprit();
  test_no_rerun();
  test_no_rerun_of_neighbours();
  test_deaths_in_a_row();
  test_lost_tasks();
  test_crash_text();
  test_failed_init();
  test_dead_init();
  test_retries();
  test_delay();
  test_beside_delays();
  test_delays_in_turn();
  test_quota();
  test_done_before();
  test_mixed(1);
  test_mixed(0);
  test_keep();
  test_kept_failures();
  test_chaos(seed);
  return check_end();
}
