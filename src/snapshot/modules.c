#include "config.h"
#include "modules.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <string.h>

#include "mirror.h"
#include "module_index.h"
#include "raw.h"
#include "standard.h"
#include "stub.h"

static pthread_mutex_t mutex; /* made by modules_make_lock */

void modules_lock(void) {
  pthread_mutex_lock(&mutex);
}

void modules_unlock(void) {
  pthread_mutex_unlock(&mutex);
}

void modules_make_lock(const pthread_mutexattr_t *recursive) {
  pthread_mutex_init(&mutex, recursive);
}

void modules_push(struct copy *c, const char *name) {
  int unfinished = c->import->copying_count;
  if (frozen_field(c->import->snapshot, c->view, FROZEN_LOADED, name, strlen(name)) != STATUS_OK)
    import_no_memory(c->L);
  copy_value(c, &(struct place){.step = STEP_LOADED, .name = name});
  copy_fill(c, unfinished);
}

/* (name, path, open) -> module: what `require` does with a C module, without asking the searchers. */
static int open_module(lua_State *L) {
  lua_CFunction open = lua_tocfunction(L, 3);
  lua_settop(L, 2);
  mirror_push(L, MIRROR_LOADED);
  lua_pushcfunction(L, open);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 1);
  if (lua_isnil(L, -1)) {
    lua_pushvalue(L, 1);
    lua_rawget(L, 3);
  }
  lua_pushcfunction(L, raw_set);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 4);
  lua_call(L, 3, 0);
  return 1;
}

/* [-0, +1, m] Loads the module afresh. Returns 0 with the error on the top when that fails. */
static int load_module(struct copy *c, const struct module *m) {
  lua_State *L = c->L;
  int code;
  lua_pushcfunction(L, open_module);
  lua_pushstring(L, m->name);
  lua_pushstring(L, m->path);
  lua_pushcfunction(L, m->open);
  modules_lock();
  code = copy_protected(c, 3, 1);
  modules_unlock();
  if (code == LUA_ERRMEM)
    lua_error(L);
  return code == LUA_OK;
}

static int copy_c_module(struct copy *c, const struct place *place) {
  const struct module *m = module_index_find(c, lua_topointer(c->view, -1));
  if (m == NULL || m->open == NULL)
    return 0;
  if (!load_module(c, m) || !lua_istable(c->L, -1)) {
    lua_pop(c->L, 1);
    return 0;
  }
  copy_overlay(c, place);
  return 1;
}

int modules_copy(struct copy *c, const struct place *place) {
  const struct frozen_tables *t = &c->import->snapshot->tables;
  const void *table = lua_topointer(c->view, -1);
  const char *library = standard_name(t, table);
  if (library != NULL) {
    standard_push(c, library);
    copy_overlay(c, place);
    return 1;
  }
  if (table == t->file_meta) {
    standard_push(c, LUA_IOLIBNAME);
    lua_pop(c->L, 1);
    luaL_getmetatable(c->L, LUA_FILEHANDLE);
    copy_overlay(c, place);
    return 1;
  }
  if (table == t->fast_map && !c->import->whole) {
    stub_copy(c, place);
    return 1;
  }
  return copy_c_module(c, place);
}
