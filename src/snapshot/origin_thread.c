#include "config.h"
#include "origin.h"

#include <lauxlib.h>
#include <stddef.h>
#include <string.h>

#include "c_function.h"
#include "library.h"
#include "locator.h"
#include "module_index.h"
#include "placeholder.h"
#include "standard.h"

/* The import of a thread's link. */
static struct import *import_of_link(struct codec_link *link) {
  return (struct import *)((char *)link - offsetof(struct import, link));
}

/* [-0, +0, -] Whether the value at idx is a C function whose address is all of it and means the same to the script: its library was
   mapped at the fork. */
static int is_of_library(const struct import *I, lua_State *L, int idx) {
  lua_CFunction function = lua_tocfunction(L, idx);
  if (function == NULL)
    return 0;
  if (lua_getupvalue(L, idx, 1) != NULL) {
    lua_pop(L, 1);
    return 0;
  }
  return module_index_base(I->snapshot, library_address(function)) != NULL;
}

static enum status thread_refer(struct codec_link *link, lua_State *L, int idx, struct buffer *b) {
  struct import *I = import_of_link(link);
  enum status status;
  size_t size = b->size;
  uint32_t entry;
  if ((status = locator_append_common(L, idx, b)) != STATUS_TYPE ||
      (status = import_find(I, L, lua_topointer(L, idx), &entry)) != STATUS_OK)
    return status;
  if (entry == 0)
    return is_of_library(I, L, idx) ? locator_append_address(L, idx, b) : STATUS_TYPE;
  status = locator_append_place(b, I->entries, entry, placeholder_type(L, idx));
  if (status != STATUS_OK)
    b->size = size;
  return status;
}

/* [-0, +1, m] Goes to the place in the frozen script, on the view. 0: it is not there. */
static int follow_frozen(struct copy *c, struct locator *r) {
  static const int slots[] = {[STEP_FUNCTION] = FROZEN_FUNCTION,
                              [STEP_GLOBAL] = FROZEN_GLOBALS,
                              [STEP_LOADED] = FROZEN_LOADED,
                              [STEP_PRELOAD] = FROZEN_PRELOAD,
                              [STEP_STRING_META] = FROZEN_STRING_META,
                              [STEP_REGISTRY] = LUA_REGISTRYINDEX,
                              [STEP_ORIGIN] = FROZEN_ORIGINS,
                              [STEP_INIT] = FROZEN_INIT,
                              [STEP_EXIT] = FROZEN_EXIT};
  lua_State *V = c->view;
  int base = lua_gettop(V);
  struct place p;
  while (r->at < r->end) {
    int slot;
    if (!locator_read_step(r, &p) || (lua_gettop(V) == base) != (p.step < STEP_FIELD))
      return 0;
    slot = p.step < STEP_FIELD ? slots[p.step] : lua_gettop(V);
    if (locator_has_name(p.step)) {
      if (!lua_istable(V, slot))
        return 0;
      if (frozen_field(c->import->snapshot, V, slot, p.name, strlen(p.name)) != STATUS_OK)
        import_no_memory(c->L);
    } else if (p.step == STEP_ORIGIN) {
      frozen_lock(); /* the only table that is read by pointer */
      lua_rawgetp(V, slot, (const void *)(intptr_t)p.number);
      frozen_unlock();
    } else if (p.step < STEP_FIELD) {
      lua_pushvalue(V, slot);
    } else if (!locator_follow(V, &p)) {
      return 0;
    }
    if (p.step == STEP_FIELD)
      lua_remove(V, slot);
  }
  return lua_gettop(V) == base + 1;
}

/* [-0, +1|0, m] */
static enum status import_place(lua_State *L, struct locator *r) {
  struct copy c;
  struct place place = {.step = STEP_ORIGIN};
  const void *address;
  unsigned char type;
  int found;
  if (!locator_read(r, &address, sizeof address) || !locator_read(r, &type, 1))
    return STATUS_FORMAT;
  place.number = (lua_Integer)(intptr_t)address;
  copy_begin(&c, L);
  found = follow_frozen(&c, r) && lua_topointer(c.view, -1) == address && lua_type(c.view, -1) == type;
  if (!found)
    lua_pushnil(c.view);
  copy_value(&c, &place);
  copy_complete(&c);
  copy_finish(&c);
  if (!found)
    luaL_error(L, "the task's argument refers to an object that the script "
                  "made after the map began");
  return STATUS_OK;
}

static enum status thread_resolve(struct codec_link *link, lua_State *L, const unsigned char *bytes,
                                  size_t size) {
  struct locator r = {bytes + 1, bytes + size};
  const struct library_function *f;
  const char *name;
  struct copy c;
  (void)link;
  luaL_checkstack(L, 10, NULL);
  switch (size == 0 ? 0 : bytes[0]) {
  case KIND_LIBRARY:
    if ((f = locator_read_library(&r)) == NULL)
      return STATUS_FORMAT;
    copy_begin(&c, L);
    c_function_push(&c, f);
    copy_finish(&c);
    return STATUS_OK;
  case KIND_ADDRESS:
    return locator_push_function(L, &r);
  case KIND_FILE:
    if ((name = locator_read_name(&r)) == NULL)
      return STATUS_FORMAT;
    copy_begin(&c, L);
    standard_push(&c, "io");
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    copy_finish(&c);
    return STATUS_OK;
  case KIND_PLACE:
    return import_place(L, &r);
  default:
    return STATUS_FORMAT;
  }
}

struct codec_link *origin_thread_link(struct import *I) {
  I->link = (struct codec_link){thread_refer, thread_resolve};
  return &I->link;
}
