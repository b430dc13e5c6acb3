/* scarce.c - LD_PRELOAD: the n-th call for something of the system's fails, as if there were no more of it.

   SCARCE_AT=n      the call that fails, from 1, counted over all processes and threads; absent: none
   SCARCE_LAST=m    calls n .. m fail (default: n alone)
   SCARCE_ONLY=...  names of the functions that count, separated by commas (default: all)

   Counting begins and ends where the test says so (faulty.scarce, which calls scarce_begin by name): how an interpreter
   starts is not what is tested. scarce_set and scarce_calls are for tests that try many n in forks of one process
   (faulty.trial); scarce_live is for leaks. */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shared {
  _Atomic uint64_t calls; /* by all processes; relaxed: a counter */
  _Atomic int begun;      /* stored by scarce_begin, loaded by all */
};

static struct shared own, *shared = &own;
static uint64_t first, last;
static const char *only;
static _Atomic int64_t live; /* blocks that this process has; relaxed: a counter */

__attribute__((constructor)) static void scarce_open(void) {
  const char *at = getenv("SCARCE_AT"), *to = getenv("SCARCE_LAST");
  void *memory = (void *)syscall(SYS_mmap, NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, (off_t)0);
  first = at == NULL ? 0 : strtoull(at, NULL, 10);
  last = to == NULL ? first : strtoull(to, NULL, 10);
  only = getenv("SCARCE_ONLY");
  if (memory != MAP_FAILED)
    shared = memory;
}

#pragma GCC visibility push(default) /* all that follow but the static ones stand in for the C library's */

/* Called by the test, through faulty.scarce. */
void scarce_begin(int yes);
void scarce_begin(int yes) {
  atomic_store_explicit(&shared->begun, yes, memory_order_relaxed);
}

/* The calls from..to of those named fail from now on; counted from 0 again. */
void scarce_set(uint64_t from, uint64_t to, const char *names);
void scarce_set(uint64_t from, uint64_t to, const char *names) {
  atomic_store_explicit(&shared->calls, 0, memory_order_relaxed);
  first = from;
  last = to;
  only = names;
}

uint64_t scarce_calls(void);
uint64_t scarce_calls(void) {
  return atomic_load_explicit(&shared->calls, memory_order_relaxed);
}

int64_t scarce_live(void);
int64_t scarce_live(void) {
  return atomic_load_explicit(&live, memory_order_relaxed);
}

static int is_meant(const char *name) {
  size_t size = strlen(name);
  const char *at;
  if (only == NULL || *only == '\0')
    return 1;
  for (at = strstr(only, name); at != NULL; at = strstr(at + 1, name))
    if ((at == only || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
      return 1;
  return 0;
}

/* True when this call is to fail. */
static int fails(const char *name) {
  uint64_t n;
  if (!atomic_load_explicit(&shared->begun, memory_order_relaxed) || !is_meant(name))
    return 0;
  n = atomic_fetch_add_explicit(&shared->calls, 1, memory_order_relaxed) + 1;
  return n >= first && n <= last && first != 0;
}

/* The C library's own. They are found once; racing threads find the same. */
#define REAL(type, name, ...)                                                                                \
  static type (*real_##name)(__VA_ARGS__);                                                                   \
  if (real_##name == NULL)                                                                                   \
  *(void **)(&real_##name) = dlsym(RTLD_NEXT, #name)

/* glibc's names for its own allocator: dlsym itself allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static void *counted(void *block) {
  if (block != NULL)
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  return block;
}

void *malloc(size_t size) {
  if (fails("malloc")) {
    errno = ENOMEM;
    return NULL;
  }
  return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  if (fails("calloc")) {
    errno = ENOMEM;
    return NULL;
  }
  return counted(__libc_calloc(count, size));
}

void free(void *block) {
  if (block != NULL)
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
  __libc_free(block);
}

/* What shrinks cannot fail: C libraries, Lua among them, count on it. */
void *realloc(void *block, size_t size) {
  extern size_t malloc_usable_size(void *);
  if ((block == NULL || size > malloc_usable_size(block)) && fails("realloc")) {
    errno = ENOMEM;
    return NULL;
  }
  return block == NULL ? counted(__libc_realloc(NULL, size)) : __libc_realloc(block, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  if (fails("mmap")) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

pid_t fork(void) {
  REAL(pid_t, fork, void);
  if (fails("fork")) {
    errno = EAGAIN;
    return -1;
  }
  return real_fork();
}

int pipe(int ends[2]) {
  REAL(int, pipe, int[2]);
  if (fails("pipe")) {
    errno = EMFILE;
    return -1;
  }
  return real_pipe(ends);
}

int socketpair(int domain, int type, int protocol, int ends[2]) {
  REAL(int, socketpair, int, int, int, int[2]);
  if (fails("socketpair")) {
    errno = EMFILE;
    return -1;
  }
  return real_socketpair(domain, type, protocol, ends);
}

int epoll_create1(int flags) {
  REAL(int, epoll_create1, int);
  if (fails("epoll_create1")) {
    errno = EMFILE;
    return -1;
  }
  return real_epoll_create1(flags);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event) {
  REAL(int, epoll_ctl, int, int, int, struct epoll_event *);
  if (fails("epoll_ctl")) {
    errno = ENOSPC;
    return -1;
  }
  return real_epoll_ctl(epoll, what, fd, event);
}

int open(const char *path, int flags, ...) {
  va_list more;
  int mode;
  va_start(more, flags);
  mode = va_arg(more, int);
  va_end(more);
  if (fails("open")) {
    errno = EMFILE;
    return -1;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* pidfd_open and its like come this way. Arguments beyond what was given are nonsense that the kernel does not look at. */
long syscall(long number, ...) {
  REAL(long, syscall, long, ...);
  long a[6];
  va_list more;
  int i;
  va_start(more, number);
  for (i = 0; i < 6; i++)
    a[i] = va_arg(more, long);
  va_end(more);
#ifdef SYS_pidfd_open
  if (number == SYS_pidfd_open && fails("pidfd_open")) {
    errno = EMFILE;
    return -1;
  }
#endif
  return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
  REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (fails("pthread_create"))
    return EAGAIN;
  return real_pthread_create(thread, attributes, body, argument);
}

#pragma GCC visibility pop
