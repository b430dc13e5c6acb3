#include "config.h"
#include "copying.h"

#include <lauxlib.h>

#include "overlay.h"
#include "place.h"
#include "placeholder.h"

struct copying *copying_top(struct import *I) {
  return &I->copying[I->copying_count - 1];
}

void copying_done(struct copy *c) {
  lua_settop(c->view, copying_top(c->import)->object - 1);
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

void copying_set_metatable(lua_State *L, int object) {
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
    copying_set_metatable(c->L, copy);
  }
}

void copying_field(struct copy *c, uint32_t entry, int key, int weak) {
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
  struct copying *o = copying_top(I);
  int depth = I->copying_count, object = o->object;
  uint32_t entry = o->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  if (o->stage == STAGE_META)
    copy_meta(c, o);
  if (I->copying_count == depth) {
    if (copying_top(I)->stage == STAGE_FIRST)
      lua_pushnil(c->view);
    copying_top(I)->stage = STAGE_FIELDS;
    while (I->copying_count == depth && lua_next(c->view, object))
      copying_field(c, entry, object + 1, copying_top(I)->weak);
    if (I->copying_count == depth && lua_gettop(c->view) == object)
      copying_done(c);
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
  int depth = I->copying_count, object = copying_top(I)->object;
  uint32_t entry = copying_top(I)->entry;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  while (I->copying_count == depth) {
    int n = copying_top(I)->n++;
    if (lua_getupvalue(c->view, object, n) == NULL) {
      copying_done(c);
      break;
    }
    copy_upvalue(c, entry, object, n);
  }
  lua_pop(c->L, 1);
}

void copying_step(struct copy *c) {
  switch (copying_top(c->import)->kind) {
  case COPYING_TABLE:
    fill_table(c);
    break;
  case COPYING_FUNCTION:
    fill_function(c);
    break;
  default:
    overlay_step(c);
  }
}
