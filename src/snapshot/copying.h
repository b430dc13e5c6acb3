/* copying.h - the inside of copy.c: objects whose copies exist but are not
   complete yet. Level 3: copy. For copy.c, and once for import.c.

   Nothing here recurses, so that the depth of the script's data is bounded by
   memory, not by the C stack: an object that is met while another is being
   filled goes on top of a stack, with its original on top of the view. */
#ifndef FAST_MAP_COPYING_H
#define FAST_MAP_COPYING_H

#include "copy.h"

enum copying_kind {
  COPYING_TABLE,
  COPYING_FUNCTION,
  COPYING_OVERLAY, /* the copy came with a library; the script's changes to the
                        original are laid over it */
  COPYING_REGISTERED /* the same, of what a library keeps for itself: part of it means something in one state only */
};

enum copying_stage { STAGE_META, STAGE_FIRST, STAGE_FIELDS };

struct copying {
  uint32_t entry;
  enum copying_kind kind;
  enum copying_stage stage; /* tables */
  int weak;                 /* tables */
  int object;               /* the original's place on the view */
  int n;                    /* functions: the next upvalue; overlays: 1 + fields of the original so
            far */
};

/* [-0, +0, m] The view's top is the object to fill; its copy has the entry. */
void copying_push(struct copy *c, uint32_t entry, enum copying_kind kind);

/* [-0, +0, m] Goes on with the topmost object until it is complete or another one is on top. */
void copying_step(struct copy *c);

/* The topmost object; and when it is complete: [-0, +0, -]. */
struct copying *copying_top(struct import *import);
void copying_done(struct copy *c);

/* [-1, +0, m] Like lua_setmetatable, but a finalizer will not run: the object is the script's, and lives on
   there. */
void copying_set_metatable(lua_State *L, int object);

/* [-0, +0, m] View: key, value -> key (and what is to be filled). Sets the field in the table on L's top. A weak table may
   lose a field at any time: it does when the value cannot travel, so that caches work. */
void copying_field(struct copy *c, uint32_t entry, int key, int weak);

#endif
