#include "config.h"
#include "encoder.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "plain.h"

/* Where in a value something is, in words: upvalue 'db'.conn of function at job.lua:12. path_key and path_upvalue add a step,
   from the outermost on. */
struct path {
  char text[256];  /* from the innermost function, or from the message */
  char owner[256]; /* that function, and the path to it */
};

static void path_step(struct path *path, const char *step) {
  size_t used = strlen(path->text);
  snprintf(path->text + used, sizeof path->text - used, "%s", step);
}

static int is_word(const char *text) {
  if (!isalpha((unsigned char)*text) && *text != '_')
    return 0;
  while (isalnum((unsigned char)*text) || *text == '_')
    text++;
  return *text == '\0';
}

/* [-0, +0, -] Adds the key at idx: .name, ["a b"], [3] */
static void path_key(lua_State *L, int idx, struct path *path) {
  char step[80];
  const char *text;
  size_t i;
  switch (lua_type(L, idx)) {
  case LUA_TSTRING:
    text = lua_tolstring(L, idx, NULL);
    snprintf(step, sizeof step, is_word(text) ? ".%.70s" : "[\"%.70s\"]", text);
    for (i = 0; step[i] != '\0'; i++)
      if (iscntrl((unsigned char)step[i]))
        step[i] = '?';
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, idx))
      snprintf(step, sizeof step, "[%lld]", (long long)lua_tointegerx(L, idx, NULL));
    else
      snprintf(step, sizeof step, "[%.14g]", (double)lua_tonumberx(L, idx, NULL));
    break;
  case LUA_TBOOLEAN:
    snprintf(step, sizeof step, "[%s]", lua_toboolean(L, idx) ? "true" : "false");
    break;
  default:
    snprintf(step, sizeof step, "[%s]", lua_typename(L, lua_type(L, idx)));
  }
  path_step(path, step);
}

/* [-0, +0, -] Upvalue k of the function at idx: starts the path anew, what led here becomes the owner's. */
static void path_upvalue(lua_State *L, int idx, int k, struct path *path) {
  struct path outer = *path;
  lua_Debug about;
  const char *name = lua_getupvalue(L, idx, k);
  lua_settop(L, -2);
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &about);
  snprintf(path->text, sizeof path->text, "upvalue '%.60s'", name == NULL || *name == '\0' ? "?" : name);
  snprintf(path->owner, sizeof path->owner, " of function at %.59s:%d%s%.80s%.80s", about.short_src,
           about.linedefined, *outer.text != '\0' ? " in " : "", outer.text, outer.owner);
}

/* [-0, +1|0, -] Pushes __name of the metatable of the userdata on top; without the new string that lua_getfield
   might need. */
static const char *find_name(lua_State *L) {
  const char *key;
  if (!lua_getmetatable(L, -1))
    return NULL;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
      key = lua_tolstring(L, -2, NULL);
      if (strcmp(key, "__name") == 0)
        return lua_tolstring(L, -1, NULL);
    }
    lua_settop(L, -2);
  }
  return NULL;
}

/* [-0, +..., -] What the value on top is. */
static void describe(lua_State *L, char *text, size_t size) {
  const char *name;
  switch (lua_type(L, -1)) {
  case LUA_TTHREAD:
    snprintf(text, size, "a coroutine");
    break;
  case LUA_TFUNCTION:
    snprintf(text, size, lua_iscfunction(L, -1) ? "a C function" : "a function");
    break;
  case LUA_TUSERDATA:
    name = find_name(L);
    snprintf(text, size, name == NULL ? "a userdata" : "a userdata (%.40s)", name);
    break;
  default:
    snprintf(text, size, "a %s", lua_typename(L, lua_type(L, -1)));
  }
}

/* [-0, +0, -] The path to the value on top; frame i's object is at the slot that those below leave it. */
static void path_find(struct encoder *e, int slot, struct path *path) {
  size_t i;
  for (i = 0; i < e->depth; i++) {
    const struct frame *f = &e->frames[i];
    switch (f->part) {
    case PART_KEY:
      path_step(path, "(key)");
      slot += 3;
      break;
    case PART_META:
      path_step(path, "(metatable)");
      slot += 1;
      break;
    case PART_UPVALUES:
      path_upvalue(e->L, slot, (int)f->done, path);
      slot += 1;
      break;
    default:
      path_key(e->L, slot + 1, path);
      slot += 2;
    }
  }
}

void fault_report(struct encoder *e, enum status status, int slot, int number, struct codec_fault *fault) {
  struct path path = {"", ""};
  char what[96];
  locale_t before;
  if (fault == NULL)
    return;
  if (number > 0)
    snprintf(path.text, sizeof path.text, "value %d", number);
  if (status == STATUS_DEPTH) {
    snprintf(fault->text, sizeof fault->text, "%.40s is nested deeper than %d levels",
             number > 0 ? path.text : "the value", CODEC_DEPTH);
  } else if (status == STATUS_TYPE) {
    before = plain_enter();
    path_find(e, slot, &path);
    plain_leave(before);
    describe(e->L, what, sizeof what);
    snprintf(fault->text, sizeof fault->text, "%.90s%.105s is %.55s",
             *path.text == '\0' ? "the value" : path.text, path.owner, what);
  }
}
