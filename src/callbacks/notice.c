#include "config.h"
#include "notice.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forks.h"
#include "mask.h"
#include "plain.h"
#include "running.h"

/* The next line: within a statement things may be half done. Jumps back count as lines; code without line information has
   instructions only. */
#define EVENTS (LUA_MASKLINE | LUA_MASKCOUNT)
#define COUNT  1000

#define REPORTERS_MOST 64 /* states; further ones do not report */

static struct sigaction previous;  /* the host's own handler; written once before ours is in place */
static const char service_key = 0; /* its address names the service function in the registry */
static const char report_key = 0, end_key = 0; /* and this one the reporting function */
static _Thread_local int
    unfinished; /* the next line may belong to the statement that goes on: it has several */

/* A state that reports, and its thread: only that may set its hook, and the system chooses any thread for a signal. */
struct reporter {
  const void *_Atomic registry; /* tells states apart; NULL: nobody. Stored under reporters_lock (release) */
  lua_State *main;
  pthread_t thread;
  int tid;                      /* the kernel's number for it */
  volatile sig_atomic_t wanted; /* stored by the thread's handler, taken back by its serve */
};

static struct reporter reporters[REPORTERS_MOST];
static volatile sig_atomic_t reporter_count; /* stored under reporters_lock, read by the handler */
static volatile pid_t expecting; /* the host's process: it answers also when no state does. Written once */
static pthread_mutex_t reporters_lock = PTHREAD_MUTEX_INITIALIZER;

/* [-0, +0, e] Calls the function that the registry has under the key, if any. */
static void call(lua_State *L, const void *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TFUNCTION)
    lua_call(L, 0, 0);
  else
    lua_pop(L, 1);
}

static const void *registry_of(lua_State *L) {
  return lua_topointer(L, LUA_REGISTRYINDEX);
}

/* NULL: the state does not report. For its thread, which alone ends that. */
static struct reporter *reporter_of(lua_State *L) {
  const void *registry = registry_of(L);
  int i;
  for (i = 0; i < REPORTERS_MOST; i++)
    if (atomic_load_explicit(&reporters[i].registry, memory_order_relaxed) == registry)
      return &reporters[i];
  return NULL;
}

static void on_hook(lua_State *L, lua_Debug *ar);

/* [-0, +0, e] */
static void serve(lua_State *L) {
  struct reporter *r = reporter_of(L);
  mask_hold(); /* between look and removal a handler might set another: Ctrl-C would be lost */
  if (lua_gethook(L) == on_hook)
    lua_sethook(L, NULL, 0, 0);
  mask_release();
  unfinished = 0;
  if (r != NULL && r->wanted) {
    r->wanted = 0;
    call(L, &report_key);
  }
  call(L, &service_key);
}

/* Within the module's own Lua code things may be half done, and the locale is not the script's: the hook stays for a line of the
   script's. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  if (plain_is_entered() || strstr(ar->source, "fast_map/init.lua") != NULL ||
      strstr(ar->source, "fast_map/handle.lua") != NULL)
    return;
  if (unfinished && ar->event == LUA_HOOKLINE)
    unfinished = 0;
  else
    serve(L);
}

int notice_is_pending(lua_State *L) {
  struct reporter *r = reporter_of(L);
  return lua_gethook(L) == on_hook || (r != NULL && r->wanted);
}

void notice_serve(lua_State *L) {
  if (notice_is_pending(L))
    serve(L);
}

/* Another hook is left alone: callbacks then wait for join, poll or sleep. lua_sethook is made for signal handlers. */
static void set_hook(lua_State *target) {
  if (target != NULL && lua_gethook(target) == NULL)
    lua_sethook(target, on_hook, EVENTS, COUNT);
}

static void on_signal(int number, siginfo_t *info, void *context) {
  set_hook(running_now());
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != NULL)
    previous.sa_sigaction(number, info, context);
  else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
    previous.sa_handler(number);
}

void notice_after_statement(void) {
  unfinished = 1;
  raise(NOTICE_SIGNAL);
}

static void handle_signal(void) {
  struct sigaction now, action;
  if (sigaction(NOTICE_SIGNAL, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
      now.sa_sigaction == on_signal)
    return;
  previous = now;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART; /* the script's own reads and waits go on */
  sigemptyset(&action.sa_mask);
  sigaction(NOTICE_SIGNAL, &action, NULL);
}

void notice_install(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &service_key);
  running_track(L, on_hook);
  handle_signal();
}

/* NULL: nobody. */
static const void *registry_in(const struct reporter *r) {
  return atomic_load_explicit(&r->registry, memory_order_acquire); /* pairs with enlist and forget_report */
}

/* True when this thread has a state that reports. */
static int want_own_reports(void) {
  struct reporter *r;
  int any = 0;
  for (r = reporters; r < reporters + REPORTERS_MOST; r++) {
    const void *registry = registry_in(r);
    lua_State *now = running_now();
    if (registry == NULL || !pthread_equal(r->thread, pthread_self()))
      continue;
    any = r->wanted = 1;
    set_hook(now != NULL && registry_of(now) == registry ? now : r->main);
  }
  return any;
}

static void pass_on(int number) {
  struct reporter *r;
  for (r = reporters; r < reporters + REPORTERS_MOST; r++)
    if (registry_in(r) != NULL && !pthread_equal(r->thread, pthread_self()))
#ifdef SYS_tgkill
      syscall(SYS_tgkill, getpid(), r->tid, number); /* harmless when the thread has ended */
#else
      pthread_kill(r->thread, number);
#endif
}

/* Sent to one thread, by another's handler mostly. */
static int is_for_thread(const siginfo_t *info) {
#ifdef SI_TKILL
  return info->si_code == SI_TKILL;
#else
  return info->si_pid == getpid();
#endif
}

/* All states report, each in its thread. */
static void on_report(int number, siginfo_t *info, void *context) {
  int saved = errno;
  (void)context;
  if (expecting == getpid() && reporter_count == 0)
    (void)!write(STDERR_FILENO, NOTICE_NOTHING_RUNS, sizeof NOTICE_NOTHING_RUNS - 1);
  else if (!want_own_reports() || !is_for_thread(info))
    pass_on(number);
  errno = saved;
}

/* A handler of the script's own, or that it ignores the signal, is left. */
static void take_report_signal(int on) {
  struct sigaction now, action;
  int ours;
  if (sigaction(REPORT_SIGNAL, NULL, &now) != 0)
    return;
  ours = (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_report;
  if (on ? (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL : !ours)
    return;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  if (on) {
    action.sa_sigaction = on_report;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
  } else {
    action.sa_handler = SIG_DFL;
  }
  sigaction(REPORT_SIGNAL, &action, NULL);
}

static void lock_reporters(void) {
  pthread_mutex_lock(&reporters_lock);
}

static void unlock_reporters(void) {
  pthread_mutex_unlock(&reporters_lock);
}

void notice_expect(void) {
  expecting = getpid();
  take_report_signal(1);
}

/* The state is closed. */
static int forget_report(lua_State *L) {
  struct reporter *r;
  lock_reporters();
  r = reporter_of(L);
  if (r != NULL) {
    atomic_store_explicit(&r->registry, NULL, memory_order_release); /* pairs with registry_in */
    reporter_count = reporter_count - 1;
  }
  if (reporter_count == 0 && expecting == 0)
    take_report_signal(0);
  unlock_reporters();
  return 0;
}

/* [-0, +0, m] */
static void watch_end(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L);
  lua_pushcfunction(L, forget_report);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &end_key);
}

/* [-0, +0, -] */
static void enlist(lua_State *L, lua_State *main) {
  struct reporter *r;
  lock_reporters();
  for (r = reporters; r < reporters + REPORTERS_MOST; r++)
    if (atomic_load_explicit(&r->registry, memory_order_relaxed) == NULL)
      break;
  if (r < reporters + REPORTERS_MOST) {
    r->main = main;
    r->thread = pthread_self();
#ifdef SYS_gettid
    r->tid = (int)syscall(SYS_gettid);
#endif
    r->wanted = 0;
    atomic_store_explicit(&r->registry, registry_of(L), memory_order_release); /* pairs with registry_in */
    reporter_count = reporter_count + 1;
    take_report_signal(1);
  }
  unlock_reporters();
}

void notice_report(lua_State *L) {
  static const struct forks_handlers handlers = {lock_reporters, unlock_reporters, unlock_reporters};
  lua_State *main;
  lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  if (reporter_of(L) != NULL || forks_watch(FORKS_NOTICE, &handlers) != STATUS_OK)
    return;
  watch_end(L);
  enlist(L, main);
}

int notice_foreign_hook(lua_State *main) {
  lua_Hook hook = lua_gethook(main);
  return hook != NULL && hook != on_hook && (lua_gethookmask(main) & LUA_MASKCOUNT) != 0 &&
         lua_gethookcount(main) == 1;
}
