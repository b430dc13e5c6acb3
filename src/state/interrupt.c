#include "config.h"
#include "phase.h"

#include <lauxlib.h>
#include <stdio.h>

#include "caller.h"
#include "running.h"

#define GRACE 100000 /* instructions that a task may spend on cleaning up before it is interrupted again */

static void interrupted(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (!running_is_ending()) { /* a coroutine of an earlier task */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_sethook(L, interrupted, LUA_MASKCOUNT, GRACE);
  luaL_where(L, 0);
  lua_pushliteral(L, "timed out");
  lua_concat(L, 2);
  lua_error(L);
}

void state_interrupt(struct state *s) {
  if (s->phase != PHASE_CALL && s->phase != PHASE_INIT)
    return;
  running_end();
  running_hook(running_now(), interrupted);
}

static void answer(lua_State *L) {
  const struct teller *t = &import_of(L)->teller;
  char text[LUA_IDSIZE + 16];
  const int level = caller_level(L, 0);
  lua_Debug ar;
  if (t->tell == NULL || level < 0 || !lua_getstack(L, level, &ar) || !lua_getinfo(L, "Sl", &ar))
    return;
  snprintf(text, sizeof text, "%s:%d", ar.short_src, ar.currentline);
  t->tell(t->teller, text);
}

static void asked(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  answer(L);
}

void state_ask(struct state *s, void (*tell)(void *teller, const char *text), void *teller) {
  lua_State *L = running_now();
  if (s->phase != PHASE_CALL)
    return;
  s->import.teller = (struct teller){tell, teller};
  if (running_is_still())
    answer(L);
  else if (lua_gethook(L) == NULL)
    running_hook(L, asked);
}

static size_t line(const lua_Debug *ar, char *text, size_t size) {
  const char *name = ar->name != NULL ? ar->name : "?";
  int length;
  if (*ar->what == 'C')
    length = snprintf(text, size, "\n\t[C]: in function '%s'", name);
  else
    length = snprintf(text, size, "\n\t%s:%d: in %s '%s'", ar->short_src, ar->currentline,
                      *ar->what == 'm' ? "main chunk" : "function", name);
  return length < 0 ? 0 : (size_t)length;
}

void state_last_words(const struct state *s) {
  output_last_words(&s->import.output);
}

void state_trace(struct state *s, char *text, size_t size) {
  lua_State *L = s->phase == PHASE_CALL || s->phase == PHASE_INIT ? running_now() : s->L;
  lua_Debug ar;
  size_t length;
  int level;
  length = (size_t)snprintf(text, size, "stack traceback:");
  for (level = 0; length < size && lua_getstack(L, level, &ar); level++)
    if (lua_getinfo(L, "Sln", &ar)) /* these three allocate nothing */
      length += line(&ar, text + length, size - length);
}
