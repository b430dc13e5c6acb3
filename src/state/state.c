#include "config.h"
#include "state.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "origin.h"
#include "phase.h"
#include "running.h"
#include "standard.h"
#include "stub.h"

#define REPLY_KEPT 65536 /* bytes of the reply buffer that are kept between tasks */

static const char init_key = 0; /* registry: what init returned */

/* ------------------------------------------------------------------ life */

enum status state_freeze(struct snapshot *snapshot) {
  return snapshot_freeze(snapshot);
}

/* (state) */
static int open_body(lua_State *L) {
  struct state *s = lua_touserdata(L, 1);
  verdict_clear(L); /* from now on keeping a traceback there needs no memory */
  import_open(&s->import, L);
  return 0;
}

enum status state_open(struct state **box, struct snapshot *snapshot, const struct state_options *options) {
  struct state *s = *box = calloc(1, sizeof *s);
  if (s == NULL)
    return STATUS_NOMEM;
  s->options = *options;
  s->init = options->has_init ? INIT_DUE : INIT_DONE;
  s->arena.begin = s->arena.next = options->arena;
  s->arena.end = options->arena == NULL ? NULL : s->arena.begin + options->arena_size;
  s->import.snapshot = snapshot;
  s->import.seed[0] = options->seed;
  s->import.memory_limit = &s->arena.limit;
  s->import.output.mode = options->output;
  s->L = lua_newstate(arena_allocate, &s->arena);
  if (s->L == NULL)
    return STATUS_NOMEM;
  lua_pushcfunction(s->L, open_body);
  lua_pushlightuserdata(s->L, s);
  if (lua_pcall(s->L, 1, 0, 0) != LUA_OK)
    return STATUS_NOMEM;
  s->arena.limit = options->memory_limit;
  return STATUS_OK;
}

void state_close(struct state **box) {
  struct state *s = *box;
  if (s == NULL)
    return;
  if (s->L != NULL)
    lua_close(s->L);
  output_end(&s->import.output);
  running_begin(NULL);
  import_close(&s->import);
  buffer_release(&s->reply);
  free(s);
  *box = NULL;
}

/* ------------------------------------------------------------------ tasks */

/* [-0, +0, v] Nothing of the last task is left. number: the task's, 0: none. */
static void start(lua_State *L, struct state *s, enum phase phase, uint64_t number) {
  running_begin(L); /* handlers that see the phase use it */
  s->phase = phase;
  if (s->import.output.mode == OUTPUT_TAG)
    output_label(&s->import.output, number,
                 phase == PHASE_INIT   ? "init"
                 : phase == PHASE_EXIT ? "exit"
                                       : NULL);
  files_begin(&s->import);
  if (lua_gethookmask(L) != 0)
    lua_sethook(L, NULL, 0, 0);
  if (s->options.per_task_seed) {
    s->import.seed[1] = number;
    standard_seed(L);
  }
}

/* [-0, +0, e] The map's init. It has a job in hand, which gets the blame when it fails: once. */
static void run_init(lua_State *L, struct state *s) {
  start(L, s, PHASE_INIT, 0);
  if (s->init == INIT_FAILED)
    luaL_error(L, "init has failed in this thread before");
  s->init = INIT_FAILED; /* until it has succeeded */
  import_slot(L, FROZEN_INIT, STEP_INIT);
  lua_call(L, 0, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &init_key);
  stub_set_state(L);
  s->init = INIT_DONE;
  s->port->ready(s->port);
}

enum status state_begin_reply(struct state *s) {
  buffer_reset(&s->reply, REPLY_KEPT);
  output_finish(&s->import.output);
  return output_attach(&s->import.output, &s->reply);
}

void state_hand_over(struct state *s, enum verdict verdict) {
  s->phase = PHASE_NONE;
  s->port->reply(s->port, &s->job, verdict, &s->reply);
  if (s->import.output.mode != OUTPUT_LINE)
    output_reset(&s->import.output);
}

/* [-0, +0, -] The values from index `first` to the top are the results. */
static enum status reply_results(lua_State *L, struct state *s, int first, struct codec_fault *fault) {
  enum status status;
  s->phase = PHASE_RESULTS;
  status = state_begin_reply(s);
  if (status == STATUS_OK)
    status = codec_encode(L, first, lua_gettop(L) - first + 1, &s->reply, s->link, fault);
  if (status == STATUS_OK)
    state_hand_over(s, VERDICT_DONE);
  return status;
}

/* [-0, +0, e] */
static void fail_results(lua_State *L, enum status status, const struct codec_fault *fault) {
  static const char whole[] = "the value ";
  const char *text = fault->text;
  if (status == STATUS_NOMEM)
    luaL_error(L, "not enough memory for the results");
  if (strncmp(text, whole, sizeof whole - 1) == 0)
    text += sizeof whole - 1;
  luaL_error(L, "the task's result %s, which cannot travel", text);
}

/* (state) Takes tasks and runs them; an error in one ends it. */
static int serve(lua_State *L) {
  struct state *s = lua_touserdata(L, 1);
  struct codec_fault fault;
  enum status status;
  int count;
  lua_settop(L, 0);
  while ((s->end = s->port->take(s->port, &s->job)) == STATUS_OK) {
    if (s->init != INIT_DONE)
      run_init(L, s);
    s->used = 1;
    start(L, s, PHASE_ARGUMENTS, s->job.index);
    if (lua_gettop(L) == 0)
      import_slot(L, FROZEN_FUNCTION, STEP_FUNCTION);
    lua_pushvalue(L, 1);
    status = codec_decode(L, s->job.bytes, s->job.size, s->link, &count);
    if (status != STATUS_OK)
      return luaL_error(L, "the task's arguments could not be read (%s)", status_text(status));
    s->phase = PHASE_CALL;
    lua_call(L, count, LUA_MULTRET);
    status = reply_results(L, s, 2, &fault);
    if (status != STATUS_OK)
      fail_results(L, status, &fault);
    lua_settop(L, 1);
  }
  return 0;
}

enum status state_serve(struct state *s, struct port *port) {
  lua_State *L = s->L;
  int code;
  s->port = port;
  s->link = origin_thread_link(&s->import);
  output_begin(&s->import.output);
  for (;;) {
    lua_settop(L, 0);
    verdict_clear(L);
    lua_pushcfunction(L, verdict_handle);
    lua_pushcfunction(L, serve);
    lua_pushlightuserdata(L, s);
    code = lua_pcall(L, 1, 0, 1);
    if (code == LUA_OK)
      return s->end;
    if (s->phase == PHASE_NONE)
      return STATUS_NOMEM; /* (the job it had, if any, has its reply) */
    verdict_reply(s, code);
    if (code == LUA_ERRMEM)
      return STATUS_NOMEM;
  }
}

/* (state) */
static int run_exit(lua_State *L) {
  struct state *s = lua_touserdata(L, 1);
  start(L, s, PHASE_EXIT, 0);
  import_slot(L, FROZEN_EXIT, STEP_EXIT);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &init_key);
  lua_call(L, 1, 0);
  return 0;
}

void state_exit(struct state *s) {
  lua_State *L = s->L;
  if (!s->options.has_exit || !s->used)
    return;
  if (s->import.output.mode == OUTPUT_GROUP)
    s->import.output.mode = OUTPUT_LINE; /* no reply would carry it */
  lua_settop(L, 0);
  verdict_clear(L);
  lua_pushcfunction(L, verdict_handle);
  lua_pushcfunction(L, run_exit);
  lua_pushlightuserdata(L, s);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK)
    verdict_show(s);
  s->phase = PHASE_NONE;
  output_finish(&s->import.output);
}
