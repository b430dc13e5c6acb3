#include "config.h"
#include "modules.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <string.h>

#include "copying.h"
#include "mirror.h"
#include "module_index.h"
#include "raw.h"
#include "registered.h"
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
  c->import->loading++;
  code = copy_protected(c, 3, 1);
  c->import->loading--;
  modules_unlock();
  if (code == LUA_ERRMEM)
    lua_error(L);
  return code == LUA_OK;
}

/* [-0, +0, m] The module, fresh on L's top, is required by the luaopen of another: what the script changed in it may lead to that
   one, which is not there yet. Pops the view's top. */
static void defer(struct copy *c, const struct module *m, const struct place *place) {
  struct import *I = c->import;
  uint32_t n = I->deferred_count;
  I->deferred = copy_grow(c->L, I->deferred, n, &I->deferred_capacity, sizeof *I->deferred);
  I->deferred[n] = (struct deferred_module){m, copy_note(c, place)};
  I->deferred_count = n + 1;
  lua_pop(c->view, 1);
}

/* [-0, +0, m] Overlays of those, for what follows to complete. */
static void lay_deferred(struct copy *c) {
  struct import *I = c->import;
  for (uint32_t i = 0; i < I->deferred_count; i++) {
    const struct deferred_module d = I->deferred[i];
    copy_room(c, 2);
    if (frozen_field(I->snapshot, c->view, FROZEN_LOADED, d.module->name, strlen(d.module->name)) !=
        STATUS_OK)
      import_no_memory(c->L);
    if (lua_istable(c->view, -1) && addresses_get(&I->known, lua_topointer(c->view, -1)) == d.entry)
      copying_push(c, d.entry, COPYING_OVERLAY);
    else
      lua_pop(c->view, 1); /* its luaopen failed */
  }
}

/* [-0, +0, m] Also what all of them keep in the registry. */
static void lay_loaded(struct copy *c, const struct module *m, int before) {
  struct import *I = c->import;
  lay_deferred(c);
  if (m->foreign)
    registered_lay(c, m->base, before);
  while (I->deferred_count > 0) {
    const struct module *d = I->deferred[--I->deferred_count].module;
    if (d->foreign && d->base != m->base)
      registered_lay(c, d->base, before);
  }
}

/* [-0, +1|0, m] The view's top is a C module: pushes the one that is loaded afresh, which is of the same type; 0: there is
   none. lay(c, place) notes it before anything else can lead to it. */
static int copy_c_module(struct copy *c, const struct place *place,
                         void (*lay)(struct copy *, const struct place *)) {
  const struct module *m = module_index_find(c, lua_topointer(c->view, -1));
  int before = lua_gettop(c->L) + 1, unfinished = c->import->copying_count, loaded;
  if (m == NULL || m->open == NULL)
    return 0;
  luaL_checkstack(c->L, LUA_MINSTACK, NULL);
  registered_push(c);
  loaded = load_module(c, m) && lua_type(c->L, -1) == lua_type(c->view, -1);
  if (c->import->loading > 0) {
    if (loaded)
      defer(c, m, place);
  } else {
    if (loaded)
      lay(c, place);
    lay_loaded(c, m, before);
  }
  if (loaded) {
    lua_remove(c->L, before);
    return 1;
  }
  copy_fill(c, unfinished);
  lua_settop(c->L, before - 1);
  return 0;
}

static void lay_function(struct copy *c, const struct place *place) {
  copy_note(c, place);
  lua_pop(c->view, 1);
}

int modules_copy_function(struct copy *c, const struct place *place) {
  return copy_c_module(c, place, lay_function);
}

int modules_copy_registered(struct copy *c) {
  const void *table = lua_topointer(c->view, -1);
  const struct module *of = module_index_registered(c, table);
  uint32_t entry = 0;
  if (of == NULL)
    return 0;
  for (const struct snapshot *s = c->import->snapshot; s != NULL; s = module_index_older(s)) {
    for (const struct module *m = NULL; entry == 0 && (m = module_index_next(s, of->base, m)) != NULL;) {
      modules_push(c, m->name);
      lua_pop(c->L, 1);
      entry = addresses_get(&c->import->known, table);
    }
  }
  if (entry == 0)
    return 0;
  lua_rawgeti(c->L, c->objects, (lua_Integer)entry);
  lua_pop(c->view, 1);
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
  return copy_c_module(c, place, copy_overlay);
}
