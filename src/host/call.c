#include "config.h"
#include "call.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "heed.h"
#include "running.h"

static const char *program_name;
static lua_State *running;                  /* what the signal handler stops */
static volatile sig_atomic_t was_signalled; /* stored by the handler, read after the call */
static int was_interrupted;                 /* it also ended the call: the script did not catch the error */

void call_name(const char *program) {
  program_name = program;
}

void call_message(const char *text) {
  if (program_name != NULL)
    fprintf(stderr, "%s: ", program_name);
  fprintf(stderr, "%s\n", text);
  fflush(stderr);
}

/* [-0, +0, v] Whoever runs first gets it, the main thread or a coroutine that is known to run. */
static void stop(lua_State *L, lua_Debug *event) {
  int is_due = lua_gethook(running) == stop;
  (void)event;
  lua_sethook(L, NULL, 0, 0);
  if (!is_due)
    return;
  lua_sethook(running, NULL, 0, 0);
  luaL_error(L, HEED_INTERRUPTION);
}

static void set_handler(void (*handler)(int)) {
  struct sigaction action;
  action.sa_handler = handler;
  action.sa_flags = 0; /* no SA_RESTART: a call that waits must return for the hook to run */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
}

/* signal handler: lua_sethook is the one function of the API that may be called here. The second Ctrl-C kills. */
static void on_interrupt(int number) {
  lua_State *now = running_now();
  (void)number;
  set_handler(SIG_DFL);
  was_signalled = 1;
  running_hook(running, stop);
  if (now != NULL)
    running_hook(now, stop);
}

/* [-1, +1, -] A message about a module that is not found also says where to get it. */
static void explain(lua_State *L) {
  if (strstr(lua_tostring(L, -1), "' not found:\n\t") == NULL)
    return;
  lua_pushglobaltable(L);
  lua_pushliteral(L, "require");
  lua_rawget(L, -2);
  lua_replace(L, -2);
  lua_pushliteral(L, "fast_map.packages");
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1)) {
    lua_getfield(L, -1, "explain");
    lua_pushvalue(L, -3);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_isstring(L, -1))
      lua_replace(L, -3);
  }
  lua_settop(L, 1);
}

/* [-1, +1, m] The message handler: text with a traceback; an object that can show itself stays as it is. */
static int traceback(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (text == NULL) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
      return 1;
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  } else {
    explain(L);
    text = lua_tostring(L, 1);
  }
  luaL_traceback(L, L, text, 1);
  return 1;
}

int call_run(lua_State *L, int args, int results) {
  int status;
  int function = lua_gettop(L) - args;
  lua_pushcfunction(L, traceback);
  lua_insert(L, function);
  running = L;
  was_signalled = 0;
  set_handler(on_interrupt);
  status = lua_pcall(L, args, results, function);
  set_handler(SIG_DFL);
  lua_remove(L, function);
  was_interrupted = status != LUA_OK && was_signalled && heed_is_interruption(L, -1);
  return status;
}

int call_report(lua_State *L, int status) {
  if (status != LUA_OK) {
    const char *text = lua_tostring(L, -1);
    call_message(text != NULL ? text : "(error message not a string)");
    lua_pop(L, 1);
  }
  return status;
}

int call_chunk(lua_State *L, int status) {
  if (status == LUA_OK)
    status = call_run(L, 0, 0);
  return call_report(L, status);
}

int call_interrupted(void) {
  return was_interrupted;
}
