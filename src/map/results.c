#include "config.h"
#include "map.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "codec.h"
#include "heed.h"
#include "import.h"
#include "mask.h"
#include "recorder.h"
#include "snapshot.h"

#define STREAK_MOST 64                    /* results handed out between two looks at the workers */
#define STREAK_NS   (CLOCK_SECOND / 5000) /* what that may take: fewer are handed out to a loop that is slow */
#define BUFFER_KEEP ((size_t)1 << 20)
#define DECODE_LONG                                                                                          \
  256 /* bytes of a result whose decoding is measured: of shorter ones, that would be felt */

/* -- results -------------------------------------------------------------- */

/* [-0, +2, m] The pool's text for people: message and, behind it, the traceback of a crash. */
static void push_own_words(lua_State *L, const char *text, size_t size) {
  static const char start[] = "\nstack traceback:";
  const char *trace = memmem(text, size, start, sizeof start - 1);
  lua_pushlstring(L, text, trace == NULL ? size : (size_t)(trace - text));
  if (trace == NULL)
    lua_pushnil(L);
  else
    lua_pushlstring(L, trace + 1, size - (size_t)(trace + 1 - text));
}

/* [-0, +0, e] The result is in the journal: reads it. */
static void recall(lua_State *L, struct map *map, struct delivery *d) {
  uint64_t at;
  memcpy(&at, d->bytes, sizeof at);
  buffer_reset(&map->buffer, BUFFER_KEEP);
  recorder_read(L, map->recorder, at, &map->buffer);
  d->bytes = map->buffer.bytes;
  d->size = map->buffer.size;
  d->verdict = VERDICT_DONE;
}

/* [-0, +0, -] What the task has printed comes out before its result is handed over. Nonsense leaves no result. */
static void show_output(lua_State *L, const struct map *map, struct delivery *d) {
  struct import *task = import_of_script(L);
  if (map->context.state.output != OUTPUT_GROUP || d->own || d->size == 0)
    return;
  if (output_show(task == NULL ? NULL : &task->output, &d->bytes, &d->size) != STATUS_OK)
    d->size = 0;
}

/* [-0, +n, e] As codec_decode. */
static enum status decode(lua_State *L, struct map *map, const struct delivery *d, int *count) {
  int64_t began = d->size < DECODE_LONG ? 0 : clock_now();
  enum status status = codec_decode(L, d->bytes, d->size, snapshot_link(map->snapshot), count);
  if (began != 0)
    map->times.decoding_ns += clock_now() - began;
  return status;
}

/* The values, or the words, are on the stack. False: a finalizer that ran meanwhile has closed the map. */
static int end_reading(struct map *map, const struct delivery *d) {
  map->coding = 0;
  if (map->pool == NULL)
    return 0;
  pool_delivered(map->pool, d);
  return 1;
}

/* [-0, +n, e] Pushes the function that is told of a failed task, and what it is told. */
static void push_failure(lua_State *L, struct map *map, const struct delivery *d) {
  int count, top = lua_gettop(L);
  lua_getiuservalue(L, 1, SLOT_FAIL);
  lua_pushinteger(L, (lua_Integer)d->index);
  lua_pushinteger(L, d->verdict);
  lua_pushinteger(L, d->attempt);
  lua_pushinteger(L, d->pid);
  if (d->own) {
    push_own_words(L, (const char *)d->bytes, d->size);
  } else if (d->size == 0 ||
             codec_decode(L, d->bytes, d->size, snapshot_link(map->snapshot), &count) != STATUS_OK) {
    lua_settop(L, top + 5);
    lua_pushnil(L);
  }
}

/* [-0, +n, e] Hands over a result: index and values. Returns n; 0: there is nothing to hand over for it. */
static int deliver(lua_State *L, struct map *map, struct delivery *d) {
  int count, top = lua_gettop(L);
  enum status status;
  if (d->verdict == VERDICT_RECORDED)
    recall(L, map, d);
  else
    show_output(L, map, d);
  map->coding = 1;
  if (d->verdict == VERDICT_DONE) {
    lua_pushinteger(L, (lua_Integer)d->index);
    status = decode(L, map, d, &count);
    if (status == STATUS_OK)
      return end_reading(map, d) ? count + 1 : 0;
    lua_settop(L, top);
    d->verdict = VERDICT_TRANSFER;
  }
  map->failed++;
  push_failure(L, map, d);
  if (!end_reading(map, d))
    return 0;
  lua_call(L, lua_gettop(L) - top - 1, LUA_MULTRET);
  return lua_gettop(L) - top;
}

#define YIELDS         "the input yields: give it a table"
#define YIELDS_OUTSIDE "the input yields outside a coroutine: give it a table, or run the loop in a coroutine"

enum outcome { OUTCOME_READY, OUTCOME_FINISHED, OUTCOME_NOTHING, OUTCOME_YIELD, OUTCOME_BROKEN };

/* [-0, +0, v] As bells_wait; what came is in the journal before any of it is handed over. Signals are no longer held. */
static enum status await(lua_State *L, struct map *map, int64_t deadline) {
  enum status status = bells_wait(map, deadline);
  int error = errno;
  mask_release();
  if (map->recorder != NULL)
    recorder_flush(L, map->recorder);
  errno = error;
  return status;
}

/* [-0, +0, e] A signal that came just before we sleep does not wake us: its hook acts first. */
static void hold_signals(lua_State *L, struct map *map) {
  heed_hold(L);
  if (map->pool != NULL)
    return;
  mask_release();
  luaL_error(L, "the map was closed by a callback");
}

/* [-0, +0, e] Results are handed out one after the other, but not for long: meanwhile workers may have run out of tasks. */
static void look_at_workers(lua_State *L, struct map *map) {
  int64_t now = clock_now(), took = now - map->streak_began;
  map->streak_began = now;
  if (took > STREAK_NS && map->streak_most > 1)
    map->streak_most /= 2;
  else if (took < STREAK_NS / 4 && map->streak_most < STREAK_MOST)
    map->streak_most *= 2;
  map->streak = 0;
  await(L, map, 0);
}

/* An input that takes long is not asked again before what is ready was handed out, for as long as it took: a loop's body and the
   input take turns. */
static int owes_results(const struct map *map) {
  return map->slow && clock_now() < map->owed_until;
}

/* [-0, +0|1, e] Until a result is at its turn. BROKEN: there will be none any more; pushes why. */
static enum outcome advance(lua_State *L, struct map *map, int64_t deadline, struct delivery *d, int given) {
  for (;;) {
    enum status status;
    int hungry;
    map_check_own(L, map);
    if ((map->streak & map->look) == 0)
      watcher_look(L, map);
    if (map->streak < map->streak_most && given == 0 && pool_ready(map->pool, d) == STATUS_OK) {
      map->streak++;
      return OUTCOME_READY;
    }
    if (map->streak >= map->streak_most)
      look_at_workers(L, map);
    if (given == 0 && owes_results(map) && pool_ready(map->pool, d) == STATUS_OK) {
      map->streak++;
      return OUTCOME_READY;
    }
    if (feed_fill(L, map, given) >= 0)
      return OUTCOME_YIELD;
    if (map->pool == NULL)
      return OUTCOME_NOTHING;
    given = 0;
    if (pool_ready(map->pool, d) == STATUS_OK)
      return OUTCOME_READY;
    if (map->exhausted && pool_finished(map->pool))
      return OUTCOME_FINISHED;
    watcher_look(L, map);
    hold_signals(L, map);
    hungry = feed_hungry(map) && (deadline == 0 || clock_now() < deadline);
    status = await(L, map, hungry ? 0 : clock_sooner(deadline, map->tick));
    if (status == STATUS_AGAIN && errno == EINTR) {
      heed(L);
      if (map->pool == NULL)
        luaL_error(L, "the map was closed by a callback");
    } else if (status == STATUS_AGAIN && deadline <= map->tick && !hungry) {
      return OUTCOME_NOTHING;
    } else if (status == STATUS_CLOSED) {
      lua_pushliteral(L, "the map ends: its workers die one after the other without completing a task");
      return OUTCOME_BROKEN;
    } else if (status != STATUS_OK && status != STATUS_AGAIN) {
      map_explain(L, status, "the map cannot go on: no worker can be started");
      return OUTCOME_BROKEN;
    }
  }
}

/* [-0, +1, v] The end: everything is reaped; the input's error has its turn now. Pushes that, or nil. */
static void finish(lua_State *L, struct map *map) {
  map_release(map);
  map_close_source(L, 1);
  watcher_end(L, map);
  if (map->failed_input)
    lua_getiuservalue(L, 1, SLOT_ERROR);
  else
    lua_pushnil(L);
}

/* [-0, +0, v] The input's code yielded to whoever runs our caller as a coroutine: what it is resumed with goes back to it,
   above what is on the stack now. */
static int forward_yield(lua_State *L, struct map *map, lua_KFunction go_on) {
  int below = lua_gettop(L), count = lua_gettop(map->feeder);
  luaL_checkstack(L, count, "too many values");
  lua_xmove(map->feeder, L, count);
  return lua_yieldk(L, count, below, go_on);
}

/* [-0, +0, m] The same where nobody takes what the input yields: that is an error of the input. */
static void refuse_yield(lua_State *L, struct map *map, const char *why) {
  lua_pushstring(L, why);
  feed_fail(L, map);
}

static int next_result(lua_State *L, int given);

static int next_continued(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return next_result(L, lua_gettop(L) - (int)context);
}

static int next_result(lua_State *L, int given) {
  struct map *map = lua_touserdata(L, 1);
  struct delivery d;
  for (;;) {
    int count;
    if (map->pool == NULL) {
      lua_pushnil(L);
      return 1;
    }
    switch (advance(L, map, CLOCK_NEVER, &d, given)) {
    case OUTCOME_READY:
      count = deliver(L, map, &d);
      if (count > 0)
        return count;
      break;
    case OUTCOME_YIELD:
      if (lua_isyieldable(L))
        return forward_yield(L, map, next_continued);
      refuse_yield(L, map, YIELDS_OUTSIDE);
      break;
    case OUTCOME_FINISHED:
      finish(L, map);
      if (map->failed_input)
        return lua_error(L);
      return 1;
    case OUTCOME_BROKEN:
      return map_throw(L);
    case OUTCOME_NOTHING:
      break;
    }
    given = 0;
  }
}

/* The iterator. Upvalue: the map. */
static int l_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  return next_result(L, 0);
}

/* iterator(map) -> function that returns index, result...; nil at the end */
static int l_iterator(lua_State *L) {
  map_check_open(L);
  lua_settop(L, 1);
  lua_pushcclosure(L, l_next, 1);
  return 1;
}

/* [-0, +n, v] What step returns at the end. */
static int finish_step(lua_State *L, struct map *map) {
  lua_pushnil(L);
  lua_pushboolean(L, map->failed_input);
  finish(L, map);
  return 3;
}

/* step(map, seconds) -> index, result...; nil, failed, the error of the input or the map: finished; false: nothing within
   that time */
static int l_step(lua_State *L) {
  struct map *map = map_check(L);
  lua_Number seconds = luaL_optnumber(L, 2, 0);
  int64_t deadline = seconds > 0 ? clock_after(seconds) : 0;
  struct delivery d;
  lua_settop(L, 1);
  while (map->pool != NULL) {
    int count;
    switch (advance(L, map, deadline, &d, 0)) {
    case OUTCOME_READY:
      count = deliver(L, map, &d);
      if (count > 0)
        return count;
      break;
    case OUTCOME_YIELD:
      refuse_yield(L, map, YIELDS);
      break;
    case OUTCOME_BROKEN:
      feed_fail(L, map); /* an error of the whole, as that is */
      return finish_step(L, map);
    case OUTCOME_FINISHED:
      return finish_step(L, map);
    case OUTCOME_NOTHING:
      lua_pushboolean(L, 0);
      return 1;
    }
  }
  lua_pushnil(L);
  return 1;
}

static int fill_first(lua_State *L, int given);

static int fill_continued(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return fill_first(L, lua_gettop(L) - (int)context);
}

/* Whether more is pulled before the script goes on. A loop pulls by itself, and hands out what is ready meanwhile; beside a script
   that goes on, an input that is slow is not waited for. */
static int goes_on(const struct map *map, const struct pool_figures *figures, int loop) {
  if (map->kind == SOURCE_OTHER)
    return !loop && !map->slow;
  return figures->workers < map->context.worker_count || map->fill_most > 1;
}

/* Every process is forked by the end of this, before the script's next line can change anything. */
static int fill_first(lua_State *L, int given) {
  struct map *map = map_check_open(L);
  struct pool_figures before = {0}, after = {0};
  int loop = lua_toboolean(L, 2);
  do {
    before = after;
    if (feed_fill(L, map, given) >= 0) {
      if (loop && lua_isyieldable(L))
        return forward_yield(L, map, fill_continued);
      refuse_yield(L, map, loop ? YIELDS_OUTSIDE : YIELDS);
    }
    given = 0;
    if (map->pool == NULL) /* a finalizer has closed the map */
      return 0;
    pool_figures(map->pool, &after);
  } while (after.added > before.added && goes_on(map, &after, loop));
  /* those that no task has started: what was pulled is in the journal, or the window is full */
  feed_start(L, map);
  return 0;
}

/* begin(map, loop): the first tasks go out; from here on workers see the script as it is now. Plain tables and ranges have no code
   that could change it: there the processes start with the first tasks. In front of a loop the input may yield, since
   nothing but the loop pulls then. */
static int l_begin(lua_State *L) {
  struct map *map = map_check_open(L);
  lua_settop(L, 2);
  if (map->kind == SOURCE_OTHER)
    feed_start(L, map);
  return fill_first(L, 0);
}

const luaL_Reg results_methods[] = {
    {"iterator", l_iterator}, {"step", l_step}, {"begin", l_begin}, {NULL, NULL}};
