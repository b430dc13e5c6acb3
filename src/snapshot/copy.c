#include "config.h"
#include "copy.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "c_function.h"
#include "copying.h"
#include "files.h"
#include "fresh.h"
#include "globals.h"
#include "modules.h"
#include "pattern.h"
#include "placeholder.h"
#include "stand_in.h"
#include "type_meta.h"

/* ------------------------------------------------------------------ entries */

void *copy_grow(lua_State *L, void *array, uint32_t count, uint32_t *capacity, size_t size) {
  uint32_t wanted = *capacity * 2 + 8;
  if (count + 1 < *capacity)
    return array;
  array = realloc(array, wanted * size);
  if (array == NULL)
    import_no_memory(L);
  *capacity = wanted;
  return array;
}

#define STEP_LIMIT 100 /* what is further from the roots has no name anyway */

/* Whether results can name the place that a chain of entries leads to: nobody can follow a key that is an object. */
static int reachable(const struct import *I, uint32_t entry) {
  for (int i = 0; entry != 0; entry = I->entries[entry].place.parent)
    if (++i > STEP_LIMIT || I->entries[entry].place.step >= STEP_KEY)
      return 0;
  return 1;
}

/* 1 also when it is too far to say. */
static int below(const struct import *I, uint32_t entry, uint32_t ancestor) {
  for (int i = 0; entry != 0; entry = I->entries[entry].place.parent)
    if (++i > STEP_LIMIT || entry == ancestor)
      return 1;
  return 0;
}

/* The object is met again: a place that can be followed is better than one that cannot. */
static void improve_place(struct import *I, uint32_t entry, const struct place *place) {
  struct place *old = &I->entries[entry].place;
  if (place->step >= STEP_KEY || reachable(I, entry))
    return;
  if ((old->step >= STEP_KEY || reachable(I, place->parent)) && !below(I, place->parent, entry))
    *old = *place;
}

static uint32_t note(struct copy *c, const void *origin, const struct place *place) {
  struct import *I = c->import;
  uint32_t entry = I->entry_count + 1;
  luaL_checkstack(c->L, 4, NULL);
  I->entries = copy_grow(c->L, I->entries, entry, &I->entry_capacity, sizeof *I->entries);
  lua_pushvalue(c->L, -1);
  lua_rawseti(c->L, c->objects, (lua_Integer)entry);
  if (addresses_put(&I->known, origin, entry) != STATUS_OK)
    import_no_memory(c->L);
  I->entries[entry].origin = origin;
  I->entries[entry].place = *place;
  return I->entry_count = entry;
}

uint32_t copy_note(struct copy *c, const struct place *place) {
  return note(c, lua_topointer(c->view, -1), place);
}

void copy_note_upvalue(struct copy *c, const void *id, uint32_t function, int n) {
  struct import *I = c->import;
  uint32_t number = I->upvalue_count + 1;
  I->upvalues = copy_grow(c->L, I->upvalues, number, &I->upvalue_capacity, sizeof *I->upvalues);
  if (addresses_put(&I->known_upvalues, id, number) != STATUS_OK)
    import_no_memory(c->L);
  I->upvalues[number] = (struct shared_upvalue){function, n};
  I->upvalue_count = number;
}

uint32_t copy_next_entry(const struct copy *c) {
  return c->import->entry_count + 1;
}

void copy_room(struct copy *c, int n) {
  struct import *I = c->import;
  int top = lua_gettop(c->view);
  if (top + n <= I->view_room)
    return;
  n += top; /* double it */
  if (frozen_room(c->view, n) != STATUS_OK)
    luaL_error(c->L, "the script's data are nested too deeply to be copied to a task");
  I->view_room = top + n;
}

/* ------------------------------------------------------------------ values */

#define SHARED_STRING 1024 /* from this length on a string is copied once */

static void copy_string(struct copy *c, const struct place *place) {
  size_t size;
  const char *bytes = lua_tolstring(c->view, -1, &size);
  uint32_t entry;
  if (size < SHARED_STRING) {
    lua_pushlstring(c->L, bytes, size);
  } else if ((entry = addresses_get(&c->import->known, bytes)) != 0) {
    lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  } else {
    lua_pushlstring(c->L, bytes, size);
    note(c, bytes, place);
  }
}

/* Entries in the array part and others of the view's top table, and how many of them a C library may have made: C functions, and
   the name of a type. (lua_rawlen would write to it.) */
static void count_fields(lua_State *V, int *array, int *others, int *of_c) {
  const char *name = lua_tostring(V, FROZEN_NAME); /* short strings are one */
  *array = *others = *of_c = 0;
  for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1)) {
    if (lua_isinteger(V, -2) && lua_tointeger(V, -2) == *array + 1)
      ++*array;
    else
      ++*others;
    *of_c += lua_iscfunction(V, -1) || (lua_type(V, -2) == LUA_TSTRING && lua_tostring(V, -2) == name);
  }
}

static void copy_table(struct copy *c, const struct place *place) {
  int array, others, of_c;
  if (type_meta_copy(c, place) || globals_copy(c, place) || modules_copy(c, place))
    return;
  count_fields(c->view, &array, &others, &of_c);
  if (of_c > 0 && modules_copy_registered(c))
    return;
  lua_createtable(c->L, array, others);
  copying_push(c, copy_note(c, place), COPYING_TABLE);
}

void copy_overlay(struct copy *c, const struct place *place) {
  copying_push(c, copy_note(c, place), COPYING_OVERLAY);
}

void copy_overlay_registered(struct copy *c, const struct place *place) {
  copying_push(c, copy_note(c, place), COPYING_REGISTERED);
}

void copy_upvalues(struct copy *c, const struct place *place) {
  copying_push(c, copy_note(c, place), COPYING_FUNCTION);
}

static int add_code(lua_State *V, const void *bytes, size_t size, void *code) {
  (void)V;
  return buffer_append(code, bytes, size) != STATUS_OK;
}

/* A Lua function: its code now, its upvalues later. */
static void copy_closure(struct copy *c, const struct place *place) {
  struct buffer *code = &c->import->code;
  code->size = 0;
  if (lua_dump(c->view, add_code, code, 0) != 0)
    import_no_memory(c->L);
  if (luaL_loadbufferx(c->L, (const char *)code->bytes, code->size, "=?", "b") != LUA_OK)
    lua_error(c->L);
  copy_upvalues(c, place);
}

static void copy_function(struct copy *c, const struct place *place) {
  if (lua_topointer(c->view, -1) == c->import->snapshot->tables.fast_map_sleep && !c->import->whole) {
    lua_pushcfunction(c->L, stand_in_sleep);
    lua_pop(c->view, 1);
    return;
  }
  if (!lua_iscfunction(c->view, -1)) {
    copy_closure(c, place);
    return;
  }
  c_function_copy(c, place);
}

static void copy_object(struct copy *c, const struct place *place) {
  switch (lua_type(c->view, -1)) {
  case LUA_TTABLE:
    copy_table(c, place);
    return;
  case LUA_TFUNCTION:
    copy_function(c, place);
    return;
  case LUA_TUSERDATA:
    if (pattern_copy(c, place))
      return;
    if (!files_copy(c) && !fresh_copy(c, place))
      placeholder_push(c, place);
    break;
  default:
    placeholder_push(c, place);
  }
  copy_note(c, place);
  lua_pop(c->view, 1);
}

void copy_value(struct copy *c, const struct place *place) {
  lua_State *L = c->L, *V = c->view;
  uint32_t entry;
  switch (lua_type(V, -1)) {
  case LUA_TNIL:
    lua_pushnil(L);
    break;
  case LUA_TBOOLEAN:
    lua_pushboolean(L, lua_toboolean(V, -1));
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(V, -1))
      lua_pushinteger(L, lua_tointeger(V, -1));
    else
      lua_pushnumber(L, lua_tonumber(V, -1));
    break;
  case LUA_TLIGHTUSERDATA:
    lua_pushlightuserdata(L, lua_touserdata(V, -1));
    break;
  case LUA_TSTRING:
    copy_string(c, place);
    break;
  default:
    if ((entry = addresses_get(&c->import->known, lua_topointer(V, -1))) != 0) {
      lua_rawgeti(L, c->objects, (lua_Integer)entry);
      improve_place(c->import, entry, place);
    } else {
      copy_object(c, place);
      return;
    }
  }
  lua_pop(V, 1);
}

/* ------------------------------------------------------------------ runs */

static struct import_mark mark_of(const struct import *I) {
  return (struct import_mark){I->entry_count, I->upvalue_count, I->copying_count,
                              I->view == NULL ? FROZEN_SLOT_COUNT : lua_gettop(I->view), 0};
}

/* The last run was left by an error: what it began may be half full, and is forgotten. */
static void cut_back(struct import *I) {
  struct import_mark *m = &I->mark;
  addresses_cut(&I->known, m->entry_count);
  addresses_cut(&I->known_upvalues, m->upvalue_count);
  addresses_release(&I->copies);
  I->copies_count = 0;
  I->entry_count = m->entry_count;
  I->upvalue_count = m->upvalue_count;
  I->copying_count = m->copying_count;
  lua_settop(I->view, m->view_top);
  if (m->collector_stopped)
    lua_gc(I->L, LUA_GCRESTART);
  I->busy = 0;
}

void copy_begin(struct copy *c, lua_State *L) {
  struct import *I = import_of(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (I->busy)
    cut_back(I);
  if (I->view == NULL) {
    if ((I->view = frozen_take(I->snapshot)) == NULL)
      import_no_memory(L);
    I->view_room = FROZEN_VIEW_ROOM;
  }
  I->mark = mark_of(I);
  I->busy = 1;
  if (I->finalizers && lua_gc(L, LUA_GCISRUNNING)) { /* one might import in the middle of this */
    I->mark.collector_stopped = 1;
    lua_gc(L, LUA_GCSTOP);
  }
  *c = (struct copy){I, L, I->view, 0};
  import_push_copies(L);
  c->objects = lua_gettop(L);
  copy_room(c, 12);
}

void copy_fill(struct copy *c, int unfinished) {
  luaL_checkstack(c->L, LUA_MINSTACK, NULL); /* runs nest: a module may lead to another */
  while (c->import->copying_count > unfinished)
    copying_step(c);
}

void copy_complete(struct copy *c) {
  copy_fill(c, c->import->mark.copying_count);
}

void copy_finish(struct copy *c) {
  struct import *I = c->import;
  lua_remove(c->L, c->objects);
  buffer_reset(&I->code, 0);
  if (I->mark.collector_stopped)
    lua_gc(c->L, LUA_GCRESTART);
  I->busy = 0;
  if (I->nesting == 0) {
    frozen_give(I->snapshot, I->view);
    I->view = NULL;
  } else {
    lua_settop(I->view, I->mark.view_top);
  }
}

int copy_protected(struct copy *c, int args, int results) {
  struct import *I = c->import;
  struct import_mark outer = I->mark;
  int code;
  I->mark = mark_of(I);
  I->busy = 0;
  I->nesting++;
  code = lua_pcall(c->L, args, results, 0);
  if (I->busy)
    cut_back(I);
  I->nesting--;
  I->busy = 1;
  I->mark = outer;
  return code;
}
