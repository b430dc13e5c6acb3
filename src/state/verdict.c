#include "config.h"
#include "phase.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "running.h"

#define MEMORY_SLACK (1 << 16) /* beyond the limit, for the message that tells of it */

static const char traceback_key = 0; /* registry: of the last error */

void verdict_clear(lua_State *L) {
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
}

/* What Lua says there helps nobody. */
static void explain_yield(lua_State *L) {
  static const char text[] = "attempt to yield from outside a coroutine";
  size_t size;
  const char *message = lua_tolstring(L, 1, &size);
  if (size < sizeof text - 1 || strcmp(message + size - (sizeof text - 1), text) != 0)
    return;
  lua_pushfstring(L,
                  "%s: a task is no coroutine; what yields must run in a "
                  "coroutine that the task itself resumes",
                  message);
  lua_replace(L, 1);
}

int verdict_handle(lua_State *L) {
  static const char serving[] = "\n\t[C]: in ?";
  size_t size;
  const char *text;
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING)
    explain_yield(L);
  luaL_traceback(L, L, NULL, 1);
  text = lua_tolstring(L, -1, &size);
  if (size > sizeof serving && strcmp(text + size - (sizeof serving - 1), serving) == 0)
    size -= sizeof serving - 1; /* the last line is the function above */
  lua_pushlstring(L, text, size);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
  lua_settop(L, 1);
  return 1;
}

/* (error) -> text */
static int show(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* (limit) -> text */
static int show_limit(lua_State *L) {
  lua_pushfstring(L, "not enough memory (memory_limit is %I bytes)", (LUAI_UACINT)lua_tointeger(L, 1));
  return 1;
}

/* [-1, +1, -] Replaces the top by what the function makes of it, if it can. */
static void replace(lua_State *L, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_insert(L, -2);
  lua_pcall(L, 1, 1, 0);
}

static enum verdict verdict_of(const struct state *s, int code) {
  if (s->phase == PHASE_INIT)
    return VERDICT_FATAL;
  if (code == LUA_ERRMEM)
    return VERDICT_MEMORY;
  if (s->phase != PHASE_CALL)
    return VERDICT_TRANSFER;
  return running_is_ending() ? VERDICT_TIMEOUT : VERDICT_ERROR;
}

/* [-0, +0, -] The last two values are the error and its traceback. */
static enum status encode_error(struct state *s, struct codec_link *link) {
  enum status status = state_begin_reply(s);
  return status == STATUS_OK ? codec_encode(s->L, lua_gettop(s->L) - 1, 2, &s->reply, link, NULL) : status;
}

void verdict_reply(struct state *s, int code) {
  lua_State *L = s->L;
  enum verdict verdict = verdict_of(s, code);
  s->phase = PHASE_NONE;
  if (verdict == VERDICT_TIMEOUT || verdict == VERDICT_MEMORY)
    files_end(&s->import);
  if (code == LUA_ERRMEM && s->arena.limit != 0) {
    lua_pop(L, 1);
    lua_pushinteger(L, (lua_Integer)s->arena.limit);
    s->arena.limit += MEMORY_SLACK;
    replace(L, show_limit);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  if (encode_error(s, s->link) != STATUS_OK) {
    lua_pushvalue(L, -2);
    replace(L, show);
    lua_replace(L, -3);
    if (encode_error(s, NULL) != STATUS_OK)
      buffer_reset(&s->reply, 0); /* no memory even for that: a verdict without words */
  }
  lua_pop(L, 2);
  state_hand_over(s, verdict);
}

void verdict_show(struct state *s) {
  lua_State *L = s->L;
  const char *text, *trace;
  replace(L, show);
  text = lua_tostring(L, -1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  trace = lua_tostring(L, -1);
  fprintf(stderr, "fast_map: exit failed: %s\n  in worker %d%s%s\n", text == NULL ? "?" : text, (int)getpid(),
          trace == NULL ? "" : ":\n", trace == NULL ? "" : trace);
  lua_pop(L, 2);
}
