#include "config.h"
#include "state.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "import.h"
#include "modules.h"
#include "origin.h"

#define REPLY_KEPT   65536     /* bytes of the reply buffer that are kept between tasks */
#define ARENA_BLOCK  2048      /* bytes: larger ones are malloc's */
#define MEMORY_SLACK (1 << 16) /* beyond the limit, for the message that tells of it */

/* What a task's error is blamed on. */
enum phase { PHASE_NONE, PHASE_INIT, PHASE_ARGUMENTS, PHASE_CALL, PHASE_RESULTS, PHASE_EXIT };

enum init { INIT_DUE, INIT_FAILED, INIT_DONE };

struct state {
  lua_State *L;
  struct import import;
  struct codec_link *link;
  struct state_options options;
  size_t memory_used, memory_limit;
  unsigned char *arena, *arena_next, *arena_end;
  struct port *port;
  struct job job; /* valid unless PHASE_NONE */
  enum phase phase;
  enum init init;
  int used;        /* a task has run */
  enum status end; /* why take gave no job */
  struct buffer reply;
};

static const char traceback_key = 0; /* registry: of the last error */
static const char init_key = 0;      /* registry: what init returned */

/* -- memory: first the lent arena, never reused but at its end, then malloc. What a state is opened with lives as long as
   it, so that little is lost; and a forked child does not have to copy the parent's heap page by page for it. */

static int in_arena(const struct state *s, const void *block) {
  const unsigned char *b = block;
  return b != NULL && b >= s->arena && b < s->arena_end;
}

static size_t rounded(size_t size) {
  return (size + 15) & ~(size_t)15;
}

static int is_last(const struct state *s, const void *block, size_t size) {
  return (const unsigned char *)block + rounded(size) == s->arena_next;
}

static void *take(struct state *s, size_t size) {
  unsigned char *block = s->arena_next;
  if (size > ARENA_BLOCK || rounded(size) > (size_t)(s->arena_end - block))
    return malloc(size);
  s->arena_next += rounded(size);
  return block;
}

static void give_back(struct state *s, void *block, size_t size) {
  if (!in_arena(s, block))
    free(block);
  else if (is_last(s, block, size))
    s->arena_next = block;
}

static void *move(struct state *s, void *block, size_t old_size, size_t size) {
  void *moved;
  if (!in_arena(s, block))
    return realloc(block, size);
  if (size <= old_size)
    return block;
  moved = take(s, size);
  if (moved != NULL) {
    memcpy(moved, block, old_size);
    give_back(s, block, old_size);
  }
  return moved;
}

static void *allocate(void *data, void *block, size_t old_size, size_t size) {
  struct state *s = data;
  if (block == NULL)
    old_size = 0;
  if (size == 0) {
    give_back(s, block, old_size);
    s->memory_used -= old_size;
    return NULL;
  }
  if (size > old_size &&
      (size > SIZE_MAX >> 20 || (s->memory_limit != 0 && s->memory_used + size - old_size > s->memory_limit)))
    return NULL;
  block = block == NULL ? take(s, size) : move(s, block, old_size, size);
  if (block != NULL)
    s->memory_used += size - old_size;
  return block;
}

/* ------------------------------------------------------------------ life */

enum status state_freeze(struct snapshot *snapshot) {
  return snapshot_freeze(snapshot);
}

/* (state) */
static int open_body(lua_State *L) {
  struct state *s = lua_touserdata(L, 1);
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key); /* from now on storing there needs no memory */
  import_open(&s->import, L);
  return 0;
}

enum status state_open(struct state **box, struct snapshot *snapshot, const struct state_options *options) {
  struct state *s = *box = calloc(1, sizeof *s);
  if (s == NULL)
    return STATUS_NOMEM;
  s->options = *options;
  s->init = options->has_init ? INIT_DUE : INIT_DONE;
  s->arena = s->arena_next = options->arena;
  s->arena_end = s->arena == NULL ? NULL : s->arena + options->arena_size;
  s->import.snapshot = snapshot;
  s->import.seed[0] = options->seed;
  s->import.memory_limit = &s->memory_limit;
  s->import.output.mode = options->output;
  s->L = lua_newstate(allocate, s);
  if (s->L == NULL)
    return STATUS_NOMEM;
  lua_pushcfunction(s->L, open_body);
  lua_pushlightuserdata(s->L, s);
  if (lua_pcall(s->L, 1, 0, 0) != LUA_OK)
    return STATUS_NOMEM;
  s->memory_limit = options->memory_limit;
  return STATUS_OK;
}

void state_close(struct state **box) {
  struct state *s = *box;
  if (s == NULL)
    return;
  if (s->L != NULL)
    lua_close(s->L);
  import_close(&s->import);
  buffer_release(&s->reply);
  free(s);
  *box = NULL;
}

/* ------------------------------------------------------------------ tasks */

#define GRACE 100000 /* instructions that a task may spend on cleaning up before it is interrupted again */

static void interrupted(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (!import_of(L)->interrupt.pending) { /* a coroutine of an earlier task */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_sethook(L, interrupted, LUA_MASKCOUNT, GRACE);
  luaL_where(L, 0);
  lua_pushliteral(L, "timed out");
  lua_concat(L, 2);
  lua_error(L);
}

void state_interrupt(struct state *s) {
  struct interrupt *interrupt = &s->import.interrupt;
  if (s->phase != PHASE_CALL && s->phase != PHASE_INIT)
    return;
  interrupt->pending = 1;
  lua_sethook(interrupt->running, interrupted, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* The innermost line of the script's own. */
static int find_line(lua_State *L, lua_Debug *ar) {
  int level;
  for (level = 0; lua_getstack(L, level, ar); level++)
    if (lua_getinfo(L, "Sl", ar) && ar->currentline > 0 && strstr(ar->source, "fast_map/") == NULL)
      return 1;
  return 0;
}

static void asked(lua_State *L, lua_Debug *ar) {
  const struct teller *t = &import_of(L)->teller;
  char text[LUA_IDSIZE + 16];
  lua_sethook(L, NULL, 0, 0);
  if (t->tell == NULL || !find_line(L, ar))
    return;
  snprintf(text, sizeof text, "%s:%d", ar->short_src, ar->currentline);
  t->tell(t->teller, text);
}

void state_ask(struct state *s, void (*tell)(void *teller, const char *text), void *teller) {
  lua_State *L = s->import.interrupt.running;
  if (s->phase != PHASE_CALL || lua_gethook(L) != NULL)
    return;
  s->import.teller = (struct teller){tell, teller};
  lua_sethook(L, asked, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* [-0, +0, v] Nothing of the last task is left. number: the task's, 0: none. */
static void start(lua_State *L, struct state *s, enum phase phase, uint64_t number) {
  s->phase = phase;
  if (s->import.output.mode == OUTPUT_TAG)
    output_label(&s->import.output, number,
                 phase == PHASE_INIT   ? "init"
                 : phase == PHASE_EXIT ? "exit"
                                       : NULL);
  s->import.interrupt.pending = 0;
  s->import.interrupt.running = L;
  if (lua_gethookmask(L) != 0)
    lua_sethook(L, NULL, 0, 0);
  if (s->options.per_task_seed) {
    s->import.seed[1] = number;
    modules_seed(L);
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
  modules_set_state(L);
  s->init = INIT_DONE;
  s->port->ready(s->port);
}

/* [-0, +0, -] An empty reply, but for what the task has printed. */
static enum status begin_reply(struct state *s) {
  buffer_reset(&s->reply, REPLY_KEPT);
  if (s->import.output.mode == OUTPUT_LINE)
    return STATUS_OK;
  output_finish(&s->import.output);
  return output_attach(&s->import.output, &s->reply);
}

static void hand_over(struct state *s, enum verdict verdict) {
  s->phase = PHASE_NONE;
  s->port->reply(s->port, &s->job, verdict, &s->reply);
  if (s->import.output.mode != OUTPUT_LINE)
    output_reset(&s->import.output);
}

/* [-0, +0, -] The values from index `first` to the top are the results. */
static enum status reply_results(lua_State *L, struct state *s, int first, struct codec_fault *fault) {
  enum status status;
  s->phase = PHASE_RESULTS;
  status = begin_reply(s);
  if (status == STATUS_OK)
    status = codec_encode(L, first, lua_gettop(L) - first + 1, &s->reply, s->link, fault);
  if (status == STATUS_OK)
    hand_over(s, VERDICT_DONE);
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

/* ------------------------------------------------------------------ errors */

/* What Lua says there helps nobody. */
static void explain_yield(lua_State *L) {
  static const char text[] = "attempt to yield from outside a coroutine";
  size_t size;
  const char *message = lua_tolstring(L, 1, &size);
  if (size < sizeof text - 1 || strcmp(message + size - (sizeof text - 1), text) != 0)
    return;
  lua_pushfstring(L,
                  "%s: a task is no coroutine; what yields must run in a "
                  "coroutine that the task itself resumes",
                  message);
  lua_replace(L, 1);
}

/* (error) -> error; leaves the traceback in the registry. */
static int handle_error(lua_State *L) {
  static const char serving[] = "\n\t[C]: in ?";
  size_t size;
  const char *text;
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING)
    explain_yield(L);
  luaL_traceback(L, L, NULL, 1);
  text = lua_tolstring(L, -1, &size);
  if (size > sizeof serving && strcmp(text + size - (sizeof serving - 1), serving) == 0)
    size -= sizeof serving - 1; /* the last line is the function above */
  lua_pushlstring(L, text, size);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
  lua_settop(L, 1);
  return 1;
}

/* (error) -> text */
static int show(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* (limit) -> text */
static int show_limit(lua_State *L) {
  lua_pushfstring(L, "not enough memory (memory_limit is %I bytes)", (LUAI_UACINT)lua_tointeger(L, 1));
  return 1;
}

/* [-1, +1, -] Replaces the top by what the function makes of it, if it can. */
static void replace(lua_State *L, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_insert(L, -2);
  lua_pcall(L, 1, 1, 0);
}

static enum verdict verdict_of(const struct state *s, int code) {
  if (s->phase == PHASE_INIT)
    return VERDICT_FATAL;
  if (code == LUA_ERRMEM)
    return VERDICT_MEMORY;
  if (s->phase != PHASE_CALL)
    return VERDICT_TRANSFER;
  return s->import.interrupt.pending ? VERDICT_TIMEOUT : VERDICT_ERROR;
}

/* [-0, +0, -] The last two values are the error and its traceback. */
static enum status encode_error(struct state *s, struct codec_link *link) {
  enum status status = begin_reply(s);
  return status == STATUS_OK ? codec_encode(s->L, lua_gettop(s->L) - 1, 2, &s->reply, link, NULL) : status;
}

/* [-1, +0, -] The top is the error that ended the task. */
static void reply_error(struct state *s, int code) {
  lua_State *L = s->L;
  enum verdict verdict = verdict_of(s, code);
  s->phase = PHASE_NONE;
  if (code == LUA_ERRMEM && s->memory_limit != 0) {
    lua_pop(L, 1);
    lua_pushinteger(L, (lua_Integer)s->memory_limit);
    s->memory_limit += MEMORY_SLACK;
    replace(L, show_limit);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  if (encode_error(s, s->link) != STATUS_OK) {
    lua_pushvalue(L, -2);
    replace(L, show);
    lua_replace(L, -3);
    if (encode_error(s, NULL) != STATUS_OK)
      buffer_reset(&s->reply, 0); /* no memory even for that: a verdict without words */
  }
  lua_pop(L, 2);
  hand_over(s, verdict);
}

enum status state_serve(struct state *s, struct port *port) {
  lua_State *L = s->L;
  int code;
  s->port = port;
  s->link = origin_thread_link(&s->import);
  for (;;) {
    lua_settop(L, 0);
    lua_pushboolean(L, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    lua_pushcfunction(L, handle_error);
    lua_pushcfunction(L, serve);
    lua_pushlightuserdata(L, s);
    code = lua_pcall(L, 1, 0, 1);
    if (code == LUA_OK)
      return s->end;
    if (s->phase == PHASE_NONE)
      return STATUS_NOMEM; /* (the job it had, if any, has its reply) */
    reply_error(s, code);
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

/* [-1, +0, -] Nobody waits for results any more: the error is shown where it happened. */
static void show_error(struct state *s) {
  lua_State *L = s->L;
  const char *text, *trace;
  replace(L, show);
  text = lua_tostring(L, -1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key);
  trace = lua_tostring(L, -1);
  fprintf(stderr, "fast_map: exit failed: %s\n  in worker %d%s%s\n", text == NULL ? "?" : text, (int)getpid(),
          trace == NULL ? "" : ":\n", trace == NULL ? "" : trace);
  lua_pop(L, 2);
}

void state_exit(struct state *s) {
  lua_State *L = s->L;
  if (!s->options.has_exit || !s->used)
    return;
  if (s->import.output.mode == OUTPUT_GROUP)
    s->import.output.mode = OUTPUT_LINE; /* no reply would carry it */
  lua_settop(L, 0);
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
  lua_pushcfunction(L, handle_error);
  lua_pushcfunction(L, run_exit);
  lua_pushlightuserdata(L, s);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK)
    show_error(s);
  s->phase = PHASE_NONE;
  output_finish(&s->import.output);
}

/* ------------------------------------------------------------------ last words
 */

static size_t line(const lua_Debug *ar, char *text, size_t size) {
  const char *name = ar->name != NULL ? ar->name : "?";
  int length;
  if (*ar->what == 'C')
    length = snprintf(text, size, "\n\t[C]: in function '%s'", name);
  else
    length = snprintf(text, size, "\n\t%s:%d: in %s '%s'", ar->short_src, ar->currentline,
                      *ar->what == 'm' ? "main chunk" : "function", name);
  return length < 0 ? 0 : (size_t)length;
}

void state_trace(struct state *s, char *text, size_t size) {
  lua_State *L = s->phase == PHASE_CALL || s->phase == PHASE_INIT ? s->import.interrupt.running : s->L;
  lua_Debug ar;
  size_t length;
  int level;
  length = (size_t)snprintf(text, size, "stack traceback:");
  for (level = 0; length < size && lua_getstack(L, level, &ar); level++)
    if (lua_getinfo(L, "Sln", &ar)) /* these three allocate nothing */
      length += line(&ar, text + length, size - length);
}
