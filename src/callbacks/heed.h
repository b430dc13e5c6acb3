/* heed.h - what signal handlers have left for Lua in a hook acts before a sleep, or after it.
   Level 6: mask, notice. */
#ifndef FAST_MAP_HEED_H
#define FAST_MAP_HEED_H

#include <lua.h>

#define HEED_INTERRUPTION "interrupted!" /* lua's word for it */

/* [-0, +0, e] A signal handler ran: lets the hook that it may have set act (Ctrl-C, callbacks). */
void heed(lua_State *L);

/* [-0, +0, e] The same if there is such a hook. Then signals are held (mask.h) until mask_release: one that comes now ends
   the sleep that follows. When it raises, they are not. */
void heed_hold(lua_State *L);

/* [-0, +0, -] The value is the error that Ctrl-C raises, here or in the host. */
int heed_is_interruption(lua_State *L, int idx);

#endif
