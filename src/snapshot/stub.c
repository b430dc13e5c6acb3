#include "config.h"
#include "stub.h"

#include <lauxlib.h>
#include <string.h>

#include "raw.h"
#include "stand_in.h"

/* What it has besides sleep. */
static const char *const light_names[] = {"now", "cpus", NULL};

void stub_settle(lua_State *L, int idx) {
  struct import *I = import_of(L);
  if (I->light != NULL && lua_topointer(L, idx) == I->light) {
    idx = lua_absindex(L, idx);
    I->light = NULL;
    I->whole = 1;
    lua_pushnil(L);
    lua_setmetatable(L, idx);
    lua_pushliteral(L, "state");
    lua_pushvalue(L, -1);
    lua_rawget(L, idx);
    import_rest(L, FROZEN_LOADED, "fast_map");
    lua_rawset(L, idx); /* the thread's own, not that of the thread which began this map */
  }
}

void stub_set_state(lua_State *L) {
  lua_pushliteral(L, "fast_map");
  if (import_field(L, FROZEN_LOADED, STEP_LOADED, -1) && lua_istable(L, -1)) {
    lua_pushliteral(L, "state");
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

static int light_index(lua_State *L) {
  stub_settle(L, 1);
  lua_gettable(L, 1);
  return 1;
}

static int light_newindex(lua_State *L) {
  stub_settle(L, 1);
  lua_settable(L, 1);
  return 0;
}

static int finish_call(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L);
}

static int light_call(lua_State *L) {
  stub_settle(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, finish_call);
  return finish_call(L, LUA_OK, 0);
}

static int light_pairs(lua_State *L) {
  stub_settle(L, 1);
  lua_settop(L, 1);
  return raw_pairs(L);
}

/* [-0, +1, m] Pushes table[name] on the view. */
static void push_frozen(struct copy *c, int table, const char *name) {
  if (frozen_field(c->import->snapshot, c->view, table, name, strlen(name)) != STATUS_OK)
    import_no_memory(c->L);
}

/* [-0, +0, m] Is the sleep of the module at `object` on the view what it came with? The script may have put another there. */
static int sleeps_as_ever(struct copy *c, int object) {
  lua_State *V = c->view;
  int same;
  push_frozen(c, object, "sleep");
  same = lua_tocfunction(V, -1) == stand_in_sleep; /* the script is a thread itself */
  if (!same) {
    push_frozen(c, FROZEN_LOADED, "fast_map.core");
    if (lua_istable(V, -1))
      push_frozen(c, lua_gettop(V), "module_sleep");
    same = lua_rawequal(V, -1, object + 1);
  }
  lua_settop(V, object);
  return same;
}

void stub_copy(struct copy *c, const struct place *place) {
  static const luaL_Reg events[] = {{"__index", light_index},
                                    {"__newindex", light_newindex},
                                    {"__call", light_call},
                                    {"__pairs", light_pairs},
                                    {NULL, NULL}};
  lua_State *L = c->L;
  int object = lua_gettop(c->view);
  lua_createtable(L, 0, 4);
  for (int i = 0; light_names[i] != NULL; i++) {
    push_frozen(c, object, light_names[i]);
    if (lua_iscfunction(c->view, -1)) {
      lua_pushcfunction(L, lua_tocfunction(c->view, -1));
      lua_setfield(L, -2, light_names[i]);
    }
    lua_pop(c->view, 1);
  }
  if (sleeps_as_ever(c, object)) {
    lua_pushcfunction(L, stand_in_sleep);
    lua_setfield(L, -2, "sleep");
  }
  luaL_newlib(L, events);
  lua_setmetatable(L, -2);
  c->import->light = lua_topointer(L, -1);
  copy_note(c, place);
  lua_pop(c->view, 1);
}
