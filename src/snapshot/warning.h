/* warning.h - what `warn` and failing finalizers say, in a thread.
   Level 3: import. */
#ifndef FAST_MAP_WARNING_H
#define FAST_MAP_WARNING_H

#include <lua.h>

/* [-, -, -] A lua_WarnFunction, whose data is the import: as Lua's own, but a warning is one write. */
void warning_write(void *import, const char *message, int to_be_continued);

/* [-0, +0, -] Worker, while it has one thread: whether the script, whose state is V's, shows warnings. */
int warning_is_on(lua_State *V);

#endif
