/* notice.h - callbacks while the script goes on: a signal (usher.h) becomes a one-shot hook, the hook a call of the script's
   service function between two VM instructions (the way lua.c takes Ctrl-C).
   Level 5: running, lua.h.

   A standing count hook would make every script two to three times slower; this is a look every few milliseconds of
   processor time. */
#ifndef FAST_MAP_NOTICE_H
#define FAST_MAP_NOTICE_H

#include <signal.h>

#include <lua.h>

#define NOTICE_SIGNAL SIGURG /* ignored by default: harmless whenever nobody handles it */

/* [-1, +0, m] The function on top is what a notice calls, without arguments, in the coroutine that runs. From now on this
   thread's signals are for this state. A handler that was there before is called too. */
void notice_install(lua_State *L);

/* [-0, +0, -] As if a map's bell had rung just now; but the script's statement that goes on (`t = fast_map_async(...)`, which may
   go over several lines) is completed first. */
void notice_after_statement(void);

#define REPORT_SIGNAL SIGUSR1

/* [-1, +0, m] The function on top is called, likewise, after REPORT_SIGNAL came, until the state is closed, whichever thread
   got the signal; but not where the script handles or ignores the signal itself. In a coroutine when that waits for a map,
   or has ended. */
void notice_report(lua_State *L);

#define NOTICE_NOTHING_RUNS "fast_map: no map runs\n"

/* A host, at its start: from now on the signal does this process no harm, and is answered while no state does. */
void notice_expect(void);

/* [-0, +0, -] True when the hook that serves is set there. */
int notice_is_pending(lua_State *L);

/* [-0, +0, e] While the script waits in C: serves at once what the hook would serve later. */
void notice_serve(lua_State *L);

/* [-0, +0, -] True when the state's main thread has a one-shot hook that is not ours: lua's own for Ctrl-C. */
int notice_foreign_hook(lua_State *main);

#endif
