#include "config.h"
#include "map.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "caller.h"
#include "clock.h"
#include "codec.h"
#include "import.h"
#include "recorder.h"
#include "snapshot.h"
#include "transport_fork.h"

#define RING_SIZE        ((size_t)256 << 10)
#define THREADS_MOST     32768 /* of one process: the kernel's own limit is about there */
#define FILL_FIRST       256   /* tasks of a table pulled in one go, at first */
#define EXIT_PATIENCE_MS 10000 /* for the map's exit, once all results are delivered */

struct map *map_check(lua_State *L) {
  return luaL_checkudata(L, 1, MAP);
}

struct map *map_check_open(lua_State *L) {
  struct map *map = map_check(L);
  if (map->pool == NULL)
    luaL_error(L, "the map is closed");
  map_check_own(L, map);
  return map;
}

void map_explain(lua_State *L, enum status status, const char *what) {
  lua_pushfstring(L, "%s: %s", what, status == STATUS_SYSTEM ? strerror(errno) : status_text(status));
}

int map_throw(lua_State *L) {
  luaL_where(L, caller_level(L, 1));
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

void map_raise(lua_State *L, enum status status, const char *what) {
  map_explain(L, status, what);
  map_throw(L);
}

/* -- opening -------------------------------------------------------------- */

/* [-0, +0, v] Integer field of the table at idx; `otherwise` when absent. */
static lua_Integer field_integer(lua_State *L, int idx, const char *name, lua_Integer otherwise) {
  lua_Integer value = otherwise;
  if (lua_getfield(L, idx, name) != LUA_TNIL)
    value = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

static int64_t field_nanoseconds(lua_State *L, int idx, const char *name) {
  lua_Number seconds;
  lua_getfield(L, idx, name);
  seconds = luaL_optnumber(L, -1, 0);
  lua_pop(L, 1);
  /* 30 years are as good as for ever, and may be added to any time */
  return (int64_t)((seconds < 1e9 ? seconds : 1e9) * (lua_Number)CLOCK_SECOND);
}

static int field_boolean(lua_State *L, int idx, const char *name) {
  int value;
  lua_getfield(L, idx, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static lua_Integer least(lua_Integer a, lua_Integer b) {
  return a < b ? a : b;
}

static uint64_t random_seed(void) {
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
    seed = (uint64_t)clock_now() ^ ((uint64_t)getpid() << 40);
  return seed;
}

/* [-0, +0, v] When it is not said: in a task, whose output is looked after, the map's is too. */
static enum output_mode read_output(lua_State *L) {
  static const char *const words[] = {"line", "group", "tag", NULL}; /* enum output_mode */
  const struct import *task = import_of_script(L);
  enum output_mode mode = task != NULL && task->output.mode != OUTPUT_LINE ? OUTPUT_GROUP : OUTPUT_LINE;
  if (lua_getfield(L, 1, "output") != LUA_TNIL)
    mode = (enum output_mode)luaL_checkoption(L, lua_gettop(L), NULL, words);
  lua_pop(L, 1);
  return mode;
}

/* pool_options.keep: the journal keeps the result without what the task has printed. */
static const char *keep_result(void *recorder, uint64_t index, const void *bytes, size_t size) {
  const unsigned char *message = bytes;
  if (output_skip(&message, &size) != STATUS_OK)
    return "the result cannot be kept in the journal: it is malformed";
  return recorder_keep(recorder, index, message, size);
}

/* [-0, +0, v] Reads the options table at 1 into map and pool. */
static void read_options(lua_State *L, struct map *map, struct pool_options *pool) {
  lua_Integer count = field_integer(L, 1, "count", -1);
  lua_Integer tasks = count < 0 ? INT_MAX : count > 0 ? count : 1;
  lua_Integer threads = least(field_integer(L, 1, "threads_limit", INT_MAX), least(tasks, INT_MAX));
  lua_Integer buffer = field_integer(L, 1, "buffersize", 1);
  lua_Integer procs = least(least(field_integer(L, 1, "procs_limit", 1), threads), SHRT_MAX);
  if (procs > buffer) /* and the one that is being delivered */
    procs = buffer + 1;
  *pool = (struct pool_options){.task_count = count, .window_limit = (uint64_t)buffer};
  pool->worker_limit = (int)procs;
  pool->thread_limit = (int)threads;
  pool->ordered = field_boolean(L, 1, "ordered");
  pool->worker_quota = (uint64_t)field_integer(L, 1, "max_tasks_per_worker", 0);
  pool->rerun = field_boolean(L, 1, "rerun");
  pool->chunksize = (uint64_t)least(field_integer(L, 1, "chunksize", 0), MESSAGE_RUN_MAX);
  if (!pool->rerun) /* what was done, but not told when the worker died, would run again */
    pool->chunksize = 1;
  pool->retries = (int)least(field_integer(L, 1, "retries", 0), MESSAGE_ATTEMPT_MAX / 2);
  pool->retry_delay_ns = field_nanoseconds(L, 1, "retry_delay");
  map->context.thread_limit = pool->thread_limit;
  map->context.threads_most = threads < THREADS_MOST ? (int)threads : THREADS_MOST;
  map->context.for_each = threads >= tasks;
  map->context.worker_count = pool->worker_limit;
  map->context.state.output = read_output(L);
  map->context.state.memory_limit = (size_t)least(field_integer(L, 1, "memory_limit", 0), PTRDIFF_MAX);
  map->context.solo = count >= 0 && count <= procs;
  map->context.chunksize = (int)pool->chunksize;
  map->context.stamped = field_boolean(L, 1, "trace");
  if (map->context.stamped)
    pool->records = &map->records;
  map->context.timeout_ns = field_nanoseconds(L, 1, "timeout");
  map->context.kill_after_ns = field_nanoseconds(L, 1, "kill_after");
  map->context.nice = (int)field_integer(L, 1, "nice", 0);
  if (lua_getfield(L, 1, "seed") != LUA_TNIL) {
    map->context.state.per_task_seed = 1;
    map->context.state.seed = (uint64_t)luaL_checkinteger(L, -1);
  } else {
    map->context.state.seed = random_seed();
  }
  lua_pop(L, 1);
}

/* [-0, +0, v] The journal in the options table at 1; map is at 6. */
static void read_journal(lua_State *L, struct map *map, struct pool_options *pool) {
  if (lua_getfield(L, 1, "journal") != LUA_TNIL) {
    pool->keeper = map->recorder = recorder_check(L, -1);
    pool->keep = map->context.state.output == OUTPUT_GROUP ? keep_result : recorder_keep;
  }
  lua_setiuservalue(L, 6, SLOT_JOURNAL);
}

/* [-0, +0, v] How the tasks come: from the source object at 3. */
static void read_source(lua_State *L, struct map *map) {
  const char *kind;
  lua_getfield(L, 3, "kind");
  kind = luaL_checkstring(L, -1);
  map->kind = strcmp(kind, "table") == 0   ? SOURCE_TABLE
              : strcmp(kind, "range") == 0 ? SOURCE_RANGE
                                           : SOURCE_OTHER;
  map->fill_most = map->kind == SOURCE_OTHER ? 1 : FILL_FIRST; /* the second call of an iterator may block */
  lua_pop(L, 1);
  map->count = field_integer(L, 3, "count", -1);
  if (map->kind == SOURCE_RANGE) {
    lua_getfield(L, 3, "first");
    lua_getfield(L, 3, "step");
    map->floats = !lua_isinteger(L, -2) || !lua_isinteger(L, -1);
    map->first = lua_tointeger(L, -2);
    map->step = lua_tointeger(L, -1);
    map->first_float = lua_tonumber(L, -2);
    map->step_float = lua_tonumber(L, -1);
    lua_pop(L, 2);
  }
}

/* [-0, +0, v] The functions that run once in each thread. */
static void read_ends(lua_State *L, struct map *map) {
  map->context.state.has_init = lua_getfield(L, 1, "init") != LUA_TNIL;
  map->context.state.has_exit = lua_getfield(L, 1, "exit") != LUA_TNIL;
  snapshot_add_ends(L, -2, -1, map->snapshot);
  lua_pop(L, 2);
}

static enum status open_pool(struct map *map, const struct pool_options *options) {
  struct transport *transport;
  struct fork_options fork = {.worker_count = options->worker_limit,
                              .ring_size = RING_SIZE,
                              .main = worker_run,
                              .context = &map->context,
                              .tally = &map->tally};
  enum status status = tally_open(&map->tally, options->worker_limit);
  if (status != STATUS_OK)
    return status;
  map->tally.keep_lives = map->context.stamped;
  map->context.solo &= worker_prepare();
  fork.thread_limit = map->context.threads_most;
  fork.patience_ms = map->context.state.has_exit ? EXIT_PATIENCE_MS : 0;
  status = transport_fork_open(&transport, &fork);
  return status == STATUS_OK ? pool_open(&map->pool, options, transport) : status;
}

/* open(options, f, source, feeder, fail) -> map
   options.init, options.exit: callables or nil; the others are numbers and booleans;
   source: a table with kind, count and what its kind needs; feeder: a coroutine that pulls (kind other), or nil;
   fail(index, verdict, attempt, pid, ...): what a failed task gives instead of results; may raise. */
static int l_open(lua_State *L) {
  struct map *map;
  struct pool_options options;
  enum status status;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 5, LUA_TFUNCTION);
  lua_settop(L, 5);
  map = lua_newuserdatauv(L, sizeof *map, SLOT_COUNT);
  *map = (struct map){
      .tick = CLOCK_NEVER, .look = INT_MAX, .streak_most = 1, .input = -1, .epoll = -1, .alarm = -1};
  /* closed until open_pool succeeds */
  map->forks = forks_depth;
  map->times.opened = clock_now();
  luaL_setmetatable(L, MAP);
  read_options(L, map, &options);
  read_journal(L, map, &options);
  read_source(L, map);
  snapshot_take(L, 2, &map->snapshot);
  read_ends(L, map);
  map->context.snapshot = map->snapshot;
  lua_setiuservalue(L, 6, SLOT_SNAPSHOT);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 6, SLOT_SOURCE);
  map->feeder = lua_tothread(L, 4);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, 6, SLOT_FEEDER);
  lua_pushvalue(L, 5);
  lua_setiuservalue(L, 6, SLOT_FAIL);
  status = open_pool(map, &options);
  if (status != STATUS_OK)
    map_raise(L, status, "cannot open the map");
  return 1;
}

/* -- closing -------------------------------------------------------------- */

void map_close_source(lua_State *L, int idx) {
  int top = lua_gettop(L);
  if (lua_getiuservalue(L, idx, SLOT_SOURCE) == LUA_TTABLE && lua_getfield(L, -1, "close") == LUA_TFUNCTION) {
    lua_insert(L, -2);
    lua_call(L, 1, 0);
  }
  lua_settop(L, top);
}

/* What the codec may be reading or writing. */
static void free_late(struct map *map) {
  pool_close(&map->late);
  buffer_release(&map->buffer);
}

static void release_pool(struct map *map) {
  if (map->pool == NULL)
    return;
  pool_figures(map->pool, &map->figures);
  pool_stop(map->pool);
  map->late = map->pool;
  map->pool = NULL;
  if (!map->coding)
    free_late(map);
}

void map_release(struct map *map) {
  bells_close(map);
  release_pool(map);
  if (map->times.closed == 0)
    map->times.closed = clock_now();
  if (map->recorder != NULL)
    recorder_close(map->recorder);
  map->recorder = NULL;
}

/* close(map): harmless when repeated */
static int l_close(lua_State *L) {
  struct map *map = map_check(L);
  int was_open = map->pool != NULL;
  lua_settop(L, 1);
  map_release(map);
  if (was_open)
    map_close_source(L, 1);
  watcher_end(L, map);
  return 0;
}

/* The script is done with the map for good. What is the script's in closing (its input, who watches) may raise. */
static int l_collect(lua_State *L) {
  struct map *map = map_check(L);
  int status;
  lua_settop(L, 1);
  lua_pushcfunction(L, l_close);
  lua_pushvalue(L, 1);
  status = lua_pcall(L, 1, 0, 0);
  free_late(map);
  tally_close(&map->tally);
  records_release(&map->records);
  return status == LUA_OK ? 0 : lua_error(L);
}

void map_register(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", l_close}, {NULL, NULL}};
  luaL_newmetatable(L, MAP);
  lua_pushcfunction(L, l_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__close");
  luaL_newlib(L, methods);
  luaL_setfuncs(L, feed_methods, 0);
  luaL_setfuncs(L, results_methods, 0);
  luaL_setfuncs(L, bells_methods, 0);
  luaL_setfuncs(L, watcher_methods, 0);
  luaL_setfuncs(L, figures_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_open);
  lua_setfield(L, -2, "open");
  lua_pushcfunction(L, bells_wait_for_maps);
  lua_setfield(L, -2, "wait");
}
