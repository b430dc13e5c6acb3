#include "config.h"
#include "fresh.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "module_index.h"
#include "place.h"

#define STEP_LIMIT 32

#define FRESH                                                                                                \
  "fast_map.fresh" /* registry: module name -> the module loaded aside, or     \
                      false */

/* Steps from a module's value to the userdata, last first. */
struct way {
  const char *module;
  struct place steps[STEP_LIMIT];
  int count;
};

/* Finds the module that the place is in. 0: none. */
static int find_way(struct copy *c, const struct place *place, struct way *way) {
  const struct import *I = c->import;
  struct place p = *place;
  way->count = 0;
  for (;;) {
    const char *outer, *name;
    if (p.step == STEP_LOADED) {
      way->module = p.name;
      return p.name != NULL;
    }
    if (way->count + 2 >= STEP_LIMIT || p.step >= STEP_KEY || p.parent == 0)
      return 0;
    way->steps[way->count++] = p;
    if (module_index_name(c, I->entries[p.parent].origin, &way->module, &outer, &name)) {
      if (name != NULL)
        way->steps[way->count++] = (struct place){.step = STEP_FIELD, .name = name};
      if (outer != NULL)
        way->steps[way->count++] = (struct place){.step = STEP_FIELD, .name = outer};
      return 1;
    }
    p = I->entries[p.parent].place;
  }
}

/* (name) -> module: as require would, but leaving package.loaded alone */
static int load_aside(lua_State *L) {
  lua_settop(L, 1);
  lua_pushliteral(L, LUA_LOADLIBNAME);
  if (!import_field(L, FROZEN_LOADED, STEP_LOADED, 2) || lua_getfield(L, 3, "searchers") != LUA_TTABLE)
    return 0;
  for (lua_Integer i = 1; lua_rawgeti(L, 4, i) != LUA_TNIL; i++) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 2);
    if (lua_isfunction(L, -2)) {
      lua_pushvalue(L, 1);
      lua_insert(L, -2);
      lua_call(L, 2, 1);
      return 1;
    }
    lua_settop(L, 4);
  }
  return 0;
}

/* [-0, +1, m] Pushes the module loaded aside, or false. */
static void push_fresh(struct copy *c, const char *name) {
  lua_State *L = c->L;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, FRESH);
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushboolean(L, 0); /* meanwhile: a module that needs itself gets no further */
    lua_setfield(L, -2, name);
    lua_pushcfunction(L, load_aside);
    lua_pushstring(L, name);
    if (copy_protected(c, 1, 1) == LUA_OK && !lua_isnil(L, -1)) {
      lua_pushvalue(L, -1);
      lua_setfield(L, -3, name);
    } else {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
  }
  lua_remove(L, -2);
}

/* [-1, +1|0, m] One step in this state. */
static int go(lua_State *L, const struct place *p) {
  int object = lua_gettop(L), found = 0;
  if (p->step == STEP_FIELD && lua_istable(L, object)) {
    lua_pushstring(L, p->name);
    found = lua_rawget(L, object) != LUA_TNIL;
  } else if (p->step == STEP_INDEX && lua_istable(L, object)) {
    found = lua_rawgeti(L, object, p->number) != LUA_TNIL;
  } else if (lua_istable(L, object) && place_push_key(L, p)) {
    found = lua_rawget(L, object) != LUA_TNIL;
  } else if (p->step == STEP_META) {
    found = lua_getmetatable(L, object);
  } else if (p->step == STEP_UPVALUE && lua_isfunction(L, object)) {
    found = lua_getupvalue(L, object, (int)p->number) != NULL;
  }
  if (found)
    lua_remove(L, object);
  return found;
}

int fresh_copy(struct copy *c, const struct place *place) {
  lua_State *L = c->L;
  int top = lua_gettop(L);
  struct way way;
  if (!find_way(c, place, &way))
    return 0;
  push_fresh(c, way.module);
  while (way.count > 0 && go(L, &way.steps[--way.count]))
    ;
  if (way.count == 0 && lua_type(L, -1) == LUA_TUSERDATA)
    return 1;
  lua_settop(L, top);
  return 0;
}
