/* map.h - one call of fast_map as a Lua userdata.
   Level 6: lua.h, pool, transport_fork, worker, snapshot, codec. Its parts: map.c (opening, closing), feed.c (tasks in),
   results.c (results out), bells.c (waiting elsewhere), watcher.c (who looks on), figures.c (what it did).

   Life: open -> begin (first tasks go out) -> next or step, again and again -> close (also __close, __gc). */
#ifndef FAST_MAP_MAP_H
#define FAST_MAP_MAP_H

#include <sys/types.h>

#include <lauxlib.h>
#include <lua.h>

#include "forks.h"
#include "pool.h"
#include "record.h"
#include "reminder.h"
#include "tally.h"
#include "worker.h"

#define MAP "fast_map.map"

/* user values of the userdata */
enum {
  SLOT_SNAPSHOT = 1,
  SLOT_SOURCE,
  SLOT_FEEDER,
  SLOT_FAIL,
  SLOT_ERROR,
  SLOT_JOURNAL,
  SLOT_WATCHER,
  SLOT_END,
  SLOT_COUNT = SLOT_END
};

enum source_kind { SOURCE_TABLE, SOURCE_RANGE, SOURCE_OTHER };

/* A map's life; times as clock_now() tells them. */
struct map_times {
  int64_t opened, closed; /* closed 0: it is open */
  int64_t pulling_ns;     /* in the input's code, encoding its tasks, and starting workers */
  int64_t decoding_ns;    /* results that are not short */
  int64_t waited_ns;      /* asleep in bells.c */
};

struct recorder;

struct map {
  struct pool *pool; /* NULL: closed */
  int coding; /* a task or result goes through the codec, or that raised: a finalizer may close the map meanwhile */
  struct pool *late; /* it did: the result's bytes are in there */
  int forks;         /* forks_depth when it was opened: a child that the script forks has but a copy */
  struct snapshot *snapshot;
  struct recorder *recorder;     /* of SLOT_JOURNAL; NULL: there is none */
  struct worker_context context; /* the workers' birth certificate: must live as long as the pool */
  struct buffer buffer;          /* one task's bytes */
  enum source_kind kind;
  lua_Integer pulled, count; /* TABLE, RANGE: tasks pulled, and in all */
  int floats;                /* RANGE: of floats */
  lua_Integer first, step;
  lua_Number first_float, step_float;
  lua_State *feeder;       /* OTHER: the coroutine that pulls; anchored in SLOT_FEEDER */
  lua_Integer fill_most;   /* tasks pulled in one go */
  lua_Integer quick;       /* OTHER: tasks in a row for none of which the input took long */
  int slow;                /* OTHER: it took long for the last one */
  long waits;              /* OTHER: how often this thread had waited when that began */
  int64_t fill_end;        /* OTHER: when no more are pulled in this go */
  int64_t pushed;          /* OTHER: when the last one came */
  int64_t fed;             /* when tasks were pulled last */
  int64_t owed_until;      /* OTHER, slow: until then what is ready goes before what may come */
  int exhausted;           /* no more tasks will come */
  int feeding;             /* the input's own code runs */
  int paused;              /* the feeder yielded by itself (rest), not the input's code */
  int input;               /* descriptor of an input that has nothing now, though there is room; else -1 */
  int failed_input;        /* SLOT_ERROR holds what the input raised */
  int forked;              /* the first worker is */
  int streak, streak_most; /* results handed out since the last look at the workers */
  int64_t streak_began;
  int look;                    /* mask: watch() is called at streaks in which these bits are 0 */
  int64_t tick;                /* when SLOT_WATCHER is called next; CLOCK_NEVER: nobody watches */
  int64_t looked;              /* at the clock for that */
  lua_Integer failed;          /* of those delivered */
  struct pool_figures figures; /* of a closed map */
  struct map_times times;
  struct tally tally;       /* what the workers did */
  struct records records;   /* when the script wants a timeline */
  int epoll;                /* what an event loop waits on; -1: nobody asked */
  int alarm;                /* in it: a timer for what no bell rings for; -1: as above */
  struct reminder reminder; /* the same for a script that is notified */
};

/* [-0, +0, m] Registers the metatable of maps; adds `open`, `wait` and the table `methods` to the table on top. */
void map_register(lua_State *L);

/* [-0, +0, v] The map at 1. */
struct map *map_check(lua_State *L);
struct map *map_check_open(lua_State *L);

static inline int map_is_copy(const struct map *map) {
  return map->forks != forks_depth;
}

/* [-0, +0, v] Raises in a copy: the rings are the parent's. For each result: inline. */
static inline void map_check_own(lua_State *L, const struct map *map) {
  if (map_is_copy(map))
    luaL_error(L, "the map is another process's");
}

/* [-0, +1, m] Pushes what is the matter, and why: errno for SYSTEM. */
void map_explain(lua_State *L, enum status status, const char *what);

/* [-1, +0, v] Raises the text on the top, with the line of the script that called the module. */
int map_throw(lua_State *L);

/* [-0, +0, v] Both. */
void map_raise(lua_State *L, enum status status, const char *what);

/* Ends and reaps the workers, frees what is ours but figures and records. */
void map_release(struct map *map);

/* [-0, +0, e] The input of the map at idx may hold something that the script wants closed (each). */
void map_close_source(lua_State *L, int idx);

/* The parts' methods. */
extern const luaL_Reg feed_methods[], results_methods[], bells_methods[], watcher_methods[],
    figures_methods[];

/* [-0, +0, v] feed.c: starts the processes that are not there yet. Code of the script that runs later may change what they
   would see. */
void feed_start(lua_State *L, struct map *map);

/* [-0, +0, v] feed.c: pulls what there is room for; a finalizer may close the map meanwhile. Returns how many values the
   input's code yielded to somebody else, left on the feeder's stack; -1: none. `given`: values on L's top to resume
   it with. */
int feed_fill(lua_State *L, struct map *map, int given);

/* [-1, +0, -] feed.c: the error on L's top, of the input or about it, ends the input and waits for its turn: results before it are
   delivered first. The map is at index 1. */
void feed_fail(lua_State *L, struct map *map);

/* feed.c: true when feed_fill would pull more at once: it does so in portions. Who sleeps then may wait for nothing. */
int feed_hungry(const struct map *map);

/* bells.c: sleeps on the map's input, its bells and its pool's deadlines. As pool_wait; OK also when an input that had
   nothing has something. */
enum status bells_wait(struct map *map, int64_t deadline);

/* bells.c: what an event loop waits on is closed; no signal is sent any more. */
void bells_close(struct map *map);

/* bells.c: wait(seconds, map...), a function of the module. */
int bells_wait_for_maps(lua_State *L);

/* [-0, +0, e] watcher.c: called now and then; before each result when the script takes its time for one. */
void watcher_look(lua_State *L, struct map *map);
void watcher_end(lua_State *L, struct map *map); /* the map at 1 has ended; nobody is told in a copy */

#endif
