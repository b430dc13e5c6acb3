#include "config.h"
#include "figures.h"

#include "clock.h"

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, int64_t ns) {
  lua_pushnumber(L, (lua_Number)ns / (lua_Number)CLOCK_SECOND);
  lua_setfield(L, -2, name);
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

void figures_push(lua_State *L, const struct pool_figures *f, const struct map_times *t,
                  const struct tally_worker *workers, int count) {
  lua_createtable(L, 0, 15);
  set_seconds(L, "wall", (t->closed != 0 ? t->closed : clock_now()) - t->opened);
  set_seconds(L, "waited", f->waited_ns);
  set_seconds(L, "pulling", t->pulling_ns);
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
  lua_createtable(L, 0, 9);
  set_integer(L, "index", r->index);
  set_integer(L, "attempt", r->attempt);
  set_integer(L, "verdict", r->verdict);
  set_integer(L, "worker", (uint64_t)r->worker);
  set_integer(L, "thread", (uint64_t)r->stamp.thread);
  set_integer(L, "pid", (uint64_t)r->stamp.pid);
  set_seconds(L, "start", r->stamp.start - opened);
  set_seconds(L, "seconds", r->stamp.ns);
  set_seconds(L, "waited", r->stamp.waited);
}

void figures_push_records(lua_State *L, const struct records *records, int64_t opened) {
  size_t i;
  lua_createtable(L, (int)records->count, 0);
  for (i = 0; i < records->count; i++) {
    push_record(L, &records->list[i], opened);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

void figures_push_lives(lua_State *L, const struct tally *tally, int64_t opened) {
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

void figures_push_running(lua_State *L, const struct running_task *tasks, int count) {
  int i;
  int64_t now = clock_now();
  lua_createtable(L, count, 0);
  for (i = 0; i < count; i++) {
    int64_t ns = now - tasks[i].since;
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
