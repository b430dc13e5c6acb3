#include "config.h"
#include "standard.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "files.h"
#include "library.h"
#include "mirror.h"

static const char random_key = 0;  /* registry: math.randomseed, once math is open */
static const char require_key = 0; /* registry: require, once package is open */

/* () -> package. luaopen_package also sets the global `require`: that must come from the script, which may
   have replaced it. */
static int open_package(lua_State *L) {
  lua_settop(L, 0);
  lua_pushglobaltable(L);
  lua_pushliteral(L, "require");
  lua_rawget(L, 1);
  lua_getmetatable(L, 1);
  lua_pushnil(L);
  lua_setmetatable(L, 1); /* so that nobody notices */
  lua_pushcfunction(L, luaopen_package);
  lua_call(L, 0, 1);
  lua_getfield(L, 1, "require");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &require_key);
  lua_pushliteral(L, "require");
  lua_pushvalue(L, 2);
  lua_rawset(L, 1);
  lua_pushvalue(L, 3);
  lua_setmetatable(L, 1);
  mirror_push(L, MIRROR_LOADED);
  mirror_open(L, MIRROR_LOADED, -1);
  mirror_push(L, MIRROR_PRELOAD);
  mirror_open(L, MIRROR_PRELOAD, -1);
  lua_settop(L, 4);
  return 1;
}

/* [-0, +0, m] Puts the stand-ins into the table on the top. */
static void put_stand_ins(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const struct library_function *f = lua_iscfunction(L, -1) ? library_find(lua_tocfunction(L, -1)) : NULL;
    if (f == NULL || f->stand_in == f->function)
      continue;
    lua_pushvalue(L, -2);
    lua_pushcfunction(L, f->stand_in);
    lua_rawset(L, -5);
  }
}

/* () -> io */
static int open_io(lua_State *L) {
  lua_settop(L, 0);
  luaopen_io(L);
  lua_settop(L, 1);
  files_open(L);
  put_stand_ins(L);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, 2, "__index");
  put_stand_ins(L);
  lua_settop(L, 1);
  return 1;
}

/* () -> math */
static int open_math(lua_State *L) {
  lua_settop(L, 0);
  luaopen_math(L);
  lua_settop(L, 1);
  lua_getfield(L, 1, "randomseed");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &random_key);
  standard_seed(L);
  return 1;
}

static const struct {
  const char *name;
  lua_CFunction open;
} libraries[] = {{LUA_IOLIBNAME, open_io}, {LUA_MATHLIBNAME, open_math}, {LUA_LOADLIBNAME, open_package}};

#define LIBRARY_COUNT (int)(sizeof libraries / sizeof *libraries)

static const char library_keys[LIBRARY_COUNT]; /* registry: the libraries that are open */

/* [-0, +1, m] Pushes the copy, complete, of what the registry has under the name. */
static void push_registered(struct copy *c, const char *name) {
  int unfinished = c->import->copying_count;
  if (frozen_field(c->import->snapshot, c->view, LUA_REGISTRYINDEX, name, strlen(name)) != STATUS_OK)
    import_no_memory(c->L);
  copy_value(c, &(struct place){.step = STEP_REGISTRY, .name = name});
  copy_fill(c, unfinished);
}

/* [-0, +0, m] What the script changed for all users of the library: methods of files, the default files. */
static void adapt_io(struct copy *c) {
  static const char *const defaults[] = {FILES_INPUT, FILES_OUTPUT};
  const struct snapshot *s = c->import->snapshot;
  if (!s->file_meta_plain) {
    push_registered(c, LUA_FILEHANDLE);
    lua_pop(c->L, 1);
  }
  for (int i = 0; i < 2 && !s->default_files_plain; i++) {
    push_registered(c, defaults[i]);
    lua_setfield(c->L, LUA_REGISTRYINDEX, defaults[i]);
  }
}

void standard_push(struct copy *c, const char *name) {
  lua_State *L = c->L;
  int i = 0;
  while (strcmp(libraries[i].name, name) != 0)
    i++;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &library_keys[i]) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  lua_pushcfunction(L, libraries[i].open);
  if (copy_protected(c, 0, 1) != LUA_OK)
    lua_error(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &library_keys[i]);
  if (libraries[i].open == open_io)
    adapt_io(c);
}

void standard_seed(lua_State *L) {
  const struct import *I = import_of(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &random_key) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pushinteger(L, (lua_Integer)I->seed[0]);
  lua_pushinteger(L, (lua_Integer)I->seed[1]);
  lua_call(L, 2, 0);
}

const char *standard_name(const struct frozen_tables *t, const void *table) {
  if (table == t->io)
    return LUA_IOLIBNAME;
  if (table == t->math)
    return LUA_MATHLIBNAME;
  return table == t->package ? LUA_LOADLIBNAME : NULL;
}

void standard_require(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key);
}
