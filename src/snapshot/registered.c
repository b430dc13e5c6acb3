#include "config.h"
#include "registered.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "globals.h"
#include "image.h"
#include "module_index.h"
#include "overlay.h"
#include "place.h"

/* ------------------------------------------------------------------ keys */

/* Tables of Lua's own libraries, such as handles of libraries and hooks of coroutines, and ours. (Others are known by address.) */
static int is_own(const char *name) {
  static const char *const names[] = {"_CLIBS", "_HOOKKEY", "LUA_NOENV"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0)
      return 1;
  return strncmp(name, "fast_map.", 9) == 0;
}

/* Where the library is mapped that has the light userdata at idx of the view; or NULL. */
static const void *base_of_key(struct copy *c, int idx) {
  return module_index_base(c->import->snapshot, lua_touserdata(c->view, idx));
}

/* [-0, +0, -] Whether the view's key means the same in every state: a name, or the address of something in a library. */
static int is_key(struct copy *c, int idx) {
  if (lua_type(c->view, idx) == LUA_TSTRING)
    return !is_own(lua_tostring(c->view, idx));
  return lua_type(c->view, idx) == LUA_TLIGHTUSERDATA && base_of_key(c, idx) != NULL;
}

/* [-0, +0, -] Whether it is the library's: its own address, or a name that it spells. */
static int owns(struct copy *c, const void *base, int key) {
  lua_State *V = c->view;
  if (lua_type(V, key) == LUA_TLIGHTUSERDATA)
    return base_of_key(c, key) == base;
  return image_holds(base, lua_tostring(V, key), strlen(lua_tostring(V, key)) + 1);
}

/* [-0, +1, m] Pushes the view's key on L. */
static void push_key(struct copy *c, int key) {
  size_t size;
  const char *name;
  if (lua_type(c->view, key) == LUA_TLIGHTUSERDATA) {
    lua_pushlightuserdata(c->L, lua_touserdata(c->view, key));
    return;
  }
  name = lua_tolstring(c->view, key, &size);
  lua_pushlstring(c->L, name, size);
}

void registered_push(struct copy *c) {
  lua_State *L = c->L;
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING && lua_type(L, -2) != LUA_TLIGHTUSERDATA)
      continue;
    lua_pushvalue(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -5);
  }
}

/* ------------------------------------------------------------------ what the script has */

/* [-0, +0, -] Whether the view's top can be laid over something. */
static int is_value(struct copy *c) {
  const void *address = lua_topointer(c->view, -1);
  switch (lua_type(c->view, -1)) {
  case LUA_TBOOLEAN:
  case LUA_TNUMBER:
  case LUA_TSTRING:
  case LUA_TFUNCTION:
    return 1;
  case LUA_TTABLE:
    return !globals_special(c->import, address) && address != c->import->snapshot->tables.file_meta &&
           addresses_get(&c->import->known, address) == 0;
  default:
    return 0;
  }
}

/* [-0, +2n, -] Counts the keys in the script's registry that have values to lay over, and pushes up to `most` of them on the
   view, each with its value. Under the lock: a script that is a task itself may be loading a library. */
static int collect(struct copy *c, int most) {
  lua_State *V = c->view;
  int count = 0;
  frozen_lock();
  for (lua_pushnil(V); lua_next(V, LUA_REGISTRYINDEX);) {
    if (!is_key(c, -2) || !is_value(c) || count++ >= most)
      lua_pop(V, 1);
    else
      lua_pushvalue(V, -2);
  }
  frozen_unlock();
  return most == 0 || count < most ? count : most;
}

/* ------------------------------------------------------------------ laying it over */

/* What the view's top replaces is on L's top. Pops neither; the copy of a function, which is filled later, leaves its original
   on the view. */
static void replace(struct copy *c, int key, const struct place *place) {
  lua_pushvalue(c->view, key + 1);
  copy_value(c, place);
  push_key(c, key);
  lua_insert(c->L, -2);
  lua_rawset(c->L, LUA_REGISTRYINDEX);
}

/* Whether this state had the key before the module was loaded. */
static int had(struct copy *c, int key, int before) {
  int found;
  push_key(c, key);
  found = lua_rawget(c->L, before) != LUA_TNIL;
  lua_pop(c->L, 1);
  return found;
}

static int is_plain(int type) {
  return type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING;
}

/* A setting or a callback; what the library has in its place is on L's top. One that was there before is a task's own. */
static int replaces(struct copy *c, const void *base, int key, int before) {
  int type = lua_type(c->view, key + 1), own = lua_type(c->L, -1), stays;
  if (had(c, key, before) || !(own == LUA_TNIL || own == type || (is_plain(type) && is_plain(own))))
    return 0;
  if (type == LUA_TFUNCTION && lua_tocfunction(c->view, key + 1) != NULL &&
      lua_tocfunction(c->view, key + 1) == lua_tocfunction(c->L, -1))
    return 0;
  lua_pushvalue(c->view, key + 1);
  stays = overlay_stays(c);
  lua_pop(c->view, 1);
  return !stays && (own != LUA_TNIL || owns(c, base, key));
}

/* [-0, +0, -] Whether all in the table on the view's top means the same in every state; counts its Lua functions. */
static int is_common(lua_State *V, int depth, int *lua_functions) {
  int common = 1, table = lua_gettop(V);
  for (lua_pushnil(V); common && lua_next(V, table); lua_pop(V, 1)) {
    int type = lua_type(V, -1);
    if (type == LUA_TTABLE && depth > 0)
      common = is_common(V, depth - 1, lua_functions);
    else if (type == LUA_TFUNCTION && !lua_iscfunction(V, -1))
      ++*lua_functions;
    else if (type == LUA_TFUNCTION && lua_getupvalue(V, -1, 1) != NULL)
      lua_pop(V, 1 + (common = 0));
    else
      common = type != LUA_TUSERDATA && type != LUA_TLIGHTUSERDATA && type != LUA_TTHREAD;
  }
  lua_settop(V, table);
  return common;
}

/* Whether the table at key + 1 is the metatable of a type that its library makes when the first object is made, with
   luaL_newmetatable, which finds the one that we make: the script has added to it. */
static int is_late_type(struct copy *c, const void *base, int key) {
  lua_State *V = c->view;
  int named, common, additions = 0;
  if (lua_type(V, key) != LUA_TSTRING)
    return 0;
  copy_room(c, 16);
  lua_pushvalue(V, key + 1);
  lua_pushvalue(V, FROZEN_NAME);
  named = lua_rawget(V, -2) == LUA_TSTRING && strcmp(lua_tostring(V, -1), lua_tostring(V, key)) == 0;
  lua_pop(V, 1);
  common = named && is_common(V, 3, &additions);
  lua_pop(V, 1);
  return common && additions > 0 && owns(c, base, key);
}

/* [-0, +n, m] The view's top is a table that is laid over the one on L's top, once what it leads to is noted: so are the tables
   in it, such as the methods, before something else leads to them. Leaves them on the view, each above a key. */
static void lay_inner(struct copy *c, uint32_t entry) {
  lua_State *L = c->L, *V = c->view;
  int table = lua_gettop(V);
  for (lua_pushnil(V); lua_next(V, table);) {
    struct place place = place_of_field(V, entry, lua_gettop(V) - 1);
    const void *inner = lua_topointer(V, -1);
    if (place.step != STEP_FIELD || !lua_istable(V, -1) || globals_special(c->import, inner) ||
        addresses_get(&c->import->known, inner) != 0) {
      lua_pop(V, 1);
      continue;
    }
    lua_pushstring(L, place.name);
    lua_rawget(L, -2);
    if (lua_istable(L, -1)) {
      copy_room(c, 4);
      copy_overlay_registered(c, &place);
      lua_pushvalue(V, -2);
    } else {
      lua_pop(V, 1);
    }
    lua_pop(L, 1);
  }
}

/* The key at this index of the view, with its value above. */
static void lay(struct copy *c, const void *base, int key, int before) {
  lua_State *L = c->L, *V = c->view;
  struct place place = {.step = STEP_OTHER};
  int top = lua_gettop(L);
  if (lua_type(V, key) == LUA_TSTRING)
    place = (struct place){.step = STEP_REGISTRY, .name = lua_tostring(V, key)};
  push_key(c, key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (!lua_istable(V, key + 1)) {
    if (replaces(c, base, key, before))
      replace(c, key, &place);
  } else if (lua_isnil(L, -1) && is_late_type(c, base, key)) {
    replace(c, key, &place);
  } else if (lua_istable(L, -1) && addresses_get(&c->import->known, lua_topointer(V, key + 1)) == 0) {
    copy_room(c, 2);
    lua_pushvalue(V, key + 1);
    copy_overlay_registered(c, &place);
    lay_inner(c, c->import->entry_count);
  }
  lua_settop(L, top);
}

void registered_lay(struct copy *c, const void *base, int before) {
  int unfinished = c->import->copying_count, bottom = lua_gettop(c->view);
  int count;
  copy_room(c, 12);
  count = collect(c, 0);
  if (count == 0)
    return;
  copy_room(c, 2 * count + 12);
  count = collect(c, count);
  for (int i = 0; i < count; i++)
    lay(c, base, bottom + 2 * i + 1, before);
  copy_fill(c, unfinished);
  lua_settop(c->view, bottom);
}
