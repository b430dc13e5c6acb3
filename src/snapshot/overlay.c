#include "config.h"
#include "overlay.h"

#include <lauxlib.h>
#include <string.h>

#include "copying.h"
#include "files.h"
#include "globals.h"
#include "library.h"
#include "module_index.h"
#include "place.h"

/* Whether the library's own value is to stay: what is C in both was made anew for this state. */
static int keeps(struct copy *c) {
  lua_State *V = c->view, *L = c->L;
  lua_CFunction original = lua_tocfunction(V, -1), copy = lua_tocfunction(L, -1);
  if (original != NULL && copy != NULL)
    return original == copy ||
           (library_find(original) != NULL && library_find(original) == library_find(copy));
  return lua_type(V, -1) == LUA_TUSERDATA && lua_type(L, -1) == LUA_TUSERDATA && files_same(c);
}

/* The tops are a C closure and what the library, loaded afresh, has in its place: what the library gave both
   is one thing. */
static void pair_upvalues(struct copy *c, uint32_t function) {
  struct import *I = c->import;
  lua_State *L = c->L, *V = c->view;
  for (int n = 1; lua_getupvalue(V, -1, n) != NULL; n++) {
    if (lua_getupvalue(L, -1, n) == NULL) {
      lua_pop(V, 1);
      return;
    }
    if (lua_type(V, -1) == lua_type(L, -1) && (lua_istable(V, -1) || lua_type(V, -1) == LUA_TUSERDATA) &&
        addresses_get(&I->known, lua_topointer(V, -1)) == 0 && !globals_special(I, lua_topointer(V, -1)))
      copy_note(c, &(struct place){.parent = function, .step = STEP_UPVALUE, .number = n});
    lua_pop(L, 1);
    lua_pop(V, 1);
  }
}

/* [-0, +0, m] View: key, value. Pushes on L what the library's table on its top has under that key. */
static void push_own(struct copy *c, const struct place *place) {
  if (place->step == STEP_FIELD)
    lua_pushstring(c->L, place->name);
  else if (place->step == STEP_INDEX)
    lua_pushinteger(c->L, place->number);
  else
    place_push_key(c->L, place);
  lua_rawget(c->L, -2);
}

/* ------------------------------------------------------------------ what a library keeps for itself */

/* [-0, +0, -] Whether the integer at idx is a reference that luaL_ref gave out in this state. */
static int is_reference(lua_State *L, int idx) {
  lua_Integer n = lua_isinteger(L, idx) ? lua_tointeger(L, idx) : 0;
  int type;
  if (n <= LUA_RIDX_LAST)
    return 0;
  frozen_lock(); /* lua_rawgeti moves the size hint of the script's registry */
  type = lua_rawgeti(L, LUA_REGISTRYINDEX, n);
  lua_pop(L, 1);
  frozen_unlock();
  return type != LUA_TNIL && type != LUA_TNUMBER; /* those are free, or the head of the list of the free */
}

/* [-0, +0, -] Whether the table below L's top has methods in C: then a script may have added to it on purpose. */
static int has_methods(lua_State *L) {
  int table = lua_gettop(L) - 1, found = 0;
  if (!lua_istable(L, table))
    return 0;
  for (lua_pushnil(L); !found && lua_next(L, table); lua_pop(L, 1))
    found = lua_type(L, -2) == LUA_TSTRING && lua_iscfunction(L, -1);
  lua_settop(L, table + 1);
  return found;
}

int overlay_stays(struct copy *c) {
  lua_State *L = c->L, *V = c->view;
  int own = lua_type(L, -1);
  switch (lua_type(V, -1)) {
  case LUA_TLIGHTUSERDATA:
    return own != LUA_TNIL || (lua_touserdata(V, -1) != NULL &&
                               module_index_base(c->import->snapshot, lua_touserdata(V, -1)) == NULL);
  case LUA_TUSERDATA:
  case LUA_TTHREAD:
    return own != LUA_TNIL || !has_methods(L);
  case LUA_TNUMBER:
    return is_reference(V, -1) && (own == LUA_TNIL || is_reference(L, -1));
  default:
    return 0;
  }
}

/* A field whose key is a pointer or an object: only settings under a library's own addresses travel. View: key, value -> key */
static void overlay_odd(struct copy *c, uint32_t entry, int key) {
  lua_State *V = c->view;
  int type = lua_type(V, -1), stays = 1;
  if (lua_type(V, key) == LUA_TLIGHTUSERDATA &&
      module_index_base(c->import->snapshot, lua_touserdata(V, key)) != NULL &&
      (type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)) {
    lua_rawgetp(c->L, -1, lua_touserdata(V, key));
    stays = overlay_stays(c);
    lua_pop(c->L, 1);
  }
  if (stays)
    lua_pop(V, 1);
  else
    copying_field(c, entry, key, 0);
}

/* A finalizer may begin an import in the middle of this one, as one that a task gives. */
static void watch_finalizer(struct copy *c, const struct place *place) {
  if (place->step == STEP_FIELD && strcmp(place->name, "__gc") == 0)
    c->import->finalizers = 1;
}

/* ------------------------------------------------------------------ fields */

static void lay(struct copy *c, const struct place *place, int registered) {
  if (registered)
    copy_overlay_registered(c, place);
  else
    copy_overlay(c, place);
}

/* A C function without upvalues is the same in every state, and needs no pairing. */
static int is_plain_function(lua_State *V) {
  if (lua_tocfunction(V, -1) == NULL)
    return 0;
  if (lua_getupvalue(V, -1, 1) == NULL)
    return 1;
  lua_pop(V, 1);
  return 0;
}

/* First pass, for the second, and the metatable, may already meet what the functions have in common: notes what the library
   made anew. */
static void pair_fields(struct copy *c, uint32_t entry, int object) {
  lua_State *L = c->L, *V = c->view;
  int registered = copying_top(c->import)->kind == COPYING_REGISTERED;
  for (lua_pushnil(V); lua_next(V, object); lua_pop(V, 1)) {
    struct place place = place_of_field(V, entry, object + 1);
    if (place.step == STEP_OTHER || addresses_get(&c->import->known, lua_topointer(V, -1)) != 0 ||
        (registered && is_plain_function(V)))
      continue;
    push_own(c, &place);
    if (keeps(c)) {
      uint32_t kept = copy_note(c, &place);
      if (lua_iscfunction(V, -1))
        pair_upvalues(c, kept);
    }
    lua_pop(L, 1);
  }
}

/* Second pass. View: key, value -> key. The copy is on L's top. */
static void overlay_field(struct copy *c, uint32_t entry, int key) {
  struct import *I = c->import;
  lua_State *L = c->L, *V = c->view;
  int registered = copying_top(I)->kind == COPYING_REGISTERED;
  struct place place = place_of_field(V, entry, key);
  const void *value = lua_topointer(V, -1);
  copying_top(I)->n++;
  if (place.step == STEP_OTHER) {
    if (registered)
      overlay_odd(c, entry, key);
    else
      copying_field(c, entry, key, 0);
    return;
  }
  push_own(c, &place);
  if (keeps(c) || (registered && overlay_stays(c))) {
    lua_pop(L, 1);
    lua_pop(V, 1);
  } else if (lua_istable(V, -1) && lua_istable(L, -1) && addresses_get(&I->known, value) == 0 &&
             !globals_special(I, value)) {
    lay(c, &place, registered);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 1);
    if (registered)
      watch_finalizer(c, &place);
    copying_field(c, entry, key, 0);
  }
}

/* The original has `kept` fields; when the library's table has more, the script removed the others. */
static void remove_others(struct copy *c, int object, int kept) {
  lua_State *L = c->L;
  int count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    count++;
  if (count <= kept)
    return;
  for (lua_pushnil(L); lua_next(L, -2);) {
    size_t size;
    const char *name;
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
      continue;
    name = lua_tolstring(L, -1, &size);
    if (frozen_field(c->import->snapshot, c->view, object, name, size) != STATUS_OK)
      import_no_memory(L);
    if (lua_isnil(c->view, -1)) {
      lua_pushvalue(L, -1);
      lua_pushnil(L);
      lua_rawset(L, -4);
    }
    lua_pop(c->view, 1);
  }
}

/* Pairs the metatables like the tables themselves. */
static void overlay_meta(struct copy *c, struct copying *o) {
  struct place place = {.parent = o->entry, .step = STEP_META};
  int copy = lua_gettop(c->L);
  o->stage = STAGE_FIRST;
  if (!lua_getmetatable(c->view, o->object))
    return;
  if (lua_getmetatable(c->L, copy) && addresses_get(&c->import->known, lua_topointer(c->view, -1)) == 0) {
    lay(c, &place, o->kind == COPYING_REGISTERED);
    lua_settop(c->L, copy);
  } else {
    lua_settop(c->L, copy);
    copy_value(c, &place);
    copying_set_metatable(c->L, copy);
  }
}

void overlay_step(struct copy *c) {
  struct import *I = c->import;
  struct copying *o = copying_top(I);
  int depth = I->copying_count, object = o->object;
  uint32_t entry = o->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  if (o->stage == STAGE_META) {
    pair_fields(c, entry, object); /* before anything can lead back to this library */
    overlay_meta(c, o);
  }
  if (I->copying_count == depth) {
    if (copying_top(I)->stage == STAGE_FIRST) {
      lua_settop(c->view, object); /* keys may be left, see registered.c */
      lua_pushnil(c->view);
    }
    copying_top(I)->stage = STAGE_FIELDS;
    while (I->copying_count == depth && lua_next(c->view, object))
      overlay_field(c, entry, object + 1);
    if (I->copying_count == depth && lua_gettop(c->view) == object) {
      remove_others(c, object, copying_top(I)->n - 1);
      copying_done(c);
    }
  }
  lua_pop(c->L, 1);
}
