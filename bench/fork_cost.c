/* fork_cost.c - a Lua module with one function: what a fork of this very process costs.
   The yardstick for starting a map: the same heap, the same page tables. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* [-0, +1, v] fork_cost() -> seconds from fork until waitpid returned for a child that exits at once */
static int l_fork_cost(lua_State *L) {
  double began = now();
  pid_t pid = fork();
  if (pid == 0)
    _exit(0);
  if (pid < 0)
    return luaL_error(L, "fork failed");
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    ;
  lua_pushnumber(L, now() - began);
  return 1;
}

int luaopen_fork_cost(lua_State *L);

int luaopen_fork_cost(lua_State *L) {
  lua_pushcfunction(L, l_fork_cost);
  return 1;
}
