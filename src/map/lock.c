#include "config.h"
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <lauxlib.h>

#include "blocking.h"
#include "descriptor.h"
#include "heed.h"
#include "output.h"

#define LOCK "fast_map.lock"

struct lock {
  int fd; /* -1: it is closed */
};

/* Unlocked first: a child that was forked meanwhile has the descriptor as well. */
static int l_close(lua_State *L) {
  struct lock *lock = luaL_checkudata(L, 1, LOCK);
  int fd = lock->fd;
  lock->fd = -1;
  if (fd >= 0) {
    output_yield(); /* what was printed under the lock comes before what others print there */
    flock(fd, LOCK_UN);
    close(fd);
  }
  return 0;
}

static int l_tostring(lua_State *L) {
  const struct lock *lock = luaL_checkudata(L, 1, LOCK);
  lua_pushfstring(L, lock->fd < 0 ? LOCK " (closed)" : LOCK " (%p)", (const void *)lock);
  return 1;
}

/* [-0, +1, m] A lock that is closed. */
static struct lock *push_lock(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__gc", l_close}, {"__close", l_close}, {"__tostring", l_tostring}, {NULL, NULL}};
  struct lock *lock = lua_newuserdatauv(L, sizeof *lock, 0);
  lock->fd = -1;
  if (luaL_newmetatable(L, LOCK)) {
    luaL_setfuncs(L, meta, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "close");
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return lock;
}

/* A file that may only be read can be locked as well. */
static int open_file(const char *path) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
  if (fd < 0 && errno == EACCES)
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  return descriptor_own(fd);
}

/* [-0, +0, e] Waits; the hook that a signal handler has left acts meanwhile, and may raise. 0, or an error number. */
static int wait_for(lua_State *L, int fd) {
  int error = 0;
  output_pause();
  blocking_begin();
  while (flock(fd, LOCK_EX) != 0) {
    error = errno;
    if (error != EINTR)
      break;
    error = 0;
    heed(L);
  }
  blocking_end();
  return error;
}

/* lock(path) -> lock; nil and why there is none */
static int l_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct lock *lock = push_lock(L);
  int error = 0;
  lock->fd = open_file(path);
  if (lock->fd < 0)
    return luaL_fileresult(L, 0, path);
  if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0)
    error = errno == EWOULDBLOCK || errno == EINTR ? wait_for(L, lock->fd) : errno;
  if (error == 0)
    return 1;
  errno = error;
  return luaL_fileresult(L, 0, path);
}

void lock_register(lua_State *L) {
  lua_pushcfunction(L, l_lock);
  lua_setfield(L, -2, "lock");
}
