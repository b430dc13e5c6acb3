#include "config.h"
#include "heed.h"

#include <lauxlib.h>
#include <string.h>

#include "mask.h"
#include "notice.h"

static lua_State *main_of(lua_State *L) {
  lua_State *main;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

static int do_nothing(lua_State *L) {
  (void)L;
  return 0;
}

void heed(lua_State *L) {
  lua_State *main;
  notice_serve(L);
  lua_pushcfunction(L, do_nothing);
  lua_call(L, 0, 0); /* a call is an event for hooks */
  main = main_of(L);
  if (L != main &&
      notice_foreign_hook(main)) { /* lua's Ctrl-C sets it on the main thread only; we are in a coroutine */
    lua_sethook(main, NULL, 0, 0);
    luaL_error(L, HEED_INTERRUPTION);
  }
}

/* A hook of the script's own stays set when it has acted; one that a handler set is gone then, or it has raised. */
void heed_hold(lua_State *L) {
  lua_State *main = main_of(L);
  lua_Hook standing = NULL, hook;
  for (;;) {
    mask_hold();
    hook = lua_gethook(L);
    if ((hook == NULL || hook == standing) && (L == main || !notice_foreign_hook(main)) &&
        !(hook == NULL && notice_is_pending(L)))
      return;
    mask_release();
    standing = notice_is_pending(L) ? NULL : hook;
    heed(L);
  }
}

int heed_is_interruption(lua_State *L, int idx) {
  return lua_type(L, idx) == LUA_TSTRING && strstr(lua_tostring(L, idx), HEED_INTERRUPTION) != NULL;
}
