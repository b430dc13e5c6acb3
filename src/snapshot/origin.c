#include "config.h"
#include "origin.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "locator.h"
#include "mirror.h"
#include "place.h"

#define NODE_LIMIT  20000  /* objects of the script that the parent looks at to learn their places */
#define FIELD_LIMIT 500000 /* fields it looks at for that */
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

/* ------------------------------------------------------------------ places in the living script */

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
  mirror_push_loaded(L);
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

/* ------------------------------------------------------------------ references */

static enum status parent_refer(struct codec_link *link, lua_State *L, int idx, struct buffer *b) {
  struct origin *o = (struct origin *)link;
  enum status status;
  size_t size = b->size;
  uint32_t node;
  if ((status = locator_append_common(L, idx, b)) != STATUS_TYPE)
    return status;
  node = addresses_get(&o->known, lua_topointer(L, idx));
  if (node == 0 && (status = learn(L, o, idx, &node)) != STATUS_OK)
    return status;
  if (node == UNKNOWN)
    return STATUS_TYPE;
  status = locator_append_place(b, o->nodes, node, lua_type(L, idx));
  if (status != STATUS_OK)
    b->size = size;
  return status;
}

/* [-0, +1|0, m] Goes to the place in the living script. */
static int follow(lua_State *L, struct snapshot *s, struct locator *r) {
  struct place p;
  int base = lua_gettop(L);
  while (r->at < r->end) {
    if (!locator_read_step(r, &p) || (lua_gettop(L) == base) != (p.step < STEP_FIELD))
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
    else if (p.step == STEP_REGISTRY)
      lua_pushvalue(L, LUA_REGISTRYINDEX);
    else if (p.step == STEP_LOADED)
      mirror_push_loaded(L);
    else if (p.step == STEP_PRELOAD)
      lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    if (locator_has_name(p.step)) {
      if (!lua_istable(L, -1))
        break;
      lua_pushstring(L, p.name);
      lua_rawget(L, -2);
      lua_remove(L, -2);
    } else if (!locator_follow(L, &p)) {
      break;
    }
  }
  if (r->at == r->end && lua_gettop(L) == base + 1)
    return 1;
  lua_settop(L, base);
  return 0;
}

/* [-0, +1, m] The script's object that an earlier run knew by its place. */
static void resolve_detached(lua_State *L, struct origin *o, struct locator *r, int type) {
  if (!follow(L, o->snapshot, r) || lua_type(L, -1) != type)
    luaL_error(L, "the journal's result refers to an object that the script does not have any "
                  "more: without its class, function or table it cannot be given back");
}

/* [-0, +1|0, m] The script's object that a worker knows by its address and place. */
static enum status resolve_place(struct origin *o, lua_State *L, struct locator *r) {
  const void *address;
  unsigned char type;
  uint32_t node;
  int base = lua_gettop(L);
  if (!locator_read(r, &address, sizeof address) || !locator_read(r, &type, 1))
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

static enum status parent_resolve(struct codec_link *link, lua_State *L, const unsigned char *bytes,
                                  size_t size) {
  struct origin *o = (struct origin *)link;
  struct locator r = {bytes + 1, bytes + size};
  const struct library_function *f;
  const char *name;
  luaL_checkstack(L, 10, NULL);
  switch (size == 0 ? 0 : bytes[0]) {
  case KIND_LIBRARY:
    if ((f = locator_read_library(&r)) == NULL)
      return STATUS_FORMAT;
    lua_pushcfunction(L, import_of_script(L) != NULL ? f->stand_in : f->function);
    return STATUS_OK;
  case KIND_ADDRESS:
    return locator_push_function(L, &r);
  case KIND_FILE:
    return (name = locator_read_name(&r)) != NULL && files_push(L, name) ? STATUS_OK : STATUS_FORMAT;
  case KIND_PLACE:
    return resolve_place(o, L, &r);
  default:
    return STATUS_FORMAT;
  }
}

/* ------------------------------------------------------------------ life */

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

struct codec_link *origin_link(struct origin *o) {
  return &o->link;
}
