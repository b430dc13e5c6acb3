/* running.h - which coroutine of the script runs now: hooks belong to one.
   Level 4: mask, stand_in, lua.h.

   Lua does not tell a signal handler; so coroutine.resume and coroutine.wrap are replaced by ones that note it. Coroutines
   resumed in another way (by C code, by copies of the functions that the script took before) are not seen: for these the
   answer is whoever resumed them. */
#ifndef FAST_MAP_RUNNING_H
#define FAST_MAP_RUNNING_H

#include <lua.h>

/* [-0, +0, m] Replaces the two functions, if they are Lua's own; harmless when repeated. This thread's script is L's. `hook` acts
   once: a coroutine that yields or ends with it still set hands it on to whoever resumed it. */
void running_track(lua_State *L, lua_Hook hook);

/* A signal handler on the thread of running_track: the coroutine that runs, or NULL before. */
lua_State *running_now(void);

#endif
