/* running.h - which coroutine of this thread runs now: hooks belong to one, so do tracebacks.
   Level 3: mask, lua.h.

   Lua does not tell a signal handler; so coroutine.resume and coroutine.wrap are replaced by ones that note it: in a thread from
   the beginning (stand_in.h), in the script once it has callbacks. Coroutines resumed in another way (by C code, by copies of the
   functions that the script took before) are not seen: for these the answer is whoever resumed them. */
#ifndef FAST_MAP_RUNNING_H
#define FAST_MAP_RUNNING_H

#include <lua.h>

/* [-0, +0, m] Replaces the two functions, if they are Lua's own; harmless when repeated. This thread's script is L's. `hook` acts
   once: a coroutine that yields or ends with it still set hands it on to whoever resumed it. */
void running_track(lua_State *L, lua_Hook hook);

/* [-count, +results, -] lua_resume that notes who runs, for the module's own coroutines. */
int running_step(lua_State *L, lua_State *co, int count, int *results);

/* The two functions. */
int running_resume(lua_State *L);
int running_wrap(lua_State *L);

/* A task begins in L. NULL: this thread's state is closed. */
void running_begin(lua_State *L);

/* A signal handler on this thread: the coroutine that runs. NULL: none that was seen. */
lua_State *running_now(void);

/* A signal handler: the hook is called at the next instruction. It removes itself. */
void running_hook(lua_State *L, lua_Hook hook);

/* A signal handler on this thread: what runs is to end. An error that leaves a coroutine then leaves those that resumed it,
   too, until the next running_begin. */
void running_end(void);
int running_is_ending(void);

/* The thread is about to wait for long, without Lua (on), or has waited: meanwhile a signal handler on it may read Lua's stack. */
void running_hold_still(int on);
int running_is_still(void);

#endif
