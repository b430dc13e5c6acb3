/* figures.h - what a map did, as Lua tables.
   Level 6: lua.h, pool, tally, record, transport_fork. */
#ifndef FAST_MAP_FIGURES_H
#define FAST_MAP_FIGURES_H

#include <lua.h>

#include "pool.h"
#include "tally.h"
#include "transport_fork.h"

/* A map's life; times as clock_now() tells them. */
struct map_times {
  int64_t opened, closed; /* closed 0: it is open */
  int64_t pulling_ns;     /* in the input's code and encoding its tasks */
};

/* [-0, +1, m] wall, waited, pulling, pulled, delivered, rerun, retried, deaths, bytes_out, bytes_in, workers, slowest.
   workers: `count` of them, those that live included. */
void figures_push(lua_State *L, const struct pool_figures *figures, const struct map_times *times,
                  const struct tally_worker *workers, int count);

/* [-0, +1, m] An array of the records; times are seconds since `opened`. */
void figures_push_records(lua_State *L, const struct records *records, int64_t opened);

/* [-0, +1, m] An array of the workers' lives. */
void figures_push_lives(lua_State *L, const struct tally *tally, int64_t opened);

/* [-0, +1, m] An array of the tasks. */
void figures_push_running(lua_State *L, const struct running_task *tasks, int count);

#endif
