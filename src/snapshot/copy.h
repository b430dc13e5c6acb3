/* copy.h - one run of the import's engine: copies values from a view of the script's frozen state.
   Level 3: import. For import.c and the files that know special objects: modules.c, standard.c, files.c, ...

   Life: copy_begin -> copy_value, ... -> copy_complete -> copy_finish. An error leaves a run as it is: the next one takes back
   what was begun. */
#ifndef FAST_MAP_COPY_H
#define FAST_MAP_COPY_H

#include "import.h"

/* One run of the engine. `objects` is the stack index in L of the table with all copies. */
struct copy {
  struct import *import;
  lua_State *L, *view;
  int objects;
};

/* [-0, +1, m] A run begins: c->view is there. copy_complete fills what was met; copy_finish removes what
   copy_begin pushed. */
void copy_begin(struct copy *c, lua_State *L);
void copy_complete(struct copy *c);
void copy_finish(struct copy *c);

/* [-0, +0, m] Completes what was met while `unfinished` (import->copying_count) objects were unfinished
   already. */
void copy_fill(struct copy *c, int unfinished);

/* [-0, +1, m] Pushes the copy of the view's top value, and pops that once it is complete (at once or later).
   */
void copy_value(struct copy *c, const struct place *place);

/* [-0, +0, m] Notes that the value on the top of L is the copy of the view's top object. Returns its entry.
   */
uint32_t copy_note(struct copy *c, const struct place *place);

/* [-0, +0, m] Like copy_note, for a function whose upvalues are to be filled. Pops the view's top in the end.
   */
void copy_upvalues(struct copy *c, const struct place *place);

/* [-(args + 1), +results|1, -] lua_pcall of code that may itself need imports. Returns its status. */
int copy_protected(struct copy *c, int args, int results);

/* The entry that the next copy_note will make. */
uint32_t copy_next_entry(const struct copy *c);

/* [-0, +0, m] The same as copy_note, and lays the object's fields over those the copy has already. Pops the
   view's top in the end. */
void copy_overlay(struct copy *c, const struct place *place);

/* [-0, +0, m] The same for a table that the library keeps for itself: what means something in the script's state only is left
   out. */
void copy_overlay_registered(struct copy *c, const struct place *place);

/* [-0, +0, m] The upvalue is the n-th of the entry's function: others that share it will join. */
void copy_note_upvalue(struct copy *c, const void *id, uint32_t function, int n);

/* Room for n values on the view. [m] */
void copy_room(struct copy *c, int n);

/* [-0, +0, m] Makes room in an array of the import for one more element behind `count`. */
void *copy_grow(lua_State *L, void *array, uint32_t count, uint32_t *capacity, size_t size);

#endif
