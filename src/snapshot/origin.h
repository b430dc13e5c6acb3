/* origin.h - how things of the script are named in messages: what codec_link
   refers to and resolves, in the parent (origin.c) and in a thread (origin_thread.c). Level 3: import, locator. */
#ifndef FAST_MAP_ORIGIN_H
#define FAST_MAP_ORIGIN_H

#include "import.h"

struct origin;

/* [-0, +0, m] Parent: fills s->origin, which origin_close ends even half-made.
 */
void origin_open(lua_State *L, struct snapshot *s);
void origin_close(lua_State *L, struct origin **origin);
void origin_forked(struct origin *origin);
struct codec_link *origin_link(struct origin *origin);

/* The link of a thread: valid as long as the import. */
struct codec_link *origin_thread_link(struct import *import);

#endif
