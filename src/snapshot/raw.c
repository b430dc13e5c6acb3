#include "config.h"
#include "raw.h"

#include <lauxlib.h>

#include "globals.h"
#include "mirror.h"
#include "names.h"
#include "stub.h"
#include "type_meta.h"

/* What a table shows of itself must be there first. */
static void settle(lua_State *L, int idx) {
  int mirror = mirror_at(L, idx);
  if (mirror >= 0)
    mirror_fill(L, mirror, idx);
  else
    stub_settle(L, idx);
}

int raw_get(lua_State *L) {
  int mirror;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 1) != LUA_TNIL || (mirror = mirror_at(L, 1)) < 0)
    return 1;
  mirror_push_touched(L, mirror);
  if (!mirror_resolve(L, mirror, 1, 2, 4))
    lua_pushnil(L);
  return 1;
}

int raw_set(lua_State *L) {
  int mirror;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if ((mirror = mirror_at(L, 1)) >= 0 && !lua_isnil(L, 2)) {
    mirror_push_touched(L, mirror);
    mirror_touch(L, 2, 4);
    lua_settop(L, 3);
  }
  lua_rawset(L, 1);
  return 1;
}

int raw_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2))
    settle(L, 1);
  if (lua_next(L, 1))
    return 2;
  lua_pushnil(L);
  return 1;
}

/* After a yield in __pairs. */
static int finish_pairs(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 3;
}

int raw_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
    lua_pushcfunction(L, raw_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, finish_pairs);
  }
  return 3;
}

/* [-0, +1, m] Pushes what the script sees as the metatable of the value at 1, or nil. */
static void push_meta(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING)
    type_meta_settle(L);
  if (lua_type(L, 1) == LUA_TTABLE)
    stub_settle(L, 1);
  if (mirror_at(L, 1) == MIRROR_GLOBALS)
    globals_get_meta(L);
  else if (names_hides_meta(L, 1) || !lua_getmetatable(L, 1))
    lua_pushnil(L);
}

int raw_debug_getmetatable(lua_State *L) {
  push_meta(L);
  return 1;
}

int raw_getmetatable(lua_State *L) {
  push_meta(L);
  if (!lua_istable(L, 2))
    return 1;
  lua_pushliteral(L, "__metatable");
  if (lua_rawget(L, 2) == LUA_TNIL)
    lua_pop(L, 1);
  return 1;
}

/* Notes that there are finalizers from now on; see import.h. */
static void watch_finalizers(lua_State *L, int meta) {
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, meta) != LUA_TNIL)
    import_of(L)->finalizers = 1;
  lua_pop(L, 1);
}

/* The value at 1 gets what is at 2. */
static int set_meta(lua_State *L) {
  lua_settop(L, 2);
  if (lua_istable(L, 2))
    watch_finalizers(L, 2);
  if (mirror_at(L, 1) == MIRROR_GLOBALS) {
    globals_set_meta(L, 2);
  } else {
    stub_settle(L, 1);
    if (names_hides_meta(L, 1))
      names_give_up(L);
    lua_setmetatable(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}

int raw_debug_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  return set_meta(L);
}

int raw_setmetatable(lua_State *L) {
  int type = lua_type(L, 2), globals;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  lua_settop(L, 2);
  globals = mirror_at(L, 1) == MIRROR_GLOBALS;
  if (globals && globals_get_meta(L) == LUA_TTABLE) {
    lua_pushliteral(L, "__metatable");
    lua_rawget(L, -2);
  } else if (globals || luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL) {
    lua_pushnil(L);
  }
  if (!lua_isnil(L, -1))
    return luaL_error(L, "cannot change a protected metatable");
  return set_meta(L);
}
