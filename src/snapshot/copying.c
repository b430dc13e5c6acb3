#include "config.h"
#include "copying.h"

#include <lauxlib.h>

#include "files.h"
#include "globals.h"
#include "library.h"
#include "place.h"
#include "placeholder.h"

static struct copying *top_of(struct import *I) {
  return &I->copying[I->copying_count - 1];
}

static void done(struct copy *c) {
  lua_settop(c->view, top_of(c->import)->object - 1);
  c->import->copying_count--;
}

void copying_push(struct copy *c, uint32_t entry, enum copying_kind kind) {
  struct import *I = c->import;
  uint32_t capacity = (uint32_t)I->copying_capacity;
  copy_room(c, 12);
  I->copying = copy_grow(c->L, I->copying, (uint32_t)I->copying_count, &capacity, sizeof *I->copying);
  I->copying_capacity = (int)capacity;
  I->copying[I->copying_count++] =
      (struct copying){.entry = entry, .kind = kind, .object = lua_gettop(c->view), .n = 1};
}

/* [-1, +0, m] Like lua_setmetatable, but a finalizer will not run: the object is the script's, and lives on
   there. */
static void set_metatable(lua_State *L, int object) {
  int meta = lua_gettop(L);
  lua_pushliteral(L, "__gc");
  if (lua_rawget(L, meta) == LUA_TNIL) {
    lua_settop(L, meta);
    lua_setmetatable(L, object);
    return;
  }
  lua_pushliteral(L, "__gc");
  lua_pushnil(L);
  lua_rawset(L, meta);
  lua_pushvalue(L, meta);
  lua_setmetatable(L, object);
  lua_pushliteral(L, "__gc");
  lua_pushvalue(L, -2);
  lua_rawset(L, meta);
  lua_settop(L, meta - 1);
}

/* ------------------------------------------------------------------ tables */

/* The copy is on L's top. */
static void copy_meta(struct copy *c, struct copying *o) {
  o->stage = STAGE_FIRST;
  if (lua_getmetatable(c->view, o->object)) {
    int copy = lua_gettop(c->L);
    lua_pushvalue(c->view, FROZEN_MODE);
    o->weak = lua_rawget(c->view, -2) != LUA_TNIL;
    lua_pop(c->view, 1);
    copy_value(c, &(struct place){.parent = o->entry, .step = STEP_META});
    set_metatable(c->L, copy);
  }
}

/* [-0, +0, m] View: key, value -> key (and what is to be filled). Sets the field in the table on L's top. A weak table may
   lose a field at any time: it does when the value cannot travel, so that caches work. */
static void copy_field(struct copy *c, uint32_t entry, int key, int weak) {
  lua_State *V = c->view;
  struct place place = place_of_field(V, entry, key);
  copy_value(c, &place);
  if (weak && placeholder_is(c->L, -1)) {
    lua_pop(c->L, 1);
    return;
  }
  lua_pushvalue(V, key);
  copy_value(c, &(struct place){.parent = entry, .step = STEP_KEY});
  lua_insert(c->L, -2);
  lua_rawset(c->L, -3);
}

static void fill_table(struct copy *c) {
  struct import *I = c->import;
  struct copying *o = top_of(I);
  int depth = I->copying_count, object = o->object;
  uint32_t entry = o->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  if (o->stage == STAGE_META)
    copy_meta(c, o);
  if (I->copying_count == depth) {
    if (top_of(I)->stage == STAGE_FIRST)
      lua_pushnil(c->view);
    top_of(I)->stage = STAGE_FIELDS;
    while (I->copying_count == depth && lua_next(c->view, object))
      copy_field(c, entry, object + 1, top_of(I)->weak);
    if (I->copying_count == depth && lua_gettop(c->view) == object)
      done(c);
  }
  lua_pop(c->L, 1);
}

/* ------------------------------------------------------------------ functions
 */

/* [-0, +0, m] The view's top is upvalue n of the original, the copy is on L's top. */
static void copy_upvalue(struct copy *c, uint32_t entry, int object, int n) {
  struct import *I = c->import;
  const void *id = lua_upvalueid(c->view, object, n);
  uint32_t known = addresses_get(&I->known_upvalues, id);
  if (known != 0) {
    struct shared_upvalue *u = &I->upvalues[known];
    lua_pop(c->view, 1);
    lua_rawgeti(c->L, c->objects, (lua_Integer)u->function);
    lua_upvaluejoin(c->L, -2, n, -1, u->n);
    lua_pop(c->L, 1);
    return;
  }
  copy_note_upvalue(c, id, entry, n);
  copy_value(c, &(struct place){.parent = entry, .step = STEP_UPVALUE, .number = n});
  lua_setupvalue(c->L, -2, n);
}

static void fill_function(struct copy *c) {
  struct import *I = c->import;
  int depth = I->copying_count, object = top_of(I)->object;
  uint32_t entry = top_of(I)->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  while (I->copying_count == depth) {
    int n = top_of(I)->n++;
    if (lua_getupvalue(c->view, object, n) == NULL) {
      done(c);
      break;
    }
    copy_upvalue(c, entry, object, n);
  }
  lua_pop(c->L, 1);
}

/* ------------------------------------------------------------------ overlays
 */

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

/* First pass, for the second, and the metatable, may already meet what the functions have in common: notes what the library
   made anew. */
static void pair_fields(struct copy *c, uint32_t entry, int object) {
  lua_State *L = c->L, *V = c->view;
  for (lua_pushnil(V); lua_next(V, object); lua_pop(V, 1)) {
    struct place place = place_of_field(V, entry, object + 1);
    if (place.step == STEP_OTHER || addresses_get(&c->import->known, lua_topointer(V, -1)) != 0)
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
  struct place place = place_of_field(V, entry, key);
  const void *value = lua_topointer(V, -1);
  top_of(I)->n++;
  if (place.step == STEP_OTHER) {
    copy_field(c, entry, key, 0);
    return;
  }
  push_own(c, &place);
  if (keeps(c)) {
    lua_pop(L, 1);
    lua_pop(V, 1);
  } else if (lua_istable(V, -1) && lua_istable(L, -1) && addresses_get(&I->known, value) == 0 &&
             !globals_special(I, value)) {
    copy_overlay(c, &place);
    lua_pop(L, 1);
  } else {
    lua_pop(L, 1);
    copy_field(c, entry, key, 0);
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
    copy_overlay(c, &place);
    lua_settop(c->L, copy);
  } else {
    lua_settop(c->L, copy);
    copy_value(c, &place);
    set_metatable(c->L, copy);
  }
}

static void fill_overlay(struct copy *c) {
  struct import *I = c->import;
  struct copying *o = top_of(I);
  int depth = I->copying_count, object = o->object;
  uint32_t entry = o->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  if (o->stage == STAGE_META) {
    pair_fields(c, entry, object); /* before anything can lead back to this library */
    overlay_meta(c, o);
  }
  if (I->copying_count == depth) {
    if (top_of(I)->stage == STAGE_FIRST)
      lua_pushnil(c->view);
    top_of(I)->stage = STAGE_FIELDS;
    while (I->copying_count == depth && lua_next(c->view, object))
      overlay_field(c, entry, object + 1);
    if (I->copying_count == depth && lua_gettop(c->view) == object) {
      remove_others(c, object, top_of(I)->n - 1);
      done(c);
    }
  }
  lua_pop(c->L, 1);
}

void copying_step(struct copy *c) {
  switch (top_of(c->import)->kind) {
  case COPYING_TABLE:
    fill_table(c);
    break;
  case COPYING_FUNCTION:
    fill_function(c);
    break;
  default:
    fill_overlay(c);
  }
}
