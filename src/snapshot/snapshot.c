#include "config.h"
#include "snapshot.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "forks.h"
#include "frozen.h"
#include "globals.h"
#include "import.h"
#include "library.h"
#include "mirror.h"
#include "modules.h"
#include "name_index.h"
#include "origin.h"
#include "type_meta.h"
#include "warning.h"

#define SNAPSHOT "fast_map.snapshot"

/* It belongs to the process, not to a snapshot: a fork takes it along in a known condition. */
static pthread_mutex_t frozen_mutex; /* made under pthread_once, and anew in a child */

void frozen_lock(void) {
  pthread_mutex_lock(&frozen_mutex);
}

void frozen_unlock(void) {
  pthread_mutex_unlock(&frozen_mutex);
}

void frozen_lock_to_fill(const struct snapshot *s) {
  if (s->outer != NULL)
    modules_lock();
  frozen_lock();
}

void frozen_unlock_filled(const struct snapshot *s) {
  frozen_unlock();
  if (s->outer != NULL)
    modules_unlock();
}

static void before_fork(void) {
  modules_lock(); /* in this order everywhere */
  frozen_lock();
}

static void after_fork(void) {
  frozen_unlock();
  modules_unlock();
}

static void make_locks(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  modules_make_lock(&attributes);
  pthread_mutex_init(&frozen_mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

/* The owner of a recursive mutex is a thread of the parent: to unlock it fails, and tells only ThreadSanitizer that it is free. */
static void in_child(void) {
  after_fork();
  make_locks();
}

/* OK NOMEM */
static enum status guard_forks(void) {
  static const struct forks_handlers handlers = {before_fork, after_fork, in_child};
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_locks);
  return forks_watch(FORKS_SNAPSHOTS, &handlers);
}

static int release(lua_State *L) {
  struct snapshot *s = luaL_checkudata(L, 1, SNAPSHOT);
  origin_close(L, &s->origin);
  free(s->idle);
  free(s->module);
  free(s->c_functions.function);
  free(s->lua_functions.function);
  name_index_release(&s->names);
  addresses_release(&s->modules);
  addresses_release(&s->registered);
  addresses_release(&s->c_functions.numbers);
  addresses_release(&s->lua_functions.numbers);
  return 0;
}

/* [-0, +0, m] A coroutine with room on its stack, anchored in the userdata on the top. */
static lua_State *new_view(lua_State *L, int anchor) {
  lua_State *view = lua_newthread(L);
  lua_setiuservalue(L, -2, anchor);
  lua_sethook(view, NULL, 0, 0); /* it inherits the script's, and must not run it */
  luaL_checkstack(view, FROZEN_VIEW_ROOM, NULL);
  return view;
}

void snapshot_take(lua_State *L, int function, struct snapshot **snapshot) {
  struct snapshot *s;
  function = lua_absindex(L, function);
  if (library_init() != STATUS_OK || guard_forks() != STATUS_OK)
    luaL_error(L, "not enough memory");
  s = lua_newuserdatauv(L, sizeof *s, 2);
  *s = (struct snapshot){0};
  if (luaL_newmetatable(L, SNAPSHOT)) {
    lua_pushcfunction(L, release);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  s->view = new_view(L, 1);
  s->spare = new_view(L, 2);
  lua_pushvalue(L, function);
  lua_newtable(L);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_xmove(L, s->view, 4); /* FROZEN_FUNCTION to FROZEN_EXIT */
  origin_open(L, s);
  s->outer = import_of_script(L);
  *snapshot = s;
}

void snapshot_add_ends(lua_State *L, int init, int exit, struct snapshot *s) {
  lua_pushvalue(L, exit);
  lua_pushvalue(L, init < 0 ? init - 1 : init);
  lua_xmove(L, s->view, 2);
  lua_replace(s->view, FROZEN_INIT);
  lua_replace(s->view, FROZEN_EXIT);
}

void snapshot_forked(struct snapshot *s) {
  origin_forked(s->origin);
}

struct codec_link *snapshot_link(struct snapshot *s) {
  return origin_link(s->origin);
}

/* ------------------------------------------------------------------ worker */

/* [-0, +1, m] Pushes a table of the registry, or an empty one. */
static void push_registry_table(lua_State *V, const char *name) {
  if (lua_getfield(V, LUA_REGISTRYINDEX, name) != LUA_TTABLE) {
    lua_pop(V, 1);
    lua_newtable(V);
  }
}

/* [-0, +0, m] The address of the table `name` in the table at idx, or NULL. */
static const void *table_in(lua_State *V, int idx, const char *name) {
  const void *address;
  lua_pushstring(V, name);
  address = lua_rawget(V, idx) == LUA_TTABLE ? lua_topointer(V, -1) : NULL;
  lua_pop(V, 1);
  return address;
}

/* [-0, +0, m] The same of package.loaded, which a thread's state fills on demand. */
static const void *loaded_table(lua_State *V, const struct snapshot *s, const char *name) {
  const void *address = table_in(V, FROZEN_LOADED, name);
  if (address == NULL && s->outer != NULL) {
    lua_pushnil(V);
    mirror_complete(V, FROZEN_LOADED, name, strlen(name));
    lua_pop(V, 1);
    address = table_in(V, FROZEN_LOADED, name);
  }
  return address;
}

/* The address of fast_map.sleep, which has a stand-in. */
static const void *fast_map_sleep(lua_State *V) {
  const void *address = NULL;
  int top = lua_gettop(V);
  lua_pushliteral(V, "fast_map");
  if (lua_rawget(V, FROZEN_LOADED) == LUA_TTABLE) {
    lua_pushliteral(V, "sleep");
    if (lua_rawget(V, -2) == LUA_TFUNCTION)
      address = lua_topointer(V, -1);
  }
  lua_settop(V, top);
  return address;
}

static const void *globals_meta(lua_State *V, const struct snapshot *s) {
  const void *address;
  globals_push_meta(s, V);
  address = lua_topointer(V, -1);
  lua_pop(V, 1);
  return address;
}

/* Whether the string metatable on the top holds what luaopen_string puts there, and nothing else. */
static int string_meta_plain(lua_State *V, const struct frozen_tables *t) {
  int count = 0, expected;
  library_string_events(&expected);
  for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1), count++) {
    const struct library_function *f = lua_iscfunction(V, -1) ? library_find(lua_tocfunction(V, -1)) : NULL;
    const char *key = lua_type(V, -2) == LUA_TSTRING ? lua_tostring(V, -2) : "";
    if (strcmp(key, "__index") == 0 ? lua_topointer(V, -1) != t->string || t->string == NULL
                                    : f == NULL || strcmp(f->name, key) != 0) {
      lua_pop(V, 2);
      return 0;
    }
  }
  return count == expected + 1;
}

/* Whether the table on the top holds, but for __index and __name, Lua's own functions under their own names. Pops it. */
static int functions_plain(lua_State *V) {
  int plain = 1;
  for (lua_pushnil(V); lua_next(V, -2); lua_pop(V, 1)) {
    const struct library_function *f = lua_iscfunction(V, -1) ? library_find(lua_tocfunction(V, -1)) : NULL;
    const char *key = lua_type(V, -2) == LUA_TSTRING ? lua_tostring(V, -2) : "";
    if (strcmp(key, "__index") != 0 && strcmp(key, "__name") != 0)
      plain = plain && f != NULL && (strcmp(f->name, key) == 0 || strncmp(key, "__", 2) == 0);
  }
  lua_pop(V, 1);
  return plain;
}

/* [-0, +0, m] Whether the metatable of files is as Lua makes it. */
static int file_meta_plain(lua_State *V) {
  int top = lua_gettop(V), plain;
  lua_getfield(V, LUA_REGISTRYINDEX, LUA_FILEHANDLE);
  lua_pushliteral(V, "__index");
  plain = lua_rawget(V, -2) == LUA_TTABLE && functions_plain(V) && functions_plain(V);
  lua_settop(V, top);
  return plain;
}

/* [-0, +0, m] Whether the default file is the standard one, or there is none. */
static int default_plain(lua_State *V, const char *key, const char *standard) {
  int type = lua_getfield(V, LUA_REGISTRYINDEX, key);
  const char *name = type == LUA_TNIL ? standard : files_name(V, -1);
  lua_pop(V, 1);
  return name != NULL && strcmp(name, standard) == 0;
}

/* (snapshot) -> the slots from FROZEN_GLOBALS on */
static int find_slots(lua_State *V) {
  struct snapshot *s = lua_touserdata(V, 1);
  struct frozen_tables *t = &s->tables;
  lua_settop(V, FROZEN_GLOBALS - 1);
  if (s->outer != NULL)
    globals_settle(V);
  lua_pushglobaltable(V);
  push_registry_table(V, LUA_LOADED_TABLE);
  push_registry_table(V, LUA_PRELOAD_TABLE);
  t->globals = lua_topointer(V, FROZEN_GLOBALS);
  t->globals_meta = globals_meta(V, s);
  t->loaded = lua_topointer(V, FROZEN_LOADED);
  t->preload = lua_topointer(V, FROZEN_PRELOAD);
  t->registry = lua_topointer(V, LUA_REGISTRYINDEX);
  t->io = loaded_table(V, s, LUA_IOLIBNAME);
  t->file_meta = table_in(V, LUA_REGISTRYINDEX, LUA_FILEHANDLE); /* there once io is */
  s->file_meta_plain = t->file_meta == NULL || file_meta_plain(V);
  s->default_files_plain = default_plain(V, FILES_INPUT, "stdin") && default_plain(V, FILES_OUTPUT, "stdout");
  s->type_metas = type_meta_found(V);
  t->math = loaded_table(V, s, LUA_MATHLIBNAME);
  t->package = loaded_table(V, s, LUA_LOADLIBNAME);
  t->string = loaded_table(V, s, LUA_STRLIBNAME);
  t->fast_map = loaded_table(V, s, "fast_map");
  t->fast_map_sleep = fast_map_sleep(V);
  lua_pushliteral(V, "");
  if (lua_getmetatable(V, -1)) {
    t->string_meta = lua_topointer(V, -1);
    s->string_meta_plain = string_meta_plain(V, t);
  } else {
    lua_pushnil(V);
  }
  lua_remove(V, FROZEN_STRING_META); /* the "" */
  lua_pushliteral(V, "__name");
  lua_pushliteral(V, "__mode");
  return FROZEN_SLOT_COUNT - FROZEN_GLOBALS + 1;
}

/* In a state without memory Lua would run a full collection, under the feet of the other threads. */
static struct {
  lua_Alloc allocate;
  void *data;
} script_memory;

static void *allocate_frozen(void *data, void *block, size_t old_size, size_t size) {
  void *moved = script_memory.allocate(script_memory.data, block, old_size, size);
  (void)data;
  if (moved == NULL && size > 0)
    abort();
  return moved;
}

enum status snapshot_freeze(struct snapshot *s) {
  lua_State *V = s->view;
  lua_gc(V, LUA_GCSTOP);
  s->warnings = warning_is_on(V);
  if (s->outer != NULL && s->outer->memory_limit != NULL)
    *s->outer->memory_limit = 0;
  script_memory.allocate = lua_getallocf(V, &script_memory.data);
  lua_setallocf(V, allocate_frozen, NULL);
  lua_pushcfunction(V, find_slots);
  lua_pushlightuserdata(V, s);
  return lua_pcall(V, 1, FROZEN_SLOT_COUNT - FROZEN_GLOBALS + 1, 0) == LUA_OK ? STATUS_OK : STATUS_NOMEM;
}
