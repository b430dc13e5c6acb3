/* stack_test.c - the size of threads' stacks, and what happens when there is none. */
#include "config.h"
#include "stack.h"

#include <semaphore.h>
#include <stdint.h>
#include <sys/resource.h>

#include "check.h"

#define MB (1 << 20)

static sem_t done;

static unsigned deeper(unsigned depth, unsigned end) {
  volatile char page[4096];
  page[0] = (char)(depth & 1);
  return depth != end ? deeper(depth + 1, end) + (unsigned)page[0] : 0;
}

/* Needs so many pages of stack. */
static void *need(void *pages) {
  deeper(0, *(const unsigned *)pages);
  sem_post(&done);
  return NULL;
}

static void set_limit(int resource, rlim_t value) {
  struct rlimit limit;
  getrlimit(resource, &limit);
  limit.rlim_cur = value;
  if (setrlimit(resource, &limit) != 0)
    check_bail("setrlimit failed");
}

static void test_size(void) {
  size_t usual;
  set_limit(RLIMIT_STACK, 8 * MB);
  usual = stack_size();
  check(usual == 8 * MB || usual == MB, "a thread may use what the main thread may");
  if (usual == MB)
    return; /* here, address space is counted */
  set_limit(RLIMIT_STACK, MB / 4);
  check(stack_size() == MB, "but never less than Lua needs");
  set_limit(RLIMIT_STACK, 4 * MB);
  check(stack_size() == 4 * MB, "a smaller limit counts");
  set_limit(RLIMIT_AS, (rlim_t)1 << 50);
  check(stack_size() == MB, "where address space is limited, it is left to others");
  set_limit(RLIMIT_AS, RLIM_INFINITY);
}

static void test_threads(void) {
  static unsigned pages = CHECK_SANITIZED ? 300 : 1500;
  check(stack_start_thread(8 * MB, need, &pages) == 0, "a thread with a large stack starts");
  sem_wait(&done);
  check(1, "and can use it");
  pages = CHECK_SANITIZED ? 20 : 100; /* sanitizers take most of it */
  check(stack_start_thread(MB, need, &pages) == 0, "so does one with a small stack");
  sem_wait(&done);
  check(stack_start_thread(SIZE_MAX / 2, need, &pages) == 0, "what cannot be had becomes a small one");
  sem_wait(&done);
}

int main(void) {
  sem_init(&done, 0, 0);
  test_size();
  test_threads();
  return check_end();
}
