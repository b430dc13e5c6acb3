#include "config.h"
#include "placeholder.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "place.h"

static const char placeholder_key = 0; /* in the metatable of every placeholder */

struct placeholder {
  uint32_t entry;
  int type;       /* of what it stands for */
  char what[112]; /* "a userdata (pg.conn)" */
};

#define ADVICE "which cannot travel to a task: open it in the task"

static int fail(lua_State *L, const struct placeholder *p) {
  struct place_text text;
  place_describe(import_of(L), L, p->entry, &text);
  return luaL_error(L, "%s is %s, " ADVICE, text.bytes, p->what);
}

/* [-0, +0, -] The placeholder at idx, or NULL. */
static const struct placeholder *placeholder_at(lua_State *L, int idx) {
  const struct placeholder *p = lua_touserdata(L, idx);
  if (p == NULL || !lua_getmetatable(L, idx))
    return NULL;
  if (lua_rawgetp(L, -1, &placeholder_key) == LUA_TNIL)
    p = NULL;
  lua_pop(L, 2);
  return p;
}

/* Any metamethod: the placeholder is one of the first two arguments. */
static int use(lua_State *L) {
  const struct placeholder *p = placeholder_at(L, 1);
  if (p == NULL)
    p = placeholder_at(L, 2);
  return p == NULL ? luaL_error(L, "something that cannot travel to a task was used") : fail(L, p);
}

static int call(lua_State *L) {
  return fail(L, lua_touserdata(L, lua_upvalueindex(1)));
}

/* Each has a metatable of its own, for its name: a C function that gets the placeholder as an argument asks for nothing
   else, and says that it got this. */
static void push_meta(lua_State *L, const struct import *I, const struct placeholder *p,
                      const struct place *place) {
  static const char *const events[] = {"__index", "__newindex", "__call", "__add",      "__sub",   "__mul",
                                       "__mod",   "__pow",      "__div",  "__idiv",     "__band",  "__bor",
                                       "__bxor",  "__shl",      "__shr",  "__unm",      "__bnot",  "__concat",
                                       "__len",   "__lt",       "__le",   "__tostring", "__pairs", "__close"};
  const int count = sizeof events / sizeof *events;
  struct place_text text;
  lua_createtable(L, 0, count + 2);
  for (int i = 0; i < count; i++) {
    lua_pushcfunction(L, use);
    lua_setfield(L, -2, events[i]);
  }
  place_show(I, L, place, &text);
  lua_pushfstring(L, "%s: %s, " ADVICE, text.bytes, p->what);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &placeholder_key);
}

/* The type of the view's top, with the name its metatable gives it. */
static void describe(struct copy *c, char *what, size_t size) {
  lua_State *V = c->view;
  const struct placeholder *outer; /* the script is a task itself, and has got no further */
  int type = lua_type(V, -1);
  if (type != LUA_TUSERDATA) {
    snprintf(what, size, type == LUA_TTHREAD ? "a coroutine" : "a pointer");
    return;
  }
  frozen_lock(); /* for a key that is a pointer */
  outer = placeholder_at(V, -1);
  frozen_unlock();
  snprintf(what, size, "%s", outer != NULL ? outer->what : "a userdata");
  if (outer != NULL || !lua_getmetatable(V, -1))
    return;
  lua_pushvalue(V, FROZEN_NAME);
  if (lua_rawget(V, -2) == LUA_TSTRING)
    snprintf(what, size, "a userdata (%.60s)", lua_tostring(V, -1));
  lua_pop(V, 2);
}

void placeholder_push(struct copy *c, const struct place *place) {
  struct placeholder *p = lua_newuserdatauv(c->L, sizeof *p, 0);
  p->entry = copy_next_entry(c);
  p->type = lua_type(c->view, -1);
  describe(c, p->what, sizeof p->what);
  push_meta(c->L, c->import, p, place);
  lua_setmetatable(c->L, -2);
}

void placeholder_push_function(struct copy *c) {
  struct placeholder *p = lua_newuserdatauv(c->L, sizeof *p, 0);
  int outer = lua_tocfunction(c->view, -2) == call;
  char what[sizeof p->what - 32];
  p->entry = copy_next_entry(c);
  p->type = LUA_TFUNCTION;
  describe(c, what, sizeof what);
  if (outer)
    memcpy(p->what, ((const struct placeholder *)lua_touserdata(c->view, -1))->what, sizeof p->what);
  else
    snprintf(p->what, sizeof p->what, "a C function that holds %s", what);
  lua_pushcclosure(c->L, call, 1);
}

int placeholder_type(lua_State *L, int idx) {
  const struct placeholder *p = placeholder_at(L, idx);
  return p == NULL ? lua_type(L, idx) : p->type;
}

int placeholder_is(lua_State *L, int idx) {
  return placeholder_at(L, idx) != NULL;
}
