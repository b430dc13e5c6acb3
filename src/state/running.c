#include "config.h"
#include "running.h"

#include <lauxlib.h>

#include "library.h"
#include "mask.h"
#include "mirror.h"

static _Thread_local lua_State
    *volatile now;                        /* this thread's; stored only by it, read by its signal handlers */
static _Thread_local volatile int ending; /* stored by a handler of this thread, cleared by running_begin */
static _Thread_local volatile int still;  /* stored by the thread, read by its handlers */
static _Thread_local lua_Hook one_shot;   /* the hook that is handed on */
static const char start_key = 0;          /* its address names the sentinel in the registry */

lua_State *running_now(void) {
  return now;
}

void running_begin(lua_State *L) {
  ending = still = 0;
  now = L;
}

void running_end(void) {
  ending = 1;
}

int running_is_ending(void) {
  return ending;
}

void running_hook(lua_State *L, lua_Hook hook) {
  lua_sethook(L, hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void running_hold_still(int on) {
  still = on;
}

int running_is_still(void) {
  return still;
}

/* [-0, +0, -] The hook has not acted yet, and the coroutine may never run again: whoever resumed it goes on with that. */
static void hand_on(lua_State *co, lua_State *L) {
  lua_Hook hook = lua_gethook(co);
  if (hook == NULL || hook != one_shot)
    return;
  mask_hold(); /* between look and change a handler might set another */
  if (lua_gethook(L) == NULL)
    lua_sethook(L, hook, lua_gethookmask(co), lua_gethookcount(co));
  mask_release();
  lua_sethook(co, NULL, 0, 0);
}

static int has_failed(int status) {
  return status != LUA_OK && status != LUA_YIELD;
}

/* Never raises: the note is right again in any case. */
int running_step(lua_State *L, lua_State *co, int count, int *results) {
  lua_State *outer = now;
  int status;
  now = co;
  status = lua_resume(co, L, count, results);
  now = outer;
  hand_on(co, L);
  return status;
}

/* [-count, +n|1, v] Moves the arguments there and what comes back here. Returns n, or -1 and the error. Raises only what ends
   the task: it must not go on because one of its coroutines ended. */
static int pass(lua_State *L, lua_State *co, int count) {
  int results, status;
  if (!lua_checkstack(co, count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, count);
  status = running_step(L, co, count, &results);
  if (has_failed(status)) {
    lua_xmove(co, L, 1);
    return ending ? lua_error(L) : -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

int running_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  int count;
  if (co == NULL)
    return library_named("coroutine", "resume")->function(L); /* raises, in the words of this release */
  count = pass(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, count >= 0);
  lua_insert(L, count >= 0 ? -(count + 1) : -2);
  return count >= 0 ? count + 1 : 2;
}

/* [-1, +0, v] Raises what the coroutine was ended by, or could not be resumed for. */
static int fail(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (has_failed(status) && (status = lua_resetthread(co)) != LUA_OK) /* that closes its variables */
    lua_xmove(co, L, 1);
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* What coroutine.wrap returns. Upvalue: the coroutine. */
static int call(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int count = pass(L, co, lua_gettop(L));
  return count >= 0 ? count : fail(L, co);
}

int running_wrap(lua_State *L) {
  lua_State *co;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call, 1);
  return 1;
}

/* [-0, +0, m] coroutine[name] of the table on top, if it is a C function: a script's own is left alone. */
static void replace(lua_State *L, const char *name, lua_CFunction function) {
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  if (lua_iscfunction(L, -1) && lua_tocfunction(L, -1) != function) {
    lua_pushstring(L, name);
    lua_pushcfunction(L, function);
    lua_rawset(L, -4);
  }
  lua_pop(L, 1);
}

/* The state is closed: nothing of it runs any more. */
static int forget(lua_State *L) {
  (void)L;
  now = NULL;
  return 0;
}

/* [-0, +0, m] The caller may be a coroutine that was resumed unseen: the main thread stands for it. */
static void start(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L);
  lua_pushcfunction(L, forget);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &start_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  now = lua_tothread(L, -1);
  lua_pop(L, 1);
}

void running_track(lua_State *L, lua_Hook hook) {
  one_shot = hook;
  if (now == NULL)
    start(L);
  mirror_push_loaded(L);
  lua_pushliteral(L, "coroutine");
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    replace(L, "resume", running_resume);
    replace(L, "wrap", running_wrap);
  }
  lua_pop(L, 2);
}
