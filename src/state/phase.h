/* phase.h - what a thread's state is doing: the inside of state.c (life, tasks), verdict.c (errors) and interrupt.c (what comes
   from signal handlers).
   Level 3: state, import, arena. */
#ifndef FAST_MAP_PHASE_H
#define FAST_MAP_PHASE_H

#include "arena.h"
#include "codec.h"
#include "import.h"
#include "state.h"

/* What a task's error is blamed on. */
enum phase { PHASE_NONE, PHASE_INIT, PHASE_ARGUMENTS, PHASE_CALL, PHASE_RESULTS, PHASE_EXIT };

enum init { INIT_DUE, INIT_FAILED, INIT_DONE };

struct state {
  lua_State *L;
  struct import import;
  struct codec_link *link;
  struct state_options options;
  struct arena arena;
  struct port *port;
  struct job job; /* valid unless PHASE_NONE */
  enum phase phase;
  enum init init;
  int used;        /* a task has run */
  enum status end; /* why take gave no job */
  struct buffer reply;
};

/* [-0, +0, -] An empty reply, but for what the task has printed. OK NOMEM */
enum status state_begin_reply(struct state *state);

/* [-0, +0, -] The job has its reply: no task runs any more. */
void state_hand_over(struct state *state, enum verdict verdict);

/* [-0, +0, m] No error has been met. Raises the first time only. */
void verdict_clear(lua_State *L);

/* (error) -> error; a message handler, which keeps the traceback. */
int verdict_handle(lua_State *L);

/* [-1, +0, -] Replies to the job: the top is the error that ended its task, code what lua_pcall said. */
void verdict_reply(struct state *state, int code);

/* [-1, +0, -] Nobody waits for results any more: the error is shown where it happened. */
void verdict_show(struct state *state);

#endif
