#include "config.h"
#include "globals.h"

#include <lauxlib.h>
#include <lualib.h>

#include "library.h"
#include "mirror.h"
#include "names.h"
#include "raw.h"
#include "standard.h"
#include "type_meta.h"

static const char user_meta_key = 0; /* registry: the metatable of _G that the script sees */

/* ------------------------------------------------------------------ the script's own metatable of _G */

/* The handlers are in Lua for their tail calls: the script's handler sees, at each level of the stack, what
   it sees without us. */
static const char handlers[] = "local resolve, claim, meta, rawget, rawset, type = ...\n"
                               "return function(t, k)\n"
                               "  local v = resolve(t, k)\n"
                               "  if v ~= nil then return v end\n"
                               "  local h = rawget(meta, '__index')\n"
                               "  if type(h) == 'function' then return h(t, k) end\n"
                               "  if h ~= nil then return h[k] end\n"
                               "end, function(t, k, v)\n"
                               "  if claim(t, k, v) then return end\n"
                               "  local h = rawget(meta, '__newindex')\n"
                               "  if type(h) == 'function' then return h(t, k, v) end\n"
                               "  if h ~= nil then h[k] = v else rawset(t, k, v) end\n"
                               "end\n";

/* [-0, +0, m] Puts Lua handlers, which know the script's metatable at `user`, into the table on the top. */
static void set_user_handlers(lua_State *L, int user) {
  if (luaL_loadbufferx(L, handlers, sizeof handlers - 1, "=fast_map", "t") != LUA_OK)
    lua_error(L);
  mirror_push_index(L, MIRROR_GLOBALS);
  mirror_push_claim(L);
  lua_pushvalue(L, user);
  lua_pushcfunction(L, raw_get);
  lua_pushcfunction(L, raw_set);
  lua_pushcfunction(L, library_named("_G", "type")->function);
  lua_call(L, 6, 2);
  lua_setfield(L, -3, "__newindex");
  lua_setfield(L, -2, "__index");
}

void globals_set_meta(lua_State *L, int user) {
  user = lua_absindex(L, user);
  lua_pushvalue(L, user);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &user_meta_key);
  lua_pushglobaltable(L);
  lua_createtable(L, 0, 2);
  if (lua_istable(L, user)) {
    for (lua_pushnil(L); lua_next(L, user);) { /* __call, __tostring, ... */
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
    set_user_handlers(L, user);
  } else {
    mirror_set_handlers(L, MIRROR_GLOBALS);
  }
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

int globals_get_meta(lua_State *L) {
  return lua_rawgetp(L, LUA_REGISTRYINDEX, &user_meta_key);
}

void globals_open(lua_State *L) {
  const struct snapshot *s = import_of(L)->snapshot;
  names_open(L);
  lua_pushglobaltable(L);
  mirror_open(L, MIRROR_GLOBALS, -1);
  lua_pop(L, 1);
  type_meta_open(L);
  if (s->tables.globals_meta != NULL) {
    import_globals_meta(L);
    globals_set_meta(L, -1);
    lua_pop(L, 1);
  }
}

void globals_push_meta(const struct snapshot *s, lua_State *view) {
  if (s->outer == NULL) {
    if (!lua_getmetatable(view, FROZEN_GLOBALS))
      lua_pushnil(view);
    return;
  }
  frozen_lock(); /* for a key that is a pointer */
  lua_rawgetp(view, LUA_REGISTRYINDEX, &user_meta_key);
  frozen_unlock();
}

void globals_settle(lua_State *L) {
  struct copy c;
  type_meta_settle(L);
  copy_begin(&c, L);
  standard_push(&c, LUA_LOADLIBNAME); /* makes the mirrors of package.loaded and package.preload */
  lua_pop(L, 1);
  copy_complete(&c);
  copy_finish(&c);
}

/* ------------------------------------------------------------------ special tables */

int globals_special(const struct import *I, const void *table) {
  const struct frozen_tables *t = &I->snapshot->tables;
  return table == t->globals || table == t->loaded || table == t->preload || table == t->registry;
}

int globals_copy(struct copy *c, const struct place *place) {
  const struct frozen_tables *t = &c->import->snapshot->tables;
  const void *table = lua_topointer(c->view, -1);
  lua_State *L = c->L;
  if (!globals_special(c->import, table))
    return 0;
  if (table == t->registry) {
    lua_pushvalue(L, LUA_REGISTRYINDEX);
  } else if (table == t->globals) {
    lua_pushglobaltable(L);
  } else {
    standard_push(c, LUA_LOADLIBNAME);
    lua_pop(L, 1);
    mirror_push(L, table == t->loaded ? MIRROR_LOADED : MIRROR_PRELOAD);
  }
  copy_note(c, place);
  lua_pop(c->view, 1);
  return 1;
}
