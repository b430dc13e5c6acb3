#include "config.h"
#include "map.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "descriptor.h"
#include "heed.h"
#include "mask.h"
#include "notice.h"
#include "output.h"
#include "transport_fork.h"

#define LOOK_NS 1000000 /* of the script's processor time, between two looks for results */

static int poll_until(struct pollfd *polls, int count, int64_t deadline) {
  int64_t left = deadline - clock_now();
  struct timespec timeout = {left / CLOCK_SECOND, left % CLOCK_SECOND};
  if (left <= 0)
    timeout = (struct timespec){0, 0};
  return ppoll(polls, (nfds_t)count, deadline == CLOCK_NEVER ? NULL : &timeout, mask_asleep());
}

enum status bells_wait(struct map *map, int64_t deadline) {
  struct pollfd *polls;
  enum status status;
  int ready, count;
  output_pause();
  if (map->input < 0)
    return pool_wait(map->pool, deadline);
  status = pool_wait(map->pool, 0);
  if (status != STATUS_AGAIN || errno == EINTR || transport_fork_arm(pool_transport(map->pool)))
    return status;
  count = transport_fork_bells(pool_transport(map->pool), &polls);
  polls[count++] = (struct pollfd){.fd = map->input, .events = POLLIN};
  ready = poll_until(polls, count, clock_sooner(deadline, pool_due(map->pool)));
  if (ready > 0)
    return STATUS_OK;
  if (ready == 0)
    errno = 0;
  return ready < 0 || clock_now() >= deadline ? STATUS_AGAIN : STATUS_OK;
}

/* -- waiting elsewhere ------------------------------------------------------ */

/* notify(map): from now on, an event has this thread get the signal that notice.h handles, while it computes; after arm, so does
   the pool's time */
static int l_notify(lua_State *L) {
  struct map *map = map_check_open(L);
  const struct recipient to = usher_recipient(NOTICE_SIGNAL);
  transport_fork_notify(pool_transport(map->pool), &to);
  reminder_init(&map->reminder, &to);
  return 0;
}

static enum status watch_bells(struct map *map) {
  struct pollfd *polls;
  int i, count = transport_fork_bells(pool_transport(map->pool), &polls);
  for (i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(map->epoll, EPOLL_CTL_ADD, polls[i].fd, &event) != 0 && errno != EEXIST)
      return STATUS_SYSTEM;
  }
  return STATUS_OK;
}

/* Whatever step would do at once, though no bell will ring for it: hand over a result that is here already, or the end; pull
   tasks, when its last caller had no time left to after the last result in hand. */
static int is_ready(struct map *map) {
  struct delivery d;
  return pool_ready(map->pool, &d) == STATUS_OK || (map->exhausted && pool_finished(map->pool)) ||
         feed_hungry(map);
}

/* OK SYSTEM */
static enum status open_alarm(struct map *map) {
  struct epoll_event event = {.events = EPOLLIN};
  if (map->alarm >= 0)
    return STATUS_OK;
  map->alarm = descriptor_own(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (map->alarm >= 0 && epoll_ctl(map->epoll, EPOLL_CTL_ADD, map->alarm, &event) == 0)
    return STATUS_OK;
  if (map->alarm >= 0)
    close(map->alarm);
  map->alarm = -1;
  return STATUS_SYSTEM;
}

/* Whatever there is without a bell makes the descriptor readable: something now, or the pool when it is due. */
static enum status set_alarm(struct map *map, int now) {
  int64_t due = now ? 1 : pool_due(map->pool);
  struct itimerspec at = {.it_value = {due / CLOCK_SECOND, due % CLOCK_SECOND}};
  if (open_alarm(map) != STATUS_OK)
    return STATUS_SYSTEM;
  return timerfd_settime(map->alarm, TFD_TIMER_ABSTIME, &at, NULL) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* True when there may be something already; else the bells will ring. */
static int arm(struct map *map) {
  return is_ready(map) || transport_fork_arm(pool_transport(map->pool));
}

/* arm(map) -> true when there may be a result already; else its bells, or its alarm, will ring for the next */
static int l_arm(lua_State *L) {
  struct map *map = map_check(L);
  int now = map->pool != NULL && arm(map);
  if (map->pool != NULL && map->reminder.owner != 0) {
    reminder_set(&map->reminder, pool_wanted(map->pool));
    usher_look_in(&map->reminder.to, LOOK_NS);
  }
  if (map->pool != NULL && map->epoll >= 0) {
    watch_bells(map); /* of workers that began since */
    set_alarm(map, now);
  }
  lua_pushboolean(L, now);
  return 1;
}

/* remind(map, seconds): it may have something that no bell will ring for: notify's signal comes then, unless arm comes first */
static int l_remind(lua_State *L) {
  struct map *map = map_check(L);
  int64_t at = clock_after(luaL_checknumber(L, 2));
  if (map->pool != NULL && map->reminder.owner != 0) {
    reminder_set(&map->reminder, at);
    usher_look_in(&map->reminder.to, LOOK_NS);
  }
  return 0;
}

/* fd(map) -> descriptor that is readable when step may have something; the same for the map's life. Arms the bells. */
static int l_fd(lua_State *L) {
  struct map *map = map_check_open(L);
  if (map->epoll < 0)
    map->epoll = descriptor_own(epoll_create1(EPOLL_CLOEXEC));
  if (map->epoll < 0 || watch_bells(map) != STATUS_OK || set_alarm(map, arm(map)) != STATUS_OK)
    map_raise(L, STATUS_SYSTEM, "cannot make a descriptor to wait on");
  lua_pushinteger(L, map->epoll);
  return 1;
}

void bells_close(struct map *map) {
  if (map->epoll >= 0)
    close(map->epoll);
  if (map->alarm >= 0)
    close(map->alarm);
  map->epoll = map->alarm = -1;
  reminder_release(&map->reminder);
}

/* [-0, +0, -] The time counts as the waiting of all maps, the arguments from 2 on; the first may come twice. */
static int poll_for_maps(lua_State *L, struct pollfd *polls, int count, int64_t deadline) {
  int64_t began = clock_now(), waited;
  int i, ready, top = lua_gettop(L);
  if (began >= deadline)
    return 0;
  output_pause();
  ready = poll_until(polls, count, deadline);
  waited = clock_now() - began;
  for (i = 2; i <= top; i++) {
    struct map *map = lua_touserdata(L, i);
    if (i == 2 || map != lua_touserdata(L, 2))
      map->times.waited_ns += waited;
  }
  return ready;
}

/* [-0, +1, m] Room for the bells of the maps, the arguments from 2 on. */
static struct pollfd *push_room(lua_State *L) {
  size_t count = 0;
  int i, top = lua_gettop(L);
  for (i = 2; i <= top; i++)
    count += 2 * (size_t)((struct map *)lua_touserdata(L, i))->context.worker_count;
  return lua_newuserdatauv(L, count * sizeof(struct pollfd), 0);
}

/* wait(seconds, map...): sleeps until one of the maps may have something, or so long, or until one's watcher or its pool is
   due (a retry's delay is over, say); not when one has something already, or is closed: a hook may have served it since the
   caller looked */
int bells_wait_for_maps(lua_State *L) {
  int64_t deadline = clock_after(luaL_checknumber(L, 1));
  struct pollfd *polls, *own;
  int i, n, count = 0, top = lua_gettop(L), woken = 0;
  for (i = 2; i <= top; i++)
    luaL_checkudata(L, i, MAP);
  polls = push_room(L);
  lua_replace(L, 1);
  heed_hold(L);
  for (i = 2; i <= top; i++) {
    struct map *map = lua_touserdata(L, i);
    if (map->pool == NULL || arm(map))
      break;
    deadline = clock_sooner(clock_sooner(deadline, map->tick), pool_due(map->pool));
    n = transport_fork_bells(pool_transport(map->pool), &own);
    memcpy(polls + count, own, (size_t)n * sizeof *polls);
    count += n;
  }
  if (i > top)
    woken = poll_for_maps(L, polls, count, deadline) < 0;
  mask_release();
  if (woken)
    heed(L);
  return 0;
}

const luaL_Reg bells_methods[] = {
    {"notify", l_notify}, {"arm", l_arm}, {"remind", l_remind}, {"fd", l_fd}, {NULL, NULL}};
