/* lock.h - a lock that threads, processes and scripts share by the name of a file: one at a time has it.
   Level 6: heed, blocking.

   The lock is flock's, of a descriptor of its own: unlike those of fcntl it excludes threads of one process too, and it is
   given back when whoever has it dies. */
#ifndef FAST_MAP_LOCK_H
#define FAST_MAP_LOCK_H

#include <lua.h>

/* [-0, +0, m] Adds the function `lock` to the table on top. */
void lock_register(lua_State *L);

#endif
