#include "config.h"
#include "map.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <lauxlib.h>

#include "clock.h"
#include "codec.h"
#include "figures.h"
#include "import.h"
#include "notice.h"
#include "pool.h"
#include "recorder.h"
#include "snapshot.h"
#include "transport_fork.h"
#include "worker.h"

#define MAP          "fast_map.map"
#define RING_SIZE    ((size_t)256 << 10)
#define THREADS_MOST 32768 /* of one process: the kernel's own limit is about there */
#define FILL_FIRST   256
#define FILL_MOST    2048   /* tasks pulled in one go, before workers are woken and results handed out */
#define FILL_NS      500000 /* what that may take: fewer are pulled of an input that is slow */
#define STREAK       64     /* results handed out between two looks at the workers */
#define LOOK         15     /* a mask: every 16th result the clock is looked at, when somebody watches */
#define BUFFER_KEEP  ((size_t)1 << 20)
#define EXIT_PATIENCE_MS 10000 /* for the map's exit, once all results are delivered */
#define TICK         (CLOCK_SECOND / 10) /* between two looks of whoever watches the map */

/* user values of the userdata */
enum {
  SLOT_SNAPSHOT = 1,
  SLOT_SOURCE,
  SLOT_FEEDER,
  SLOT_FAIL,
  SLOT_ERROR,
  SLOT_JOURNAL,
  SLOT_WATCHER,
  SLOT_COUNT = SLOT_WATCHER
};

enum source_kind { SOURCE_TABLE, SOURCE_RANGE, SOURCE_OTHER };

struct map {
  struct pool *pool; /* NULL: closed */
  struct snapshot *snapshot;
  struct recorder *recorder;     /* of SLOT_JOURNAL; NULL: there is none */
  struct worker_context context; /* the workers' birth certificate: must live as long as the pool */
  struct buffer buffer;          /* one task's bytes */
  enum source_kind kind;
  lua_Integer pulled, count; /* TABLE, RANGE: tasks pulled, and in all */
  int floats;                /* RANGE: of floats */
  lua_Integer first, step;
  lua_Number first_float, step_float;
  lua_State *feeder;     /* OTHER: the coroutine that pulls; anchored in SLOT_FEEDER */
  lua_Integer fill_most; /* tasks pulled in one go */
  int exhausted;         /* no more tasks will come */
  int feeding;           /* the input's own code runs */
  int paused;            /* the feeder yielded by itself (rest), not the input's code */
  int input;             /* descriptor of an input that has nothing now, though there is room; else -1 */
  int failed_input;      /* SLOT_ERROR holds what the input raised */
  int forked;            /* the first worker is */
  int streak;
  int look;                    /* mask: watch() is called at streaks in which these bits are 0 */
  int64_t tick;                /* when SLOT_WATCHER is called next; CLOCK_NEVER: nobody watches */
  int64_t looked;              /* at the clock for that */
  lua_Integer failed;          /* of those delivered */
  struct pool_figures figures; /* of a closed map */
  struct map_times times;
  struct tally tally;     /* what the workers did */
  struct records records; /* when the script wants a timeline */
  int epoll;              /* what an event loop waits on; -1: nobody asked */
  int ready;              /* in it: readable while is_ready; -1: it is not */
};

static struct map *check_map(lua_State *L) {
  return luaL_checkudata(L, 1, MAP);
}

static struct map *check_open(lua_State *L) {
  struct map *map = check_map(L);
  if (map->pool == NULL)
    luaL_error(L, "the map is closed");
  return map;
}

/* [-0, +0, v] */
static void raise_status(lua_State *L, enum status status, const char *what) {
  if (status == STATUS_SYSTEM)
    luaL_error(L, "%s: %s", what, strerror(errno));
  luaL_error(L, "%s: %s", what, status_text(status));
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
  return seconds < 1e9 ? (int64_t)(seconds * (lua_Number)CLOCK_SECOND) : CLOCK_NEVER;
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
  lua_Integer procs = least(least(field_integer(L, 1, "procs_limit", 1), threads), SHRT_MAX);
  *pool = (struct pool_options){.task_count = count,
                                .window_limit = (uint64_t)field_integer(L, 1, "buffersize", 1)};
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
  map->context.state.memory_limit = (size_t)field_integer(L, 1, "memory_limit", 0);
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
  worker_prepare();
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
      .fill_most = FILL_FIRST, .tick = CLOCK_NEVER, .look = INT_MAX, .input = -1, .epoll = -1, .ready = -1};
  /* closed until open_pool succeeds */
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
    raise_status(L, status, "cannot open the map");
  return 1;
}

/* -- watching ------------------------------------------------------------- */

/* watch(map, f): from now on f(delivered, failed, pulled, exhausted, ended) is called ten times a second while the map waits
   or hands out results, and once after its end */
static int l_watch(lua_State *L) {
  struct map *map = check_open(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, SLOT_WATCHER);
  map->look = 0;
  map->looked = clock_now();
  map->tick = map->looked + TICK;
  return 0;
}

/* [-0, +0, e] */
static void call_watcher(lua_State *L, struct map *map, int ended) {
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  lua_getiuservalue(L, 1, SLOT_WATCHER);
  lua_pushinteger(L, (lua_Integer)map->figures.delivered);
  lua_pushinteger(L, map->failed);
  lua_pushinteger(L, (lua_Integer)map->figures.added);
  lua_pushboolean(L, map->exhausted);
  lua_pushboolean(L, ended);
  lua_call(L, 5, 0);
}

/* [-0, +0, e] Called now and then; before each result when the script takes its time for one. */
static void watch(lua_State *L, struct map *map) {
  int64_t now;
  if (map->tick == CLOCK_NEVER)
    return;
  now = clock_now();
  map->look = now - map->looked > (map->look == 0 ? TICK / (LOOK + 1) : TICK / 2) ? 0 : LOOK;
  map->looked = now;
  if (now < map->tick)
    return;
  map->tick = now + TICK;
  call_watcher(L, map, 0);
  if (map->pool == NULL)
    luaL_error(L, "the map was closed by its watcher");
}

/* [-0, +0, e] */
static void end_watch(lua_State *L, struct map *map) {
  if (map->tick == CLOCK_NEVER)
    return;
  map->tick = CLOCK_NEVER;
  call_watcher(L, map, 1);
}

/* -- closing -------------------------------------------------------------- */

/* [-0, +0, e] The input may hold something that the script wants closed (each). */
static void close_source(lua_State *L, int idx) {
  int top = lua_gettop(L);
  if (lua_getiuservalue(L, idx, SLOT_SOURCE) == LUA_TTABLE && lua_getfield(L, -1, "close") == LUA_TFUNCTION) {
    lua_insert(L, -2);
    lua_call(L, 1, 0);
  }
  lua_settop(L, top);
}

static void close_ready(struct map *map) {
  if (map->ready >= 0)
    close(map->ready);
  map->ready = -1;
}

/* Ends and reaps the workers, frees what is ours. */
static void release(struct map *map) {
  if (map->epoll >= 0)
    close(map->epoll);
  map->epoll = -1;
  close_ready(map);
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  pool_close(&map->pool);
  if (map->times.closed == 0)
    map->times.closed = clock_now();
  if (map->recorder != NULL)
    recorder_close(map->recorder);
  map->recorder = NULL;
  buffer_release(&map->buffer);
}

/* close(map): harmless when repeated */
static int l_close(lua_State *L) {
  struct map *map = check_map(L);
  int was_open = map->pool != NULL;
  lua_settop(L, 1);
  release(map);
  if (was_open)
    close_source(L, 1);
  end_watch(L, map);
  return 0;
}

/* -- tasks ---------------------------------------------------------------- */

/* [-0, +0, e] Adds the task with its result when the journal has that. AGAIN: it has not. */
static enum status add_recorded(lua_State *L, struct map *map, int first, int count) {
  struct recorder_task task = {.first = first, .count = count, .message = &map->buffer};
  struct pool_figures figures;
  uint64_t at;
  pool_figures(map->pool, &figures);
  task.index = figures.added + 1;
  task.oldest = figures.oldest;
  if (!recorder_find(L, map->recorder, &task, &at))
    return STATUS_AGAIN;
  return pool_add_done(map->pool, VERDICT_RECORDED, &at, sizeof at);
}

/* [-0, +0, v] Adds the task whose arguments are the count values from first. */
static void add_task(lua_State *L, struct map *map, int first, int count) {
  struct codec_fault fault;
  enum status status;
  buffer_reset(&map->buffer, BUFFER_KEEP);
  status = codec_encode(L, first, count, &map->buffer, snapshot_link(map->snapshot), &fault);
  if (status == STATUS_TYPE || status == STATUS_DEPTH) {
    struct pool_figures figures;
    pool_figures(map->pool, &figures);
    lua_pushfstring(L, "task %I cannot travel: %s", (LUAI_UACINT)figures.added + 1, fault.text);
    lua_error(L); /* without a place: it would be one of our own */
  }
  if (status == STATUS_OK && map->recorder != NULL &&
      (status = add_recorded(L, map, first, count)) == STATUS_OK)
    return;
  if (status == STATUS_OK || status == STATUS_AGAIN)
    status = pool_add(map->pool, map->buffer.bytes, map->buffer.size);
  if (status != STATUS_OK)
    raise_status(L, status, "cannot add a task");
  if (!map->forked) { /* by the first task */
    map->forked = 1;
    snapshot_forked(map->snapshot);
  }
}

/* push(map, ...): one task */
static int l_push(lua_State *L) {
  struct map *map = check_open(L);
  add_task(L, map, 2, lua_gettop(L) - 1);
  return 0;
}

/* room(map) -> how many tasks the workers could use now */
static int l_room(lua_State *L) {
  struct map *map = check_open(L);
  uint64_t room = pool_room(map->pool);
  lua_pushinteger(L, least((lua_Integer)room, map->fill_most));
  return 1;
}

/* rest(map, fd): the feeder has pulled what there was room for, or, with a descriptor, what the input had */
static int l_rest(lua_State *L) {
  struct map *map = check_map(L);
  map->paused = 1;
  map->input = (int)luaL_optinteger(L, 2, -1);
  return lua_yield(L, 0);
}

/* [-0, +1, e] */
static void push_numbered(lua_State *L, const struct map *map, int table, lua_Integer k) {
  if (map->kind == SOURCE_TABLE)
    lua_rawgeti(L, table, k);
  else if (map->floats)
    lua_pushnumber(L, map->first_float + (lua_Number)(k - 1) * map->step_float);
  else
    lua_pushinteger(
        L, (lua_Integer)((lua_Unsigned)map->first + (lua_Unsigned)(k - 1) * (lua_Unsigned)map->step));
}

/* [-0, +0, v] */
static void fill_numbered(lua_State *L, struct map *map, lua_Integer room) {
  lua_Integer last = map->pulled + least(room, map->count - map->pulled);
  int top = lua_gettop(L);
  if (map->kind == SOURCE_TABLE) {
    lua_getiuservalue(L, 1, SLOT_SOURCE);
    lua_getfield(L, -1, "table");
  }
  while (map->pulled < last) {
    push_numbered(L, map, top + 2, ++map->pulled);
    add_task(L, map, lua_gettop(L), 1);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  map->exhausted = map->pulled == map->count;
}

/* The input's own error waits for its turn: results before it are delivered first. */
static void keep_input_error(lua_State *L, struct map *map) {
  map->exhausted = map->failed_input = 1;
  lua_xmove(map->feeder, L, 1);
  lua_setiuservalue(L, 1, SLOT_ERROR);
}

/* [-0, +0, v] Runs the feeder until it rests. Returns how many values it yielded to somebody else, left on its stack;
   -1: none. `given`: values on L's top to resume it with. */
static int fill_fed(lua_State *L, struct map *map, int given) {
  int status, count;
  if (map->feeding)
    luaL_error(L, "the map's own input asks it for results");
  if (!lua_checkstack(map->feeder, given + 1))
    luaL_error(L, "too many values");
  if (lua_status(map->feeder) == LUA_OK) { /* its first run: it gets the map */
    lua_pushvalue(L, 1);
    given = 1;
  }
  lua_xmove(L, map->feeder, given);
  map->paused = 0;
  map->feeding = 1;
  status = lua_resume(map->feeder, L, given, &count);
  map->feeding = 0;
  if (map->pool == NULL)
    luaL_error(L, "the map was closed by its own input");
  if (status == LUA_YIELD && !map->paused)
    return count;
  if (status == LUA_OK)
    map->exhausted = 1;
  else if (status != LUA_YIELD)
    keep_input_error(L, map);
  return -1;
}

/* [-0, +0, v] Pulls so many tasks. As fill_fed. */
static int pull(lua_State *L, struct map *map, lua_Integer room, int given) {
  int64_t took = clock_now();
  int yielded = -1;
  if (map->kind == SOURCE_OTHER)
    yielded = fill_fed(L, map, given);
  else
    fill_numbered(L, map, room);
  took = clock_now() - took;
  map->times.pulling_ns += took;
  if (took > FILL_NS && map->fill_most > 1)
    map->fill_most /= 2;
  else if (took < FILL_NS / 4 && room == map->fill_most && map->fill_most < FILL_MOST)
    map->fill_most *= 2;
  return yielded;
}

/* [-0, +0, v] Pulls what there is room for. As fill_fed. */
static int fill(lua_State *L, struct map *map, int given) {
  lua_Integer room;
  int yielded = -1;
  map->input = -1;
  if (map->exhausted)
    return -1;
  room = least((lua_Integer)pool_room(map->pool), map->fill_most);
  if (room > 0 || given > 0 || map->count == 0)
    yielded = pull(L, map, room, given);
  if (map->exhausted)
    pool_end(map->pool);
  pool_flush(map->pool);
  return yielded;
}

/* begin(map): the first tasks go out; from here on workers see the script as it is now */
static int l_begin(lua_State *L) {
  struct map *map = check_open(L);
  struct pool_figures before = {0}, after = {0};
  lua_settop(L, 1);
  do { /* every process is forked here, before the script's next line can change anything */
    before = after;
    if (fill(L, map, 0) >= 0)
      return luaL_error(
          L, "the input yields: wrap the loop over the map in a coroutine of its own, or give it a table");
    pool_figures(map->pool, &after);
  } while (after.added > before.added);
  return 0;
}

/* -- results -------------------------------------------------------------- */

static int do_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* [-0, +0, e] A signal handler ran: lets the hook that it may have set act (Ctrl-C, callbacks). */
static void give_way(lua_State *L) {
  lua_State *main;
  notice_serve(L);
  lua_pushcfunction(L, do_nothing);
  lua_call(L, 0, 0); /* a call is an event for hooks */
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  if (L != main &&
      notice_foreign_hook(main)) { /* lua's Ctrl-C sets it on the main thread only; we are in a coroutine */
    lua_sethook(main, NULL, 0, 0);
    luaL_error(L, "interrupted!");
  }
}

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

/* [-0, +0, e] A signal that came just before we sleep does not wake us: its hook acts first. */
static void heed_signals(lua_State *L) {
  lua_State *main;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  lua_pop(L, 1);
  if (lua_gethook(L) != NULL || notice_foreign_hook(main))
    give_way(L);
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

/* [-0, +n, e] Hands over a result: index and values. Returns n; 0: there is nothing to hand over for it. */
static int deliver(lua_State *L, struct map *map, struct delivery *d) {
  int count, top = lua_gettop(L);
  enum status status;
  if (d->verdict == VERDICT_RECORDED)
    recall(L, map, d);
  else
    show_output(L, map, d);
  if (d->verdict == VERDICT_DONE) {
    lua_pushinteger(L, (lua_Integer)d->index);
    status = codec_decode(L, d->bytes, d->size, snapshot_link(map->snapshot), &count);
    if (status == STATUS_OK) {
      pool_delivered(map->pool, d);
      return count + 1;
    }
    lua_settop(L, top);
    d->verdict = VERDICT_TRANSFER;
  }
  map->failed++;
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
  pool_delivered(map->pool, d);
  lua_call(L, lua_gettop(L) - top - 1, LUA_MULTRET);
  return lua_gettop(L) - top;
}

enum outcome { OUTCOME_READY, OUTCOME_FINISHED, OUTCOME_NOTHING, OUTCOME_YIELD };

static int64_t sooner(int64_t a, int64_t b) {
  return a < b ? a : b;
}

#define BELLS_MOST 1024

/* Appends the map's bells; returns the new count. */
static int add_bells(struct map *map, struct pollfd *polls, int count) {
  int fds[BELLS_MOST], i, n = transport_fork_bells(pool_transport(map->pool), fds, BELLS_MOST);
  for (i = 0; i < n && i < BELLS_MOST && count < BELLS_MOST; i++)
    polls[count++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  return count;
}

static int poll_until(struct pollfd *polls, int count, int64_t deadline) {
  int64_t left = deadline - clock_now();
  struct timespec timeout = {left / CLOCK_SECOND, left % CLOCK_SECOND};
  if (left <= 0)
    timeout = (struct timespec){0, 0};
  return ppoll(polls, (nfds_t)count, deadline == CLOCK_NEVER ? NULL : &timeout, NULL);
}

/* As pool_wait; OK also when an input that had nothing has something. */
static enum status wait_for_more(struct map *map, int64_t deadline) {
  struct pollfd polls[BELLS_MOST + 1];
  enum status status;
  int ready;
  if (map->input < 0)
    return pool_wait(map->pool, deadline);
  status = pool_wait(map->pool, 0);
  if (status != STATUS_AGAIN || errno == EINTR || transport_fork_arm(pool_transport(map->pool)))
    return status;
  polls[0] = (struct pollfd){.fd = map->input, .events = POLLIN};
  ready = poll_until(polls, add_bells(map, polls, 1), sooner(deadline, pool_due(map->pool)));
  if (ready > 0)
    return STATUS_OK;
  if (ready == 0)
    errno = 0;
  return ready < 0 || clock_now() >= deadline ? STATUS_AGAIN : STATUS_OK;
}

/* [-0, +0, v] As wait_for_more; what came is in the journal before any of it is handed over. */
static enum status await(lua_State *L, struct map *map, int64_t deadline) {
  enum status status = wait_for_more(map, deadline);
  int error = errno;
  if (map->recorder != NULL)
    recorder_flush(L, map->recorder);
  errno = error;
  return status;
}

/* [-0, +0, e] Until a result is at its turn. */
static enum outcome advance(lua_State *L, struct map *map, int64_t deadline, struct delivery *d, int given) {
  for (;;) {
    enum status status;
    if ((map->streak & map->look) == 0)
      watch(L, map);
    if (map->streak < STREAK && given == 0 && pool_ready(map->pool, d) == STATUS_OK) {
      map->streak++;
      return OUTCOME_READY;
    }
    if (map->streak >= STREAK) {
      map->streak = 0;
      await(L, map, 0);
    }
    if (fill(L, map, given) >= 0)
      return OUTCOME_YIELD;
    given = 0;
    if (pool_ready(map->pool, d) == STATUS_OK)
      return OUTCOME_READY;
    if (map->exhausted && pool_finished(map->pool))
      return OUTCOME_FINISHED;
    heed_signals(L);
    if (map->pool == NULL)
      luaL_error(L, "the map was closed by a callback");
    watch(L, map);
    status = await(L, map, sooner(deadline, map->tick));
    if (status == STATUS_AGAIN && errno == EINTR) {
      give_way(L);
      if (map->pool == NULL)
        luaL_error(L, "the map was closed by a callback");
    } else if (status == STATUS_AGAIN && deadline <= map->tick) {
      return OUTCOME_NOTHING;
    } else if (status == STATUS_CLOSED) {
      luaL_error(L, "the map ends: its workers die one after the other without completing a task");
    } else if (status != STATUS_OK && status != STATUS_AGAIN) {
      raise_status(L, status, "the map cannot go on: no worker can be started");
    }
  }
}

/* [-0, +1, v] The end: everything is reaped; the input's error has its turn now. */
static int finish(lua_State *L, struct map *map) {
  release(map);
  close_source(L, 1);
  end_watch(L, map);
  if (map->failed_input) {
    lua_getiuservalue(L, 1, SLOT_ERROR);
    lua_error(L);
  }
  lua_pushnil(L);
  return 1;
}

static int next_result(lua_State *L, int given);

/* The input's code yielded to whoever runs our caller as a coroutine: what it is resumed with goes back to it. */
static int next_continued(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return next_result(L, lua_gettop(L) - (int)context);
}

static int forward_yield(lua_State *L, struct map *map) {
  int count = lua_gettop(map->feeder);
  if (!lua_isyieldable(L))
    return luaL_error(
        L, "the input yields outside a coroutine: give it a table, or run the loop in a coroutine");
  luaL_checkstack(L, count, "too many values");
  lua_xmove(map->feeder, L, count);
  return lua_yieldk(L, count, 1, next_continued);
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
      return forward_yield(L, map);
    case OUTCOME_FINISHED:
      return finish(L, map);
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
  check_open(L);
  lua_settop(L, 1);
  lua_pushcclosure(L, l_next, 1);
  return 1;
}

/* step(map, seconds) -> index, result...; nil: finished; false: nothing within that time */
static int l_step(lua_State *L) {
  struct map *map = check_map(L);
  lua_Number seconds = luaL_optnumber(L, 2, 0);
  int64_t deadline = seconds > 0 ? clock_after(seconds) : 0;
  struct delivery d;
  lua_settop(L, 1);
  close_ready(map);
  while (map->pool != NULL) {
    int count;
    switch (advance(L, map, deadline, &d, 0)) {
    case OUTCOME_READY:
      count = deliver(L, map, &d);
      if (count > 0)
        return count;
      break;
    case OUTCOME_YIELD:
      return luaL_error(L, "the input yields: give it a table");
    case OUTCOME_FINISHED:
      return finish(L, map);
    case OUTCOME_NOTHING:
      lua_pushboolean(L, 0);
      return 1;
    }
  }
  lua_pushnil(L);
  return 1;
}

/* -- waiting elsewhere ------------------------------------------------------ */

/* notify(map): from now on, an event sends this thread the signal that notice.h handles */
static int l_notify(lua_State *L) {
  struct map *map = check_open(L);
  transport_fork_notify(pool_transport(map->pool), NOTICE_SIGNAL);
  return 0;
}

static enum status watch_bells(struct map *map) {
  int fds[BELLS_MOST], i, count = transport_fork_bells(pool_transport(map->pool), fds, BELLS_MOST);
  for (i = 0; i < count && i < BELLS_MOST; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(map->epoll, EPOLL_CTL_ADD, fds[i], &event) != 0 && errno != EEXIST)
      return STATUS_SYSTEM;
  }
  return STATUS_OK;
}

/* A result, or the end, that no bell will ring for: the journal had it. */
static int is_ready(struct map *map) {
  struct delivery d;
  return pool_ready(map->pool, &d) == STATUS_OK || (map->exhausted && pool_finished(map->pool));
}

/* arm(map) -> true when there may be a result already; else its bells will ring for the next */
static int l_arm(lua_State *L) {
  struct map *map = check_map(L);
  if (map->pool != NULL && map->epoll >= 0)
    watch_bells(map); /* of workers that began since */
  lua_pushboolean(L, map->pool != NULL && (is_ready(map) || transport_fork_arm(pool_transport(map->pool))));
  return 1;
}

/* Makes the descriptor readable until step is called. */
static enum status watch_ready(struct map *map) {
  struct epoll_event event = {.events = EPOLLIN};
  if (map->ready >= 0 || !is_ready(map))
    return STATUS_OK;
  map->ready = eventfd(1, EFD_CLOEXEC);
  return map->ready >= 0 && epoll_ctl(map->epoll, EPOLL_CTL_ADD, map->ready, &event) == 0 ? STATUS_OK
                                                                                          : STATUS_SYSTEM;
}

/* fd(map) -> descriptor that is readable when step may have something; the same for the map's life. Arms the bells. */
static int l_fd(lua_State *L) {
  struct map *map = check_open(L);
  if (map->epoll < 0)
    map->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (map->epoll < 0 || watch_bells(map) != STATUS_OK || watch_ready(map) != STATUS_OK)
    raise_status(L, STATUS_SYSTEM, "cannot make a descriptor to wait on");
  transport_fork_arm(pool_transport(map->pool));
  lua_pushinteger(L, map->epoll);
  return 1;
}

/* wait(seconds, map...): sleeps until one of the maps may have something, or so long, or until one's watcher is due; not when
   one has something already, or is closed: a hook may have served it since the caller looked */
static int l_wait(lua_State *L) {
  int64_t deadline = clock_after(luaL_checknumber(L, 1));
  struct pollfd polls[BELLS_MOST];
  int count = 0, i;
  heed_signals(L);
  for (i = 2; i <= lua_gettop(L); i++) {
    struct map *map = luaL_checkudata(L, i, MAP);
    if (map->pool == NULL)
      return 0;
    if (is_ready(map) || transport_fork_arm(pool_transport(map->pool)))
      return 0;
    deadline = sooner(deadline, map->tick);
    count = add_bells(map, polls, count);
  }
  if (deadline > clock_now() && poll_until(polls, count, deadline) < 0)
    give_way(L);
  return 0;
}

/* figures(map) -> tasks pulled, delivered, processes alive */
static int l_figures(lua_State *L) {
  struct map *map = check_map(L);
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  lua_pushinteger(L, (lua_Integer)map->figures.added);
  lua_pushinteger(L, (lua_Integer)map->figures.delivered);
  lua_pushinteger(L, map->pool != NULL ? map->figures.workers : 0);
  return 3;
}

/* pids(map) -> list of the process ids of its workers */
static int l_pids(lua_State *L) {
  struct map *map = check_map(L);
  int i;
  lua_newtable(L);
  for (i = 0; map->pool != NULL && i < map->context.worker_count; i++) {
    struct transport *transport = pool_transport(map->pool);
    int pid = transport->ops->pid(transport, i);
    if (pid <= 0)
      continue;
    lua_pushinteger(L, pid);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* -- for people ------------------------------------------------------------- */

#define TASKS_SHOWN 1024      /* of those that run now */
#define ASK_NS      100000000 /* for threads to tell where they are */

/* [-0, +1, m] What each worker did, those that live included. */
static struct tally_worker *push_tally(lua_State *L, struct map *map) {
  size_t size = (size_t)map->tally.worker_count * sizeof(struct tally_worker);
  struct tally_worker *workers = lua_newuserdatauv(L, size, 0);
  memcpy(workers, map->tally.workers, size);
  if (map->pool != NULL)
    transport_fork_tally(pool_transport(map->pool), workers);
  return workers;
}

/* tally(map) -> a table, see figures.h; after the map's end as it was then */
static int l_tally(lua_State *L) {
  struct map *map = check_map(L);
  struct tally_worker *workers = push_tally(L, map);
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  figures_push(L, &map->figures, &map->times, workers, map->tally.worker_count);
  lua_pushinteger(L, map->failed);
  lua_setfield(L, -2, "failed");
  lua_pushinteger(L, map->context.worker_count);
  lua_setfield(L, -2, "procs_limit");
  lua_pushinteger(L, map->context.thread_limit);
  lua_setfield(L, -2, "threads_limit");
  return 1;
}

/* records(map) -> which task ran when and where, how many more there were */
static int l_records(lua_State *L) {
  struct map *map = check_map(L);
  figures_push_records(L, &map->records, map->times.opened);
  lua_pushinteger(L, (lua_Integer)map->records.left_out);
  return 2;
}

/* forks(map) -> the workers' lives */
static int l_forks(lua_State *L) {
  struct map *map = check_map(L);
  figures_push_lives(L, &map->tally, map->times.opened);
  return 1;
}

/* running(map) -> the tasks that threads work on now, and where they are */
static int l_running(lua_State *L) {
  struct map *map = check_map(L);
  struct running_task *tasks = lua_newuserdatauv(L, TASKS_SHOWN * sizeof *tasks, 0);
  int count = 0;
  if (map->pool != NULL) {
    transport_fork_ask(pool_transport(map->pool), ASK_NS);
    count = transport_fork_tasks(pool_transport(map->pool), tasks, TASKS_SHOWN);
  }
  figures_push_running(L, tasks, count < TASKS_SHOWN ? count : TASKS_SHOWN);
  lua_pushinteger(L, count);
  return 2;
}

/* The script is done with the map for good. */
static int l_collect(lua_State *L) {
  struct map *map = check_map(L);
  int was_open = map->pool != NULL;
  lua_settop(L, 1);
  release(map);
  tally_close(&map->tally);
  records_release(&map->records);
  if (was_open)
    close_source(L, 1);
  return 0;
}

void map_register(lua_State *L) {
  static const luaL_Reg methods[] = {{"push", l_push},         {"room", l_room},       {"rest", l_rest},
                                     {"begin", l_begin},       {"step", l_step},       {"close", l_close},
                                     {"iterator", l_iterator}, {"figures", l_figures}, {"notify", l_notify},
                                     {"arm", l_arm},           {"fd", l_fd},           {"watch", l_watch},
                                     {"pids", l_pids},         {"tally", l_tally},     {"records", l_records},
                                     {"forks", l_forks},       {"running", l_running}, {NULL, NULL}};
  luaL_newmetatable(L, MAP);
  lua_pushcfunction(L, l_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__close");
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_open);
  lua_setfield(L, -2, "open");
  lua_pushcfunction(L, l_wait);
  lua_setfield(L, -2, "wait");
}
