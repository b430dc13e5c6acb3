/* faulty.c - a Lua module for tests only: the ways in which a C library kills, blocks or deceives the worker that calls it. */
#include "config.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "ring.h"

/* -- deaths ------------------------------------------------------------------- */

static int *volatile nowhere = NULL;

static int l_segfault(lua_State *L) {
  lua_pushinteger(L, *nowhere);
  return 1;
}

static int l_abort(lua_State *L) {
  (void)L;
  abort();
}

static volatile int always = 1;

static unsigned deeper(unsigned depth, unsigned end) {
  volatile char page[4096];
  page[0] = (char)(depth & 1);
  return depth != end ? deeper(depth + 1, end) + (unsigned)page[0] : 0;
}

/* A stack overflow that no check of Lua's sees. */
static int l_overflow(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)deeper(0, UINT_MAX));
  return 1;
}

/* stack(kilobytes) -> kilobytes: a C function that needs so much of the stack */
static int l_stack(lua_State *L) {
  deeper(0, (unsigned)luaL_checkinteger(L, 1) / 4);
  lua_settop(L, 1);
  return 1;
}

/* umask(mask) -> the mask before */
static int l_umask(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)umask((mode_t)luaL_checkinteger(L, 1)));
  return 1;
}

/* exit(code): without a word to anybody */
static int l_exit(lua_State *L) {
  _exit((int)luaL_optinteger(L, 1, 0));
}

/* kill(pid, signal) -> whether there was such a process; pid 0: this one */
static int l_kill(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  lua_pushboolean(L, kill(pid == 0 ? getpid() : pid, (int)luaL_checkinteger(L, 2)) == 0);
  return 1;
}

/* -- waiting ---------------------------------------------------------------------- */

/* block(seconds): in C, and no signal ends it */
static int l_block(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  struct timespec left = {(time_t)seconds, (long)((seconds - (lua_Number)(time_t)seconds) * 1e9)};
  while (nanosleep(&left, &left) != 0)
    continue;
  return 0;
}

/* spin(): computes in C for ever, with every signal blocked that can be */
static int l_spin(lua_State *L) {
  sigset_t all;
  (void)L;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  while (always)
    continue;
  return 0;
}

/* -- surroundings ----------------------------------------------------------------- */

/* fork(seconds) -> pid of a child that sleeps so long and then exits */
static int l_fork(lua_State *L) {
  unsigned seconds = (unsigned)luaL_checkinteger(L, 1);
  pid_t pid = fork();
  if (pid == 0) {
    sleep(seconds);
    _exit(0);
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* fork_on() -> true in the child, which goes on with the task; false in the parent, after the child's end */
static int l_fork_on(lua_State *L) {
  pid_t pid = fork();
  if (pid > 0)
    waitpid(pid, NULL, 0);
  lua_pushboolean(L, pid == 0);
  return 1;
}

/* wait() -> pid, status of any child; nil: there is none */
static int l_wait(lua_State *L) {
  int status = 0;
  pid_t pid = wait(&status);
  if (pid < 0)
    return 0;
  lua_pushinteger(L, pid);
  lua_pushinteger(L, status);
  return 2;
}

/* adopt(): children of dead children become this process's own */
static int l_adopt(lua_State *L) {
  lua_pushboolean(L, prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  return 1;
}

/* reap(): every child that has ended; only while no map runs, which reaps its own */
static int l_reap(lua_State *L) {
  (void)L;
  while (waitpid(-1, NULL, WNOHANG) > 0)
    continue;
  return 0;
}

/* close(fd) */
static int l_close(lua_State *L) {
  lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
  return 1;
}

/* redirect(fd, name) -> what restores it: fd is that file from now on, appended to */
static int l_redirect(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  int file = open(luaL_checkstring(L, 2), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (file < 0 || saved < 0 || dup2(file, fd) < 0)
    return luaL_error(L, "cannot redirect");
  close(file);
  lua_pushinteger(L, saved);
  return 1;
}

/* restore(fd, saved) */
static int l_restore(lua_State *L) {
  int saved = (int)luaL_checkinteger(L, 2);
  dup2(saved, (int)luaL_checkinteger(L, 1));
  close(saved);
  return 0;
}

/* exists(name) -> whether there is such a file */
static int l_exists(lua_State *L) {
  lua_pushboolean(L, access(luaL_checkstring(L, 1), F_OK) == 0);
  return 1;
}

/* ignore(signal) */
static int l_ignore(lua_State *L) {
  signal((int)luaL_checkinteger(L, 1), SIG_IGN);
  return 0;
}

/* mask(signal): blocks it in this thread */
static int l_mask(lua_State *L) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, (int)luaL_checkinteger(L, 1));
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  return 0;
}

static void *idle_thread(void *nothing) {
  void *volatile block;
  while (always) { /* allocates: a fork must not find the allocator locked for ever */
    block = malloc(100);
    free(block);
  }
  return nothing;
}

/* Threads run in this library for ever: lua_close must not unload it. */
static void stay_loaded(void) {
  Dl_info info;
  if (dladdr((void *)stay_loaded, &info) != 0)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}

static void *press_later(void *pause) {
  nanosleep(pause, NULL);
  kill(getpid(), SIGINT);
  return NULL;
}

/* press(seconds): Ctrl-C then; each time for the handler that the host had at the first call (lua's lets go of the signal) */
static int l_press(lua_State *L) {
  static struct sigaction handler;
  static struct timespec pause;
  static int again;
  sigset_t all, own;
  pthread_t thread;
  pause = (struct timespec){.tv_nsec = (long)(luaL_checknumber(L, 1) * 1e9)};
  stay_loaded();
  sigaction(SIGINT, again ? &handler : NULL, again ? NULL : &handler);
  again = 1;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &own);
  if (pthread_create(&thread, NULL, press_later, &pause) == 0)
    pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &own, NULL);
  return 0;
}

/* threads(n): the host has n more threads from now on */
static int l_threads(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  pthread_t thread;
  stay_loaded();
  for (; n > 0; n--)
    if (pthread_create(&thread, NULL, idle_thread, NULL) == 0)
      pthread_detach(thread);
  return 0;
}

/* limit(name, n): soft and hard limit of this process */
static int l_limit(lua_State *L) {
  static const char *const names[] = {"nofile", "nproc", "as", "core", "fsize", NULL};
  static const int kinds[] = {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_AS, RLIMIT_CORE, RLIMIT_FSIZE};
  int kind = kinds[luaL_checkoption(L, 1, NULL, names)];
  struct rlimit limit;
  limit.rlim_cur = limit.rlim_max = (rlim_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, setrlimit(kind, &limit) == 0);
  return 1;
}

static int l_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

static int l_tid(lua_State *L) {
  lua_pushinteger(L, syscall(SYS_gettid));
  return 1;
}

/* -- nonsense in shared memory ---------------------------------------------------- */

struct span {
  unsigned char *from, *to;
};

/* The n-th shared writable piece without a file in this process, from 0. */
static int shared_span(int n, struct span *span) {
  char line[512], flags[8], path[256];
  FILE *maps = fopen("/proc/self/maps", "r");
  int found = 0;
  while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
    unsigned long from, to;
    *path = '\0';
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, flags, path) < 3 ||
        strcmp(flags, "rw-s") != 0)
      continue;
    if (strcmp(path, "/dev/zero") != 0 && *path != '\0')
      continue;
    found = n-- == 0;
    span->from = (unsigned char *)from;
    span->to = (unsigned char *)to;
  }
  if (maps != NULL)
    fclose(maps);
  return found;
}

static int is_ring(const struct ring *ring, const struct span *span) {
  return ring->size >= 4096 && (ring->size & (ring->size - 1)) == 0 &&
         ring->size <= (size_t)(span->to - (const unsigned char *)ring);
}

/* The reply ring of the first worker, which is the second ring in its piece. */
static struct ring *reply_ring(const struct span *span) {
  unsigned char *at;
  int count = 0;
  for (at = span->from; at + sizeof(struct ring) < span->to; at += RING_LINE)
    if (is_ring((struct ring *)at, span)) {
      if (++count == 2)
        return (struct ring *)at;
      at += sizeof(struct ring) + ((struct ring *)at)->size - RING_LINE;
    }
  return NULL;
}

static uint64_t random_next(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

struct scribble {
  int kind;
  uint64_t seed;
  struct span span;
  struct ring *ring;
};

static void scribble(struct scribble *s) {
  unsigned char *at;
  uint64_t i;
  if (s->kind == 0) {
    atomic_fetch_add(&s->ring->written, 3 * s->ring->size);
  } else if (s->kind == 1) {
    for (i = 0; i < s->ring->size; i++)
      s->ring->bytes[i] = (unsigned char)random_next(&s->seed);
    atomic_fetch_add(&s->ring->written, 64 + random_next(&s->seed) % 1024);
  } else {
    for (at = s->span.from; at < s->span.to; at += 8)
      *(_Atomic uint64_t *)(void *)at = random_next(&s->seed) >> random_next(&s->seed) % 64;
  }
}

static void *scribble_on(void *scribble_) {
  struct timespec pause = {0, 50000};
  for (;;) {
    scribble(scribble_);
    nanosleep(&pause, NULL);
  }
  return NULL;
}

/* garbage(kind, seed): from now on "position": the reply ring claims more than it holds; "message": nonsense in it,
   published; "all": nonsense everywhere in what is shared. Only where the map has one worker. */
static int l_garbage(lua_State *L) {
  static const char *const kinds[] = {"position", "message", "all", NULL};
  static struct scribble s;
  pthread_t thread;
  int n;
  s = (struct scribble){.kind = luaL_checkoption(L, 1, NULL, kinds)};
  s.seed = (uint64_t)luaL_optinteger(L, 2, 1) * 2654435769u + 1;
  for (n = 0; s.ring == NULL && shared_span(n, &s.span); n++)
    s.ring = reply_ring(&s.span);
  if (s.ring == NULL)
    return luaL_error(L, "no ring found");
  scribble(&s);
  if (pthread_create(&thread, NULL, scribble_on, &s) == 0)
    pthread_detach(thread);
  return 0;
}

/* scarce(yes): scarce.c's counting begins or ends */
static int l_scarce(lua_State *L) {
  void (*begin)(int);
  *(void **)&begin = dlsym(RTLD_DEFAULT, "scarce_begin");
  if (begin == NULL)
    return luaL_error(L, "scarce.so is not preloaded");
  begin(lua_toboolean(L, 1));
  return 0;
}

/* -- trials ------------------------------------------------------------------------- */

/* descriptors() -> how many are open in this process */
static int l_descriptors(lua_State *L) {
  DIR *folder = opendir("/proc/self/fd");
  int count = -1; /* the folder's own */
  while (folder != NULL && readdir(folder) != NULL)
    count++;
  if (folder != NULL)
    closedir(folder);
  lua_pushinteger(L, count - 2); /* . and .. */
  return 1;
}

/* blocks() -> how many pieces of memory this process has, as scarce.so counts them */
static int l_blocks(lua_State *L) {
  int64_t (*live)(void);
  *(void **)&live = dlsym(RTLD_DEFAULT, "scarce_live");
  lua_pushinteger(L, live == NULL ? 0 : live());
  return 1;
}

static int64_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Kills every child, however many generations there are. */
static void kill_children(void) {
  char path[64];
  int pid;
  FILE *list;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  while (waitpid(-1, NULL, WNOHANG) >= 0) {
    list = fopen(path, "r");
    while (list != NULL && fscanf(list, "%d", &pid) == 1)
      kill(pid, SIGKILL);
    if (list != NULL)
      fclose(list);
    usleep(1000);
  }
}

/* Waits for the child, and for all that it left. Returns what became of it. */
static const char *await_child(pid_t child, int *status, int64_t deadline) {
  pid_t pid;
  int alive = 1, other;
  for (;;) {
    pid = waitpid(-1, &other, WNOHANG);
    if (pid == child) {
      alive = 0;
      *status = other;
      deadline = milliseconds() + 1000;
    } else if (pid < 0) {
      return "ended";
    } else if (pid == 0) {
      if (milliseconds() > deadline)
        return alive ? "hangs" : "leaves processes";
      usleep(200);
    }
  }
}

/* refuse(first, last, names): these calls fail from now on, counted anew (scarce.c) */
static int l_refuse(lua_State *L) {
  void (*set)(uint64_t, uint64_t, const char *);
  *(void **)&set = dlsym(RTLD_DEFAULT, "scarce_set");
  if (set == NULL)
    return luaL_error(L, "scarce.so is not preloaded");
  set((uint64_t)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2), luaL_checkstring(L, 3));
  return 0;
}

/* trial(seconds, f) -> what became of a fork of this process that called f: "ended", code; "ended", -signal; "hangs"; "leaves processes"; and how many calls there were */
static int l_trial(lua_State *L) {
  uint64_t (*calls)(void);
  void (*begin)(int);
  const char *fate;
  int status = 0;
  pid_t child;
  *(void **)&calls = dlsym(RTLD_DEFAULT, "scarce_calls");
  *(void **)&begin = dlsym(RTLD_DEFAULT, "scarce_begin");
  if (calls == NULL || begin == NULL)
    return luaL_error(L, "scarce.so is not preloaded");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  child = fork();
  if (child == 0) {
    lua_settop(L, 2);
    lua_call(L, 0, 0);
    _exit(99);
  }
  fate = await_child(child, &status, milliseconds() + (int64_t)(luaL_checknumber(L, 1) * 1000));
  kill_children();
  begin(0); /* it may have ended too early to say so itself */
  lua_pushstring(L, fate);
  lua_pushinteger(L, WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  lua_pushinteger(L, (lua_Integer)calls());
  return 3;
}

/* require "faulty.opener": a C module that runs a script, the file that the environment names, while it is loaded; the table that
   it returns is the module. */
__attribute__((visibility("default"))) int luaopen_faulty_opener(lua_State *L);
int luaopen_faulty_opener(lua_State *L) {
  const char *name = getenv("FAULTY_OPENER");
  if (luaL_loadfile(L, name) != LUA_OK)
    return lua_error(L);
  lua_call(L, 0, 1);
  lua_pushcfunction(L, l_pid); /* by this it is known as a C module */
  lua_setfield(L, -2, "pid");
  return 1;
}

__attribute__((visibility("default"))) int luaopen_faulty(lua_State *L);
int luaopen_faulty(lua_State *L) {
  static const luaL_Reg functions[] = {{"segfault", l_segfault},
                                       {"abort", l_abort},
                                       {"overflow", l_overflow},
                                       {"exit", l_exit},
                                       {"kill", l_kill},
                                       {"block", l_block},
                                       {"spin", l_spin},
                                       {"fork", l_fork},
                                       {"fork_on", l_fork_on},
                                       {"wait", l_wait},
                                       {"close", l_close},
                                       {"ignore", l_ignore},
                                       {"mask", l_mask},
                                       {"threads", l_threads},
                                       {"limit", l_limit},
                                       {"pid", l_pid},
                                       {"tid", l_tid},
                                       {"garbage", l_garbage},
                                       {"scarce", l_scarce},
                                       {"press", l_press},
                                       {"descriptors", l_descriptors},
                                       {"blocks", l_blocks},
                                       {"trial", l_trial},
                                       {"refuse", l_refuse},
                                       {"adopt", l_adopt},
                                       {"reap", l_reap},
                                       {"redirect", l_redirect},
                                       {"restore", l_restore},
                                       {"exists", l_exists},
                                       {"stack", l_stack},
                                       {"umask", l_umask},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
