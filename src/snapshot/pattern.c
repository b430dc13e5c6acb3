#include "config.h"
#include "pattern.h"

#include <lauxlib.h>
#include <string.h>

#include "modules.h"

#define LPEG    "lpeg"
#define PATTERN "lpeg-pattern" /* registry: the metatable of patterns */

/* In LPeg 1.0 and 1.1 a pattern is one block: a pointer to its compiled code, NULL until it is first matched, then its tree,
   in which nothing points anywhere; what the tree refers to by number is in a table, the user value. So a copy of the block
   without the code is a pattern that will be compiled again. */
static const char *const versions[] = {"1.0.", "LPeg 1.0.", "1.1.", "LPeg 1.1."};

/* [-0, +0, m] Whether the view's top is a pattern: its metatable is the one in the script's registry. */
static int is_pattern(struct copy *c) {
  const void *meta = NULL;
  int found;
  if (!lua_getmetatable(c->view, -1))
    return 0;
  meta = lua_topointer(c->view, -1);
  lua_pushvalue(c->view, FROZEN_NAME);
  found = lua_rawget(c->view, -2) == LUA_TSTRING && strcmp(lua_tostring(c->view, -1), PATTERN) == 0;
  lua_pop(c->view, 2);
  if (!found)
    return 0;
  if (frozen_field(c->import->snapshot, c->view, LUA_REGISTRYINDEX, PATTERN, sizeof PATTERN - 1) != STATUS_OK)
    import_no_memory(c->L);
  found = lua_topointer(c->view, -1) == meta;
  lua_pop(c->view, 1);
  return found;
}

/* [-0, +0, m] Loads the script's LPeg in this state; whether it is one whose patterns we know. */
static int know_lpeg(struct copy *c) {
  lua_State *L = c->L;
  int top = lua_gettop(L), known = 0;
  const char *version;
  modules_push(c, LPEG);
  if (lua_istable(L, -1)) {
    lua_pushliteral(L, "version");
    lua_rawget(L, -2);
    if (lua_iscfunction(L, -1)) /* a string since 1.1 */
      lua_call(L, 0, 1);
    version = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
      known = known || strncmp(version, versions[i], strlen(versions[i])) == 0;
  }
  lua_settop(L, top);
  return known;
}

int pattern_copy(struct copy *c, const struct place *place) {
  lua_State *L = c->L, *V = c->view;
  void *code = NULL, *block;
  uint32_t entry;
  size_t size;
  if (!is_pattern(c) || !know_lpeg(c))
    return 0;
  size = (size_t)lua_rawlen(V, -1);
  block = lua_newuserdatauv(L, size, 1);
  memcpy(block, lua_touserdata(V, -1), size);
  memcpy(block, &code, sizeof code);
  luaL_setmetatable(L, PATTERN);
  entry = copy_note(c, place);
  copy_room(c, 2);
  lua_getiuservalue(V, -1, 1);
  lua_remove(V, -2);
  copy_value(c, &(struct place){.parent = entry, .step = STEP_USERVALUE, .number = 1});
  lua_setiuservalue(L, -2, 1);
  return 1;
}
