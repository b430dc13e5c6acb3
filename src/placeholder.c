#include "config.h"
#include "placeholder.h"

#include <lauxlib.h>
#include <stdio.h>

#include "place.h"

#define PLACEHOLDER "fast_map.placeholder"

struct placeholder {
  uint32_t entry;
  char what[60]; /* "a userdata (pg.conn)" */
};

static int fail(lua_State *L, const struct placeholder *p) {
  struct place_text text;
  place_describe(import_of(L), L, p->entry, &text);
  return luaL_error(L, "%s is %s, which cannot travel to a task: open it in the task", text.bytes, p->what);
}

/* Any metamethod: the placeholder is one of the first two arguments. */
static int use(lua_State *L) {
  const struct placeholder *p = luaL_testudata(L, 1, PLACEHOLDER);
  if (p == NULL)
    p = luaL_testudata(L, 2, PLACEHOLDER);
  return p == NULL ? luaL_error(L, "something that cannot travel to a task was used") : fail(L, p);
}

static int call(lua_State *L) {
  return fail(L, lua_touserdata(L, lua_upvalueindex(1)));
}

static void push_meta(lua_State *L) {
  static const char *const events[] = {"__index", "__newindex", "__call", "__add",      "__sub",   "__mul",
                                       "__mod",   "__pow",      "__div",  "__idiv",     "__band",  "__bor",
                                       "__bxor",  "__shl",      "__shr",  "__unm",      "__bnot",  "__concat",
                                       "__len",   "__lt",       "__le",   "__tostring", "__pairs", NULL};
  if (!luaL_newmetatable(L, PLACEHOLDER))
    return;
  for (int i = 0; events[i] != NULL; i++) {
    lua_pushcfunction(L, use);
    lua_setfield(L, -2, events[i]);
  }
  lua_pushliteral(L, "thing of the script that cannot travel (open it in the task)");
  lua_setfield(L, -2, "__name");
}

/* The type of the view's top, with the name its metatable gives it. */
static void describe(struct copy *c, struct placeholder *p) {
  lua_State *V = c->view;
  if (lua_type(V, -1) == LUA_TTHREAD) {
    snprintf(p->what, sizeof p->what, "a coroutine");
    return;
  }
  snprintf(p->what, sizeof p->what, "a userdata");
  if (!lua_getmetatable(V, -1))
    return;
  lua_pushvalue(V, FROZEN_NAME);
  if (lua_rawget(V, -2) == LUA_TSTRING)
    snprintf(p->what, sizeof p->what, "a userdata (%s)", lua_tostring(V, -1));
  lua_pop(V, 2);
}

void placeholder_push(struct copy *c, const struct place *place) {
  struct placeholder *p = lua_newuserdatauv(c->L, sizeof *p, 0);
  (void)place;
  p->entry = copy_next_entry(c);
  describe(c, p);
  push_meta(c->L);
  lua_setmetatable(c->L, -2);
}

void placeholder_push_function(struct copy *c, const struct place *place) {
  struct placeholder *p = lua_newuserdatauv(c->L, sizeof *p, 0);
  (void)place;
  p->entry = copy_next_entry(c);
  snprintf(p->what, sizeof p->what, "a C function of a library that a task cannot load");
  lua_pushcclosure(c->L, call, 1);
}

int placeholder_is(lua_State *L, int idx) {
  return luaL_testudata(L, idx, PLACEHOLDER) != NULL;
}
