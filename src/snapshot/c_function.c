#include "config.h"
#include "c_function.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "library.h"
#include "module_index.h"
#include "modules.h"
#include "placeholder.h"
#include "standard.h"

/* A C function without upvalues is a plain value: its address. */
static int is_light(lua_State *V) {
  if (lua_getupvalue(V, -1, 1) == NULL)
    return 1;
  lua_pop(V, 1);
  return 0;
}

void c_function_push(struct copy *c, const struct library_function *f) {
  if (strcmp(f->library, LUA_IOLIBNAME) == 0 || strcmp(f->library, LIBRARY_FILE) == 0) {
    standard_push(c, LUA_IOLIBNAME); /* it works on what luaopen_io makes */
    lua_pop(c->L, 1);
  }
  lua_pushcfunction(c->L, f->stand_in);
}

/* [-0, +1, m] Lua's own. Pushes nil when this state has no such thing. */
static void push_library_function(struct copy *c, const struct library_function *f, int light) {
  lua_State *L = c->L;
  int require = strcmp(f->name, "require") == 0;
  if (require || strcmp(f->library, LUA_LOADLIBNAME) == 0) {
    standard_push(c, LUA_LOADLIBNAME);
    modules_push(c, LUA_LOADLIBNAME); /* what it does depends on package.path and
                                        its like */
    lua_pop(L, 1);
  } else if (light) {
    c_function_push(c, f);
    return;
  } else if (strcmp(f->library, LUA_MATHLIBNAME) == 0) {
    standard_push(c, LUA_MATHLIBNAME);
  } else {
    lua_pushnil(L);
    return;
  }
  if (require)
    standard_require(L);
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
  if (dladdr(library_address(function), &info) == 0)
    return;
  for (const struct snapshot *s = c->import->snapshot; s != NULL; s = module_index_older(s)) {
    for (const struct module *m = NULL; (m = module_index_next(s, info.dli_fbase, m)) != NULL;) {
      modules_push(c, m->name);
      lua_pop(c->L, 1);
    }
  }
}

/* [-0, +1|0, -] Whether the upvalues of the C closure on the view's top mean the same in another state: a pointer to C data need
   not. When they do not, leaves the first such one on the view. */
static int portable(struct copy *c) {
  const void *file_meta = c->import->snapshot->tables.file_meta;
  lua_State *V = c->view;
  int function = lua_gettop(V);
  for (int i = 1; lua_getupvalue(V, function, i) != NULL; i++) {
    int type = lua_type(V, -1);
    int ok = type != LUA_TTHREAD && type != LUA_TLIGHTUSERDATA && type != LUA_TUSERDATA;
    if (type == LUA_TUSERDATA && lua_getmetatable(V, -1)) {
      ok = lua_topointer(V, -1) == file_meta;
      lua_pop(V, 1);
    }
    if (!ok)
      return 0;
    lua_pop(V, 1);
  }
  return 1;
}

/* A C closure that nobody has a name for. */
static void copy_c_closure(struct copy *c, const struct place *place) {
  lua_CFunction function = lua_tocfunction(c->view, -1);
  int top = lua_gettop(c->view), count = 0;
  if (!portable(c)) {
    placeholder_push_function(c);
    lua_settop(c->view, top);
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

void c_function_copy(struct copy *c, const struct place *place) {
  const struct module_function *of_module = NULL;
  lua_CFunction function = lua_tocfunction(c->view, -1);
  const struct library_function *f = library_find(function);
  int light = is_light(c->view);
  if (f == NULL && modules_copy_function(c, place))
    return;
  if (f == NULL && !(light && library_ours(library_address(function))))
    of_module = module_index_function(c, lua_topointer(c->view, -1));
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
