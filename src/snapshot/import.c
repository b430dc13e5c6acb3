#include "config.h"
#include "import.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "copying.h"
#include "globals.h"
#include "mirror.h"
#include "place.h"
#include "warning.h"

static const char import_key = 0; /* registry: the import, in a thread's state */
static const char copies_key = 0; /* registry: the table with all copies */

int import_no_memory(lua_State *L) {
  lua_newuserdatauv(L, ARENA_BLOCK_MOST + 1, 0); /* raises what lack of memory raises */
  return 0;
}

struct import *import_of_script(lua_State *L) {
  struct import *import;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &import_key);
  import = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return import;
}

void import_open(struct import *I, lua_State *L) {
  I->L = L;
  *(struct import **)lua_getextraspace(L) = I;
  lua_pushlightuserdata(L, I);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &import_key);
  lua_setwarnf(L, warning_write, I);
  I->warnings = I->snapshot->warnings;
  lua_createtable(L, 4, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &copies_key);
  globals_open(L);
}

void import_close(struct import *I) {
  if (I->view != NULL)
    frozen_give(I->snapshot, I->view);
  free(I->entries);
  free(I->upvalues);
  free(I->copying);
  free(I->deferred);
  addresses_release(&I->known);
  addresses_release(&I->known_upvalues);
  addresses_release(&I->copies);
  buffer_release(&I->code);
  buffer_release(&I->warning);
  buffer_release(&I->commands);
  output_release(&I->output);
  buffer_release(&I->scratch);
  *I = (struct import){0};
}

void import_push_copies(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key);
}

int import_push_copy(const struct import *I, lua_State *L, uint32_t entry) {
  if (entry == 0 || entry > I->entry_count || !lua_checkstack(L, 2))
    return 0;
  import_push_copies(L);
  lua_rawgeti(L, -1, (lua_Integer)entry);
  lua_remove(L, -2);
  return 1;
}

enum status import_find(struct import *I, lua_State *L, const void *copy, uint32_t *number) {
  enum status status = STATUS_OK;
  while (status == STATUS_OK && I->copies_count < I->entry_count) {
    uint32_t entry = I->copies_count + 1;
    if (!import_push_copy(I, L, entry))
      return STATUS_NOMEM;
    if (lua_type(L, -1) >= LUA_TTABLE && addresses_get(&I->copies, lua_topointer(L, -1)) == 0)
      status = addresses_put(&I->copies, lua_topointer(L, -1), entry);
    lua_pop(L, 1);
    I->copies_count = entry;
  }
  *number = addresses_get(&I->copies, copy);
  return status;
}

/* ------------------------------------------------------------------ from the roots */

void import_slot(lua_State *L, int slot, enum step root) {
  struct copy c;
  copy_begin(&c, L);
  lua_pushvalue(c.view, slot);
  copy_value(&c, &(struct place){.step = root});
  copy_complete(&c);
  copy_finish(&c);
}

void import_globals_meta(lua_State *L) {
  struct copy c;
  uint32_t globals;
  copy_begin(&c, L);
  lua_pushvalue(c.view, FROZEN_GLOBALS);
  copy_value(&c, &(struct place){.step = STEP_GLOBAL, .name = "_G"});
  lua_pop(L, 1);
  globals = addresses_get(&c.import->known, lua_topointer(c.view, FROZEN_GLOBALS));
  globals_push_meta(c.import->snapshot, c.view);
  copy_value(&c, &(struct place){.parent = globals, .step = STEP_META});
  copy_complete(&c);
  copy_finish(&c);
}

void import_rest(lua_State *L, int slot, const char *name) {
  struct copy c;
  uint32_t entry;
  copy_begin(&c, L);
  if (frozen_field(c.import->snapshot, c.view, slot, name, strlen(name)) != STATUS_OK)
    import_no_memory(L);
  entry = addresses_get(&c.import->known, lua_topointer(c.view, -1));
  if (entry != 0)
    copying_push(&c, entry, COPYING_TABLE);
  copy_complete(&c);
  copy_finish(&c);
}

/* The script is a thread itself, and filled on demand: nobody writes to the table once it is full. */
static void fill_slot(struct copy *c, int slot) {
  int code;
  if (c->import->snapshot->outer == NULL)
    return;
  frozen_lock_to_fill(c->import->snapshot);
  code = mirror_complete_all(c->view, slot);
  frozen_unlock_filled(c->import->snapshot);
  if (code != LUA_OK)
    import_no_memory(c->L);
}

/* ------------------------------------------------------------------ by key */

/* [-0, +1|0, m] slot[name] */
static int import_named(lua_State *L, int slot, enum step root, int key) {
  struct copy c;
  struct place place = {.step = root};
  const char *name;
  size_t size;
  int found;
  copy_begin(&c, L);
  name = lua_tolstring(L, key, &size);
  if (frozen_field(c.import->snapshot, c.view, slot, name, size) != STATUS_OK)
    import_no_memory(L);
  found = !lua_isnil(c.view, -1);
  if (found) /* a place's name must last: the frozen state's own string, not the asking state's */
    place.name = frozen_string(c.import->snapshot, name, size);
  copy_value(&c, &place);
  copy_complete(&c);
  copy_finish(&c);
  if (!found)
    lua_pop(L, 1);
  return found;
}

/* [-0, +0, m] The address in the script of what is at idx; that of C functions is the same. */
static const void *script_address(lua_State *L, int idx) {
  struct import *I = import_of(L);
  uint32_t entry;
  if (import_find(I, L, lua_topointer(L, idx), &entry) != STATUS_OK)
    import_no_memory(L);
  return entry == 0 ? lua_topointer(L, idx) : I->entries[entry].origin;
}

/* [-0, +0, -] Is the script's key on the view, below a value, the one at `key` in this state? */
static int is_key(struct copy *c, int key, const void *address) {
  lua_State *V = c->view;
  if (lua_type(V, -2) != lua_type(c->L, key))
    return 0;
  if (lua_isinteger(V, -2)) /* 2^53 finds it, too */
    return (lua_Number)lua_tointeger(V, -2) == lua_tonumber(c->L, key) &&
           lua_tointeger(V, -2) == lua_tointeger(c->L, key);
  if (lua_isnumber(V, -2))
    return lua_tonumber(V, -2) == lua_tonumber(c->L, key);
  if (lua_isboolean(V, -2))
    return lua_toboolean(V, -2) == lua_toboolean(c->L, key);
  return lua_topointer(V, -2) == address;
}

/* [-0, +2|0, -] Pushes key and value on the view. lua_rawget may write to a table, and would need the script's own key. */
static int find_field(struct copy *c, int slot, int key, const void *address) {
  lua_State *V = c->view;
  for (lua_pushnil(V); lua_next(V, slot); lua_pop(V, 1))
    if (is_key(c, key, address))
      return 1;
  return 0;
}

/* [-0, +0, m] Of the field whose key and value are on the view. */
static struct place place_of_odd(struct copy *c, int slot) {
  uint32_t globals;
  if (slot != FROZEN_GLOBALS)
    return (struct place){.step = STEP_OTHER};
  lua_pushvalue(c->view, slot);
  copy_value(c, &(struct place){.step = STEP_GLOBAL, .name = "_G"});
  lua_pop(c->L, 1);
  globals = addresses_get(&c->import->known, lua_topointer(c->view, slot));
  return place_of_field(c->view, globals, lua_gettop(c->view) - 1);
}

/* [-0, +1|0, m] slot[key] for a key that is no string: few ask for these. */
static int import_odd(lua_State *L, int slot, int key) {
  struct copy c;
  const void *address = script_address(L, key);
  int found;
  copy_begin(&c, L);
  fill_slot(&c, slot);
  if ((found = find_field(&c, slot, key, address)) != 0) {
    struct place place = place_of_odd(&c, slot);
    copy_value(&c, &place);
    copy_complete(&c);
  }
  copy_finish(&c);
  return found;
}

int import_field(lua_State *L, int slot, enum step root, int key) {
  key = lua_absindex(L, key);
  return lua_type(L, key) == LUA_TSTRING ? import_named(L, slot, root, key) : import_odd(L, slot, key);
}

void import_fields(lua_State *L, int slot, enum step root, int target, int touched) {
  struct copy c;
  copy_begin(&c, L);
  fill_slot(&c, slot);
  lua_pushvalue(c.view, slot);
  lua_pushnil(c.view);
  while (lua_next(c.view, -2)) {
    const char *name = lua_type(c.view, -2) == LUA_TSTRING ? lua_tostring(c.view, -2) : NULL;
    lua_pushvalue(c.view, -2);
    copy_value(&c, &(struct place){.step = STEP_KEY});
    copy_complete(&c);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, touched) != LUA_TNIL) {
      lua_pop(L, 2);
      lua_pop(c.view, 1);
      continue;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    copy_value(&c, &(struct place){.step = name == NULL ? STEP_OTHER : root, .name = name});
    copy_complete(&c);
    lua_rawset(L, target);
    lua_pushboolean(L, 1);
    lua_rawset(L, touched);
  }
  copy_finish(&c);
}
