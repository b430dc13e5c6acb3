#include "config.h"
#include "locator.h"

#include <string.h>

#include "files.h"
#include "place.h"

#define STEP_LIMIT 100 /* longest path */

/* ------------------------------------------------------------------ writing */

static enum status append_byte(struct buffer *b, int byte) {
  unsigned char c = (unsigned char)byte;
  return buffer_append(b, &c, 1);
}

static enum status append_name(struct buffer *b, const char *name) {
  return buffer_append(b, name, strlen(name) + 1);
}

int locator_has_name(enum step step) {
  return step == STEP_GLOBAL || step == STEP_LOADED || step == STEP_PRELOAD || step == STEP_REGISTRY ||
         step == STEP_FIELD;
}

static int has_number(enum step step) {
  return step == STEP_ORIGIN || step == STEP_INDEX || step == STEP_FLOAT || step == STEP_BOOLEAN ||
         step == STEP_UPVALUE || step == STEP_USERVALUE;
}

static enum status append_step(struct buffer *b, const struct place *p) {
  enum status status = append_byte(b, p->step);
  if (status == STATUS_OK && locator_has_name(p->step))
    status = append_name(b, p->name);
  if (status == STATUS_OK && has_number(p->step))
    status = buffer_append(b, &p->number, sizeof p->number);
  return status;
}

enum status locator_append_place(struct buffer *b, const struct entry *entries, uint32_t number, int type) {
  const struct place *steps[STEP_LIMIT];
  const void *address = entries[number].origin;
  enum status status;
  int count = 0;
  for (uint32_t i = number; i != 0; i = entries[i].place.parent) {
    const struct place *p = &entries[i].place;
    if (count == STEP_LIMIT || p->step >= STEP_KEY || (locator_has_name(p->step) && p->name == NULL))
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

enum status locator_append_common(lua_State *L, int idx, struct buffer *b) {
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
  return library_ours(address) ? locator_append_address(L, idx, b) : STATUS_TYPE;
}

enum status locator_append_address(lua_State *L, int idx, struct buffer *b) {
  lua_CFunction function = lua_tocfunction(L, idx);
  enum status status = append_byte(b, KIND_ADDRESS);
  return status == STATUS_OK ? buffer_append(b, &function, sizeof function) : status;
}

/* ------------------------------------------------------------------ reading */

int locator_read(struct locator *r, void *to, size_t size) {
  if ((size_t)(r->end - r->at) < size)
    return 0;
  memcpy(to, r->at, size);
  r->at += size;
  return 1;
}

const char *locator_read_name(struct locator *r) {
  const char *name = (const char *)r->at;
  const unsigned char *end = memchr(r->at, '\0', (size_t)(r->end - r->at));
  if (end == NULL)
    return NULL;
  r->at = end + 1;
  return name;
}

int locator_read_step(struct locator *r, struct place *p) {
  unsigned char step;
  *p = (struct place){0};
  if (!locator_read(r, &step, 1) || step < STEP_FUNCTION || step >= STEP_KEY)
    return 0;
  p->step = (enum step)step;
  if (locator_has_name(p->step) && (p->name = locator_read_name(r)) == NULL)
    return 0;
  return !has_number(p->step) || locator_read(r, &p->number, sizeof p->number);
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

int locator_follow(lua_State *V, const struct place *p) {
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

enum status locator_push_function(lua_State *L, struct locator *r) {
  lua_CFunction function;
  if (!locator_read(r, &function, sizeof function))
    return STATUS_FORMAT;
  lua_pushcfunction(L, function);
  return STATUS_OK;
}

const struct library_function *locator_read_library(struct locator *r) {
  const char *library = locator_read_name(r), *name = library == NULL ? NULL : locator_read_name(r);
  return name == NULL ? NULL : library_named(library, name);
}

/* OK when the steps begin at something that has a name in every run. */
static enum status check_steps(struct locator *r, int *of_function) {
  struct place p;
  int first = 1;
  for (; r->at < r->end; first = 0) {
    if (!locator_read_step(r, &p))
      return STATUS_FORMAT;
    if (first && (p.step >= STEP_FIELD || p.step == STEP_ORIGIN || p.step == STEP_REGISTRY))
      return STATUS_TYPE;
    if (p.step == STEP_FUNCTION)
      *of_function = 1;
  }
  return first ? STATUS_FORMAT : STATUS_OK;
}

enum status locator_detach(unsigned char *reference, size_t size, int *of_function) {
  const void *nowhere = NULL;
  struct locator r = {reference + 1 + sizeof nowhere + 1, reference + size};
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
