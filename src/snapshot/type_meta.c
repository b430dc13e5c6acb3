#include "config.h"
#include "type_meta.h"

#include <lauxlib.h>
#include <lualib.h>

#include "library.h"
#include "raw.h"

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
    lua_pushcfunction(L, raw_get);
    break;
  case LUA_TTHREAD:
    lua_pushthread(L);
    break;
  default:
    lua_pushnil(L);
  }
}

int type_meta_found(lua_State *L) {
  int top = lua_gettop(L), found = 0;
  for (int i = 0; i < TYPED_COUNT && !found; i++) {
    push_sample(L, typed[i]);
    found = lua_getmetatable(L, -1);
    lua_settop(L, top);
  }
  return found;
}

/* [-0, +0, m] */
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

/* After a yield. */
static int finish_index(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 1;
}

/* (s, k) -> value: the first index of a string fetches the library. That may have an __index, which may yield. */
static int string_index(lua_State *L) {
  lua_settop(L, 2);
  type_meta_settle(L);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  if (lua_istable(L, -2) && lua_rawget(L, -2) == LUA_TNIL &&
      luaL_getmetafield(L, -2, "__index") == LUA_TFUNCTION) {
    lua_pushvalue(L, -3);
    lua_pushvalue(L, 2);
    lua_callk(L, 2, 1, 0, finish_index);
    return 1;
  }
  lua_settop(L, 5);
  lua_pushvalue(L, 2);
  lua_gettable(L, 5);
  return 1;
}

void type_meta_settle(lua_State *L) {
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

/* As type_meta_settle, in the middle of a run; the metatable is on the top. */
static void settle_copy(struct copy *c) {
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

int type_meta_copy(struct copy *c, const struct place *place) {
  const struct snapshot *s = c->import->snapshot;
  if (!s->string_meta_plain || lua_topointer(c->view, -1) != s->tables.string_meta)
    return 0;
  lua_pushliteral(c->L, "");
  lua_getmetatable(c->L, -1);
  lua_remove(c->L, -2);
  copy_note(c, place);
  lua_pop(c->view, 1);
  settle_copy(c);
  return 1;
}

void type_meta_open(lua_State *L) {
  const struct snapshot *s = import_of(L)->snapshot;
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
}
