/* import.h - copies objects of the script's frozen state into one thread's
   state, each once, when they are needed. Level 3: frozen, addresses, lua.h.
   One thread only.

   Life: import_open -> import_slot, import_field, ... -> import_close (after
   lua_close). Every object that was copied has an entry: where it is in the
   script, which tells messages and results its path. */
#ifndef FAST_MAP_IMPORT_H
#define FAST_MAP_IMPORT_H

#include <lua.h>

#include "addresses.h"
#include "buffer.h"
#include "codec.h"
#include "frozen.h"
#include "output.h"

/* How an object is reached: from one of the roots, or from another object. */
enum step {
  STEP_FUNCTION = 1, /* f itself */
  STEP_GLOBAL,       /* name */
  STEP_LOADED,       /* name */
  STEP_PRELOAD,      /* name */
  STEP_STRING_META,
  STEP_REGISTRY, /* name */
  STEP_ORIGIN,   /* number */
  STEP_INIT,     /* the map's init itself */
  STEP_EXIT,     /* the map's exit itself */
  STEP_FIELD,    /* name; this and the following need a parent */
  STEP_INDEX,    /* number */
  STEP_FLOAT,    /* number: its bits */
  STEP_BOOLEAN,  /* number: 0 or 1 */
  STEP_META,
  STEP_UPVALUE,   /* number */
  STEP_USERVALUE, /* number */
  STEP_KEY,       /* the object is a key: nobody can follow it, like the next */
  STEP_OTHER      /* under a key that is a C function or a pointer */
};

struct place {
  uint32_t parent; /* an entry; 0 for roots */
  enum step step;
  const char *name; /* in the frozen state, which never moves */
  lua_Integer number;
};

struct entry {
  const void *origin; /* address in the frozen state */
  struct place place;
};

/* An upvalue that was met: whoever shares it joins this one. */
struct shared_upvalue {
  uint32_t function; /* entry */
  int n;
};

/* A C module that is loaded, but without what the script changed in it: see modules.c. */
struct deferred_module {
  const struct module *module;
  uint32_t entry;
};

/* Who is told where the task is, at the next instruction; stored by a signal handler before it sets the hook. */
struct teller {
  void (*tell)(void *teller, const char *text);
  void *teller;
};

struct copying; /* one object being filled; see copying.h */

/* What an aborted copy is cut back to. */
struct import_mark {
  uint32_t entry_count, upvalue_count;
  int copying_count, view_top;
  int collector_stopped; /* it was running before */
};

struct import {
  struct snapshot *snapshot;
  lua_State *L;    /* main thread of this state */
  lua_State *view; /* while copying, or NULL */
  int view_room;
  struct entry *entries; /* [1, entry_count]; the copies are in the registry, at
                            the same index */
  uint32_t entry_count, entry_capacity;
  struct addresses known; /* origin -> entry */
  struct shared_upvalue *upvalues;
  uint32_t upvalue_count, upvalue_capacity;
  struct addresses known_upvalues;
  struct addresses copies; /* address in this state -> entry; entries up to
                              copies_count are in it */
  uint32_t copies_count;
  struct copying *copying; /* a stack: objects that are not complete yet */
  int copying_count, copying_capacity;
  struct import_mark mark;
  struct buffer code;               /* of the function being copied */
  int busy;                         /* a run has begun, and may have been left by an error */
  int nesting;                      /* runs that wait for code of a module which may begin others */
  int loading;                      /* C modules whose luaopen runs */
  struct deferred_module *deferred; /* what those required */
  uint32_t deferred_count, deferred_capacity;
  int finalizers; /* a task gave some object a finalizer, which may run at any
                     allocation */
  struct teller teller;
  struct buffer warning;  /* the beginning of one */
  int warnings;           /* they are shown */
  const void *light;      /* this state's fast_map while it is not filled, see stub.h */
  int whole;              /* fast_map is filled */
  const void *mirrors[3]; /* see mirror.h: the tables that are filled by name */
  uint64_t seed[2];       /* for math.random, when the library is opened */
  size_t *memory_limit;   /* the allocator's */
  struct buffer commands; /* the processes of those that this task has opened and not closed */
  struct output output;   /* of what is printed here */
  struct buffer scratch;  /* of writer.c: one piece to be written */
  struct codec_link link; /* see origin.h */
};

/* [-0, +0, m] In an empty state: globals, strings and what else every script
   needs. Raises on lack of memory only; import_close is due in any case. */
void import_open(struct import *import, lua_State *L);
void import_close(struct import *import);

/* The import of a thread's state, from any coroutine of it; only where the state is known to be a thread's.
   */
static inline struct import *import_of(lua_State *L) {
  return *(struct import **)lua_getextraspace(L);
}

/* [-0, +0, -] The same for any state: NULL when it is not a thread's. */
struct import *import_of_script(lua_State *L);

/* [-0, +1, m] Pushes the copy of a view's slot: FROZEN_FUNCTION, FROZEN_INIT, FROZEN_EXIT, FROZEN_STRING_META. */
void import_slot(lua_State *L, int slot, enum step root);

/* [-0, +1|0, m] Pushes the copy of slot[key at idx], raw. Returns 0, pushing nothing, when there is none. */
int import_field(lua_State *L, int slot, enum step root, int key);

/* [-0, +1, m] Pushes the copy of the metatable of the script's _G, which has one. */
void import_globals_meta(lua_State *L);

/* [-0, +0, m] slot[name] is a table that has a copy, which is not filled: fills it. */
void import_rest(lua_State *L, int slot, const char *name);

/* [-0, +0, m] Copies all fields of a slot's table into the table at absolute
   index target, but those that the table at `touched` has; adds them there. */
void import_fields(lua_State *L, int slot, enum step root, int target, int touched);

/* [-0, +1, -] Pushes the table with all copies. */
void import_push_copies(lua_State *L);

/* [-0, +1|0, -] Pushes the copy that the entry has on any coroutine of the state; 0: there is none. */
int import_push_copy(const struct import *import, lua_State *L, uint32_t entry);

/* [-0, +0, -] *entry: that of the copy with this address; 0 when it is none. L: any coroutine of the state. OK NOMEM */
enum status import_find(struct import *import, lua_State *L, const void *copy, uint32_t *entry);

/* [-0, +0, m] Raises "not enough memory". */
int import_no_memory(lua_State *L);

#endif
