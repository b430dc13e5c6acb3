/* call.h - runs chunks for fmlua: protected, with a traceback, and so that Ctrl-C ends them.
   Level 7: lua.h. Only the host's own files include it. */
#ifndef FAST_MAP_CALL_H
#define FAST_MAP_CALL_H

#include <lua.h>

/* The name in front of messages; NULL for none (interactive mode). Affects call_message and call_report. */
void call_name(const char *program);

/* Writes `program: text` to stderr. */
void call_message(const char *text);

/* [-(args + 1), +results|1, -] Calls like lua_pcall, adding a traceback to what was raised; Ctrl-C raises
   `interrupted!` meanwhile. Returns Lua's status. */
int call_run(lua_State *L, int args, int results);

/* [-0|1, +0, -] Shows the error on the top unless status is LUA_OK. Returns status. */
int call_report(lua_State *L, int status);

/* [-0, +0|1, -] Both at once for a chunk that lua_load left on the top (or its error): run, show. Returns status. */
int call_chunk(lua_State *L, int status);

/* Whether Ctrl-C ended the last call_run. */
int call_interrupted(void);

#endif
