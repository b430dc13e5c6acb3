#include "config.h"
#include "modules.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "globals.h"
#include "library.h"
#include "placeholder.h"
#include "stand_in.h"

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void modules_lock(void) {
  pthread_mutex_lock(&mutex);
}

void modules_unlock(void) {
  pthread_mutex_unlock(&mutex);
}

void modules_renew_lock(void) {
  static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  memcpy(&mutex, &fresh, sizeof fresh);
}

static const char random_key = 0;  /* registry: math.randomseed, once math is open */
static const char require_key = 0; /* registry: require, once package is open */

static const void *function_address(lua_CFunction function) {
  const void *address;
  memcpy(&address, &function, sizeof address); /* ISO C forbids the cast */
  return address;
}

/* [-0, +1, m] Pushes slot[name] on the view. */
static void push_field(struct copy *c, int slot, const char *name) {
  if (frozen_field(c->import->snapshot, c->view, slot, name, strlen(name)) != STATUS_OK)
    import_no_memory(c->L);
}

/* ------------------------------------------------------------------ io, math, package */

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
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  globals_mirror(L, MIRROR_LOADED, -1);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  globals_mirror(L, MIRROR_PRELOAD, -1);
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
  modules_seed(L);
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
  push_field(c, LUA_REGISTRYINDEX, name);
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

void modules_library(struct copy *c, const char *name) {
  lua_State *L = c->L;
  int i = 0;
  while (strcmp(libraries[i].name, name) != 0)
    i++;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &library_keys[i]) != LUA_TNIL)
    return;
  lua_pop(L, 1);
  lua_pushcfunction(L, libraries[i].open);
  if (import_protected(c, 0, 1) != LUA_OK)
    lua_error(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &library_keys[i]);
  if (libraries[i].open == open_io)
    adapt_io(c);
}

void modules_seed(lua_State *L) {
  const struct import *I = import_of(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &random_key) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  lua_pushinteger(L, (lua_Integer)I->seed[0]);
  lua_pushinteger(L, (lua_Integer)I->seed[1]);
  lua_call(L, 2, 0);
}

/* Whether the table belongs to a library that has a state of its own in each Lua state. */
static const char *stateful(const struct frozen_tables *t, const void *table) {
  if (table == t->io)
    return LUA_IOLIBNAME;
  if (table == t->math)
    return LUA_MATHLIBNAME;
  return table == t->package ? LUA_LOADLIBNAME : NULL;
}

/* ------------------------------------------------------------------ the index of modules */

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
      status = frozen_index_function(in_c ? &s->c_functions : &s->lua_functions, lua_topointer(V, -1),
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
  return function == NULL ? NULL : function_address(function);
}

/* [-0, +0, -] The view's top is what package.loaded has under the name. */
static enum status index_module(struct snapshot *s, const char *name) {
  lua_State *V = s->view;
  struct module m = {.name = name, .value = lua_topointer(V, -1)};
  const void *sample = sample_function(V);
  enum status status;
  if (sample != NULL)
    m.open = find_open(sample, &m);
  status = frozen_index_module(s, m);
  if (status == STATUS_OK && m.open != NULL && lua_istable(V, -1))
    status = index_functions(s, name, NULL, 1);
  return status;
}

/* Under the lock: takes down what package.loaded has. */
static enum status index_modules(struct snapshot *s) {
  lua_State *V = s->view;
  enum status status = STATUS_OK;
  for (lua_pushnil(V); status == STATUS_OK && lua_next(V, FROZEN_LOADED); lua_pop(V, 1))
    if (lua_type(V, -2) == LUA_TSTRING && lua_type(V, -1) >= LUA_TTABLE &&
        stateful(&s->tables, lua_topointer(V, -1)) == NULL)
      status = index_module(s, lua_tostring(V, -2));
  lua_settop(V, FROZEN_SLOT_COUNT);
  return status;
}

/* The snapshot that the script's own state is filled from, when the script is a task. */
static struct snapshot *older(const struct snapshot *s) {
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
  for (struct snapshot *s = c->import->snapshot; s != NULL; s = older(s))
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

/* A task that is a script has in package.loaded what it asked for so far; the script that it came from has all. */
static const struct module *find_module(struct snapshot *s, const void *value) {
  const struct module *found = NULL;
  uint32_t number = addresses_get(&s->modules, value);
  if (number != 0)
    return &s->module[number];
  if (s->outer == NULL)
    return NULL;
  frozen_lock();
  found = find_module(older(s), older_object(s, value));
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
  found = find_function(older(s), older_object(s, address), in_c);
  frozen_unlock();
  return found;
}

/* ------------------------------------------------------------------ C modules
 */

/* (name, path, open) -> module: what `require` does with a C module, without asking the searchers. */
static int open_module(lua_State *L) {
  lua_CFunction open = lua_tocfunction(L, 3);
  lua_settop(L, 2);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushcfunction(L, open);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 1);
  if (lua_isnil(L, -1)) {
    lua_pushvalue(L, 1);
    lua_rawget(L, 3);
  }
  lua_pushcfunction(L, globals_rawset);
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
  code = import_protected(c, 3, 1);
  modules_unlock();
  if (code == LUA_ERRMEM)
    lua_error(L);
  return code == LUA_OK;
}

/* The view's top is a value of package.loaded: the module, or NULL. */
static const struct module *module_of(struct copy *c) {
  need_index(c);
  return find_module(c->import->snapshot, lua_topointer(c->view, -1));
}

static int copy_c_module(struct copy *c, const struct place *place) {
  const struct module *m = module_of(c);
  if (m == NULL || m->open == NULL)
    return 0;
  if (!load_module(c, m) || !lua_istable(c->L, -1)) {
    lua_pop(c->L, 1);
    return 0;
  }
  copy_overlay(c, place);
  return 1;
}

/* ------------------------------------------------------------------ fast_map itself */

/* Most tasks want nothing of fast_map but sleep: a table with little more stands for the module until more is
   asked for. */
static const char *const light_names[] = {"now", "cpus", NULL};

void modules_settle(lua_State *L, int idx) {
  struct import *I = import_of(L);
  if (I->light != NULL && lua_topointer(L, idx) == I->light) {
    idx = lua_absindex(L, idx);
    I->light = NULL;
    I->whole = 1;
    lua_pushnil(L);
    lua_setmetatable(L, idx);
    lua_pushliteral(L, "state");
    lua_pushvalue(L, -1);
    lua_rawget(L, idx);
    import_rest(L, FROZEN_LOADED, "fast_map");
    lua_rawset(L, idx); /* the thread's own, not that of the thread which began this map */
  }
}

void modules_set_state(lua_State *L) {
  lua_pushliteral(L, "fast_map");
  if (import_field(L, FROZEN_LOADED, STEP_LOADED, -1) && lua_istable(L, -1)) {
    lua_pushliteral(L, "state");
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

static int light_index(lua_State *L) {
  modules_settle(L, 1);
  lua_gettable(L, 1);
  return 1;
}

static int light_newindex(lua_State *L) {
  modules_settle(L, 1);
  lua_settable(L, 1);
  return 0;
}

static int light_call(lua_State *L) {
  modules_settle(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int light_pairs(lua_State *L) {
  modules_settle(L, 1);
  lua_settop(L, 1);
  return globals_pairs(L);
}

static void copy_fast_map(struct copy *c, const struct place *place) {
  static const luaL_Reg events[] = {{"__index", light_index},
                                    {"__newindex", light_newindex},
                                    {"__call", light_call},
                                    {"__pairs", light_pairs},
                                    {NULL, NULL}};
  lua_State *L = c->L;
  int object = lua_gettop(c->view);
  lua_createtable(L, 0, 4);
  for (int i = 0; light_names[i] != NULL; i++) {
    push_field(c, object, light_names[i]);
    if (lua_iscfunction(c->view, -1)) {
      lua_pushcfunction(L, lua_tocfunction(c->view, -1));
      lua_setfield(L, -2, light_names[i]);
    }
    lua_pop(c->view, 1);
  }
  lua_pushcfunction(L, stand_in_sleep);
  lua_setfield(L, -2, "sleep");
  luaL_newlib(L, events);
  lua_setmetatable(L, -2);
  c->import->light = lua_topointer(L, -1);
  copy_note(c, place);
  lua_pop(c->view, 1);
}

int modules_copy(struct copy *c, const struct place *place) {
  const struct frozen_tables *t = &c->import->snapshot->tables;
  const void *table = lua_topointer(c->view, -1);
  const char *library = stateful(t, table);
  if (library != NULL) {
    modules_library(c, library);
    copy_overlay(c, place);
    return 1;
  }
  if (table == t->file_meta) {
    modules_library(c, LUA_IOLIBNAME);
    lua_pop(c->L, 1);
    luaL_getmetatable(c->L, LUA_FILEHANDLE);
    copy_overlay(c, place);
    return 1;
  }
  if (table == t->fast_map && !c->import->whole) {
    copy_fast_map(c, place);
    return 1;
  }
  return copy_c_module(c, place);
}

/* ------------------------------------------------------------------ C functions */

/* A C function without upvalues is a plain value: its address. */
static int is_light(lua_State *V) {
  if (lua_getupvalue(V, -1, 1) == NULL)
    return 1;
  lua_pop(V, 1);
  return 0;
}

void modules_push_light(struct copy *c, const struct library_function *f) {
  if (strcmp(f->library, LUA_IOLIBNAME) == 0 || strcmp(f->library, LIBRARY_FILE) == 0) {
    modules_library(c, LUA_IOLIBNAME); /* it works on what luaopen_io makes */
    lua_pop(c->L, 1);
  }
  lua_pushcfunction(c->L, f->stand_in);
}

void modules_push(struct copy *c, const char *name) {
  int unfinished = c->import->copying_count;
  push_field(c, FROZEN_LOADED, name);
  copy_value(c, &(struct place){.step = STEP_LOADED, .name = name});
  copy_fill(c, unfinished);
}

/* [-0, +1, m] Lua's own. Pushes nil when this state has no such thing. */
static void push_library_function(struct copy *c, const struct library_function *f, int light) {
  lua_State *L = c->L;
  int require = strcmp(f->name, "require") == 0;
  if (require || strcmp(f->library, LUA_LOADLIBNAME) == 0) {
    modules_library(c, LUA_LOADLIBNAME);
    modules_push(c, LUA_LOADLIBNAME); /* what it does depends on package.path and
                                        its like */
    lua_pop(L, 1);
  } else if (light) {
    modules_push_light(c, f);
    return;
  } else if (strcmp(f->library, LUA_MATHLIBNAME) == 0) {
    modules_library(c, LUA_MATHLIBNAME);
  } else {
    lua_pushnil(L);
    return;
  }
  if (require)
    lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key);
  else
    lua_getfield(L, -1, f->name);
  lua_remove(L, -2);
}

/* [-0, +1, m] One of a module's, from the module loaded afresh. Pushes nil when it has no such function. */
static void push_module_function(struct copy *c, const struct module_function *f) {
  lua_State *L = c->L;
  const char *path[] = {f->outer, f->name};
  modules_push(c, f->module);
  for (int i = 0; i < 2; i++) {
    if (path[i] == NULL || !lua_istable(L, -1))
      continue;
    lua_pushstring(L, path[i]);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  if (!lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* [-0, +0, m] Functions of a library need what its modules leave in the registry. */
static void need_library(struct copy *c, lua_CFunction function) {
  Dl_info info;
  if (dladdr(function_address(function), &info) == 0)
    return;
  for (const struct snapshot *s = c->import->snapshot; s != NULL; s = older(s)) {
    for (int i = 1; i <= s->module_count; i++) {
      if (s->module[i].open == NULL || s->module[i].base != info.dli_fbase)
        continue;
      modules_push(c, s->module[i].name);
      lua_pop(c->L, 1);
    }
  }
}

/* Whether the upvalues of the C closure on the view's top mean the same in another state. A pointer to C data
   need not. */
static int portable(struct copy *c) {
  const void *file_meta = c->import->snapshot->tables.file_meta;
  lua_State *V = c->view;
  int ok = 1;
  for (int i = 1; ok && lua_getupvalue(V, -1, i) != NULL; i++) {
    int type = lua_type(V, -1);
    if (type == LUA_TUSERDATA) {
      ok = lua_getmetatable(V, -1) && lua_topointer(V, -1) == file_meta;
      lua_settop(V, lua_gettop(V) - (ok ? 1 : 0));
    } else {
      ok = type != LUA_TTHREAD && type != LUA_TLIGHTUSERDATA;
    }
    lua_pop(V, 1);
  }
  return ok;
}

/* A C closure that nobody has a name for. */
static void copy_c_closure(struct copy *c, const struct place *place) {
  lua_CFunction function = lua_tocfunction(c->view, -1);
  int top = lua_gettop(c->view), count = 0;
  int ok = portable(c);
  lua_settop(c->view, top);
  if (!ok) {
    placeholder_push_function(c, place);
    copy_note(c, place);
    lua_pop(c->view, 1);
    return;
  }
  need_library(c, function);
  for (; lua_getupvalue(c->view, top, count + 1) != NULL; count++)
    lua_pop(c->view, 1);
  luaL_checkstack(c->L, count, NULL);
  for (int i = 0; i < count; i++)
    lua_pushnil(c->L);
  lua_pushcclosure(c->L, function, count);
  copy_upvalues(c, place);
}

void modules_function(struct copy *c, const struct place *place) {
  const struct module_function *of_module = NULL;
  lua_CFunction function = lua_tocfunction(c->view, -1);
  const struct library_function *f = library_find(function);
  int light = is_light(c->view);
  if (f == NULL && !(light && library_ours(function_address(function)))) {
    need_index(c);
    of_module = find_function(c->import->snapshot, lua_topointer(c->view, -1), 1);
  }
  if (f != NULL)
    push_library_function(c, f, light);
  else if (of_module != NULL)
    push_module_function(c, of_module);
  else
    lua_pushnil(c->L);
  if (!lua_isnil(c->L, -1)) {
    if (!light)
      copy_note(c, place);
    lua_pop(c->view, 1);
    return;
  }
  lua_pop(c->L, 1);
  if (!light) {
    copy_c_closure(c, place);
    return;
  }
  if (f == NULL)
    need_library(c, function);
  lua_pushcfunction(c->L, function);
  lua_pop(c->view, 1);
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
  for (struct snapshot *s = c->import->snapshot; s != NULL; s = older(s))
    need(c, s, &s->lua_indexed, index_lua_functions);
}

int modules_name(struct copy *c, const void *value, const char **module, const char **outer,
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
