#include "config.h"
#include "map.h"

#include <sys/resource.h>

#include "clock.h"
#include "codec.h"
#include "heed.h"
#include "recorder.h"
#include "running.h"
#include "snapshot.h"

#define FILL_MOST 2048   /* tasks pulled in one go, before workers are woken and results handed out */
#define FILL_NS   500000 /* what that may take */
#define SLOW_NS                                                                                              \
  100000 /* for one task: the input waits; the next one may come late, and nothing shall wait for it */
#define QUICK       16 /* quick tasks after which an input is believed to be quick */
#define QUICK_SHARE 64 /* so many for each that is pulled without a look at what is ready */
#define BUFFER_KEEP ((size_t)1 << 20)

static lua_Integer least(lua_Integer a, lua_Integer b) {
  return a < b ? a : b;
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

/* The first worker is there: what a task brings from now on is not in it. */
static void note_forked(struct map *map) {
  if (map->forked)
    return;
  map->forked = 1;
  snapshot_forked(map->snapshot);
}

void feed_start(lua_State *L, struct map *map) {
  int64_t began = clock_now();
  enum status status = pool_start(map->pool);
  map->times.pulling_ns += clock_now() - began; /* which is with the starting of workers */
  if (status != STATUS_OK)
    map_raise(L, status, "cannot start a process");
  note_forked(map);
}

/* [-0, +0|1, v] Adds the task whose arguments are the count values from first, unless the map is closed meanwhile. Returns 0,
   and pushes why, when these cannot travel. */
static int add_task(lua_State *L, struct map *map, int first, int count) {
  struct codec_fault fault;
  enum status status;
  buffer_reset(&map->buffer, BUFFER_KEEP);
  map->coding = 1;
  status = codec_encode(L, first, count, &map->buffer, snapshot_link(map->snapshot), &fault);
  map->coding = 0;
  if (map->pool == NULL) /* by a finalizer that ran meanwhile */
    return 1;
  if (status == STATUS_TYPE || status == STATUS_DEPTH) {
    struct pool_figures figures;
    pool_figures(map->pool, &figures);
    lua_pushfstring(L, "task %I cannot travel: %s", (LUAI_UACINT)figures.added + 1, fault.text);
    return 0;
  }
  if (status == STATUS_OK && map->recorder != NULL &&
      (status = add_recorded(L, map, first, count)) == STATUS_OK)
    return 1;
  if (status == STATUS_OK || status == STATUS_AGAIN)
    status = pool_give(map->pool, &map->buffer);
  if (status != STATUS_OK)
    map_raise(L, status, "cannot add a task");
  note_forked(map);
  return 1;
}

/* How often this thread has waited. */
static long count_waits(void) {
  struct rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* A task of the input's own code was added. True: no more are to be pulled before workers are woken and results handed out. An
   input that waits is then asked for one at a time, until it has been quick for a while; one that was only interrupted by other
   programs is not. */
static int is_full(struct map *map) {
  int64_t now = clock_now(), took = now - map->pushed;
  map->pushed = now;
  map->slow = took > SLOW_NS;
  map->quick = map->slow && count_waits() != map->waits ? 0 : map->quick + 1;
  return map->slow || now >= map->fill_end;
}

/* push(map, ...) -> true when no more shall be pulled now: one task */
static int l_push(lua_State *L) {
  struct map *map = map_check_open(L);
  if (!add_task(L, map, 2, lua_gettop(L) - 1))
    return lua_error(L); /* without a place: it would be one of our own */
  lua_pushboolean(L, is_full(map));
  return 1;
}

/* room(map) -> how many tasks the workers could use now */
static int l_room(lua_State *L) {
  struct map *map = map_check_open(L);
  uint64_t room = pool_room(map->pool);
  lua_pushinteger(L, least((lua_Integer)room, map->fill_most));
  return 1;
}

/* rest(map, fd): the feeder has pulled what there was room for, or, with a descriptor, what the input had */
static int l_rest(lua_State *L) {
  struct map *map = map_check(L);
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

void feed_fail(lua_State *L, struct map *map) {
  map->exhausted = map->failed_input = 1;
  lua_setiuservalue(L, 1, SLOT_ERROR);
  if (map->pool != NULL) /* while the words were made, a finalizer may have closed the map */
    pool_end(map->pool);
}

/* [-0, +0, v] */
static void fill_numbered(lua_State *L, struct map *map, lua_Integer room) {
  lua_Integer last = map->pulled + least(room, map->count - map->pulled);
  int top = lua_gettop(L);
  if (map->kind == SOURCE_TABLE) {
    lua_getiuservalue(L, 1, SLOT_SOURCE);
    lua_getfield(L, -1, "table");
  }
  while (map->pulled < last && map->pool != NULL) {
    push_numbered(L, map, top + 2, ++map->pulled);
    if (!add_task(L, map, lua_gettop(L), 1)) {
      feed_fail(L, map);
      break;
    }
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  if (map->pulled == map->count)
    map->exhausted = 1;
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
  status = running_step(L, map->feeder, given, &count);
  map->feeding = 0;
  if (map->pool == NULL)
    luaL_error(L, "the map was closed by its own input");
  if (status == LUA_YIELD && !map->paused)
    return count;
  if (status == LUA_OK)
    map->exhausted = 1;
  else if (status != LUA_YIELD) {
    lua_xmove(map->feeder, L, 1);
    lua_pushvalue(L, -1);
    feed_fail(L, map);
    if (heed_is_interruption(L, -1)) /* Ctrl-C waits for no turn */
      lua_error(L);
    lua_pop(L, 1);
  }
  return -1;
}

static int64_t starting_ns(const struct map *map) {
  struct pool_figures figures = map->figures;
  if (map->pool != NULL)
    pool_figures(map->pool, &figures);
  return figures.starting_ns;
}

/* [-0, +0, v] */
static void pull_numbered(lua_State *L, struct map *map, lua_Integer room) {
  int64_t began = clock_now(), starting = starting_ns(map), took;
  fill_numbered(L, map, room);
  took = clock_now() - began;
  map->times.pulling_ns += took;
  took -= starting_ns(map) - starting; /* that is not the input's slowness */
  if (took > FILL_NS)
    map->fill_most = 1 + (lua_Integer)((double)room * FILL_NS / (double)took);
  else if (took < FILL_NS / 4 && room == map->fill_most && map->fill_most < FILL_MOST)
    map->fill_most *= 2;
}

/* [-0, +0, v] As fill_fed. */
static int pull_fed(lua_State *L, struct map *map, int given) {
  int yielded;
  int64_t began = map->pushed = clock_now(), ended;
  map->fill_end = began + FILL_NS;
  map->slow = 0;
  map->waits = count_waits();
  yielded = fill_fed(L, map, given);
  ended = clock_now();
  map->times.pulling_ns += ended - began;
  map->owed_until = ended + (ended - began);
  map->streak_began = ended; /* the input's time is not the loop's */
  map->fill_most = least(1 + map->quick / QUICK_SHARE, FILL_MOST);
  return yielded;
}

/* [-0, +0, v] Pulls so many tasks. As fill_fed. */
static int pull(lua_State *L, struct map *map, lua_Integer room, int given) {
  if (map->kind == SOURCE_OTHER)
    return pull_fed(L, map, given);
  pull_numbered(L, map, room);
  return -1;
}

/* [-0, +0, v] Pulls one portion and sends it. As fill_fed. */
static int fill_once(lua_State *L, struct map *map, int given) {
  lua_Integer room;
  int yielded = -1;
  room = least((lua_Integer)pool_room(map->pool), map->fill_most);
  if (room > 0 || given > 0 || map->count == 0)
    yielded = pull(L, map, room, given);
  map_check_own(L, map); /* the input's code may fork */
  if (map->pool == NULL)
    return -1;
  if (map->exhausted)
    pool_end(map->pool);
  pool_flush(map->pool);
  return yielded;
}

/* An input that has been quick for a while is asked for more portions, the longer the loop's body took; they are small until the
   input has been quick for long. */
static int wants_more(const struct map *map, int64_t now, int64_t until) {
  return map->kind == SOURCE_OTHER && map->quick >= QUICK && now < until && feed_hungry(map);
}

/* [-0, +0, v] Pulls what there is room for. As fill_fed. */
int feed_fill(lua_State *L, struct map *map, int given) {
  int64_t now = clock_now(), until = now + (now - map->fed < FILL_NS ? now - map->fed : FILL_NS);
  int yielded;
  map->input = -1;
  if (map->exhausted)
    return -1;
  do {
    yielded = fill_once(L, map, given);
    given = 0;
    if (map->pool == NULL)
      return -1;
    now = clock_now();
  } while (yielded < 0 && wants_more(map, now, until));
  map->fed = now;
  return yielded;
}

int feed_hungry(const struct map *map) {
  return !map->exhausted && map->input < 0 && pool_room(map->pool) > 0;
}

const luaL_Reg feed_methods[] = {{"push", l_push}, {"room", l_room}, {"rest", l_rest}, {NULL, NULL}};
