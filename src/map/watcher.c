#include "config.h"
#include "map.h"

#include "clock.h"

#define LOOK 15                  /* a mask: every 16th result the clock is looked at, when somebody watches */
#define TICK (CLOCK_SECOND / 10) /* between two looks of whoever watches the map */

/* watch(map, f): from now on f(delivered, failed, pulled, exhausted, ended) is called ten times a second while the map waits
   or hands out results, and once after its end */
static int l_watch(lua_State *L) {
  struct map *map = map_check_open(L);
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
void watcher_look(lua_State *L, struct map *map) {
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

/* at_end(map, f): f(map) is called once, when the map has ended, however it did */
static int l_at_end(lua_State *L) {
  map_check_open(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, SLOT_END);
  return 0;
}

/* [-0, +0, e] */
void watcher_end(lua_State *L, struct map *map) {
  if (map_is_copy(map))
    return;
  if (map->tick != CLOCK_NEVER) {
    map->tick = CLOCK_NEVER;
    call_watcher(L, map, 1);
  }
  if (lua_getiuservalue(L, 1, SLOT_END) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return;
  }
  lua_pushnil(L);
  lua_setiuservalue(L, 1, SLOT_END);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
}

const luaL_Reg watcher_methods[] = {{"watch", l_watch}, {"at_end", l_at_end}, {NULL, NULL}};
