#include "config.h"
#include "name_index.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "import.h"
#include "library.h"

const void *name_index_key(lua_State *L, int idx) {
  const struct library_function *f = lua_iscfunction(L, idx) ? library_find(lua_tocfunction(L, idx)) : NULL;
  return f == NULL ? lua_topointer(L, idx) : library_address(f->function);
}

/* ------------------------------------------------------------------ making, under the lock */

static enum status add_name(struct name_index *index, const void *key, struct name n) {
  struct name *name;
  if (addresses_get(&index->numbers, key) != 0)
    return STATUS_OK;
  if ((index->count & (index->count + 1)) == 0) { /* full: double it */
    name = realloc(index->name, 2 * ((size_t)index->count + 1) * sizeof *name);
    if (name == NULL)
      return STATUS_NOMEM;
    index->name = name;
  }
  index->name[++index->count] = n;
  return addresses_put(&index->numbers, key, (uint32_t)index->count);
}

static enum status add_module(struct name_index *index, const char *name, const void *value) {
  struct name_module *module = realloc(index->module, ((size_t)index->module_count + 1) * sizeof *module);
  if (module == NULL)
    return STATUS_NOMEM;
  index->module = module;
  module[index->module_count++] = (struct name_module){name, value};
  return STATUS_OK;
}

/* [-0, +0, -] The view's top is the module. */
static enum status index_module(struct snapshot *s, const char *module) {
  lua_State *V = s->view;
  enum status status = add_module(&s->names, module, lua_topointer(V, -1));
  for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1))
    if (status == STATUS_OK && lua_isfunction(V, -1) && lua_type(V, -2) == LUA_TSTRING)
      status = add_name(&s->names, name_index_key(V, -1), (struct name){module, lua_tostring(V, -2)});
  return status;
}

static enum status make(struct snapshot *s) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  for (lua_pushnil(V); lua_next(V, FROZEN_LOADED); lua_pop(V, 1)) {
    const char *name = lua_type(V, -2) == LUA_TSTRING ? lua_tostring(V, -2) : NULL;
    if (name == NULL || status != STATUS_OK)
      continue;
    if (lua_isfunction(V, -1))
      status = add_name(&s->names, name_index_key(V, -1), (struct name){name, NULL});
    else if (lua_istable(V, -1))
      status = index_module(s, name);
  }
  if (s->outer != NULL && status == STATUS_OK) { /* a thread, whose package.loaded may lack it */
    lua_pushvalue(V, FROZEN_GLOBALS);
    status = index_module(s, LUA_GNAME);
    lua_pop(V, 1);
  }
  return status;
}

enum status name_index_need(struct snapshot *s) {
  for (; s != NULL; s = s->outer == NULL ? NULL : s->outer->snapshot) {
    enum status status = STATUS_OK;
    if (atomic_load_explicit(&s->names.made, memory_order_acquire)) /* pairs with the release below */
      continue;
    frozen_lock();
    if (!atomic_load_explicit(&s->names.made, memory_order_relaxed) && (status = make(s)) == STATUS_OK)
      atomic_store_explicit(&s->names.made, 1, memory_order_release);
    frozen_unlock();
    if (status != STATUS_OK)
      return status;
  }
  return STATUS_OK;
}

void name_index_release(struct name_index *index) {
  addresses_release(&index->numbers);
  free(index->name);
  free(index->module);
}

/* ------------------------------------------------------------------ use */

/* Under the lock. What the object was in the script that a task, itself a script, came from. */
static const void *older_key(const struct snapshot *s, const void *key) {
  uint32_t entry = 0;
  if (import_find(s->outer, s->view, key, &entry) != STATUS_OK || entry == 0)
    return key;
  return s->outer->entries[entry].origin;
}

const struct name *name_index_find(const struct snapshot *s, const void *key) {
  const struct name *found;
  uint32_t number = addresses_get(&s->names.numbers, key);
  if (number != 0)
    return &s->names.name[number];
  if (s->outer == NULL)
    return NULL;
  frozen_lock();
  found = name_index_find(s->outer->snapshot, older_key(s, key));
  frozen_unlock();
  return found;
}
