#include "config.h"
#include "globals.h"

#include <lauxlib.h>
#include <lualib.h>

#include "library.h"
#include "standard.h"
#include "stub.h"

/* A mirror begins empty. The first time a name is asked for, or assigned, it is
   *touched*: looked up in the script's table, once; from then on it is this
   thread's own business. */
static const struct {
  int slot;
  enum step root;
} mirrors[MIRROR_COUNT] = {
    {FROZEN_GLOBALS, STEP_GLOBAL}, {FROZEN_LOADED, STEP_LOADED}, {FROZEN_PRELOAD, STEP_PRELOAD}};

static const char touched_keys[MIRROR_COUNT]; /* registry: set of the touched names */
static const char user_meta_key = 0;          /* registry: the metatable of _G that the script sees */

/* -1 when the table at idx is no mirror */
static int mirror_at(lua_State *L, int idx) {
  const struct import *I = import_of(L);
  const void *table = lua_topointer(L, idx);
  for (int i = 0; i < MIRROR_COUNT; i++)
    if (I->mirrors[i] == table)
      return table == NULL ? -1 : i;
  return -1;
}

/* [-0, +1|0, m] Pushes the value that the script has under the key at k, unless that was touched; the table
   at t keeps it. */
static int resolve(lua_State *L, int mirror, int t, int k, int touched) {
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

/* [-0, +0, m] Marks the key at k as touched. */
static void touch(lua_State *L, int k, int touched) {
  lua_pushvalue(L, k);
  lua_pushboolean(L, 1);
  lua_rawset(L, touched);
}

/* (t, k) -> value; upvalues: mirror, touched */
static int mirror_index(lua_State *L) {
  lua_settop(L, 2);
  return resolve(L, (int)lua_tointeger(L, lua_upvalueindex(1)), 1, 2, lua_upvalueindex(2));
}

/* (t, k, v); upvalues: mirror, touched */
static int mirror_newindex(lua_State *L) {
  lua_settop(L, 3);
  if (!lua_isnil(L, 2))
    touch(L, 2, lua_upvalueindex(2));
  lua_rawset(L, 1);
  return 0;
}

static void push_upvalues(lua_State *L, int mirror) {
  lua_pushinteger(L, mirror);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
}

/* [-0, +0, m] Puts both handlers into the table on the top. */
static void set_handlers(lua_State *L, int mirror) {
  push_upvalues(L, mirror);
  lua_pushcclosure(L, mirror_index, 2);
  lua_setfield(L, -2, "__index");
  push_upvalues(L, mirror);
  lua_pushcclosure(L, mirror_newindex, 2);
  lua_setfield(L, -2, "__newindex");
}

void globals_mirror(lua_State *L, enum mirror mirror, int idx) {
  int touched = lua_gettop(L) + 1;
  idx = lua_absindex(L, idx);
  import_of(L)->mirrors[mirror] = lua_topointer(L, idx);
  lua_createtable(L, 0, 4);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
    touch(L, touched + 1, touched);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
  lua_createtable(L, 0, 2);
  set_handlers(L, mirror);
  lua_setmetatable(L, idx);
}

/* [-0, +0, m] Fills the mirror at t with all that the script's table has. */
static void fill(lua_State *L, int mirror, int t) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
  import_fields(L, mirrors[mirror].slot, mirrors[mirror].root, t, lua_gettop(L));
  lua_pop(L, 1);
}

static void push_mirror(lua_State *L, int mirror) {
  if (mirror == MIRROR_GLOBALS)
    lua_pushglobaltable(L);
  else
    lua_getfield(L, LUA_REGISTRYINDEX, mirror == MIRROR_LOADED ? LUA_LOADED_TABLE : LUA_PRELOAD_TABLE);
}

/* (mirror, name) -> value or nil */
static int complete(lua_State *L) {
  int mirror = (int)lua_tointeger(L, 1);
  push_mirror(L, mirror);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
  return resolve(L, mirror, 3, 2, 4);
}

/* (bytes, size, mirror) -> value or nil */
static int complete_name(lua_State *L) {
  lua_pushcfunction(L, complete);
  lua_pushvalue(L, 3);
  lua_pushlstring(L, lua_touserdata(L, 1), (size_t)lua_tointeger(L, 2));
  lua_call(L, 2, 1);
  return 1;
}

void globals_complete(lua_State *view, int slot, const char *name, size_t size) {
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
  push_mirror(L, mirror);
  fill(L, mirror, 2);
  return 0;
}

int globals_complete_all(lua_State *view, int slot) {
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

/* ------------------------------------------------------------------ metatables of types */

static const int typed[] = {LUA_TNIL,    LUA_TBOOLEAN,  LUA_TLIGHTUSERDATA,
                            LUA_TNUMBER, LUA_TFUNCTION, LUA_TTHREAD};

#define TYPED_COUNT (int)(sizeof typed / sizeof *typed)

/* [-0, +1, -] Pushes some value of the type. */
static void push_sample(lua_State *L, int type) {
  switch (type) {
  case LUA_TBOOLEAN:
    lua_pushboolean(L, 0);
    break;
  case LUA_TLIGHTUSERDATA:
    lua_pushlightuserdata(L, NULL);
    break;
  case LUA_TNUMBER:
    lua_pushinteger(L, 0);
    break;
  case LUA_TFUNCTION:
    lua_pushcfunction(L, globals_rawget);
    break;
  case LUA_TTHREAD:
    lua_pushthread(L);
    break;
  default:
    lua_pushnil(L);
  }
}

int globals_type_metas(lua_State *L) {
  int top = lua_gettop(L), found = 0;
  for (int i = 0; i < TYPED_COUNT && !found; i++) {
    push_sample(L, typed[i]);
    found = lua_getmetatable(L, -1);
    lua_settop(L, top);
  }
  return found;
}

static void open_types(lua_State *L) {
  struct copy c;
  copy_begin(&c, L);
  for (int i = 0; i < TYPED_COUNT; i++) {
    int top = lua_gettop(c.view);
    push_sample(c.view, typed[i]);
    if (lua_getmetatable(c.view, -1)) {
      push_sample(L, typed[i]);
      copy_value(&c, &(struct place){.step = STEP_OTHER});
      copy_complete(&c);
      lua_setmetatable(L, -2);
      lua_pop(L, 1);
    }
    lua_settop(c.view, top);
  }
  copy_finish(&c);
}

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

/* (t, k, v) -> whether the script has such a name, so that it is assigned like an existing one */
static int mirror_claim(lua_State *L) {
  int exists;
  lua_settop(L, 3);
  exists = resolve(L, MIRROR_GLOBALS, 1, 2, lua_upvalueindex(2));
  if (exists) {
    lua_settop(L, 3);
    lua_rawset(L, 1);
  }
  lua_pushboolean(L, exists);
  return 1;
}

/* [-0, +0, m] Puts Lua handlers, which know the script's metatable at `user`, into the table on the top. */
static void set_user_handlers(lua_State *L, int user) {
  if (luaL_loadbufferx(L, handlers, sizeof handlers - 1, "=fast_map", "t") != LUA_OK)
    lua_error(L);
  push_upvalues(L, MIRROR_GLOBALS);
  lua_pushcclosure(L, mirror_index, 2);
  push_upvalues(L, MIRROR_GLOBALS);
  lua_pushcclosure(L, mirror_claim, 2);
  lua_pushvalue(L, user);
  lua_pushcfunction(L, globals_rawget);
  lua_pushcfunction(L, globals_rawset);
  lua_pushcfunction(L, library_named("_G", "type")->function);
  lua_call(L, 6, 2);
  lua_setfield(L, -3, "__newindex");
  lua_setfield(L, -2, "__index");
}

/* [-0, +0, m] The table (or nil) at `user` becomes what getmetatable(_G) gives.
 */
static void set_user_meta(lua_State *L, int user) {
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
    set_handlers(L, MIRROR_GLOBALS);
  }
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

/* ------------------------------------------------------------------ strings */

static void settle_strings(lua_State *L);

/* (s, k) -> value: the first index of a string fetches the library. */
static int string_index(lua_State *L) {
  lua_settop(L, 2);
  settle_strings(L);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  lua_gettable(L, -2);
  return 1;
}

/* [-0, +0, m] The metatable of strings gets its library, if it still waits for it. */
static void settle_strings(lua_State *L) {
  int top = lua_gettop(L);
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1)) {
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    if (lua_tocfunction(L, -1) == string_index) {
      lua_pushliteral(L, LUA_STRLIBNAME);
      if (import_field(L, FROZEN_LOADED, STEP_LOADED, -1))
        lua_setfield(L, top + 2, "__index");
    }
  }
  lua_settop(L, top);
}

/* As luaopen_string makes it, but for the library itself, which comes when it is needed. */
static void open_strings(lua_State *L) {
  int count;
  const struct library_function *f = library_string_events(&count);
  lua_pushliteral(L, "");
  lua_createtable(L, 0, count + 1);
  for (; count > 0; count--, f++) {
    lua_pushcfunction(L, f->function);
    lua_setfield(L, -2, f->name);
  }
  lua_pushcfunction(L, string_index);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void globals_open(lua_State *L) {
  const struct snapshot *s = import_of(L)->snapshot;
  lua_pushglobaltable(L);
  globals_mirror(L, MIRROR_GLOBALS, -1);
  lua_pop(L, 1);
  if (s->string_meta_plain) {
    open_strings(L);
  } else if (s->tables.string_meta != NULL) {
    lua_pushliteral(L, "");
    import_slot(L, FROZEN_STRING_META, STEP_STRING_META);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
  }
  if (s->type_metas)
    open_types(L);
  if (s->tables.globals_meta != NULL) {
    import_globals_meta(L);
    set_user_meta(L, -1);
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
  settle_strings(L);
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

/* [-0, +0, m] settle_strings in the middle of a run; the metatable is on L's top. */
static void copy_strings(struct copy *c) {
  lua_pushliteral(c->L, "__index");
  lua_rawget(c->L, -2);
  if (lua_tocfunction(c->L, -1) == string_index) {
    if (frozen_field(c->import->snapshot, c->view, FROZEN_LOADED, LUA_STRLIBNAME,
                     sizeof LUA_STRLIBNAME - 1) != STATUS_OK)
      import_no_memory(c->L);
    copy_value(c, &(struct place){.step = STEP_LOADED, .name = LUA_STRLIBNAME});
    lua_setfield(c->L, -3, "__index");
  }
  lua_pop(c->L, 1);
}

int globals_copy(struct copy *c, const struct place *place) {
  const struct frozen_tables *t = &c->import->snapshot->tables;
  const void *table = lua_topointer(c->view, -1);
  lua_State *L = c->L;
  if (table == t->string_meta && c->import->snapshot->string_meta_plain) {
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_remove(L, -2);
    copy_note(c, place);
    lua_pop(c->view, 1);
    copy_strings(c);
    return 1;
  }
  if (!globals_special(c->import, table))
    return 0;
  if (table == t->registry) {
    lua_pushvalue(L, LUA_REGISTRYINDEX);
  } else if (table == t->globals) {
    lua_pushglobaltable(L);
  } else {
    standard_push(c, LUA_LOADLIBNAME);
    lua_pop(L, 1);
    push_mirror(L, table == t->loaded ? MIRROR_LOADED : MIRROR_PRELOAD);
  }
  copy_note(c, place);
  lua_pop(c->view, 1);
  return 1;
}

/* ------------------------------------------------------------------ stand-ins
 */

/* What a table shows of itself must be there first. */
static void settle(lua_State *L, int idx) {
  int mirror = mirror_at(L, idx);
  if (mirror >= 0)
    fill(L, mirror, idx);
  else
    stub_settle(L, idx);
}

int globals_rawget(lua_State *L) {
  int mirror;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 1) != LUA_TNIL || (mirror = mirror_at(L, 1)) < 0)
    return 1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
  if (!resolve(L, mirror, 1, 2, 4))
    lua_pushnil(L);
  return 1;
}

int globals_rawset(lua_State *L) {
  int mirror;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if ((mirror = mirror_at(L, 1)) >= 0 && !lua_isnil(L, 2)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &touched_keys[mirror]);
    touch(L, 2, 4);
    lua_settop(L, 3);
  }
  lua_rawset(L, 1);
  return 1;
}

int globals_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2))
    settle(L, 1);
  if (lua_next(L, 1))
    return 2;
  lua_pushnil(L);
  return 1;
}

int globals_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
    lua_pushcfunction(L, globals_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 3);
  }
  return 3;
}

int globals_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING)
    settle_strings(L);
  if (lua_type(L, 1) == LUA_TTABLE)
    stub_settle(L, 1);
  if (lua_type(L, 1) == LUA_TTABLE && mirror_at(L, 1) == MIRROR_GLOBALS) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &user_meta_key) != LUA_TTABLE)
      return 1;
    lua_pushliteral(L, "__metatable");
    if (lua_rawget(L, -2) == LUA_TNIL)
      lua_pop(L, 1);
    return 1;
  }
  if (!lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

/* Notes that there are finalizers from now on; see import.h. */
static void watch_finalizers(lua_State *L, int meta) {
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, meta) != LUA_TNIL)
    import_of(L)->finalizers = 1;
  lua_pop(L, 1);
}

int globals_setmetatable(lua_State *L) {
  int type = lua_type(L, 2), globals;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  lua_settop(L, 2);
  globals = mirror_at(L, 1) == MIRROR_GLOBALS;
  if (globals && lua_rawgetp(L, LUA_REGISTRYINDEX, &user_meta_key) == LUA_TTABLE) {
    lua_pushliteral(L, "__metatable");
    lua_rawget(L, -2);
  } else if (globals || luaL_getmetafield(L, 1, "__metatable") == LUA_TNIL) {
    lua_pushnil(L);
  }
  if (!lua_isnil(L, -1))
    return luaL_error(L, "cannot change a protected metatable");
  lua_settop(L, 2);
  if (type == LUA_TTABLE)
    watch_finalizers(L, 2);
  if (globals) {
    set_user_meta(L, 2);
  } else {
    stub_settle(L, 1);
    lua_setmetatable(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}
