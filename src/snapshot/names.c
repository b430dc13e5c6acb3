#include "config.h"
#include "names.h"

#include <lauxlib.h>
#include <string.h>

#include "import.h"
#include "mirror.h"
#include "name_index.h"

/* ------------------------------------------------------------------ the search */

/* [-0, +0, -] The field of the table on the top that is the function at `function`, or NULL. */
static const char *field_of(lua_State *L, int function) {
  const char *name = NULL;
  for (lua_pushnil(L); name == NULL && lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, function))
      name = lua_tostring(L, -2);
  if (name != NULL)
    lua_pop(L, 1);
  return name;
}

/* [-0, +1, m] Pushes what the table on the top has under the name. */
static void push_raw(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, -2);
}

/* [-0, +0, m] Whether the name is this thread's own business: what the script has under it no longer counts. */
static int is_touched(lua_State *L, enum mirror mirror, const char *name) {
  int top = lua_gettop(L), touched = 0;
  mirror_push_touched(L, mirror);
  if (lua_istable(L, -1)) {
    push_raw(L, name);
    touched = !lua_isnil(L, -1);
  }
  lua_settop(L, top);
  return touched;
}

/* [-0, +1|0, m] Pushes the module, if it is a table that this thread has got from the script, in full. */
static int push_copy(const struct import *I, lua_State *L, const void *module) {
  uint32_t entry;
  if (module == I->snapshot->tables.globals || (entry = addresses_get(&I->known, module)) == 0 ||
      !import_push_copy(I, L, entry))
    return 0;
  if (lua_istable(L, -1) && lua_topointer(L, -1) != I->light)
    return 1;
  lua_pop(L, 1);
  return 0;
}

/* [-0, +1|0, m] The same by name. */
static int push_named_copy(const struct import *I, lua_State *L, const char *module) {
  const struct name_index *names = &I->snapshot->names;
  for (int i = 0; i < names->module_count; i++)
    if (strcmp(names->module[i].name, module) == 0)
      return push_copy(I, L, names->module[i].value);
  return 0;
}

/* [-0, +1|0, m] Pushes what this thread has under the name of a module. */
static int push_module(lua_State *L, const char *module) {
  if (is_touched(L, MIRROR_LOADED, module)) {
    int loaded = lua_gettop(L) + 1;
    mirror_push(L, MIRROR_LOADED);
    push_raw(L, module);
    lua_remove(L, loaded);
    return 1;
  }
  if (strcmp(module, LUA_GNAME) != 0)
    return push_named_copy(import_of(L), L, module);
  lua_pushglobaltable(L);
  return 1;
}

/* [-0, +0, m] Whether what the script calls so is still the function here. */
static int is_current(lua_State *L, int function, const struct name *n) {
  int top = lua_gettop(L), same = 1;
  if (push_module(L, n->module)) {
    int is_filled =
        mirror_at(L, -1) != MIRROR_GLOBALS || n->field == NULL || is_touched(L, MIRROR_GLOBALS, n->field);
    if (n->field != NULL && lua_istable(L, -1))
      push_raw(L, n->field);
    same = !is_filled || lua_rawequal(L, -1, function);
  }
  lua_settop(L, top);
  return same;
}

/* [-0, +0, m] In what this thread has of package.loaded, and in its _G. */
static struct name find_own(lua_State *L, int function) {
  int top = lua_gettop(L);
  struct name found = {NULL, NULL};
  mirror_push(L, MIRROR_LOADED);
  for (lua_pushnil(L); found.module == NULL && lua_next(L, top + 1); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      continue;
    if (lua_rawequal(L, -1, function) ||
        (lua_istable(L, -1) && (found.field = field_of(L, function)) != NULL))
      found.module = lua_tostring(L, -2);
  }
  lua_settop(L, top);
  if (found.module == NULL && !is_touched(L, MIRROR_LOADED, LUA_GNAME)) {
    lua_pushglobaltable(L);
    if ((found.field = field_of(L, function)) != NULL)
      found.module = LUA_GNAME;
    lua_settop(L, top);
  }
  return found;
}

/* [-0, +0, m] In modules of the script that this thread has, although it did not require them: it may have added to them. */
static struct name find_added(lua_State *L, int function) {
  const struct import *I = import_of(L);
  const struct name_index *names = &I->snapshot->names;
  struct name found = {NULL, NULL};
  for (int i = 0; found.module == NULL && i < names->module_count; i++) {
    if (!push_copy(I, L, names->module[i].value))
      continue;
    if ((found.field = field_of(L, function)) != NULL && !is_touched(L, MIRROR_LOADED, names->module[i].name))
      found.module = names->module[i].name;
    lua_pop(L, 1);
  }
  return found;
}

/* [-0, +0, m] Names of the script, or keys of tables. */
static struct name find(lua_State *L, int function) {
  struct import *I = import_of(L);
  const void *key = name_index_key(L, function);
  const struct name *known;
  struct name found;
  uint32_t entry;
  if (name_index_need(I->snapshot) != STATUS_OK || import_find(I, L, key, &entry) != STATUS_OK)
    import_no_memory(L);
  known = name_index_find(I->snapshot, entry == 0 ? key : I->entries[entry].origin);
  if (known != NULL && is_current(L, function, known))
    return *known;
  found = find_own(L, function);
  return found.module != NULL ? found : find_added(L, function);
}

/* ------------------------------------------------------------------ the registry */

/* [-0, +1|0, m] Whoever asks for package.loaded is C code: pushes the function that it has on the top of its stack. A search
   does; that others may, too, is why the answer also leads to the table itself. */
static int push_sought(lua_State *L) {
  lua_Debug caller;
  int count = 0;
  if (!lua_getstack(L, 1, &caller) || !lua_getinfo(L, "S", &caller) || *caller.what != 'C')
    return 0;
  while (lua_getlocal(L, &caller, count + 1) != NULL) {
    lua_pop(L, 1);
    count++;
  }
  if (count < 2 || lua_getlocal(L, &caller, count - 1) == NULL) /* above it is the key */
    return 0;
  if (lua_type(L, -1) == LUA_TFUNCTION)
    return 1;
  lua_pop(L, 1);
  return 0;
}

/* [-1, +1, m] Replaces a function by a table that leads to package.loaded, but contains no more than the function. */
static void answer(lua_State *L) {
  int function = lua_gettop(L);
  struct name found = find(L, function);
  lua_newtable(L);
  if (found.field != NULL) {
    lua_newtable(L);
    lua_pushvalue(L, function);
    lua_setfield(L, -2, found.field);
    lua_setfield(L, -2, found.module);
  } else if (found.module != NULL) {
    lua_pushvalue(L, function);
    lua_setfield(L, -2, found.module);
  }
  lua_createtable(L, 0, 2);
  mirror_push(L, MIRROR_LOADED);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_replace(L, function);
}

/* (registry, key) -> value */
static int index_registry(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), LUA_LOADED_TABLE) != 0)
    return 0;
  if (lua_checkstack(L, 2 * LUA_MINSTACK) && push_sought(L)) /* no room: the stack has overflown */
    answer(L);
  else
    mirror_push(L, MIRROR_LOADED);
  return 1;
}

void names_open(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, index_registry);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, LUA_REGISTRYINDEX);
}

int names_hides_meta(lua_State *L, int idx) {
  int hides = 0;
  if (lua_rawequal(L, idx, LUA_REGISTRYINDEX)) {
    lua_pushliteral(L, LUA_LOADED_TABLE);
    hides = lua_rawget(L, LUA_REGISTRYINDEX) == LUA_TNIL; /* as long as it has our __index */
    lua_pop(L, 1);
  }
  return hides;
}

void names_give_up(lua_State *L) {
  lua_pushliteral(L, LUA_LOADED_TABLE);
  mirror_push(L, MIRROR_LOADED);
  lua_rawset(L, LUA_REGISTRYINDEX);
}
