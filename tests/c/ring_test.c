/* ring_test.c - the byte ring between threads, between processes, and against a partner gone mad. */
#include "config.h"
#include "ring.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SIZE  1024
#define PIECE (SIZE + 200) /* some wishes are larger than the ring */

/* Forbidden pages before and right behind the ring: who leaves it, crashes. */
static struct ring *new_ring(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (ring_footprint(SIZE) + page - 1) / page * page;
  unsigned char *memory = mmap(NULL, used + 2 * page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + page, used, PROT_READ | PROT_WRITE) != 0)
    check_bail("no shared memory");
  memset(memory + page, 0xee, used); /* ring_init must not need zeros */
  memory += page + used - ring_footprint(SIZE);
  ring_init((struct ring *)memory, SIZE);
  return (struct ring *)memory;
}

static void free_ring(struct ring *ring) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (ring_footprint(SIZE) + page - 1) / page * page;
  munmap((unsigned char *)ring + ring_footprint(SIZE) - used - page, used + 2 * page);
}

/* The byte that belongs at a position of the stream. */
static unsigned char at(uint64_t position) {
  return (unsigned char)((position * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

/* -- alone ---------------------------------------------------------------- */

static void test_alone(void) {
  struct ring *ring = new_ring();
  struct ring_writer w;
  struct ring_reader r;
  unsigned char bytes[SIZE], back[SIZE];
  size_t size, piece;
  uint64_t i;
  ring_writer_init(&w, ring, SIZE);
  ring_reader_init(&r, ring, SIZE);
  for (i = 0; i < SIZE; i++)
    bytes[i] = at(i);
  check(ring_room(&w, 1) == SIZE, "a new ring has room for its size");
  check(ring_peek(&r, 1, &size) == STATUS_OK && size == 0, "a new ring holds nothing");
  ring_put(&w, bytes, 700);
  check(ring_peek(&r, 1, &size) == STATUS_OK && size == 0,
        "bytes put are not visible before they are published");
  ring_publish(&w);
  check(ring_peek(&r, 1, &size) == STATUS_OK && size == 700, "bytes published are visible");
  ring_take(&r, back, 600);
  check(memcmp(bytes, back, 600) == 0, "what comes out is what went in");
  check(ring_room(&w, SIZE) == SIZE - 700, "room taken is not given back before it is released");
  ring_release(&r);
  check(ring_room(&w, SIZE) == SIZE - 100, "room released is there again");
  ring_put(&w, bytes, SIZE - 100);
  ring_publish(&w);
  check(ring_room(&w, 1) == 0, "a ring can be filled to the last byte");
  check(ring_peek(&r, SIZE, &size) == STATUS_OK && size == SIZE, "a full ring holds its size");
  ring_skip(&r, 100);
  check(ring_piece(&r, SIZE - 100, &piece) != NULL && piece == SIZE - 700,
        "a piece ends where the ring's memory does");
  ring_take(&r, back, SIZE - 100);
  check(memcmp(bytes, back, SIZE - 100) == 0, "bytes that wrap around come out in order");
  ring_put(&w, NULL, 0);
  ring_take(&r, NULL, 0);
  check(ring_peek(&r, 0, &size) == STATUS_OK && size == 0, "nothing put and nothing taken changes nothing");
  free_ring(ring);
}

/* -- two threads, two processes ------------------------------------------- */

struct side {
  struct ring *ring;
  uint64_t seed, total;
  int ok;
};

static void *write_all(void *argument) {
  struct side *side = argument;
  struct ring_writer w;
  unsigned char bytes[PIECE];
  ring_writer_init(&w, side->ring, SIZE);
  while (w.written < side->total) {
    size_t i, size = check_random(&side->seed, PIECE), room = ring_room(&w, size);
    if (room > side->total - w.written)
      room = side->total - w.written;
    if (size > room)
      size = room;
    for (i = 0; i < size; i++)
      bytes[i] = at(w.written + i);
    ring_put(&w, bytes, size);
    if (size == 0 || check_random(&side->seed, 4) > 0 || w.written == side->total)
      ring_publish(&w);
    if (size == 0)
      sched_yield();
  }
  return NULL;
}

static int same(const unsigned char *bytes, size_t size, uint64_t position) {
  size_t i;
  for (i = 0; i < size; i++)
    if (bytes[i] != at(position + i))
      return 0;
  return 1;
}

/* Reads by copy or in place; gives the room back now or later. */
static int read_some(struct ring_reader *r, size_t size, int in_place) {
  unsigned char bytes[SIZE];
  const unsigned char *from = bytes;
  int ok;
  if (in_place)
    from = ring_piece(r, size, &size);
  else
    ring_take(r, bytes, size);
  ok = same(from, size, in_place ? r->taken : r->taken - size);
  if (in_place)
    ring_skip(r, size);
  return ok;
}

static void *read_all(void *argument) {
  struct side *side = argument;
  struct ring_reader r;
  ring_reader_init(&r, side->ring, SIZE);
  side->ok = 1;
  while (side->ok && r.taken < side->total) {
    size_t wish = check_random(&side->seed, PIECE), size;
    if (ring_peek(&r, wish, &size) != STATUS_OK)
      side->ok = 0;
    else if (size > 0)
      side->ok = read_some(&r, size < wish ? size : wish, (int)check_random(&side->seed, 2));
    if (size == 0 || check_random(&side->seed, 4) > 0)
      ring_release(&r);
    if (size == 0)
      sched_yield();
  }
  return NULL;
}

static void test_threads(uint64_t seed) {
  struct ring *ring = new_ring();
  struct side writer = {.ring = ring, .seed = seed + 1, .total = (uint64_t)check_times(20000000)};
  struct side reader = {.ring = ring, .seed = seed + 2, .total = writer.total};
  pthread_t thread;
  pthread_create(&thread, NULL, write_all, &writer);
  read_all(&reader);
  if (!reader.ok)
    check_bail("the stream is broken: the writer would wait for ever");
  pthread_join(thread, NULL);
  check(reader.ok, "a stream between two threads arrives whole");
  free_ring(ring);
}

static void test_processes(uint64_t seed) {
  struct ring *ring = new_ring();
  struct side writer = {.ring = ring, .seed = seed + 3, .total = (uint64_t)check_times(20000000)};
  struct side reader = {.ring = ring, .seed = seed + 4, .total = writer.total};
  pid_t pid = fork();
  if (pid == 0) {
    write_all(&writer);
    _exit(0);
  }
  read_all(&reader);
  if (!reader.ok)
    check_bail("the stream is broken: the writer would wait for ever");
  waitpid(pid, NULL, 0);
  check(reader.ok, "a stream between two processes arrives whole");
  free_ring(ring);
}

/* -- a partner gone mad ---------------------------------------------------- */

static void test_mad_writer(uint64_t seed) {
  struct ring *ring = new_ring();
  struct ring_reader r;
  size_t size;
  int i, ok = 1;
  ring_reader_init(&r, ring, SIZE);
  atomic_store(&ring->written, SIZE + 1);
  check(ring_peek(&r, 1, &size) == STATUS_CLOSED, "a writer's position beyond the ring's size closes it");
  atomic_store(&ring->written, 10);
  check(ring_peek(&r, 1, &size) == STATUS_CLOSED, "a writer that comes to its senses stays closed");
  ring_reader_init(&r, ring, SIZE);
  check(ring_peek(&r, 10, &size) == STATUS_OK && size == 10, "a new reader starts anew");
  ring_skip(&r, 10);
  atomic_store(&ring->written, 9);
  check(ring_peek(&r, 1, &size) == STATUS_CLOSED, "a writer's position that goes back closes the ring");
  ring_reader_init(&r, ring, SIZE);
  ring->size = UINT64_MAX / 2;
  atomic_store(&ring->written, SIZE + 1);
  check(ring_peek(&r, 1, &size) == STATUS_CLOSED, "the size in shared memory is not trusted");
  for (i = 0; i < 100000; i++) { /* the forbidden pages watch */
    ring_reader_init(&r, ring, SIZE);
    r.taken = r.written = check_random(&seed, UINT64_MAX);
    atomic_store(&ring->written, r.taken + check_random(&seed, 3 * SIZE) - SIZE);
    if (ring_peek(&r, SIZE, &size) == STATUS_OK) {
      unsigned char bytes[SIZE];
      ok &= size <= SIZE;
      ring_take(&r, bytes, size);
    }
  }
  check(ok, "no position of a writer makes the reader leave the ring");
  free_ring(ring);
}

static void test_mad_reader(uint64_t seed) {
  struct ring *ring = new_ring();
  struct ring_writer w;
  unsigned char bytes[SIZE] = {0};
  int i, ok = 1;
  ring_writer_init(&w, ring, SIZE);
  atomic_store(&ring->taken, 1);
  ring_put(&w, bytes, ring_room(&w, SIZE));
  check(ring_room(&w, SIZE) <= SIZE, "a reader ahead of the writer gives no more than the ring");
  atomic_store(&ring->taken, UINT64_MAX - SIZE);
  check(ring_room(&w, SIZE) <= SIZE, "a reader far behind the writer makes the ring look full");
  for (i = 0; i < 100000; i++) {
    atomic_store(&ring->taken, w.written + check_random(&seed, 4 * SIZE) - 2 * SIZE);
    size_t room = ring_room(&w, SIZE);
    ok &= room <= SIZE;
    ring_put(&w, bytes, room);
  }
  check(ok, "no position of a reader makes the writer leave the ring");
  free_ring(ring);
}

int main(void) {
  uint64_t seed = check_seed(20240601);
  test_alone();
  test_threads(seed);
  test_processes(seed);
  test_mad_writer(seed);
  test_mad_reader(seed);
  return check_end();
}
