#include "config.h"
#include "map.h"

#include <string.h>

#include "clock.h"
#include "transport_fork.h"

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, int64_t ns) {
  lua_pushnumber(L, (lua_Number)ns / (lua_Number)CLOCK_SECOND);
  lua_setfield(L, -2, name);
}

/* Some of these times are as a worker has written them, which may be out of its mind: no difference may overflow. */
static int64_t between(int64_t from, int64_t to) {
  return (int64_t)((uint64_t)to - (uint64_t)from);
}

static void push_worker(lua_State *L, const struct tally_worker *w) {
  lua_createtable(L, 0, 6);
  set_integer(L, "pid", (uint64_t)w->pid);
  set_integer(L, "lives", (uint64_t)w->lives);
  set_integer(L, "tasks", w->tasks);
  set_integer(L, "threads", (uint64_t)w->threads);
  set_seconds(L, "busy", (int64_t)w->cpu_ns);
  set_seconds(L, "working", (int64_t)w->working_ns);
}

/* Those that were ever started. */
static void push_workers(lua_State *L, const struct tally_worker *workers, int count) {
  int i, n = 0;
  lua_createtable(L, count, 0);
  for (i = 0; i < count; i++)
    if (workers[i].lives > 0) {
      push_worker(L, &workers[i]);
      lua_rawseti(L, -2, ++n);
    }
}

static void push_slowest(lua_State *L, const struct tally_worker *workers, int count) {
  struct tally_worker all = {0};
  int i;
  for (i = 0; i < count; i++)
    tally_add(&all, &workers[i]);
  lua_createtable(L, TALLY_SLOW, 0);
  for (i = 0; i < TALLY_SLOW && all.slow[i].index != 0; i++) {
    lua_createtable(L, 0, 2);
    set_integer(L, "index", all.slow[i].index);
    set_seconds(L, "seconds", (int64_t)all.slow[i].ns);
    lua_rawseti(L, -2, i + 1);
  }
}

/* [-0, +1, m] workers: `count` of them, those that live included. */
static void push_figures(lua_State *L, const struct pool_figures *f, const struct map_times *t,
                         const struct tally_worker *workers, int count) {
  lua_createtable(L, 0, 16);
  set_seconds(L, "wall", (t->closed != 0 ? t->closed : clock_now()) - t->opened);
  set_seconds(L, "waited", f->waited_ns + t->waited_ns);
  set_seconds(L, "pulling", t->pulling_ns - f->starting_ns);
  set_seconds(L, "starting", f->starting_ns);
  set_seconds(L, "decoding", t->decoding_ns);
  set_integer(L, "pulled", f->added);
  set_integer(L, "delivered", f->delivered);
  set_integer(L, "rerun", f->rerun);
  set_integer(L, "retried", f->retried);
  set_integer(L, "deaths", f->deaths);
  set_integer(L, "bytes_out", f->bytes_out);
  set_integer(L, "bytes_in", f->bytes_in);
  push_workers(L, workers, count);
  lua_setfield(L, -2, "workers");
  push_slowest(L, workers, count);
  lua_setfield(L, -2, "slowest");
}

static void push_record(lua_State *L, const struct record *r, int64_t opened) {
  lua_createtable(L, 0, 10);
  set_integer(L, "index", r->index);
  set_integer(L, "attempt", r->attempt);
  set_integer(L, "verdict", r->verdict);
  set_integer(L, "worker", (uint64_t)r->worker);
  set_integer(L, "thread", (uint64_t)r->stamp.thread);
  set_integer(L, "pid", (uint64_t)r->stamp.pid);
  set_seconds(L, "start", between(opened, r->stamp.start));
  set_seconds(L, "seconds", r->stamp.ns);
  set_seconds(L, "waited", r->stamp.waited);
  if (r->stamp.wait_at != 0)
    set_seconds(L, "wait_at", between(opened, r->stamp.wait_at));
}

/* [-0, +1, m] Those from `first` on, at most `most`. */
static void push_records(lua_State *L, const struct records *records, size_t first, size_t most,
                         int64_t opened) {
  size_t i, count = first < records->count ? records->count - first : 0;
  count = count < most ? count : most;
  lua_createtable(L, (int)count, 0);
  for (i = 0; i < count; i++) {
    push_record(L, &records->list[first + i], opened);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* [-0, +1, m] */
static void push_lives(lua_State *L, const struct tally *tally, int64_t opened) {
  size_t i;
  lua_createtable(L, (int)tally->life_count, 0);
  for (i = 0; i < tally->life_count; i++) {
    const struct tally_life *life = &tally->lives[i];
    lua_createtable(L, 0, 4);
    set_integer(L, "worker", (uint64_t)life->worker);
    set_integer(L, "pid", (uint64_t)life->pid);
    set_seconds(L, "start", life->start - opened);
    if (life->stop != 0)
      set_seconds(L, "stop", life->stop - opened);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* [-0, +1, m] */
static void push_running(lua_State *L, const struct running_task *tasks, int count) {
  int i;
  int64_t now = clock_now();
  lua_createtable(L, count, 0);
  for (i = 0; i < count; i++) {
    int64_t ns = between(tasks[i].since, now);
    lua_createtable(L, 0, 6);
    set_integer(L, "index", tasks[i].index);
    set_seconds(L, "seconds", ns > 0 ? ns : 0); /* since is far ahead when the task is done */
    set_integer(L, "pid", (uint64_t)tasks[i].pid);
    set_integer(L, "worker", (uint64_t)tasks[i].worker);
    set_integer(L, "thread", (uint64_t)tasks[i].thread);
    if (*tasks[i].place != '\0') {
      lua_pushstring(L, tasks[i].place);
      lua_setfield(L, -2, "where");
    }
    lua_rawseti(L, -2, i + 1);
  }
}

/* figures(map) -> tasks pulled, delivered, processes alive */
static int l_figures(lua_State *L) {
  struct map *map = map_check(L);
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  lua_pushinteger(L, (lua_Integer)map->figures.added);
  lua_pushinteger(L, (lua_Integer)map->figures.delivered);
  lua_pushinteger(L, map->pool != NULL ? map->figures.workers : 0);
  return 3;
}

/* pids(map) -> list of the process ids of its workers that live */
static int l_pids(lua_State *L) {
  struct map *map = map_check(L);
  int i;
  lua_newtable(L);
  for (i = 0; map->pool != NULL && i < map->context.worker_count; i++) {
    int pid = pool_pid(map->pool, i);
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

/* tally(map) -> a table, see push_figures; after the map's end as it was then */
static int l_tally(lua_State *L) {
  struct map *map = map_check(L);
  struct tally_worker *workers = push_tally(L, map);
  if (map->pool != NULL)
    pool_figures(map->pool, &map->figures);
  push_figures(L, &map->figures, &map->times, workers, map->tally.worker_count);
  lua_pushinteger(L, map->failed);
  lua_setfield(L, -2, "failed");
  lua_pushinteger(L, map->context.worker_count);
  lua_setfield(L, -2, "procs_limit");
  lua_pushinteger(L, map->context.thread_limit);
  lua_setfield(L, -2, "threads_limit");
  return 1;
}

/* records(map, first, most) -> which task ran when and where, from the first-th on; how many there are; how many more there were */
static int l_records(lua_State *L) {
  struct map *map = map_check(L);
  lua_Integer first = luaL_optinteger(L, 2, 1), most = luaL_optinteger(L, 3, RECORDS_MOST);
  luaL_argcheck(L, first >= 1, 2, "must be positive");
  luaL_argcheck(L, most >= 0, 3, "must not be negative");
  push_records(L, &map->records, (size_t)first - 1, (size_t)most, map->times.opened);
  lua_pushinteger(L, (lua_Integer)map->records.count);
  lua_pushinteger(L, (lua_Integer)map->records.left_out);
  return 3;
}

/* forks(map) -> the workers' lives */
static int l_forks(lua_State *L) {
  struct map *map = map_check(L);
  push_lives(L, &map->tally, map->times.opened);
  return 1;
}

/* running(map) -> the tasks that threads work on now, and where they are */
static int l_running(lua_State *L) {
  struct map *map = map_check(L);
  struct running_task *tasks = lua_newuserdatauv(L, TASKS_SHOWN * sizeof *tasks, 0);
  int count = 0;
  if (map->pool != NULL) {
    transport_fork_ask(pool_transport(map->pool), ASK_NS);
    count = transport_fork_tasks(pool_transport(map->pool), tasks, TASKS_SHOWN);
  }
  push_running(L, tasks, count < TASKS_SHOWN ? count : TASKS_SHOWN);
  lua_pushinteger(L, count);
  return 2;
}

const luaL_Reg figures_methods[] = {
    {"figures", l_figures}, {"pids", l_pids},       {"tally", l_tally}, {"records", l_records},
    {"forks", l_forks},     {"running", l_running}, {NULL, NULL}};
