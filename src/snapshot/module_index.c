#include "config.h"
#include "module_index.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "library.h"
#include "standard.h"

/* ------------------------------------------------------------------ what it is made of, under the lock */

static enum status add_module(struct snapshot *s, struct module m) {
  struct module *module = realloc(s->module, (size_t)(s->module_count + 2) * sizeof *module);
  uint32_t other = addresses_get(&s->modules, m.value);
  if (module == NULL)
    return STATUS_NOMEM;
  s->module = module;
  module[++s->module_count] = m;
  if (other != 0 && module[other].open != NULL)
    return STATUS_OK;
  return addresses_put(&s->modules, m.value, (uint32_t)s->module_count);
}

static enum status add_function(struct function_index *index, const void *address, struct module_function f) {
  struct module_function *function;
  if (addresses_get(&index->numbers, address) != 0)
    return STATUS_OK;
  function = realloc(index->function, (size_t)(index->count + 2) * sizeof *function);
  if (function == NULL)
    return STATUS_NOMEM;
  index->function = function;
  function[++index->count] = f;
  return addresses_put(&index->numbers, address, (uint32_t)index->count);
}

/* [-0, +0, -] The function that opens the module `name`, if the library with
   this address has one, as `require` finds it; the library then stays for good:
   threads may still run in it when a state ends. */
static lua_CFunction find_open(const void *address, struct module *m) {
  char symbol[256];
  Dl_info info;
  void *handle;
  lua_CFunction open = NULL;
  const char *hyphen = strchr(m->name, '-');
  if (dladdr(address, &info) == 0 ||
      snprintf(symbol, sizeof symbol, "luaopen_%s", hyphen ? hyphen + 1 : m->name) >= 256)
    return NULL;
  for (char *c = symbol; *c != '\0'; c++)
    if (*c == '.')
      *c = '_';
  handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  if (handle == NULL)
    handle = dlopen(NULL, RTLD_LAZY);
  *(void **)&open = dlsym(handle, symbol);
  dlclose(handle);
  m->path = info.dli_fname;
  m->base = info.dli_fbase;
  m->foreign = !library_ours(address);
  return open;
}

/* [-0, +0, -] Takes down the functions in the table on the view's top, and in its tables: those in C, or
   those in Lua. */
static enum status index_functions(struct snapshot *s, const char *module, const char *outer, int in_c) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  for (lua_pushnil(V); status == STATUS_OK && lua_next(V, -2); lua_pop(V, 1)) {
    const char *name = lua_type(V, -2) == LUA_TSTRING ? lua_tostring(V, -2) : NULL;
    if (name == NULL)
      continue;
    if (lua_istable(V, -1) && outer == NULL)
      status = index_functions(s, module, name, in_c);
    else if (lua_isfunction(V, -1) && lua_iscfunction(V, -1) == in_c &&
             library_find(lua_tocfunction(V, -1)) == NULL)
      status = add_function(in_c ? &s->c_functions : &s->lua_functions, lua_topointer(V, -1),
                            (struct module_function){module, outer, name});
  }
  if (status != STATUS_OK)
    lua_pop(V, 1);
  return status;
}

/* [-0, +0, -] Address of a C function that came with the module on the view's top, or NULL. */
static const void *sample_function(lua_State *V) {
  lua_CFunction function = NULL;
  if (lua_iscfunction(V, -1)) {
    function = lua_tocfunction(V, -1);
  } else if (lua_istable(V, -1)) {
    for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1)) {
      if (lua_iscfunction(V, -1) && library_find(lua_tocfunction(V, -1)) == NULL) {
        function = lua_tocfunction(V, -1);
        lua_pop(V, 2);
        break;
      }
    }
  }
  return function == NULL ? NULL : library_address(function);
}

/* [-0, +0, -] The view's top is what package.loaded has under the name. */
static enum status index_module(struct snapshot *s, const char *name) {
  lua_State *V = s->view;
  struct module m = {.name = name, .value = lua_topointer(V, -1)};
  const void *sample = sample_function(V);
  enum status status;
  if (sample != NULL)
    m.open = find_open(sample, &m);
  status = add_module(s, m);
  if (status == STATUS_OK && m.open != NULL && lua_istable(V, -1))
    status = index_functions(s, name, NULL, 1);
  return status;
}

const struct module *module_index_next(const struct snapshot *s, const void *base,
                                       const struct module *last) {
  for (int i = last == NULL ? 1 : (int)(last - s->module) + 1; i <= s->module_count; i++)
    if (s->module[i].open != NULL && s->module[i].base == base)
      return &s->module[i];
  return NULL;
}

/* [-0, +0, -] Takes down the table on the view's top as the module's. */
static enum status add_registered(struct snapshot *s, uint32_t module) {
  const void *table = lua_topointer(s->view, -1);
  if (addresses_get(&s->registered, table) != 0 || addresses_get(&s->modules, table) != 0)
    return STATUS_OK;
  return addresses_put(&s->registered, table, module);
}

/* [-0, +0, -] The same for the tables in it too. */
static enum status add_all_registered(struct snapshot *s, uint32_t module) {
  lua_State *V = s->view;
  int top = lua_gettop(V);
  enum status status = add_registered(s, module);
  for (lua_pushnil(V); status == STATUS_OK && lua_next(V, top); lua_pop(V, 1))
    if (lua_type(V, -2) == LUA_TSTRING && lua_istable(V, -1))
      status = add_registered(s, module);
  lua_settop(V, top);
  return status;
}

/* [-0, +0, -] Address of a C function of some library in the table on the view's top, or in a table in it; or NULL. */
static const void *sample_method(lua_State *V) {
  int top = lua_gettop(V);
  const void *sample = sample_function(V);
  for (lua_pushnil(V); sample == NULL && lua_next(V, top); lua_pop(V, 1))
    if (lua_istable(V, -1))
      sample = sample_function(V);
  lua_settop(V, top);
  return sample;
}

/* The first module of the foreign library that has the address, or NULL. */
static const struct module *module_at(const struct snapshot *s, const void *address) {
  const void *other = NULL; /* a base that it is not in */
  for (int i = 1; i <= s->module_count; i++) {
    const struct module *m = &s->module[i];
    if (m->open == NULL || !m->foreign || m->base == other)
      continue;
    if (image_spans(m->base, address))
      return m;
    other = m->base;
  }
  return NULL;
}

static int has_foreign(const struct snapshot *s) {
  for (int i = 1; i <= s->module_count; i++)
    if (s->module[i].open != NULL && s->module[i].foreign)
      return 1;
  return 0;
}

const void *module_index_base(const struct snapshot *s, const void *address) {
  for (; s != NULL && atomic_load_explicit(&s->indexed, memory_order_acquire); /* pairs with need's release */
       s = module_index_older(s)) {
    const struct module *m = module_at(s, address);
    if (m != NULL)
      return m->base;
  }
  return NULL;
}

/* Whether a field of the registry, on the view's top, may be a C library's table. */
static int is_registered(const struct snapshot *s) {
  const void *table = lua_topointer(s->view, -1);
  return lua_istable(s->view, -1) && !lua_isnumber(s->view, -2) && table != s->tables.loaded &&
         table != s->tables.preload && table != s->tables.globals;
}

/* Under the lock: takes down the tables that C libraries keep in the registry, such as the metatables of their types. */
static enum status index_registered(struct snapshot *s) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  if (!has_foreign(s))
    return STATUS_OK;
  for (lua_pushnil(V); status == STATUS_OK && lua_next(V, LUA_REGISTRYINDEX); lua_pop(V, 1)) {
    const void *sample = is_registered(s) ? sample_method(V) : NULL;
    const struct module *m = sample == NULL ? NULL : module_at(s, sample);
    if (m != NULL)
      status = add_all_registered(s, (uint32_t)(m - s->module));
  }
  lua_settop(V, FROZEN_SLOT_COUNT);
  return status;
}

/* Under the lock: takes down what package.loaded has. */
static enum status index_modules(struct snapshot *s) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  for (lua_pushnil(V); status == STATUS_OK && lua_next(V, FROZEN_LOADED); lua_pop(V, 1))
    if (lua_type(V, -2) == LUA_TSTRING && lua_type(V, -1) >= LUA_TTABLE &&
        standard_name(&s->tables, lua_topointer(V, -1)) == NULL)
      status = index_module(s, lua_tostring(V, -2));
  lua_settop(V, FROZEN_SLOT_COUNT);
  return status;
}

struct snapshot *module_index_older(const struct snapshot *s) {
  return s->outer == NULL ? NULL : s->outer->snapshot;
}

/* [-0, +0, m] Runs the function, once for each snapshot. */
static void need(struct copy *c, struct snapshot *s, _Atomic int *done,
                 enum status (*index)(struct snapshot *)) {
  enum status status = STATUS_OK;
  if (atomic_load_explicit(done, memory_order_acquire)) /* pairs with the release below */
    return;
  frozen_lock();
  if (!atomic_load_explicit(done, memory_order_relaxed)) {
    status = index(s);
    atomic_store_explicit(done, 1, memory_order_release);
  }
  frozen_unlock();
  if (status != STATUS_OK)
    import_no_memory(c->L);
}

static void need_index(struct copy *c) {
  for (struct snapshot *s = c->import->snapshot; s != NULL; s = module_index_older(s))
    need(c, s, &s->indexed, index_modules);
}

/* Under the lock. The object in the older snapshot that this is a copy of. What has no copy, such as a C function without
   upvalues, is the same in both. */
static const void *older_object(struct snapshot *s, const void *object) {
  uint32_t entry = 0;
  if (import_find(s->outer, s->view, object, &entry) != STATUS_OK || entry == 0)
    return object;
  return s->outer->entries[entry].origin;
}

/* NULL: it is none of these. Like the next, goes on in the older snapshots. */
static const struct module *find_registered(struct snapshot *s, const void *table) {
  const struct module *found;
  uint32_t number = addresses_get(&s->registered, table);
  if (number != 0)
    return &s->module[number];
  if (s->outer == NULL)
    return NULL;
  frozen_lock();
  found = find_registered(module_index_older(s), older_object(s, table));
  frozen_unlock();
  return found;
}

/* A task that is a script has in package.loaded what it asked for so far; the script that it came from has all. */
static const struct module *find_module(struct snapshot *s, const void *value) {
  const struct module *found = NULL;
  uint32_t number = addresses_get(&s->modules, value);
  if (number != 0)
    return &s->module[number];
  if (s->outer == NULL)
    return NULL;
  frozen_lock();
  found = find_module(module_index_older(s), older_object(s, value));
  frozen_unlock();
  return found;
}

/* The same for a function; in_c: of a C module. */
static const struct module_function *find_function(struct snapshot *s, const void *address, int in_c) {
  const struct function_index *index = in_c ? &s->c_functions : &s->lua_functions;
  const struct module_function *found = NULL;
  uint32_t number = addresses_get(&index->numbers, address);
  if (number != 0)
    return &index->function[number];
  if (s->outer == NULL)
    return NULL;
  frozen_lock();
  found = find_function(module_index_older(s), older_object(s, address), in_c);
  frozen_unlock();
  return found;
}

const struct module *module_index_find(struct copy *c, const void *value) {
  need_index(c);
  return find_module(c->import->snapshot, value);
}

const struct module *module_index_registered(struct copy *c, const void *table) {
  need_index(c);
  for (struct snapshot *s = c->import->snapshot; s != NULL; s = module_index_older(s))
    need(c, s, &s->registered_indexed, index_registered);
  return find_registered(c->import->snapshot, table);
}

const struct module_function *module_index_function(struct copy *c, const void *function) {
  need_index(c);
  return find_function(c->import->snapshot, function, 1);
}

/* ------------------------------------------------------------------ Lua modules */

/* Under the lock: takes down the functions of Lua modules too. */
static enum status index_lua_functions(struct snapshot *s) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  int count = s->module_count;
  for (int i = 1; status == STATUS_OK && i <= count; i++) {
    const char *name = s->module[i].name;
    if (s->module[i].open != NULL)
      continue;
    status = frozen_field(s, V, FROZEN_LOADED, name, strlen(name));
    if (status == STATUS_OK && lua_istable(V, -1))
      status = index_functions(s, name, NULL, 0);
    lua_settop(V, FROZEN_SLOT_COUNT);
  }
  return status;
}

static void need_lua_index(struct copy *c) {
  for (struct snapshot *s = c->import->snapshot; s != NULL; s = module_index_older(s))
    need(c, s, &s->lua_indexed, index_lua_functions);
}

int module_index_name(struct copy *c, const void *value, const char **module, const char **outer,
                      const char **name) {
  struct snapshot *s = c->import->snapshot;
  const struct module *m;
  const struct module_function *f;
  need_index(c);
  *outer = *name = NULL;
  if ((m = find_module(s, value)) != NULL) {
    *module = m->name;
    return m->open == NULL;
  }
  need_lua_index(c);
  if ((f = find_function(s, value, 0)) == NULL)
    return 0;
  *module = f->module;
  *outer = f->outer;
  *name = f->name;
  return 1;
}
