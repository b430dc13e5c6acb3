#include "config.h"
#include "notice.h"

#include <pthread.h>
#include <string.h>

#include "mask.h"
#include "running.h"

/* The next line: within a statement things may be half done. Jumps back count as lines; code without line information has
   instructions only. */
#define EVENTS (LUA_MASKLINE | LUA_MASKCOUNT)
#define COUNT  1000

static struct sigaction previous;  /* the host's own handler; written once before ours is in place */
static const char service_key = 0; /* its address names the service function in the registry */
static const char report_key = 0, end_key = 0; /* and this one the reporting function */
static lua_State *volatile reported;           /* the state of that; NULL: none */
static pthread_t reporter;                     /* its thread; both stored before the handler is in place */
static volatile sig_atomic_t report_wanted; /* stored by the handler of REPORT_SIGNAL, taken back by serve */
static int unfinished; /* the next line may belong to the statement that goes on: it has several */

/* [-0, +0, e] Calls the function that the registry has under the key, if any. */
static void call(lua_State *L, const void *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TFUNCTION)
    lua_call(L, 0, 0);
  else
    lua_pop(L, 1);
}

static void on_hook(lua_State *L, lua_Debug *ar);

/* [-0, +0, e] */
static void serve(lua_State *L) {
  mask_hold(); /* between look and removal a handler might set another: Ctrl-C would be lost */
  if (lua_gethook(L) == on_hook)
    lua_sethook(L, NULL, 0, 0);
  mask_release();
  unfinished = 0;
  if (report_wanted) {
    report_wanted = 0;
    call(L, &report_key);
  }
  call(L, &service_key);
}

/* Within the module's own Lua code things may be half done: the hook stays for a line of the script's. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  if (strstr(ar->source, "fast_map/init.lua") != NULL || strstr(ar->source, "fast_map/handle.lua") != NULL)
    return;
  if (unfinished && ar->event == LUA_HOOKLINE)
    unfinished = 0;
  else
    serve(L);
}

int notice_is_pending(lua_State *L) {
  return lua_gethook(L) == on_hook || report_wanted;
}

void notice_serve(lua_State *L) {
  if (notice_is_pending(L))
    serve(L);
}

/* Another hook is left alone: callbacks then wait for join, poll or sleep. lua_sethook is made for this place. */
static void on_signal(int number, siginfo_t *info, void *context) {
  lua_State *target = running_now();
  if (target != NULL && lua_gethook(target) == NULL)
    lua_sethook(target, on_hook, EVENTS, COUNT);
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
  running_track(L);
  handle_signal();
}

/* The state's thread alone may set its hook; the system chose any. */
static void on_report(int number) {
  lua_State *target = running_now() != NULL ? running_now() : reported;
  if (!pthread_equal(pthread_self(), reporter)) {
    pthread_kill(reporter, number);
    return;
  }
  report_wanted = 1;
  if (target != NULL && lua_gethook(target) == NULL)
    lua_sethook(target, on_hook, EVENTS, COUNT);
}

static void take_report_signal(void (*from)(int), void (*to)(int)) {
  struct sigaction now, action;
  memset(&action, 0, sizeof action);
  action.sa_handler = to;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(REPORT_SIGNAL, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == from)
    sigaction(REPORT_SIGNAL, &action, NULL);
}

/* The state is closed. */
static int forget_report(lua_State *L) {
  (void)L;
  take_report_signal(on_report, SIG_DFL);
  reported = NULL;
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

void notice_report(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
  watch_end(L);
  reporter = pthread_self();
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  reported = lua_tothread(L, -1);
  lua_pop(L, 1);
  take_report_signal(SIG_DFL, on_report);
}

int notice_foreign_hook(lua_State *main) {
  lua_Hook hook = lua_gethook(main);
  return hook != NULL && hook != on_hook && (lua_gethookmask(main) & LUA_MASKCOUNT) != 0 &&
         lua_gethookcount(main) == 1;
}
