#include "config.h"
#include "mirror.h"

#include <lauxlib.h>

static const struct {
  int slot;
  enum step root;
} mirrors[MIRROR_COUNT] = {
    {FROZEN_GLOBALS, STEP_GLOBAL}, {FROZEN_LOADED, STEP_LOADED}, {FROZEN_PRELOAD, STEP_PRELOAD}};

static const char touched_keys[MIRROR_COUNT]; /* registry: set of the touched names */
static const char loaded_key = 0;             /* registry: package.loaded; see names.h */

int mirror_at(lua_State *L, int idx) {
  const struct import *I = import_of(L);
  const void *table = lua_topointer(L, idx);
  for (int i = 0; i < MIRROR_COUNT; i++)
    if (I->mirrors[i] == table)
      return table == NULL ? -1 : i;
  return -1;
}

int mirror_resolve(lua_State *L, int mirror, int t, int k, int touched) {
  lua_pushvalue(L, k);
  if (lua_isnil(L, -1) || lua_rawget(L, touched) != LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  lua_pop(L, 1);
  if (!import_field(L, mirrors[mirror].slot, mirrors[mirror].root, k)) {
    lua_pushvalue(L, k);
    lua_pushboolean(L, 1);
    lua_rawset(L, touched);
    return 0;
  }
  lua_pushvalue(L, k);
  lua_pushboolean(L, 1);
  lua_rawset(L, touched);
  lua_pushvalue(L, k);
  lua_pushvalue(L, -2);
  lua_rawset(L, t);
  return 1;
}

void mirror_touch(lua_State *L, int k, int touched) {
  lua_pushvalue(L, k);
  lua_pushboolean(L, 1);
  lua_rawset(L, touched);
}

/* (t, k) -> value; upvalues: mirror, touched */
static int index_mirror(lua_State *L) {
  lua_settop(L, 2);
  return mirror_resolve(L, (int)lua_tointeger(L, lua_upvalueindex(1)), 1, 2, lua_upvalueindex(2));
}

/* (t, k, v); upvalues: mirror, touched */
static int newindex_mirror(lua_State *L) {
  lua_settop(L, 3);
  if (!lua_isnil(L, 2))
    mirror_touch(L, 2, lua_upvalueindex(2));
  lua_rawset(L, 1);
  return 0;
}

void mirror_push_touched(lua_State *L, int mirror) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
}

static void push_upvalues(lua_State *L, int mirror) {
  lua_pushinteger(L, mirror);
  mirror_push_touched(L, mirror);
}

void mirror_push_index(lua_State *L, int mirror) {
  push_upvalues(L, mirror);
  lua_pushcclosure(L, index_mirror, 2);
}

/* (t, k, v) -> boolean; upvalues: mirror, touched */
static int claim(lua_State *L) {
  int exists;
  lua_settop(L, 3);
  exists = mirror_resolve(L, MIRROR_GLOBALS, 1, 2, lua_upvalueindex(2));
  if (exists) {
    lua_settop(L, 3);
    lua_rawset(L, 1);
  }
  lua_pushboolean(L, exists);
  return 1;
}

void mirror_push_claim(lua_State *L) {
  push_upvalues(L, MIRROR_GLOBALS);
  lua_pushcclosure(L, claim, 2);
}

void mirror_set_handlers(lua_State *L, int mirror) {
  mirror_push_index(L, mirror);
  lua_setfield(L, -2, "__index");
  push_upvalues(L, mirror);
  lua_pushcclosure(L, newindex_mirror, 2);
  lua_setfield(L, -2, "__newindex");
}

void mirror_open(lua_State *L, enum mirror mirror, int idx) {
  int touched = lua_gettop(L) + 1;
  idx = lua_absindex(L, idx);
  import_of(L)->mirrors[mirror] = lua_topointer(L, idx);
  lua_createtable(L, 0, 4);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
    mirror_touch(L, touched + 1, touched);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
  lua_createtable(L, 0, 2);
  mirror_set_handlers(L, mirror);
  lua_setmetatable(L, idx);
}

void mirror_fill(lua_State *L, int mirror, int t) {
  mirror_push_touched(L, mirror);
  import_fields(L, mirrors[mirror].slot, mirrors[mirror].root, t, lua_gettop(L));
  lua_pop(L, 1);
}

/* [-0, +1, m] */
static void push_loaded(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
}

void mirror_push(lua_State *L, int mirror) {
  if (mirror == MIRROR_GLOBALS)
    lua_pushglobaltable(L);
  else if (mirror == MIRROR_LOADED)
    push_loaded(L);
  else
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
}

void mirror_push_loaded(lua_State *L) {
  if (import_of_script(L) != NULL)
    mirror_push(L, MIRROR_LOADED);
  else
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

/* (mirror, name) -> value or nil */
static int complete(lua_State *L) {
  int mirror = (int)lua_tointeger(L, 1);
  mirror_push(L, mirror);
  mirror_push_touched(L, mirror);
  return mirror_resolve(L, mirror, 3, 2, 4);
}

/* (bytes, size, mirror) -> value or nil */
static int complete_name(lua_State *L) {
  lua_pushcfunction(L, complete);
  lua_pushvalue(L, 3);
  lua_pushlstring(L, lua_touserdata(L, 1), (size_t)lua_tointeger(L, 2));
  lua_call(L, 2, 1);
  return 1;
}

void mirror_complete(lua_State *view, int slot, const char *name, size_t size) {
  int mirror = 0;
  while (mirror < MIRROR_COUNT && mirrors[mirror].slot != slot)
    mirror++;
  if (mirror == MIRROR_COUNT || import_of(view)->mirrors[mirror] == NULL)
    return;
  lua_pop(view, 1);
  lua_pushcfunction(view, complete_name);
  lua_pushlightuserdata(view, (void *)name);
  lua_pushinteger(view, (lua_Integer)size);
  lua_pushinteger(view, mirror);
  if (lua_pcall(view, 3, 1, 0) != LUA_OK) {
    lua_pop(view, 1);
    lua_pushnil(view);
  }
}

/* (mirror) */
static int complete_all(lua_State *L) {
  int mirror = (int)lua_tointeger(L, 1);
  mirror_push(L, mirror);
  mirror_fill(L, mirror, 2);
  return 0;
}

int mirror_complete_all(lua_State *view, int slot) {
  int mirror = 0, code;
  while (mirror < MIRROR_COUNT && mirrors[mirror].slot != slot)
    mirror++;
  if (mirror == MIRROR_COUNT || import_of(view)->mirrors[mirror] == NULL)
    return LUA_OK;
  lua_pushcfunction(view, complete_all);
  lua_pushinteger(view, mirror);
  code = lua_pcall(view, 1, 0, 0);
  if (code != LUA_OK)
    lua_pop(view, 1);
  return code;
}
