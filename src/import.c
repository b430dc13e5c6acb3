#include "config.h"
#include "import.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "c_function.h"
#include "copying.h"
#include "files.h"
#include "fresh.h"
#include "globals.h"
#include "library.h"
#include "mirror.h"
#include "modules.h"
#include "pattern.h"
#include "placeholder.h"
#include "stand_in.h"
#include "type_meta.h"

static const char import_key = 0; /* registry: the import, in a thread's state */
static const char copies_key = 0; /* registry: the table with all copies */

int import_no_memory(lua_State *L) {
  lua_newuserdatauv(L, (size_t)1 << 46, 0); /* no allocator has that: raises what lack of memory raises */
  return 0;
}

struct import *import_of_script(lua_State *L) {
  struct import *import;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &import_key);
  import = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return import;
}

void import_open(struct import *I, lua_State *L) {
  I->L = L;
  I->interrupt.running = L;
  *(struct import **)lua_getextraspace(L) = I;
  lua_pushlightuserdata(L, I);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &import_key);
  lua_setwarnf(L, stand_in_warn, I);
  lua_createtable(L, 4, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &copies_key);
  globals_open(L);
}

void import_close(struct import *I) {
  if (I->view != NULL)
    frozen_give(I->snapshot, I->view);
  free(I->entries);
  free(I->upvalues);
  free(I->copying);
  addresses_release(&I->known);
  addresses_release(&I->known_upvalues);
  addresses_release(&I->copies);
  buffer_release(&I->code);
  buffer_release(&I->warning);
  output_release(&I->output);
  *I = (struct import){0};
}

/* ------------------------------------------------------------------ entries */

/* Makes room for one more element behind `count`. Raises on lack of memory. */
static void *grow(lua_State *L, void *array, uint32_t count, uint32_t *capacity, size_t size) {
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
  I->entries = grow(c->L, I->entries, entry, &I->entry_capacity, sizeof *I->entries);
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

void import_note_upvalue(struct copy *c, const void *id, uint32_t function, int n) {
  struct import *I = c->import;
  uint32_t number = I->upvalue_count + 1;
  I->upvalues = grow(c->L, I->upvalues, number, &I->upvalue_capacity, sizeof *I->upvalues);
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

/* The view's top is the object to fill. */
static void push_copying(struct copy *c, uint32_t entry, enum copying_kind kind) {
  struct import *I = c->import;
  uint32_t capacity = (uint32_t)I->copying_capacity;
  copy_room(c, 12);
  I->copying = grow(c->L, I->copying, (uint32_t)I->copying_count, &capacity, sizeof *I->copying);
  I->copying_capacity = (int)capacity;
  I->copying[I->copying_count++] =
      (struct copying){.entry = entry, .kind = kind, .object = lua_gettop(c->view), .n = 1};
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

/* Entries in the array part and others of the view's top table. (lua_rawlen would write to it.) */
static void count_fields(lua_State *V, int *array, int *others) {
  *array = *others = 0;
  for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1)) {
    if (lua_isinteger(V, -2) && lua_tointeger(V, -2) == *array + 1)
      ++*array;
    else
      ++*others;
  }
}

static void copy_table(struct copy *c, const struct place *place) {
  int array, others;
  if (type_meta_copy(c, place) || globals_copy(c, place) || modules_copy(c, place))
    return;
  count_fields(c->view, &array, &others);
  lua_createtable(c->L, array, others);
  push_copying(c, copy_note(c, place), COPYING_TABLE);
}

void copy_overlay(struct copy *c, const struct place *place) {
  push_copying(c, copy_note(c, place), COPYING_OVERLAY);
}

void copy_upvalues(struct copy *c, const struct place *place) {
  push_copying(c, copy_note(c, place), COPYING_FUNCTION);
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
  lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key);
  c->objects = lua_gettop(L);
  copy_room(c, 12);
}

void copy_fill(struct copy *c, int unfinished) {
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

int import_push_copy(const struct import *I, lua_State *L, uint32_t entry) {
  if (entry == 0 || entry > I->entry_count || !lua_checkstack(L, 2))
    return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key);
  lua_rawgeti(L, -1, (lua_Integer)entry);
  lua_remove(L, -2);
  return 1;
}

enum status import_find(struct import *I, lua_State *L, const void *copy, uint32_t *number) {
  enum status status = STATUS_OK;
  while (status == STATUS_OK && I->copies_count < I->entry_count) {
    uint32_t entry = I->copies_count + 1;
    if (!import_push_copy(I, L, entry))
      return STATUS_NOMEM;
    if (lua_type(L, -1) >= LUA_TTABLE && addresses_get(&I->copies, lua_topointer(L, -1)) == 0)
      status = addresses_put(&I->copies, lua_topointer(L, -1), entry);
    lua_pop(L, 1);
    I->copies_count = entry;
  }
  *number = addresses_get(&I->copies, copy);
  return status;
}

int import_protected(struct copy *c, int args, int results) {
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

void import_slot(lua_State *L, int slot, enum step root) {
  struct copy c;
  copy_begin(&c, L);
  lua_pushvalue(c.view, slot);
  copy_value(&c, &(struct place){.step = root});
  copy_complete(&c);
  copy_finish(&c);
}

void import_globals_meta(lua_State *L) {
  struct copy c;
  uint32_t globals;
  copy_begin(&c, L);
  lua_pushvalue(c.view, FROZEN_GLOBALS);
  copy_value(&c, &(struct place){.step = STEP_GLOBAL, .name = "_G"});
  lua_pop(L, 1);
  globals = addresses_get(&c.import->known, lua_topointer(c.view, FROZEN_GLOBALS));
  globals_push_meta(c.import->snapshot, c.view);
  copy_value(&c, &(struct place){.parent = globals, .step = STEP_META});
  copy_complete(&c);
  copy_finish(&c);
}

void import_rest(lua_State *L, int slot, const char *name) {
  struct copy c;
  uint32_t entry;
  copy_begin(&c, L);
  if (frozen_field(c.import->snapshot, c.view, slot, name, strlen(name)) != STATUS_OK)
    import_no_memory(L);
  entry = addresses_get(&c.import->known, lua_topointer(c.view, -1));
  if (entry != 0)
    push_copying(&c, entry, COPYING_TABLE);
  copy_complete(&c);
  copy_finish(&c);
}

/* Pushes slot[key] on the view; only strings and integers are asked for. */
static void push_field(struct copy *c, int slot, int key) {
  size_t size;
  const char *name;
  if (lua_type(c->L, key) == LUA_TSTRING) {
    name = lua_tolstring(c->L, key, &size);
    if (frozen_field(c->import->snapshot, c->view, slot, name, size) != STATUS_OK)
      import_no_memory(c->L);
  } else if (lua_isinteger(c->L, key)) {
    frozen_lock(); /* reading an integer key may write a hint */
    lua_rawgeti(c->view, slot, lua_tointeger(c->L, key));
    frozen_unlock();
  } else {
    lua_pushnil(c->view);
  }
}

/* A place's name must last: the frozen state's own string, not the asking state's. */
static const char *frozen_name(struct copy *c, int key) {
  const char *name;
  size_t size;
  if (lua_type(c->L, key) != LUA_TSTRING)
    return NULL;
  name = lua_tolstring(c->L, key, &size);
  return frozen_string(c->import->snapshot, name, size);
}

int import_field(lua_State *L, int slot, enum step root, int key) {
  struct copy c;
  int found;
  key = lua_absindex(L, key);
  copy_begin(&c, L);
  push_field(&c, slot, key);
  found = !lua_isnil(c.view, -1);
  copy_value(&c, &(struct place){.step = root, .name = found ? frozen_name(&c, key) : NULL});
  copy_complete(&c);
  copy_finish(&c);
  if (!found)
    lua_pop(L, 1);
  return found;
}

/* The script is a thread itself, and filled on demand: nobody writes to the table once it is full. */
static void fill_slot(struct copy *c, int slot) {
  int code;
  if (c->import->snapshot->outer == NULL)
    return;
  frozen_lock();
  code = mirror_complete_all(c->view, slot);
  frozen_unlock();
  if (code != LUA_OK)
    import_no_memory(c->L);
}

void import_fields(lua_State *L, int slot, enum step root, int target, int touched) {
  struct copy c;
  copy_begin(&c, L);
  fill_slot(&c, slot);
  lua_pushvalue(c.view, slot);
  lua_pushnil(c.view);
  while (lua_next(c.view, -2)) {
    const char *name = lua_type(c.view, -2) == LUA_TSTRING ? lua_tostring(c.view, -2) : NULL;
    lua_pushvalue(c.view, -2);
    copy_value(&c, &(struct place){.step = STEP_KEY});
    copy_complete(&c);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, touched) != LUA_TNIL) {
      lua_pop(L, 2);
      lua_pop(c.view, 1);
      continue;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    copy_value(&c, &(struct place){.step = name == NULL ? STEP_OTHER : root, .name = name});
    copy_complete(&c);
    lua_rawset(L, target);
    lua_pushboolean(L, 1);
    lua_rawset(L, touched);
  }
  copy_finish(&c);
}
