/* state.h - one thread's Lua state, filled from the snapshot on demand; runs
   tasks. Level 3: port, snapshot. Callers need no lua.h.

   Life, all on one thread: state_open -> state_serve (any number of times) ->
   state_close. */
#ifndef FAST_MAP_STATE_H
#define FAST_MAP_STATE_H

#include <stdint.h>

#include "output.h"
#include "port.h"

struct snapshot;
struct state;

struct state_options {
  uint64_t seed;     /* for math.random: different in every thread, unless
                        per_task_seed */
  int per_task_seed; /* when set, task k draws from (seed, k): the same numbers
                        on any thread */
  void *
      arena; /* lent for the state's life: its first small blocks come from here, close together; may be NULL */
  size_t arena_size;
  size_t memory_limit; /* bytes for this state; 0: none */
  enum output_mode output;
  int has_init; /* the map has a function to run in each state before its first task */
  int has_exit; /* and one after the last */
};

/* Worker main thread, once, before any other: snapshot_freeze for those who know no lua.h. OK NOMEM */
enum status state_freeze(struct snapshot *snapshot);

/* Opens a state with nothing but what every script needs; the rest comes when it is named. OK NOMEM */
enum status state_open(struct state **box, struct snapshot *snapshot, const struct state_options *options);

/* Accepts NULL and half-open. */
void state_close(struct state **box);

/* Takes jobs from port and replies until take says CLOSED (then CLOSED), or
   until the state should not be used any more (NOMEM: it ran out of memory; the
   job it had has been replied to; open a fresh one). Never raises. */
enum status state_serve(struct state *state, struct port *port);

/* After state_serve said CLOSED: runs the map's exit, if the state has run a task; shows its error on stderr. Never raises. */
void state_exit(struct state *state);

/* Any thread or a signal handler on the state's own thread: makes the running
   task (or init) raise an error whose message is `timed out` at the next VM instruction,
   coroutines inside it included; VERDICT_TIMEOUT (FATAL) follows. */
void state_interrupt(struct state *state);

/* A signal handler on the state's own thread: at the next VM instruction, tell(teller, "file:line") is called, unless another
   hook is set. */
void state_ask(struct state *state, void (*tell)(void *teller, const char *text), void *teller);

/* The state's own thread, from a handler of a fatal signal: the Lua stack of
   the running task as text, cut to size. Allocates nothing; best effort. */
void state_trace(struct state *state, char *text, size_t size);

/* The same handler: writes what the task has printed. */
void state_last_words(const struct state *state);

#endif
