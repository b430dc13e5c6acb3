#include "config.h"
#include "tally.h"

#include <stdlib.h>

enum status tally_open(struct tally *tally, int worker_count) {
  *tally = (struct tally){.worker_count = worker_count};
  tally->workers = calloc((size_t)worker_count, sizeof *tally->workers);
  return tally->workers == NULL ? STATUS_NOMEM : STATUS_OK;
}

void tally_close(struct tally *tally) {
  free(tally->workers);
  free(tally->lives);
  *tally = (struct tally){0};
}

void tally_slow(struct slow_task slow[TALLY_SLOW], uint64_t index, uint64_t ns) {
  int i = TALLY_SLOW - 1;
  if (index == 0 || ns <= slow[i].ns)
    return;
  for (; i > 0 && ns > slow[i - 1].ns; i--)
    slow[i] = slow[i - 1];
  slow[i] = (struct slow_task){index, ns};
}

void tally_add(struct tally_worker *worker, const struct tally_worker *life) {
  int i;
  worker->pid = life->pid;
  worker->lives += life->lives;
  worker->threads = life->threads > worker->threads ? life->threads : worker->threads;
  worker->tasks += life->tasks;
  worker->working_ns += life->working_ns;
  worker->cpu_ns += life->cpu_ns;
  for (i = 0; i < TALLY_SLOW; i++)
    tally_slow(worker->slow, life->slow[i].index, life->slow[i].ns);
}

static int make_room(struct tally *tally) {
  size_t capacity = tally->life_capacity * 2 + 16;
  struct tally_life *lives;
  if (tally->life_count < tally->life_capacity)
    return 1;
  if ((lives = realloc(tally->lives, capacity * sizeof *lives)) == NULL)
    return 0;
  tally->lives = lives;
  tally->life_capacity = capacity;
  return 1;
}

long tally_start(struct tally *tally, int worker, int pid, int64_t now) {
  if (!tally->keep_lives || !make_room(tally))
    return -1;
  tally->lives[tally->life_count] = (struct tally_life){.worker = worker, .pid = pid, .start = now};
  return (long)tally->life_count++;
}

void tally_stop(struct tally *tally, long number, int64_t now) {
  if (number >= 0)
    tally->lives[number].stop = now;
}
