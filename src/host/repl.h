/* repl.h - fmlua's interactive mode: reads statements and expressions, runs them, prints their values.
   Level 8: call, editor, lua.h. */
#ifndef FAST_MAP_REPL_H
#define FAST_MAP_REPL_H

#include <lua.h>

/* [-0, +0, e] Until the end of the input; clears the stack. `program` is the name for the line editor. */
void repl_run(lua_State *L, const char *program);

#endif
