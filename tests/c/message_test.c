/* message_test.c - whole messages through a ring: their bytes on the wire, their pieces, and nonsense. */
#include "config.h"
#include "message.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static int scarce; /* when set, memory is refused */

static void *scarce_realloc(void *old, size_t size) {
  return scarce ? NULL : realloc(old, size);
}

#define realloc scarce_realloc
#include "buffer.c"
#undef realloc

#define SIZE 4096

struct pipe {
  struct ring *ring;
  struct ring_writer writer;
  struct inbox inbox;
  size_t sent;
};

static void open_pipe(struct pipe *p) {
  *p = (struct pipe){.ring = aligned_alloc(RING_LINE, ring_footprint(SIZE))};
  ring_init(p->ring, SIZE);
  ring_writer_init(&p->writer, p->ring, SIZE);
  ring_reader_init(&p->inbox.reader, p->ring, SIZE);
}

static void close_pipe(struct pipe *p) {
  inbox_release(&p->inbox);
  free(p->ring);
}

static unsigned char *some_bytes(size_t size, uint64_t seed) {
  unsigned char *bytes = malloc(size + 1);
  size_t i;
  for (i = 0; i < size; i++)
    bytes[i] = (unsigned char)(seed + i * 7 + i / 251);
  return bytes;
}

static enum status send(struct pipe *p, const struct message *m) {
  return message_send(&p->writer, m, &p->sent);
}

static enum status receive(struct pipe *p, struct message *m) {
  return message_receive(&p->inbox, m);
}

/* -- the wire ---------------------------------------------------------------- */

static void test_golden(void) {
  static const unsigned char golden[] = {9,    2,    1,    3,    0, 0, 0,   0,   0x34, 0x12,
                                         0xbc, 0x9a, 0x78, 0x56, 0, 0, 'a', 'b', 'c'};
  struct message m = {.kind = 9,
                      .run = 0x102,
                      .attempt = 0x1234,
                      .index = 0x56789abc,
                      .bytes = (const unsigned char *)"abc",
                      .size = 3};
  struct pipe p;
  size_t size;
  unsigned char wire[sizeof golden];
  open_pipe(&p);
  check(send(&p, &m) == STATUS_OK, "a short message is sent at once");
  check(ring_peek(&p.inbox.reader, 1, &size) == STATUS_OK && size == sizeof golden,
        "a message takes 16 bytes and its own");
  ring_take(&p.inbox.reader, wire, sizeof wire);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  check(memcmp(wire, golden, sizeof golden) == 0, "the header's bytes are as message.h says");
#else
  check_skip("the header's bytes are as message.h says", "they are in another byte order here");
#endif
  close_pipe(&p);
}

static int equal(const struct message *a, const struct message *b) {
  return a->kind == b->kind && a->attempt == b->attempt && a->index == b->index && a->size == b->size &&
         (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static void test_limits(void) {
  struct message m = {.kind = 255, .attempt = MESSAGE_ATTEMPT_MAX, .index = (UINT64_C(1) << 48) - 1}, back;
  struct pipe p;
  open_pipe(&p);
  check(receive(&p, &back) == STATUS_AGAIN, "an empty ring has no message");
  check(send(&p, &m) == STATUS_OK && receive(&p, &back) == STATUS_OK && equal(&m, &back),
        "the largest numbers and no bytes at all arrive");
  message_done(&p.inbox, &back, NULL);
  check(receive(&p, &back) == STATUS_AGAIN, "a message comes once");
  close_pipe(&p);
}

static void test_room(void) {
  struct message m = {.kind = 1, .attempt = 1, .index = 1, .size = 100}, back;
  struct pipe p;
  int count = 0, ok = 1;
  unsigned char *bytes = some_bytes(100, 1);
  m.bytes = bytes;
  open_pipe(&p);
  while (send(&p, &m) == STATUS_OK)
    m.index++, count++;
  check(count == SIZE / 116 && p.sent == 0, "a full ring takes nothing of a short message");
  check(receive(&p, &back) == STATUS_OK && send(&p, &m) == STATUS_AGAIN,
        "the room of a message is not given back while its bytes are looked at");
  message_done(&p.inbox, &back, NULL);
  check(send(&p, &m) == STATUS_OK, "the room of a message is given back when it is done");
  for (m.index = 2; receive(&p, &back) == STATUS_OK; m.index++) {
    ok &= equal(&m, &back);
    message_done(&p.inbox, &back, NULL);
  }
  check(ok && m.index == (uint64_t)count + 2, "messages arrive whole and in order");
  free(bytes);
  close_pipe(&p);
}

/* -- pieces ------------------------------------------------------------------ */

/* Sends and receives by turns until it is there; the number of turns, 0: it did not arrive as it was. */
static int carry(struct pipe *p, const struct message *m, struct buffer *keep) {
  struct message back;
  int turns = 1, sent = 0;
  for (;; turns++) {
    if (!sent)
      sent = send(p, m) == STATUS_OK;
    if (receive(p, &back) == STATUS_OK)
      break;
    if (turns > 100000)
      return 0;
  }
  if (!sent || !equal(m, &back))
    return 0;
  message_done(&p->inbox, &back, keep);
  return turns;
}

static void test_sizes(void) {
  static const size_t edges[] = {0, 1, SIZE / 2, SIZE, SIZE * 3 / 2, SIZE * 2};
  struct pipe p;
  struct message m = {.kind = 2, .attempt = 3, .index = 7, .size = SIZE * 1000};
  unsigned char *huge;
  size_t i, around;
  int ok = 1;
  open_pipe(&p);
  for (i = 0; i < sizeof edges / sizeof *edges; i++)
    for (around = 0; around < 40; around++) {
      size_t size = edges[i] < 20 ? edges[i] + around : edges[i] + around - 20;
      unsigned char *bytes = some_bytes(size, i + around);
      struct message one = {.kind = 2, .attempt = 3, .index = i * 100 + around, .bytes = bytes, .size = size};
      ok &= carry(&p, &one, NULL) > 0;
      free(bytes);
    }
  check(ok, "messages of every size around the ring's arrive, long ones in pieces");
  m.bytes = huge = some_bytes(m.size, 1);
  check(carry(&p, &m, NULL) > 0, "a message a thousand times the ring's size arrives");
  free(huge);
  check(p.inbox.gathered.capacity <= 1 << 20, "the memory of a huge message is not kept for ever");
  close_pipe(&p);
}

static void test_keep(void) {
  unsigned char *bytes = some_bytes(SIZE * 3, 5);
  struct message m = {.kind = 2, .attempt = 1, .index = 1, .bytes = bytes, .size = SIZE * 3};
  struct buffer keep = {0};
  struct pipe p;
  open_pipe(&p);
  buffer_append(&keep, "old bytes are freed", 19);
  check(carry(&p, &m, &keep) > 0 && keep.size == m.size && memcmp(keep.bytes, bytes, m.size) == 0,
        "the bytes of a gathered message are handed over without a copy");
  check(p.inbox.gathered.bytes == NULL, "bytes handed over are no longer the inbox's");
  check(carry(&p, &m, NULL) > 0, "the next message finds the inbox as new");
  check(keep.size == m.size && memcmp(keep.bytes, bytes, m.size) == 0, "bytes handed over stay");
  buffer_release(&keep);
  free(bytes);
  close_pipe(&p);
}

/* One that lies across the end of the ring's memory is gathered too, though it was there at once. */
static void test_wrap(void) {
  struct pipe p;
  unsigned char *bytes = some_bytes(1000, 9);
  struct message m = {.kind = 2, .attempt = 1, .bytes = bytes, .size = 1000};
  int ok = 1;
  open_pipe(&p);
  for (m.index = 1; m.index < 5000; m.index++) {
    m.size = m.index * 7 % 1000;
    ok &= carry(&p, &m, NULL) == 1;
  }
  check(ok, "messages that wrap around arrive at once");
  free(bytes);
  close_pipe(&p);
}

/* -- two threads: long and short ones by turns -------------------------------- */

#define LARGEST (SIZE * 5)

static struct message numbered(uint64_t index, const unsigned char *bytes) {
  struct message m = {.kind = index % 8, .attempt = (uint32_t)(index % 9), .index = index};
  m.size = (size_t)(index * 2654435761u % (index % 16 == 0 ? LARGEST : 64));
  m.bytes = bytes + index % 100;
  return m;
}

struct sender {
  struct pipe *pipe;
  const unsigned char *bytes;
  uint64_t count;
};

static void *send_all(void *argument) {
  struct sender *s = argument;
  uint64_t i;
  for (i = 1; i <= s->count; i++) {
    struct message m = numbered(i, s->bytes);
    while (send(s->pipe, &m) != STATUS_OK)
      sched_yield();
  }
  return NULL;
}

static void test_threads(void) {
  unsigned char *bytes = some_bytes(LARGEST + 100, 3);
  struct pipe p;
  struct sender sender = {.pipe = &p, .bytes = bytes, .count = (uint64_t)check_times(200000)};
  pthread_t thread;
  uint64_t i;
  int ok = 1;
  open_pipe(&p);
  pthread_create(&thread, NULL, send_all, &sender);
  for (i = 1; i <= sender.count; i++) {
    struct message m = numbered(i, bytes), back;
    enum status status;
    while ((status = receive(&p, &back)) == STATUS_AGAIN)
      sched_yield();
    if (status != STATUS_OK)
      check_bail("message %llu: status %d", (unsigned long long)i, status);
    ok &= equal(&m, &back);
    message_done(&p.inbox, &back, NULL);
  }
  pthread_join(thread, NULL);
  check(ok, "long and short messages by turns arrive from another thread whole and in order");
  free(bytes);
  close_pipe(&p);
}

/* -- trouble -------------------------------------------------------------------- */

static void test_nonsense(uint64_t seed) {
  struct pipe p;
  int i, round, ok = 1;
  for (round = 0; round < check_times(2000); round++) {
    struct message m;
    open_pipe(&p);
    for (i = 0; i < 20; i++) {
      unsigned char junk[300];
      size_t j, size = check_random(&seed, sizeof junk);
      for (j = 0; j < size; j++)
        junk[j] = (unsigned char)(check_random(&seed, 3) ? 0 : check_random(&seed, 256));
      if (ring_room(&p.writer, size) >= size)
        ring_put(&p.writer, junk, size);
      ring_publish(&p.writer);
      if (check_random(&seed, 30) == 0)
        atomic_store(&p.ring->written, check_random(&seed, UINT64_MAX));
      while (receive(&p, &m) == STATUS_OK) {
        size_t sum = 0;
        for (j = 0; j < m.size; j++)
          sum += m.bytes[j]; /* ASan: all of it may be read */
        ok &= sum != 1;      /* junk rarely sums up so: only to use it */
        ok |= 1;
        message_done(&p.inbox, &m, NULL);
      }
    }
    ok &= p.inbox.gathered.capacity <= 1 << 20;
    close_pipe(&p);
  }
  check(ok, "bytes at random neither crash the reader nor make it take memory for what never came");
}

static void test_huge_size(void) {
  struct pipe p;
  uint64_t words[2] = {UINT64_MAX, 1 << 16 | 1};
  struct message m;
  open_pipe(&p);
  ring_put(&p.writer, words, sizeof words);
  ring_publish(&p.writer);
  check(receive(&p, &m) == STATUS_AGAIN && p.inbox.gathered.capacity == 0,
        "a size of 2^40 takes no memory before its bytes");
  close_pipe(&p);
}

static void test_scarce(void) {
  unsigned char *bytes = some_bytes(SIZE * 3, 5);
  struct message m = {.kind = 2, .attempt = 1, .index = 1, .bytes = bytes, .size = SIZE * 3}, back;
  struct pipe p;
  open_pipe(&p);
  send(&p, &m);
  scarce = 1;
  check(receive(&p, &back) == STATUS_NOMEM, "a reader without memory for a long message says so");
  scarce = 0;
  inbox_release(&p.inbox);
  check(p.inbox.gathered.bytes == NULL && !p.inbox.gathering, "a released inbox holds nothing");
  free(bytes);
  close_pipe(&p);
}

int main(void) {
  uint64_t seed = check_seed(3);
  test_golden();
  test_limits();
  test_room();
  test_sizes();
  test_keep();
  test_wrap();
  test_threads();
  test_nonsense(seed);
  test_huge_size();
  test_scarce();
  return check_end();
}
