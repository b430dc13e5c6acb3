/* tally_test.c - figures of workers, and records of tasks. */
#include "config.h"
#include "tally.h"

#include <string.h>

#include "check.h"
#include "record.h"

static void test_slow(void) {
  struct slow_task slow[TALLY_SLOW] = {0};
  uint64_t i, seed = 5;
  int ordered = 1;
  for (i = 1; i <= 1000; i++)
    tally_slow(slow, i, check_random(&seed, 1000000));
  tally_slow(slow, 5000, 2000000);
  tally_slow(slow, 0, 3000000);
  for (i = 1; i < TALLY_SLOW; i++)
    ordered &= slow[i].ns <= slow[i - 1].ns && slow[i].index != 0;
  check(ordered && slow[0].index == 5000, "the slowest tasks are kept, the slowest first");
}

static void test_lives(void) {
  struct tally tally;
  struct tally_worker life = {
      .pid = 7, .lives = 1, .threads = 3, .tasks = 10, .working_ns = 100, .cpu_ns = 50};
  long first;
  tally_open(&tally, 2);
  check(tally_start(&tally, 1, 7, 100) == -1, "lives are not kept unless they are wanted");
  tally.keep_lives = 1;
  first = tally_start(&tally, 1, 7, 100);
  tally_start(&tally, 0, 8, 110);
  tally_stop(&tally, first, 200);
  tally_stop(&tally, -1, 200);
  check(tally.life_count == 2 && tally.lives[0].stop == 200 && tally.lives[1].stop == 0, "each has its end");
  life.slow[0] = (struct slow_task){4, 99};
  tally_add(&tally.workers[1], &life);
  life.pid = 9;
  life.threads = 2;
  tally_add(&tally.workers[1], &life);
  check(tally.workers[1].lives == 2 && tally.workers[1].tasks == 20 && tally.workers[1].threads == 3 &&
            tally.workers[1].pid == 9 && tally.workers[1].cpu_ns == 100,
        "what a worker does in its lives adds up");
  tally_close(&tally);
  check(tally.workers == NULL && tally.lives == NULL, "a closed tally holds nothing");
}

static void test_stamps(void) {
  struct stamp stamp = {.start = 5, .ns = 6, .waited = 7, .thread = 8, .pid = 9}, back;
  struct buffer b = {0};
  size_t size;
  buffer_append(&b, "result", 6);
  stamp_put(&b, &stamp);
  size = b.size;
  check(stamp_take(b.bytes, &size, &back) == STATUS_OK && size == 6 &&
            memcmp(&stamp, &back, sizeof stamp) == 0,
        "a stamp comes off as it was put on");
  check(stamp_take(b.bytes, &size, &back) == STATUS_FORMAT && size == 6,
        "where there is none, none comes off");
  buffer_release(&b);
}

static void test_records(void) {
  struct records records = {0};
  struct record r = {0};
  size_t i;
  for (i = 0; i < RECORDS_MOST + 10; i++) {
    r.index = i + 1;
    record_add(&records, &r);
  }
  check(records.count == RECORDS_MOST && records.left_out == 10 && records.list[77].index == 78,
        "no more records are kept than a million, and the others counted");
  records_release(&records);
}

int main(void) {
  test_slow();
  test_lives();
  test_stamps();
  test_records();
  return check_end();
}
