#include "config.h"
#include "origin.h"

#include <lauxlib.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "c_function.h"
#include "files.h"
#include "library.h"
#include "place.h"
#include "placeholder.h"
#include "standard.h"

enum kind { KIND_LIBRARY = 1, KIND_ADDRESS, KIND_FILE, KIND_PLACE };

#define NODE_LIMIT                                                                                           \
  20000                    /* objects of the script that the parent looks at to learn their       \
           places */
#define FIELD_LIMIT 500000 /* fields it looks at for that */
#define STEP_LIMIT  100    /* longest path */
#define UNKNOWN     UINT32_MAX

struct origin {
  struct codec_link link;
  struct snapshot *snapshot;
  int forked, indexed;
  struct entry *nodes; /* [1, count]: places in the script; the objects are in
                          the table `anchors` */
  uint32_t count, capacity;
  struct addresses known; /* object -> node, or UNKNOWN */
  int fields;
};

/* ------------------------------------------------------------------ bytes */

static enum status append_byte(struct buffer *b, int byte) {
  unsigned char c = (unsigned char)byte;
  return buffer_append(b, &c, 1);
}

static enum status append_name(struct buffer *b, const char *name) {
  return buffer_append(b, name, strlen(name) + 1);
}

static int has_name(enum step step) {
  return step == STEP_GLOBAL || step == STEP_LOADED || step == STEP_PRELOAD || step == STEP_FIELD;
}

static int has_number(enum step step) {
  return step == STEP_ORIGIN || step == STEP_INDEX || step == STEP_FLOAT || step == STEP_BOOLEAN ||
         step == STEP_UPVALUE || step == STEP_USERVALUE;
}

static enum status append_step(struct buffer *b, const struct place *p) {
  enum status status = append_byte(b, p->step);
  if (status == STATUS_OK && has_name(p->step))
    status = append_name(b, p->name);
  if (status == STATUS_OK && has_number(p->step))
    status = buffer_append(b, &p->number, sizeof p->number);
  return status;
}

/* OK; TYPE when nobody could follow the place. */
static enum status append_place(struct buffer *b, const struct entry *entries, uint32_t number, int type) {
  const struct place *steps[STEP_LIMIT];
  const void *address = entries[number].origin;
  enum status status;
  int count = 0;
  for (uint32_t i = number; i != 0; i = entries[i].place.parent) {
    const struct place *p = &entries[i].place;
    if (count == STEP_LIMIT || p->step >= STEP_KEY || (has_name(p->step) && p->name == NULL))
      return STATUS_TYPE;
    steps[count++] = p;
  }
  if (count == 0 || steps[count - 1]->step >= STEP_FIELD)
    return STATUS_TYPE;
  if ((status = append_byte(b, KIND_PLACE)) == STATUS_OK)
    status = buffer_append(b, &address, sizeof address);
  if (status == STATUS_OK)
    status = append_byte(b, type);
  while (status == STATUS_OK && count > 0)
    status = append_step(b, steps[--count]);
  return status;
}

/* What needs no place: Lua's own functions, functions of the program, standard files. TYPE: it is none of
   them. */
static enum status append_common(lua_State *L, int idx, struct buffer *b) {
  const struct library_function *f;
  lua_CFunction function = lua_tocfunction(L, idx);
  const void *address = lua_topointer(L, idx);
  const char *file = lua_type(L, idx) == LUA_TUSERDATA && lua_checkstack(L, 4) ? files_name(L, idx) : NULL;
  enum status status;
  if (file != NULL) {
    status = append_byte(b, KIND_FILE);
    return status == STATUS_OK ? append_name(b, file) : status;
  }
  if (function == NULL)
    return STATUS_TYPE;
  if (lua_getupvalue(L, idx, 1) != NULL) { /* its address is not all of it */
    lua_pop(L, 1);
    return STATUS_TYPE;
  }
  if ((f = library_find(function)) != NULL && f->name[0] != '\0') {
    if ((status = append_byte(b, KIND_LIBRARY)) == STATUS_OK &&
        (status = append_name(b, f->library)) == STATUS_OK)
      status = append_name(b, f->name);
    return status;
  }
  if (!library_ours(address))
    return STATUS_TYPE;
  status = append_byte(b, KIND_ADDRESS);
  return status == STATUS_OK ? buffer_append(b, &function, sizeof function) : status;
}

/* ------------------------------------------------------------------ reading */

struct reader {
  const unsigned char *at, *end;
};

static int read_bytes(struct reader *r, void *to, size_t size) {
  if ((size_t)(r->end - r->at) < size)
    return 0;
  memcpy(to, r->at, size);
  r->at += size;
  return 1;
}

static const char *read_name(struct reader *r) {
  const char *name = (const char *)r->at;
  const unsigned char *end = memchr(r->at, '\0', (size_t)(r->end - r->at));
  if (end == NULL)
    return NULL;
  r->at = end + 1;
  return name;
}

static int read_step(struct reader *r, struct place *p) {
  unsigned char step;
  *p = (struct place){0};
  if (!read_bytes(r, &step, 1) || step < STEP_FUNCTION || step >= STEP_KEY)
    return 0;
  p->step = (enum step)step;
  if (has_name(p->step) && (p->name = read_name(r)) == NULL)
    return 0;
  return !has_number(p->step) || read_bytes(r, &p->number, sizeof p->number);
}

/* [-0, +1, -] Pushes table[number]; lua_rawgeti may write to the table, which others read. */
static void push_index(lua_State *V, int table, lua_Integer number) {
  for (lua_pushnil(V); lua_next(V, table); lua_pop(V, 1)) {
    if (lua_isinteger(V, -2) && lua_tointeger(V, -2) == number) {
      lua_remove(V, -2);
      return;
    }
  }
  lua_pushnil(V);
}

/* [-1, +1, -] From an object to a part of it. Steps with a name are the caller's. 0: there is none. */
static int follow_unnamed(lua_State *V, const struct place *p) {
  int object = lua_gettop(V);
  if (p->step == STEP_META && (lua_istable(V, object) || lua_isuserdata(V, object))) {
    if (!lua_getmetatable(V, object))
      return 0;
  } else if (p->step == STEP_UPVALUE && lua_isfunction(V, object)) {
    if (p->number < 1 || p->number > 255 || lua_getupvalue(V, object, (int)p->number) == NULL)
      return 0;
  } else if (p->step == STEP_USERVALUE && lua_type(V, object) == LUA_TUSERDATA) {
    lua_getiuservalue(V, object, (int)p->number);
  } else if (p->step == STEP_INDEX && lua_istable(V, object)) {
    push_index(V, object, p->number);
  } else if (lua_istable(V, object) && place_push_key(V, p)) {
    lua_rawget(V, object);
  } else {
    return 0;
  }
  lua_remove(V, object);
  return 1;
}

/* ------------------------------------------------------------------ parent: places in the living script */

static void push_anchors(lua_State *L, struct origin *o) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, o);
}

/* [-1, +0, m] The object on the top is at the place; the string at `name` (0: none) is its name. */
static void meet(lua_State *L, struct origin *o, int anchors, struct place place, int name) {
  int type = lua_type(L, -1);
  const void *address = lua_topointer(L, -1);
  uint32_t known = type < LUA_TTABLE || type == LUA_TTHREAD ? 1 : addresses_get(&o->known, address);
  if (known != 0 && known != UNKNOWN) {
    lua_pop(L, 1);
    return;
  }
  if (o->count + 2 >= o->capacity) {
    uint32_t capacity = o->capacity * 2 + 64;
    struct entry *nodes = realloc(o->nodes, capacity * sizeof *nodes);
    if (nodes == NULL)
      luaL_error(L, "not enough memory");
    o->nodes = nodes;
    o->capacity = capacity;
  }
  lua_rawseti(L, anchors, 2 * (lua_Integer)o->count + 1);
  if (name != 0) {
    lua_pushvalue(L, name); /* so that place.name lasts */
    lua_rawseti(L, anchors, 2 * (lua_Integer)o->count + 2);
    place.name = lua_tostring(L, name);
  } else {
    lua_pushboolean(L, 0);
    lua_rawseti(L, anchors, 2 * (lua_Integer)o->count + 2);
  }
  if (addresses_put(&o->known, address, o->count + 1) != STATUS_OK)
    luaL_error(L, "not enough memory");
  o->nodes[++o->count] = (struct entry){address, place};
}

/* [-0, +0, m] Meets what the table on the top holds. */
static void meet_fields(lua_State *L, struct origin *o, int anchors, uint32_t node, enum step root) {
  int table = lua_gettop(L);
  if (lua_getmetatable(L, table))
    meet(L, o, anchors, (struct place){.parent = node, .step = STEP_META}, 0);
  for (lua_pushnil(L); o->fields < FIELD_LIMIT && lua_next(L, table); o->fields++) {
    struct place place = place_of_field(L, node, table + 1);
    int is_name = place.step == STEP_FIELD && strlen(place.name) == lua_rawlen(L, -2);
    if (is_name && root != 0)
      place = (struct place){.step = root};
    if (is_name)
      meet(L, o, anchors, place, table + 1);
    else if (place.step != STEP_FIELD && place.step != STEP_OTHER && root == 0)
      meet(L, o, anchors, place, 0);
    else
      lua_pop(L, 1);
  }
  lua_settop(L, table);
}

static void meet_upvalues(lua_State *L, struct origin *o, int anchors, uint32_t node) {
  for (int i = 1; !lua_iscfunction(L, -1) && lua_getupvalue(L, -1, i) != NULL; i++)
    meet(L, o, anchors, (struct place){.parent = node, .step = STEP_UPVALUE, .number = i}, 0);
}

/* The slot of a function that the map was given; 0: the step leads to none. */
static int function_slot(enum step step) {
  return step == STEP_FUNCTION ? FROZEN_FUNCTION
         : step == STEP_INIT   ? FROZEN_INIT
         : step == STEP_EXIT   ? FROZEN_EXIT
                               : 0;
}

/* [-0, +1, -] */
static void push_function(lua_State *L, struct snapshot *s, enum step step) {
  lua_pushvalue(s->view, function_slot(step));
  lua_xmove(s->view, L, 1);
}

/* (origin, anchors) Learns the places of what f, _G and package.loaded lead to.
 */
static int index_script(lua_State *L) {
  struct origin *o = lua_touserdata(L, 1);
  const void *globals, *loaded;
  push_function(L, o->snapshot, STEP_FUNCTION);
  meet(L, o, 2, (struct place){.step = STEP_FUNCTION}, 0);
  push_function(L, o->snapshot, STEP_INIT);
  meet(L, o, 2, (struct place){.step = STEP_INIT}, 0);
  push_function(L, o->snapshot, STEP_EXIT);
  meet(L, o, 2, (struct place){.step = STEP_EXIT}, 0);
  lua_pushglobaltable(L);
  globals = lua_topointer(L, -1);
  lua_pushliteral(L, "_G");
  lua_insert(L, -2);
  meet(L, o, 2, (struct place){.step = STEP_GLOBAL}, 3);
  lua_settop(L, 2);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  loaded = lua_topointer(L, -1);
  if (lua_istable(L, -1))
    meet_fields(L, o, 2, 0, STEP_LOADED);
  lua_settop(L, 2);
  for (uint32_t i = 1; i <= o->count && o->count < NODE_LIMIT && o->fields < FIELD_LIMIT; i++) {
    const void *address = o->nodes[i].origin;
    lua_rawgeti(L, 2, 2 * (lua_Integer)i - 1);
    if (lua_isfunction(L, -1))
      meet_upvalues(L, o, 2, i);
    else if (lua_istable(L, -1))
      meet_fields(L, o, 2, i,
                  address == globals  ? STEP_GLOBAL
                  : address == loaded ? STEP_LOADED
                                      : (enum step)0);
    lua_settop(L, 2);
  }
  return 0;
}

/* (origin, anchors, object) Before the fork any object can be kept for the workers, under its address. */
static int keep_object(lua_State *L) {
  struct origin *o = lua_touserdata(L, 1);
  const void *address = lua_topointer(L, 3);
  lua_State *V = o->snapshot->view;
  lua_pushvalue(L, 3);
  lua_xmove(L, V, 1);
  lua_rawsetp(V, FROZEN_ORIGINS, address);
  meet(L, o, 2, (struct place){.step = STEP_ORIGIN, .number = (lua_Integer)(intptr_t)address}, 0);
  return 0;
}

/* [-0, +0, -] Calls the function with (origin, anchors, the value at idx). */
static enum status protect(lua_State *L, struct origin *o, lua_CFunction function, int idx) {
  enum status status;
  if (!lua_checkstack(L, 8))
    return STATUS_NOMEM;
  idx = lua_absindex(L, idx);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, o);
  push_anchors(L, o);
  lua_pushvalue(L, idx);
  status = lua_pcall(L, 3, 0, 0) == LUA_OK ? STATUS_OK : STATUS_NOMEM;
  if (status != STATUS_OK)
    lua_pop(L, 1);
  return status;
}

/* Finds out what is known of the object at idx. */
static enum status learn(lua_State *L, struct origin *o, int idx, uint32_t *node) {
  const void *address = lua_topointer(L, idx);
  enum status status = STATUS_OK;
  if (!o->indexed) {
    o->indexed = 1;
    status = protect(L, o, index_script, idx);
    *node = addresses_get(&o->known, address);
  }
  if (status == STATUS_OK && *node == 0 && !o->forked) {
    status = protect(L, o, keep_object, idx);
    *node = addresses_get(&o->known, address);
  }
  if (status == STATUS_OK && *node == 0) {
    *node = UNKNOWN;
    status = addresses_put(&o->known, address, UNKNOWN);
  }
  return status;
}

static enum status parent_refer(struct codec_link *link, lua_State *L, int idx, struct buffer *b) {
  struct origin *o = (struct origin *)link;
  enum status status;
  size_t size = b->size;
  uint32_t node;
  if ((status = append_common(L, idx, b)) != STATUS_TYPE)
    return status;
  node = addresses_get(&o->known, lua_topointer(L, idx));
  if (node == 0 && (status = learn(L, o, idx, &node)) != STATUS_OK)
    return status;
  if (node == UNKNOWN)
    return STATUS_TYPE;
  status = append_place(b, o->nodes, node, lua_type(L, idx));
  if (status != STATUS_OK)
    b->size = size;
  return status;
}

/* [-0, +1|0, m] Goes to the place in the living script. */
static int follow(lua_State *L, struct snapshot *s, struct reader *r) {
  struct place p;
  int base = lua_gettop(L);
  while (r->at < r->end) {
    if (!read_step(r, &p) || (lua_gettop(L) == base) != (p.step < STEP_FIELD))
      break;
    if (function_slot(p.step) != 0) {
      push_function(L, s, p.step);
      continue;
    }
    if (p.step == STEP_ORIGIN) {
      lua_pushnil(L);
      continue;
    }
    if (p.step == STEP_STRING_META) {
      lua_pushliteral(L, "");
      if (!lua_getmetatable(L, -1))
        break;
      lua_remove(L, -2);
      continue;
    }
    if (p.step == STEP_GLOBAL)
      lua_pushglobaltable(L);
    else if (p.step == STEP_LOADED || p.step == STEP_PRELOAD)
      lua_getfield(L, LUA_REGISTRYINDEX, p.step == STEP_LOADED ? LUA_LOADED_TABLE : LUA_PRELOAD_TABLE);
    if (has_name(p.step)) {
      if (!lua_istable(L, -1))
        break;
      lua_pushstring(L, p.name);
      lua_rawget(L, -2);
      lua_remove(L, -2);
    } else if (!follow_unnamed(L, &p)) {
      break;
    }
  }
  if (r->at == r->end && lua_gettop(L) == base + 1)
    return 1;
  lua_settop(L, base);
  return 0;
}

/* [-0, +1, m] The script's object that an earlier run knew by its place. */
static void resolve_detached(lua_State *L, struct origin *o, struct reader *r, int type) {
  if (!follow(L, o->snapshot, r) || lua_type(L, -1) != type)
    luaL_error(L, "the journal's result refers to an object that the script does not have any "
                  "more: without its class, function or table it cannot be given back");
}

/* [-0, +1|0, m] The script's object that a worker knows by its address and place. */
static enum status resolve_place(struct origin *o, lua_State *L, struct reader *r) {
  const void *address;
  unsigned char type;
  uint32_t node;
  int base = lua_gettop(L);
  if (!read_bytes(r, &address, sizeof address) || !read_bytes(r, &type, 1))
    return STATUS_FORMAT;
  push_anchors(L, o);
  node = addresses_get(&o->known, address);
  if (node != 0 && node != UNKNOWN) {
    lua_rawgeti(L, -1, 2 * (lua_Integer)node - 1);
  } else if (address == NULL) {
    resolve_detached(L, o, r, type);
  } else if (follow(L, o->snapshot, r) && lua_topointer(L, -1) == address && lua_type(L, -1) == type) {
    lua_pushvalue(L, -1);
    meet(L, o, base + 1, (struct place){.step = STEP_ORIGIN, .number = (lua_Integer)(intptr_t)address}, 0);
  } else {
    lua_settop(L, base);
    luaL_error(L, "the result refers to an object that the script has replaced "
                  "since the map began");
  }
  lua_remove(L, base + 1);
  return STATUS_OK;
}

static enum status resolve_address(lua_State *L, struct reader *r) {
  lua_CFunction function;
  if (!read_bytes(r, &function, sizeof function))
    return STATUS_FORMAT;
  lua_pushcfunction(L, function);
  return STATUS_OK;
}

static const struct library_function *read_library(struct reader *r) {
  const char *library = read_name(r), *name = library == NULL ? NULL : read_name(r);
  return name == NULL ? NULL : library_named(library, name);
}

static enum status parent_resolve(struct codec_link *link, lua_State *L, const unsigned char *bytes,
                                  size_t size) {
  struct origin *o = (struct origin *)link;
  struct reader r = {bytes + 1, bytes + size};
  const struct library_function *f;
  const char *name;
  luaL_checkstack(L, 10, NULL);
  switch (size == 0 ? 0 : bytes[0]) {
  case KIND_LIBRARY:
    if ((f = read_library(&r)) == NULL)
      return STATUS_FORMAT;
    lua_pushcfunction(L, import_of_script(L) != NULL ? f->stand_in : f->function);
    return STATUS_OK;
  case KIND_ADDRESS:
    return resolve_address(L, &r);
  case KIND_FILE:
    return (name = read_name(&r)) != NULL && files_push(L, name) ? STATUS_OK : STATUS_FORMAT;
  case KIND_PLACE:
    return resolve_place(o, L, &r);
  default:
    return STATUS_FORMAT;
  }
}

static int close_anchors(lua_State *L) {
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, lua_touserdata(L, 1));
  return 0;
}

void origin_open(lua_State *L, struct snapshot *s) {
  struct origin *o = calloc(1, sizeof *o);
  if ((s->origin = o) == NULL)
    luaL_error(L, "not enough memory");
  o->snapshot = s;
  o->link = (struct codec_link){parent_refer, parent_resolve};
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, o);
}

void origin_close(lua_State *L, struct origin **box) {
  struct origin *o = *box;
  if (o == NULL)
    return;
  lua_pushcfunction(L, close_anchors);
  lua_pushlightuserdata(L, o);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK)
    lua_pop(L, 1);
  free(o->nodes);
  addresses_release(&o->known);
  free(o);
  *box = NULL;
}

void origin_forked(struct origin *o) {
  o->forked = 1;
}

/* OK when the steps begin at something that has a name in every run. */
static enum status check_steps(struct reader *r, int *of_function) {
  struct place p;
  int first = 1;
  for (; r->at < r->end; first = 0) {
    if (!read_step(r, &p))
      return STATUS_FORMAT;
    if (first && (p.step >= STEP_FIELD || p.step == STEP_ORIGIN || p.step == STEP_REGISTRY))
      return STATUS_TYPE;
    if (p.step == STEP_FUNCTION)
      *of_function = 1;
  }
  return first ? STATUS_FORMAT : STATUS_OK;
}

enum status origin_detach(unsigned char *reference, size_t size, int *of_function) {
  const void *nowhere = NULL;
  struct reader r = {reference + 1 + sizeof nowhere + 1, reference + size};
  enum status status;
  if (size > 0 && (reference[0] == KIND_LIBRARY || reference[0] == KIND_FILE))
    return STATUS_OK;
  if (size == 0 || reference[0] != KIND_PLACE)
    return STATUS_TYPE;
  if (size < 1 + sizeof nowhere + 1)
    return STATUS_FORMAT;
  status = check_steps(&r, of_function);
  if (status == STATUS_OK)
    memcpy(reference + 1, &nowhere, sizeof nowhere);
  return status;
}

struct codec_link *origin_link(struct origin *o) {
  return &o->link;
}

/* ------------------------------------------------------------------ thread */

/* The import of a thread's link. */
static struct import *import_of_link(struct codec_link *link) {
  return (struct import *)((char *)link - offsetof(struct import, link));
}

static enum status thread_refer(struct codec_link *link, lua_State *L, int idx, struct buffer *b) {
  struct import *I = import_of_link(link);
  enum status status;
  size_t size = b->size;
  uint32_t entry;
  if ((status = append_common(L, idx, b)) != STATUS_TYPE ||
      (status = import_find(I, L, lua_topointer(L, idx), &entry)) != STATUS_OK)
    return status;
  if (entry == 0)
    return STATUS_TYPE;
  status = append_place(b, I->entries, entry, placeholder_type(L, idx));
  if (status != STATUS_OK)
    b->size = size;
  return status;
}

/* [-0, +1, m] Goes to the place in the frozen script, on the view. 0: it is not there. */
static int follow_frozen(struct copy *c, struct reader *r) {
  static const int slots[] = {[STEP_FUNCTION] = FROZEN_FUNCTION,
                              [STEP_GLOBAL] = FROZEN_GLOBALS,
                              [STEP_LOADED] = FROZEN_LOADED,
                              [STEP_PRELOAD] = FROZEN_PRELOAD,
                              [STEP_STRING_META] = FROZEN_STRING_META,
                              [STEP_ORIGIN] = FROZEN_ORIGINS,
                              [STEP_INIT] = FROZEN_INIT,
                              [STEP_EXIT] = FROZEN_EXIT};
  lua_State *V = c->view;
  int base = lua_gettop(V);
  struct place p;
  while (r->at < r->end) {
    int slot;
    if (!read_step(r, &p) || (lua_gettop(V) == base) != (p.step < STEP_FIELD))
      return 0;
    slot = p.step < STEP_FIELD ? slots[p.step] : lua_gettop(V);
    if (has_name(p.step)) {
      if (!lua_istable(V, slot))
        return 0;
      if (frozen_field(c->import->snapshot, V, slot, p.name, strlen(p.name)) != STATUS_OK)
        import_no_memory(c->L);
    } else if (p.step == STEP_ORIGIN) {
      frozen_lock(); /* the only table that is read by pointer */
      lua_rawgetp(V, slot, (const void *)(intptr_t)p.number);
      frozen_unlock();
    } else if (p.step < STEP_FIELD) {
      lua_pushvalue(V, slot);
    } else if (!follow_unnamed(V, &p)) {
      return 0;
    }
    if (p.step == STEP_FIELD)
      lua_remove(V, slot);
  }
  return lua_gettop(V) == base + 1;
}

/* [-0, +1|0, m] */
static enum status import_place(lua_State *L, struct reader *r) {
  struct copy c;
  struct place place = {.step = STEP_ORIGIN};
  const void *address;
  unsigned char type;
  int found;
  if (!read_bytes(r, &address, sizeof address) || !read_bytes(r, &type, 1))
    return STATUS_FORMAT;
  place.number = (lua_Integer)(intptr_t)address;
  copy_begin(&c, L);
  found = follow_frozen(&c, r) && lua_topointer(c.view, -1) == address && lua_type(c.view, -1) == type;
  if (!found)
    lua_pushnil(c.view);
  copy_value(&c, &place);
  copy_complete(&c);
  copy_finish(&c);
  if (!found)
    luaL_error(L, "the task's argument refers to an object that the script "
                  "made after the map began");
  return STATUS_OK;
}

static enum status thread_resolve(struct codec_link *link, lua_State *L, const unsigned char *bytes,
                                  size_t size) {
  struct reader r = {bytes + 1, bytes + size};
  const struct library_function *f;
  const char *name;
  struct copy c;
  (void)link;
  luaL_checkstack(L, 10, NULL);
  switch (size == 0 ? 0 : bytes[0]) {
  case KIND_LIBRARY:
    if ((f = read_library(&r)) == NULL)
      return STATUS_FORMAT;
    copy_begin(&c, L);
    c_function_push(&c, f);
    copy_finish(&c);
    return STATUS_OK;
  case KIND_ADDRESS:
    return resolve_address(L, &r);
  case KIND_FILE:
    if ((name = read_name(&r)) == NULL)
      return STATUS_FORMAT;
    copy_begin(&c, L);
    standard_push(&c, "io");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    copy_finish(&c);
    return STATUS_OK;
  case KIND_PLACE:
    return import_place(L, &r);
  default:
    return STATUS_FORMAT;
  }
}

struct codec_link *origin_thread_link(struct import *I) {
  I->link = (struct codec_link){thread_refer, thread_resolve};
  return &I->link;
}
