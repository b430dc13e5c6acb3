#include "config.h"
#include "stack.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define LEAST   (1 << 20) /* Lua's own C stack check needs up to 416 KB */
#define USUAL   (8 << 20) /* where the main thread's has no limit */
#define MOST    (64 << 20)
#define IS_WIDE (UINTPTR_MAX > UINT32_MAX)

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* Where the kernel promises no more memory than it has, a stack counts whole. */
static int is_counted(void) {
  FILE *f = fopen("/proc/sys/vm/overcommit_memory", "re");
  int mode = f == NULL ? EOF : fgetc(f);
  if (f != NULL)
    fclose(f);
  return mode == '2';
}

size_t stack_size(void) {
  struct rlimit space, stack;
  if (!IS_WIDE || getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur != RLIM_INFINITY ||
      getrlimit(RLIMIT_STACK, &stack) != 0 || is_counted())
    return LEAST;
  if (stack.rlim_cur == RLIM_INFINITY)
    return USUAL;
  return stack.rlim_cur < LEAST ? LEAST : stack.rlim_cur < MOST ? (size_t)stack.rlim_cur : MOST;
}

/* The lowest page is for an overflow to run into. Not the threads' library's own: that would be made of huge pages where the
   system has them always, and take 2 MB from the first byte on. */
static void *map_stack(size_t *size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *stack;
  *size = *size / page * page;
  stack = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED)
    return NULL;
#ifdef MADV_NOHUGEPAGE
  madvise(stack, *size, MADV_NOHUGEPAGE);
#endif
  mprotect(stack, page, PROT_NONE);
  return stack;
}

static int start(void *stack, size_t size, void *(*run)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  int error = pthread_attr_init(&attributes);
  if (error != 0)
    return error;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  error = stack == NULL ? pthread_attr_setstacksize(&attributes, LEAST)
                        : pthread_attr_setstack(&attributes, stack, size);
  if (error == 0)
    error = pthread_create(&thread, &attributes, run, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

int stack_start_thread(size_t size, void *(*run)(void *), void *argument) {
  void *stack = size > LEAST ? map_stack(&size) : NULL;
  int error;
  if (stack == NULL)
    return start(NULL, 0, run, argument);
  error = start(stack, size, run, argument);
  if (error != 0)
    munmap(stack, size);
  return error;
}
