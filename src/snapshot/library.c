#include "config.h"
#include "library.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "addresses.h"
#include "stand_in.h"

#define FUNCTION_LIMIT 256

static struct {
  struct library_function functions[FUNCTION_LIMIT];
  int count;
  int events_begin, events_end; /* metamethods of strings */
  struct addresses numbers;     /* of functions and stand-ins: 1 + index into functions */
  const void *bases[2];         /* where liblua and we are mapped */
  _Atomic int built; /* stored when all else is complete (release), loaded in library_init (acquire) */
} library;           /* written under the lock of library_init, constant once it is built */

static const void *base_of(const void *address) {
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

const void *library_address(lua_CFunction function) {
  const void *address;
  memcpy(&address, &function, sizeof address); /* ISO C forbids the cast */
  return address;
}

/* [-0, +0, -] Takes down the function on the top, once. */
static void note(lua_State *L, const char *library_name, const char *name) {
  struct library_function *f = &library.functions[library.count];
  lua_CFunction function = lua_tocfunction(L, -1);
  if (function == NULL || library.count == FUNCTION_LIMIT || strlen(library_name) >= sizeof f->library ||
      strlen(name) >= sizeof f->name)
    return;
  for (int i = 0; i < library.count; i++)
    if (library.functions[i].function == function)
      return;
  f->function = function;
  strcpy(f->library, library_name);
  strcpy(f->name, name);
  f->stand_in = stand_in_for(f->library, f->name);
  if (f->stand_in == NULL)
    f->stand_in = function;
  library.count++;
}

/* [-1, +0, m] Takes down the functions of the table on the top. */
static void note_table(lua_State *L, const char *library_name) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING)
      note(L, library_name, lua_tostring(L, -2));
    else if (lua_type(L, -2) == LUA_TNUMBER)
      note(L, library_name, ""); /* package.searchers */
  }
  lua_pop(L, 1);
}

static int collect(lua_State *L) {
  luaL_openlibs(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, -2);)
    note_table(L, lua_tostring(L, -2));
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  note_table(L, LUA_LOADLIBNAME);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  library.events_begin = library.count;
  note_table(L, LUA_STRLIBNAME);
  library.events_end = library.count;
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  note_table(L, LIBRARY_FILE);
  note_table(L, LIBRARY_FILE);
  return 0;
}

/* Both the functions and what stands in for them lead to the entry. */
static enum status index_addresses(void) {
  enum status status = STATUS_OK;
  for (int i = 0; i < library.count && status == STATUS_OK; i++) {
    struct library_function *f = &library.functions[i];
    status = addresses_put(&library.numbers, library_address(f->function), (uint32_t)i + 1);
    if (status == STATUS_OK && f->stand_in != f->function)
      status = addresses_put(&library.numbers, library_address(f->stand_in), (uint32_t)i + 1);
  }
  return status;
}

static enum status build(void) {
  enum status status = STATUS_NOMEM;
  lua_State *L = luaL_newstate();
  if (L == NULL)
    return STATUS_NOMEM;
  library.count = 0; /* an attempt before this one may have failed halfway */
  addresses_release(&library.numbers);
  lua_pushcfunction(L, collect);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK)
    status = index_addresses();
  lua_close(L);
  library.bases[0] = base_of(library_address(luaopen_base));
  library.bases[1] = base_of(library_address(collect));
  return status;
}

/* Without the lock once it is built: workers, in which it is, may be forked by other threads meanwhile. */
enum status library_init(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  enum status status = STATUS_OK;
  /* pairs with the release below */
  if (atomic_load_explicit(&library.built, memory_order_acquire))
    return STATUS_OK;
  pthread_mutex_lock(&lock);
  if (!atomic_load_explicit(&library.built, memory_order_relaxed) && (status = build()) == STATUS_OK)
    atomic_store_explicit(&library.built, 1, memory_order_release); /* pairs with the acquire above */
  pthread_mutex_unlock(&lock);
  return status;
}

const struct library_function *library_find(lua_CFunction function) {
  uint32_t number = addresses_get(&library.numbers, library_address(function));
  return number == 0 ? NULL : &library.functions[number - 1];
}

const struct library_function *library_named(const char *name_of_library, const char *name) {
  for (int i = 0; i < library.count; i++) {
    const struct library_function *f = &library.functions[i];
    if (strcmp(f->name, name) == 0 && strcmp(f->library, name_of_library) == 0)
      return f;
  }
  return NULL;
}

const struct library_function *library_string_events(int *count) {
  *count = library.events_end - library.events_begin;
  return &library.functions[library.events_begin];
}

int library_ours(const void *address) {
  const void *base = base_of(address);
  return base != NULL && (base == library.bases[0] || base == library.bases[1]);
}
