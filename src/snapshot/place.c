#include "config.h"
#include "place.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "plain.h"

struct place place_of_field(lua_State *V, uint32_t parent, int key) {
  struct place place = {.parent = parent, .step = STEP_OTHER};
  lua_Number number;
  switch (lua_type(V, key)) {
  case LUA_TSTRING:
    place.step = STEP_FIELD;
    place.name = lua_tostring(V, key);
    break;
  case LUA_TBOOLEAN:
    place.step = STEP_BOOLEAN;
    place.number = lua_toboolean(V, key);
    break;
  case LUA_TNUMBER:
    place.step = lua_isinteger(V, key) ? STEP_INDEX : STEP_FLOAT;
    place.number = lua_tointeger(V, key);
    number = lua_tonumber(V, key);
    if (place.step == STEP_FLOAT)
      memcpy(&place.number, &number, sizeof number);
    break;
  default:
    break;
  }
  return place;
}

int place_push_key(lua_State *V, const struct place *place) {
  lua_Number number;
  if (place->step == STEP_BOOLEAN) {
    lua_pushboolean(V, place->number != 0);
    return 1;
  }
  if (place->step != STEP_FLOAT)
    return 0;
  memcpy(&number, &place->number, sizeof number);
  lua_pushnumber(V, number);
  return 1;
}

static void add(struct place_text *t, const char *text) {
  size_t used = strlen(t->bytes);
  snprintf(t->bytes + used, sizeof t->bytes - used, "%s", text);
}

static int is_name(const char *s) {
  if (*s >= '0' && *s <= '9')
    return 0;
  while ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_')
    s++;
  return *s == '\0';
}

/* What a step inside a table adds: `.conn`, `["a b"]`, `[3]`. */
static void add_step(struct place_text *t, const struct place *p) {
  char text[80];
  lua_Number number;
  locale_t before;
  switch (p->step) {
  case STEP_FIELD:
    snprintf(text, sizeof text, is_name(p->name) ? ".%.60s" : "[\"%.60s\"]", p->name);
    break;
  case STEP_INDEX:
    snprintf(text, sizeof text, "[" LUA_INTEGER_FMT "]", (LUAI_UACINT)p->number);
    break;
  case STEP_FLOAT:
    memcpy(&number, &p->number, sizeof number);
    before = plain_enter();
    snprintf(text, sizeof text, "[" LUA_NUMBER_FMT "]", (LUAI_UACNUMBER)number);
    plain_leave(before);
    break;
  case STEP_BOOLEAN:
    snprintf(text, sizeof text, "[%s]", p->number ? "true" : "false");
    break;
  case STEP_META:
    snprintf(text, sizeof text, "'s metatable");
    break;
  case STEP_KEY:
    snprintf(text, sizeof text, "'s key");
    break;
  default:
    snprintf(text, sizeof text, "[?]");
  }
  add(t, text);
}

/* [-0, +0, -] `function at job.lua:12` */
static void add_function(struct place_text *t, const struct import *I, lua_State *L, uint32_t function) {
  lua_Debug ar;
  char text[LUA_IDSIZE + 40];
  if (!import_push_copy(I, L, function)) {
    add(t, "a function");
    return;
  }
  lua_getinfo(L, ">S", &ar);
  snprintf(text, sizeof text, "function at %s:%d", ar.short_src, ar.linedefined);
  add(t, text);
}

/* [-0, +0, -] The beginning, up to the first step inside a table. */
static void add_root(struct place_text *t, const struct import *I, lua_State *L, const struct place *p) {
  char text[80];
  const char *name = NULL;
  switch (p->step) {
  case STEP_UPVALUE:
    if (import_push_copy(I, L, p->parent)) {
      name = lua_getupvalue(L, -1, (int)p->number);
      lua_pop(L, name == NULL ? 1 : 2);
    }
    snprintf(text, sizeof text, "upvalue '%.60s'", name == NULL ? "?" : name);
    break;
  case STEP_GLOBAL:
    snprintf(text, sizeof text, "global '%.60s'", p->name == NULL ? "?" : p->name);
    break;
  case STEP_LOADED:
  case STEP_PRELOAD:
    snprintf(text, sizeof text, "module '%.60s'", p->name == NULL ? "?" : p->name);
    break;
  case STEP_REGISTRY:
    snprintf(text, sizeof text, "registry '%.60s'", p->name == NULL ? "?" : p->name);
    break;
  case STEP_FUNCTION:
    snprintf(text, sizeof text, "the map's function");
    break;
  case STEP_INIT:
    snprintf(text, sizeof text, "the map's init");
    break;
  case STEP_EXIT:
    snprintf(text, sizeof text, "the map's exit");
    break;
  case STEP_STRING_META:
    snprintf(text, sizeof text, "the metatable of strings");
    break;
  default:
    snprintf(text, sizeof text, "a value");
  }
  add(t, text);
}

#define STEPS_SHOWN 12

void place_show(const struct import *I, lua_State *L, const struct place *p, struct place_text *t) {
  const struct place *steps[STEPS_SHOWN];
  int count = 0, skipped = 0;
  t->bytes[0] = '\0';
  if (!lua_checkstack(L, 4)) {
    add(t, "a value");
    return;
  }
  for (; p->step >= STEP_FIELD && p->step != STEP_UPVALUE; p = &I->entries[p->parent].place) {
    if (count < STEPS_SHOWN)
      steps[count++] = p;
    else
      skipped = 1;
    if (p->parent == 0)
      break;
  }
  add_root(t, I, L, p);
  if (skipped)
    add(t, "...");
  while (count > 0)
    add_step(t, steps[--count]);
  if (p->step == STEP_UPVALUE) {
    add(t, " of ");
    add_function(t, I, L, p->parent);
  }
}

void place_describe(const struct import *I, lua_State *L, uint32_t entry, struct place_text *t) {
  static const struct place unknown = {.step = STEP_OTHER};
  int known = entry != 0 && entry <= I->entry_count;
  place_show(I, L, known ? &I->entries[entry].place : &unknown, t);
}
