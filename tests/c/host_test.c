/* host_test.c - a host with a Lua state in each of its threads, and the signals that reach it. */
#include "config.h"
#include "core.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A state in a thread. It is told to begin, says that it is ready, and ends. */
struct resident {
  pthread_t thread;
  const char *script;
  int ready[2], leave[2]; /* pipes: a byte is word of it */
  int good;
};

static void say(int fd) {
  while (write(fd, "!", 1) < 0)
    continue;
}

static void hear(int fd) {
  char byte;
  while (read(fd, &byte, 1) < 0)
    continue;
}

static struct resident *resident_of(lua_State *L) {
  return *(struct resident **)lua_getextraspace(L);
}

static int l_ready(lua_State *L) {
  say(resident_of(L)->ready[1]);
  return 0;
}

static int l_await_leave(lua_State *L) {
  hear(resident_of(L)->leave[0]);
  return 0;
}

static void set_path(lua_State *L) {
  const char *top = getenv("top_srcdir");
  top = top == NULL ? "." : top;
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua", top, top);
  lua_setfield(L, -2, "path");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_fast_map_core);
  lua_setfield(L, -2, "fast_map.core");
  lua_pop(L, 2);
}

static void *reside(void *argument) {
  struct resident *r = argument;
  lua_State *L = luaL_newstate();
  *(struct resident **)lua_getextraspace(L) = r;
  luaL_openlibs(L);
  set_path(L);
  lua_register(L, "ready", l_ready);
  lua_register(L, "await_leave", l_await_leave);
  r->good = luaL_dostring(L, r->script) == LUA_OK;
  if (!r->good)
    printf("# %s\n", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

static void move_in(struct resident *r, const char *script) {
  r->script = script;
  if (pipe(r->ready) != 0 || pipe(r->leave) != 0 || pthread_create(&r->thread, NULL, reside, r) != 0)
    check_bail("no thread");
  hear(r->ready[0]);
}

static int move_out(struct resident *r) {
  say(r->leave[1]);
  pthread_join(r->thread, NULL);
  return r->good;
}

/* -- the report (SIGUSR1) ------------------------------------------------------- */

/* Computes until it is told of its map. */
static const char computes[] = "local fast_map, told = require 'fast_map', nil\n"
                               "io.stderr = { write = function(_, text) told = text end }\n"
                               "local handle = fast_map.fast_map_async(fast_map.sleep, { 60 })\n"
                               "local deadline = fast_map.now() + 20\n"
                               "ready()\n"
                               "while not told and fast_map.now() < deadline do end\n"
                               "handle:cancel()\n"
                               "assert(told, 'nobody told'):match '^fast_map: 1 tasks taken'\n";

/* Has had a map, and goes when it is told to. */
static const char waits[] = "local fast_map = require 'fast_map'\n"
                            "fast_map.map(tostring, { 1 })\n"
                            "ready()\n"
                            "await_leave()\n";

static int one_thread(void) {
  struct resident r;
  move_in(&r, computes);
  kill(getpid(), SIGUSR1); /* the system chooses the thread that sends it: it is awake */
  return move_out(&r);
}

static int two_threads(void) {
  struct resident one, other;
  int good;
  move_in(&one, computes);
  move_in(&other, computes);
  kill(getpid(), SIGUSR1);
  good = move_out(&one);
  return move_out(&other) && good;
}

static int one_leaves(void) {
  struct resident one, other;
  int good;
  move_in(&one, computes);
  move_in(&other, waits);
  good = move_out(&other);
  kill(getpid(), SIGUSR1);
  return move_out(&one) && good;
}

static int all_leave(void) {
  struct resident r;
  struct sigaction action;
  move_in(&r, waits);
  return move_out(&r) && sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL;
}

/* In a process of its own: the signal may end it. */
static void check_process(int (*test)(void), const char *sentence) {
  int status = -1;
  pid_t pid = fork();
  if (pid == 0)
    _exit(test() ? 0 : 1);
  waitpid(pid, &status, 0);
  if (status != 0)
    printf("# status %#x\n", (unsigned)status);
  check(status == 0, sentence);
}

int main(void) {
  check_process(one_thread, "a report is given in the thread that has the map, whichever gets the signal");
  check_process(two_threads, "each of two states in two threads reports its own maps");
  check_process(one_leaves, "a state that ends does not end the reports of another");
  check_process(all_leave, "the last one leaves the signal as it found it");
  return check_end();
}
