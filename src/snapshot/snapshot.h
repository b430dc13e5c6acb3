/* snapshot.h - the script's Lua state as it was at the call: alive in the
   parent, frozen in a worker. Level 3: lua.h, codec, buffer.

   Life: parent: snapshot_take (before the fork) -> snapshot_forked -> dropped
   with its userdata. Worker: snapshot_freeze once, then any number of threads
   read it, each through its own struct import. A worker never ends the script's
   state. */
#ifndef FAST_MAP_SNAPSHOT_H
#define FAST_MAP_SNAPSHOT_H

#include <lua.h>

#include "codec.h"

struct snapshot;

/* [-0, +1, e] Parent. Pushes a userdata that is the snapshot and keeps the
   function (or callable) at `function` alive for it; *snapshot points into it.
   Before the fork it costs nothing per global or module. */
void snapshot_take(lua_State *L, int function, struct snapshot **snapshot);

/* [-0, +0, -] Parent, before the fork: the values at `init` and `exit`, functions or nil, go with the snapshot: what runs at
   the beginning and at the end of a thread. */
void snapshot_add_ends(lua_State *L, int init, int exit, struct snapshot *snapshot);

/* Parent, right after the first fork: objects that the script makes from now on are unknown to the workers.
   */
void snapshot_forked(struct snapshot *snapshot);

/* Worker main thread, once, right after the fork and before any thread: stops
   the frozen state's collector, finds what every thread needs. Never raises. OK
   NOMEM */
enum status snapshot_freeze(struct snapshot *snapshot);

/* Parent: how the codec names things of the script in task arguments (made by
   refer) and finds what results name (resolve). Valid as long as the userdata.
 */
struct codec_link *snapshot_link(struct snapshot *snapshot);

#endif
