/* offset.h - where in a file a task reads or writes: with the script and its workers, or alone once it has sought.
   Level 3: files.

   A worker shares the offset of the script's files. Two tasks that seek in one file and then read would read each other's
   places: a handle that seeks gets a stream of its own, with an offset of its own. */
#ifndef FAST_MAP_OFFSET_H
#define FAST_MAP_OFFSET_H

#include <lua.h>

/* The stand-in for file:seek. */
int offset_seek(lua_State *L);

#endif
