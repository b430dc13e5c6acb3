#include "config.h"
#include "frozen.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "mirror.h"

/* ------------------------------------------------------------------ views */

/* (slots) -> a coroutine that has them */
static int further_view(lua_State *V) {
  lua_State *view = lua_newthread(V);
  lua_sethook(view, NULL, 0, 0);
  if (!lua_checkstack(view, FROZEN_VIEW_ROOM))
    luaL_error(V, "not enough memory");
  for (int i = 1; i <= FROZEN_SLOT_COUNT; i++)
    lua_pushvalue(V, i);
  lua_xmove(V, view, FROZEN_SLOT_COUNT);
  return 1; /* nothing anchors it: nothing is collected any more */
}

/* The first was made before the fork, when memory was cheaper. */
static lua_State *spare_view(struct snapshot *s) {
  lua_State *view = s->spare;
  s->spare = NULL;
  for (int i = 1; i <= FROZEN_SLOT_COUNT; i++)
    lua_pushvalue(s->view, i);
  lua_xmove(s->view, view, FROZEN_SLOT_COUNT);
  return view;
}

static lua_State *make_view(struct snapshot *s) {
  lua_State *V = s->view, *view = NULL;
  if (s->spare != NULL)
    return spare_view(s);
  lua_pushcfunction(V, further_view);
  for (int i = 1; i <= FROZEN_SLOT_COUNT; i++)
    lua_pushvalue(V, i);
  if (lua_pcall(V, FROZEN_SLOT_COUNT, 1, 0) == LUA_OK)
    view = lua_tothread(V, -1);
  lua_pop(V, 1);
  return view;
}

lua_State *frozen_take(struct snapshot *s) {
  lua_State *view;
  frozen_lock();
  view = s->idle_count > 0 ? s->idle[--s->idle_count] : make_view(s);
  frozen_unlock();
  return view;
}

void frozen_give(struct snapshot *s, lua_State *view) {
  lua_settop(view, FROZEN_SLOT_COUNT);
  frozen_lock();
  if (s->idle_count == s->idle_capacity) {
    int capacity = s->idle_capacity * 2 + 4;
    lua_State **idle = realloc(s->idle, (size_t)capacity * sizeof *idle);
    if (idle != NULL) {
      s->idle = idle;
      s->idle_capacity = capacity;
    }
  }
  if (s->idle_count < s->idle_capacity)
    s->idle[s->idle_count++] = view; /* else it is lost, which costs a kilobyte */
  frozen_unlock();
}

enum status frozen_room(lua_State *view, int n) {
  int ok;
  frozen_lock();
  ok = lua_checkstack(view, n);
  frozen_unlock();
  return ok ? STATUS_OK : STATUS_NOMEM;
}

/* ------------------------------------------------------------------ what changes the state to be read */

struct field {
  const char *name;
  size_t size;
};

/* (table, field) -> value */
static int get_field(lua_State *V) {
  const struct field *f = lua_touserdata(V, 2);
  lua_pushlstring(V, f->name, f->size);
  lua_rawget(V, 1);
  return 1;
}

enum status frozen_field(struct snapshot *s, lua_State *view, int slot, const char *name, size_t size) {
  struct field f = {name, size};
  int code;
  frozen_lock_to_fill(s);
  lua_pushcfunction(view, get_field);
  lua_pushvalue(view, slot);
  lua_pushlightuserdata(view, &f);
  code = lua_pcall(view, 2, 1, 0);
  if (code == LUA_OK && s->outer != NULL && lua_isnil(view, -1))
    mirror_complete(view, slot, name, size); /* the script is a thread itself, and filled on demand */
  frozen_unlock_filled(s);
  return code == LUA_OK ? STATUS_OK : STATUS_NOMEM;
}

/* (bytes, size) -> string */
static int make_string(lua_State *V) {
  lua_pushlstring(V, lua_touserdata(V, 1), (size_t)lua_tointeger(V, 2));
  return 1;
}

const char *frozen_string(struct snapshot *s, const char *bytes, size_t size) {
  const char *string = NULL;
  frozen_lock();
  lua_pushcfunction(s->view, make_string);
  lua_pushlightuserdata(s->view, (void *)bytes);
  lua_pushinteger(s->view, (lua_Integer)size);
  if (lua_pcall(s->view, 2, 1, 0) == LUA_OK)
    string = lua_tostring(s->view, -1);
  lua_pop(s->view, 1);
  frozen_unlock();
  return string;
}
