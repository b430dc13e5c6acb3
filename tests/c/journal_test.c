/* journal_test.c - a file of records: whole ones are found again whatever happens to the rest of the file. */
#include "config.h"
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static long allowed = -1; /* allocations still granted; -1: all */

static int refused(void) {
  return allowed == 0 || (allowed > 0 && allowed-- == 0);
}

static void *scarce_malloc(size_t size) {
  return refused() ? NULL : malloc(size);
}

static void *scarce_calloc(size_t count, size_t size) {
  return refused() ? NULL : calloc(count, size);
}

static void *scarce_realloc(void *old, size_t size) {
  return refused() ? NULL : realloc(old, size);
}

#define malloc  scarce_malloc
#define calloc  scarce_calloc
#define realloc scarce_realloc
#include "buffer.c"
#include "journal.c"
#undef malloc
#undef calloc
#undef realloc
#undef HEAD

#define HEAD 40

static char path[64];

/* The body of record k. */
static size_t body_of(uint64_t k, unsigned char *body) {
  size_t size = (size_t)(k * 37 % 200), i;
  for (i = 0; i < size; i++)
    body[i] = (unsigned char)(k + i);
  return size;
}

static enum status add(struct journal *j, uint64_t k) {
  unsigned char body[200];
  struct digest digest = digest_of(1, &k, sizeof k);
  return journal_add(j, (uint32_t)k % 3, &digest, body, body_of(k, body));
}

/* Record and body are those of record k. */
static int is(struct journal *j, const struct journal_record *r, uint64_t k) {
  unsigned char body[200];
  struct buffer b = {0};
  struct digest digest = digest_of(1, &k, sizeof k);
  size_t size = body_of(k, body);
  int ok = r->kind == k % 3 && r->size == size && memcmp(r->digest.bytes, digest.bytes, DIGEST_SIZE) == 0;
  ok = ok && journal_read(j, r->at, &b) == STATUS_OK && b.size == size && memcmp(b.bytes, body, size) == 0;
  buffer_release(&b);
  return ok;
}

/* Opens the file and looks it through. Returns how many records there are; -1: something else happened. */
static int reopen(struct journal **j, struct journal_record *records, int most) {
  enum status status = journal_open(j, path);
  int n = 0;
  while (status == STATUS_OK && n < most && (status = journal_next(*j, &records[n])) == STATUS_OK)
    n++;
  return status == STATUS_CLOSED ? n : -1;
}

/* The file holds exactly records 1 to count. */
static int holds(int count) {
  struct journal_record records[64];
  struct journal *j;
  int n = reopen(&j, records, 64), i;
  int ok = n == count;
  for (i = 0; ok && i < n; i++)
    ok = is(j, &records[i], (uint64_t)i + 1);
  journal_close(&j);
  return ok;
}

static off_t size_of_file(void) {
  struct stat about;
  return stat(path, &about) == 0 ? about.st_size : -1;
}

static void overwrite(off_t at, const void *bytes, size_t size) {
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  if (fd < 0 || pwrite(fd, bytes, size, at) != (ssize_t)size)
    check_bail("cannot write to %s", path);
  close(fd);
}

static unsigned char byte_at(off_t at) {
  unsigned char byte = 0;
  int fd = open(path, O_RDONLY);
  if (pread(fd, &byte, 1, at) != 1)
    check_bail("cannot read from %s", path);
  close(fd);
  return byte;
}

/* A file with records 1 to count, and nothing else. */
static void make(int count) {
  struct journal_record r;
  struct journal *j;
  int i, n;
  unlink(path);
  n = reopen(&j, &r, 1);
  for (i = 1; n == 0 && i <= count; i++)
    n = add(j, (uint64_t)i) != STATUS_OK;
  if (n != 0 || journal_flush(j) != STATUS_OK)
    check_bail("cannot make %s", path);
  journal_close(&j);
}

static void test_life(void) {
  struct journal_record records[64];
  struct journal *j;
  int n;
  off_t size;
  make(0);
  check(size_of_file() == 0 && holds(0), "a new journal is an empty file");
  make(20);
  check(holds(20), "records are found again, with their bodies");
  n = reopen(&j, records, 64);
  size = size_of_file();
  add(j, 21);
  check(n == 20 && size_of_file() == size, "a record waits for the flush");
  check(journal_flush(j) == STATUS_OK && size_of_file() == size + HEAD + 21 * 37 % 200, "which appends it");
  journal_close(&j);
  check(holds(21), "the next run adds to those of the last");
  n = reopen(&j, records, 64);
  check(journal_restart(j) == STATUS_OK && add(j, 1) == STATUS_OK && journal_flush(j) == STATUS_OK,
        "a journal begins anew");
  journal_close(&j);
  check(holds(1), "and then holds what came since");
}

/* The second copy of the table in journal.h. */
static void test_golden(void) {
  static const unsigned char expected[] = {
      'f',  'a',  's',  't',  '_',  'm',  'a',  'p',  ' ',  'j',  'o',  'u',  'r',  'n',  'a',  'l',
      ' ',  '1',  '\n', 0xfa, 'J',  'R',  '\n', 2,    1,    0,    0,    5,    0,    0,    0,    0,
      0,    0,    0,    0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c,
      0x1d, 0x1e, 0x1f, 0x6b, 0x47, 0x00, 0x5b, 0x9c, 0x65, 0xeb, 0x9e, 'h',  'e',  'l',  'l',  'o'};
  unsigned char bytes[sizeof expected + 1];
  struct digest digest;
  struct journal_record r;
  struct journal *j;
  int i, fd, n = 0;
  for (i = 0; i < DIGEST_SIZE; i++)
    digest.bytes[i] = (unsigned char)(0x10 + i);
  make(0);
  n = reopen(&j, &r, 1) == 0 && journal_add(j, 0x102, &digest, "hello", 5) == STATUS_OK;
  n = n && journal_flush(j) == STATUS_OK;
  journal_close(&j);
  fd = open(path, O_RDONLY);
  n = n && read(fd, bytes, sizeof bytes) == sizeof expected;
  close(fd);
  check(n && memcmp(bytes, expected, sizeof expected) == 0, "the file has the bytes of the table");
}

/* Whatever allocation fails, the file is a journal, and holds what was flushed. */
static void test_scarce(void) {
  int at, ok = 1, done = 0;
  for (at = 0; !done && at < 1000; at++) {
    struct journal_record records[8];
    struct buffer b = {0};
    struct journal *j = NULL;
    int n, flushed = 0, k;
    make(3);
    allowed = at;
    n = reopen(&j, records, 8);
    for (k = 4; n == 3 && k <= 6; k++)
      if (add(j, (uint64_t)k) != STATUS_OK || journal_flush(j) != STATUS_OK)
        break;
      else
        flushed++;
    done = n == 3 && flushed == 3 && journal_read(j, records[1].at, &b) == STATUS_OK;
    allowed = -1;
    buffer_release(&b);
    journal_close(&j);
    ok &= holds(3 + flushed);
  }
  check(ok && done && at > 4, "without memory nothing that was flushed is lost");
}

/* Power was lost while the last record was written: any part of it may be there. */
static void test_torn(void) {
  off_t begin, end, at;
  int ok = 1, i;
  make(4);
  begin = size_of_file();
  make(5);
  end = size_of_file();
  for (at = begin; at < end; at++) {
    make(5);
    ok &= truncate(path, at) == 0 && holds(4) && size_of_file() == begin;
  }
  check(ok, "a last record that is cut anywhere is cut off, the others stay");
  for (at = begin; at < end; at++) {
    unsigned char other;
    make(5);
    other = (unsigned char)(byte_at(at) ^ 0x10);
    overwrite(at, &other, 1);
    ok &= holds(4) && size_of_file() == begin;
  }
  check(ok, "the same when it has any wrong byte");
  make(5);
  for (i = 0; i < 3; i++)
    overwrite(size_of_file(), "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
  check(holds(5) && size_of_file() == end, "zeros behind the last record are cut off");
  for (at = 8, ok = 1; at < (off_t)TITLE_SIZE; at++) {
    make(1);
    ok &= truncate(path, at) == 0 && holds(0) && size_of_file() == 0;
  }
  check(ok, "a journal that was cut in its first line is empty");
}

static void test_damaged(void) {
  struct journal_record records[64];
  struct journal *j;
  struct buffer b = {0};
  int n, k, ok = 1;
  for (k = 0; k < 5; k++) {
    off_t size;
    make(20);
    n = reopen(&j, records, 64);
    journal_close(&j);
    overwrite((off_t)records[7].at + k * 9, "damage", 6);
    size = size_of_file();
    n = reopen(&j, records, 64);
    ok &= n == 19 && is(j, &records[6], 7) && is(j, &records[7], 9) && is(j, &records[18], 20);
    ok &= add(j, 21) == STATUS_OK && journal_flush(j) == STATUS_OK && size_of_file() > size;
    journal_close(&j);
    n = reopen(&j, records, 64);
    ok &= n == 20 && is(j, &records[19], 21);
    journal_close(&j);
  }
  check(ok, "a damaged record costs that record only");
  n = reopen(&j, records, 64);
  overwrite((off_t)records[3].at + HEAD, "changed", 7);
  check(journal_read(j, records[3].at, &b) == STATUS_FORMAT && is(j, &records[4], 5),
        "a record that is damaged after it was seen is not believed");
  check(journal_read(j, records[3].at + 1, &b) == STATUS_FORMAT &&
            journal_read(j, (uint64_t)size_of_file() - 3, &b) == STATUS_FORMAT,
        "there is a record only where one begins");
  buffer_release(&b);
  journal_close(&j);
}

/* The record is one of 1 to 21, whole. */
static int is_genuine(struct journal *j, const struct journal_record *r) {
  uint64_t k;
  for (k = 1; k <= 21; k++)
    if (is(j, r, k))
      return 1;
  return 0;
}

static void test_random(uint64_t seed) {
  struct journal_record records[64];
  struct journal *j;
  int round, ok = 1;
  for (round = 0; round < check_times(500); round++) {
    unsigned char bytes[64];
    size_t i, size = 1 + check_random(&seed, sizeof bytes);
    int hits, n, k;
    make(20);
    for (hits = (int)check_random(&seed, 4); hits >= 0; hits--) {
      for (i = 0; i < size; i++)
        bytes[i] = (unsigned char)check_random(&seed, 256);
      overwrite((off_t)(TITLE_SIZE + check_random(&seed, (uint64_t)size_of_file())), bytes, size);
    }
    if (round % 3 == 0 && truncate(path, (off_t)(TITLE_SIZE + check_random(&seed, 2000))) != 0)
      check_bail("cannot cut %s", path);
    n = reopen(&j, records, 64);
    ok &= n >= 0 && n <= 20;
    for (k = 0; k < n; k++)
      ok &= is_genuine(j, &records[k]);
    ok &= add(j, 21) == STATUS_OK && journal_flush(j) == STATUS_OK;
    journal_close(&j);
    ok &= reopen(&j, records, 64) == n + 1 && is(j, &records[n], 21);
    journal_close(&j);
  }
  check(ok, "whatever is written over it, only genuine records are found, and it goes on");
}

/* A result may be a journal itself. */
static void test_nested(void) {
  unsigned char bytes[4096];
  struct journal_record records[64];
  struct journal *j;
  struct digest digest = digest_of(1, "", 0);
  ssize_t size;
  int fd, n;
  make(10);
  fd = open(path, O_RDONLY);
  size = read(fd, bytes, sizeof bytes);
  close(fd);
  make(1);
  n = reopen(&j, records, 64);
  journal_add(j, 9, &digest, bytes, (size_t)size);
  journal_flush(j);
  journal_close(&j);
  truncate(path, size_of_file() - 1);
  check(n == 1 && holds(1), "records inside of a torn record are not taken for its followers");
}

static void test_large(void) {
  struct journal_record records[4];
  struct journal *j;
  struct buffer b = {0};
  size_t size = (size_t)3 << 20, i;
  struct digest digest = digest_of(1, "", 0);
  unsigned char *body = malloc(size);
  int n, ok;
  for (i = 0; body != NULL && i < size; i++)
    body[i] = (unsigned char)(i * i >> 7);
  make(0);
  n = reopen(&j, records, 4);
  ok = n == 0 && journal_add(j, 1, &digest, body, size) == STATUS_OK;
  check(ok && size_of_file() > (off_t)size, "a large record does not wait in memory for the flush");
  ok = add(j, 1) == STATUS_OK && journal_flush(j) == STATUS_OK;
  journal_close(&j);
  n = reopen(&j, records, 4);
  check(ok && n == 2 && journal_read(j, records[0].at, &b) == STATUS_OK && b.size == size &&
            memcmp(b.bytes, body, size) == 0 && is(j, &records[1], 1),
        "and is found again");
  buffer_release(&b);
  journal_close(&j);
  truncate(path, (off_t)size);
  check(holds(0), "or cut off");
  free(body);
}

static void test_foreign(void) {
  static const char *const texts[] = {"hello", "f", "fast_ma", "fast_map journal 2\n",
                                      "\0\0\0\0\0\0\0\0\0\0"};
  struct journal *j;
  int ok = 1;
  size_t i;
  for (i = 0; i < sizeof texts / sizeof *texts; i++) {
    size_t size = i == 4 ? 10 : strlen(texts[i]);
    unlink(path);
    overwrite(0, texts[i], size);
    ok &= journal_open(&j, path) == STATUS_FORMAT && j == NULL && size_of_file() == (off_t)size &&
          byte_at(0) == (unsigned char)texts[i][0];
  }
  check(ok, "another file is refused and left alone");
  check(journal_open(&j, "/dev/full") == STATUS_TYPE && journal_open(&j, "/dev/null") == STATUS_TYPE,
        "so is a device");
  check(journal_open(&j, "/") == STATUS_SYSTEM && errno == EISDIR, "and a folder");
  check(journal_open(&j, "/nowhere/at/all") == STATUS_SYSTEM && errno == ENOENT, "and what cannot be made");
}

static void test_lock(void) {
  struct journal_record records[64];
  struct journal *j, *other;
  int fds[2], status, n;
  pid_t child;
  make(3);
  n = reopen(&j, records, 64);
  check(n == 3 && journal_open(&other, path) == STATUS_AGAIN && other == NULL,
        "a journal is open once, also in one process");
  if (pipe(fds) != 0 || (child = fork()) < 0)
    check_bail("cannot fork");
  if (child == 0) { /* as a worker: alive when the parent is gone */
    char byte;
    close(fds[1]);
    _exit(add(j, 4) == STATUS_OK && journal_flush(j) == STATUS_SYSTEM && read(fds[0], &byte, 1) == 0 ? 0 : 1);
  }
  journal_close(&j);
  check(holds(3), "a child does not keep it from the next run");
  close(fds[1]);
  close(fds[0]);
  check(waitpid(child, &status, 0) == child && status == 0, "nor does it write to it");
  check(holds(3), "so it has what it had");
}

static void test_full(void) {
  struct journal_record records[64];
  struct rlimit limit, small;
  struct journal *j;
  off_t size;
  int n, ok;
  make(3);
  size = size_of_file();
  n = reopen(&j, records, 64);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &limit);
  small = limit;
  small.rlim_cur = (rlim_t)size + 100; /* room for one record and a part of the next */
  setrlimit(RLIMIT_FSIZE, &small);
  ok = n == 3 && add(j, 4) == STATUS_OK && add(j, 5) == STATUS_OK;
  check(ok && journal_flush(j) == STATUS_SYSTEM && errno == EFBIG, "a full disk is an error");
  check(size_of_file() == size, "that leaves what was there");
  setrlimit(RLIMIT_FSIZE, &limit);
  check(add(j, 6) == STATUS_OK && journal_flush(j) == STATUS_SYSTEM && errno == EFBIG,
        "after it nothing is added: there would be a gap");
  check(is(j, &records[2], 3), "what was there can be read");
  journal_close(&j);
  check(holds(3), "and is found by the next run");
}

int main(void) {
  uint64_t seed = check_seed(3);
  int fd;
  snprintf(path, sizeof path, "%s", "/tmp/journal_test.XXXXXX");
  fd = mkstemp(path);
  if (fd < 0)
    check_bail("cannot make a file in /tmp");
  close(fd);
  test_life();
  test_golden();
  test_scarce();
  test_torn();
  test_damaged();
  test_random(seed);
  test_nested();
  test_large();
  test_foreign();
  test_lock();
  test_full();
  unlink(path);
  return check_end();
}
