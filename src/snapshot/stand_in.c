#include "config.h"
#include "stand_in.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocking.h"
#include "clock.h"
#include "files.h"
#include "library.h"
#include "offset.h"
#include "raw.h"
#include "running.h"
#include "shell.h"
#include "writer.h"

/* ------------------------------------------------------------------ os */

static int os_exit(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return luaL_error(L, lua_isnone(L, 1) ? "os.exit() called in a task" : "os.exit(%s) called in a task",
                    lua_tostring(L, -1));
}

static int os_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  int status;
  if (command == NULL) {
    lua_pushboolean(L, system(NULL));
    return 1;
  }
  output_yield();
  fflush(stdout); /* what C libraries have printed */
  errno = 0;
  blocking_begin();
  running_hold_still(1);
  status = shell_run(command);
  running_hold_still(0);
  blocking_end();
  return luaL_execresult(L, status);
}

/* The clock of the process would count what other tasks compute. */
static int os_clock(lua_State *L) {
  struct timespec used = {0};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  lua_pushnumber(L, (lua_Number)used.tv_sec + (lua_Number)used.tv_nsec / 1e9);
  return 1;
}

/* ------------------------------------------------------------------ fast_map */

static int do_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* fast_map.sleep while nothing else of fast_map is used: no callbacks to think of. */
int stand_in_sleep(lua_State *L) {
  int64_t deadline = clock_after(luaL_checknumber(L, 1)), left;
  if (import_of(L)->whole) {
    lua_settop(L, 1);
    lua_pushliteral(L, "fast_map");
    if (import_field(L, FROZEN_LOADED, STEP_LOADED, -1) && lua_getfield(L, -1, "sleep") == LUA_TFUNCTION) {
      lua_pushvalue(L, 1);
      lua_call(L, 1, 0);
      return 0;
    }
  }
  output_pause();
  blocking_begin();
  while ((left = deadline - clock_now()) > 0) {
    struct timespec pause = {left / CLOCK_SECOND, left % CLOCK_SECOND};
    if (nanosleep(&pause, NULL) == 0)
      continue;
    if (running_is_ending())
      break; /* the hook raises next */
    if (lua_gethook(L) != NULL) {
      lua_pushcfunction(L, do_nothing);
      lua_call(L, 0, 0); /* a call is an event for the hook */
    }
  }
  blocking_end();
  return 0;
}

lua_CFunction stand_in_for(const char *library, const char *name) {
  static const struct {
    const char *library, *name;
    lua_CFunction function;
  } stand_ins[] = {
      {"_G", "print", writer_print},
      {"_G", "next", raw_next},
      {"_G", "pairs", raw_pairs},
      {"_G", "rawget", raw_get},
      {"_G", "rawset", raw_set},
      {"_G", "getmetatable", raw_getmetatable},
      {"_G", "setmetatable", raw_setmetatable},
      {"debug", "getmetatable", raw_debug_getmetatable},
      {"debug", "setmetatable", raw_debug_setmetatable},
      {"os", "clock", os_clock},
      {"os", "exit", os_exit},
      {"os", "execute", os_execute},
      {"io", "popen", files_popen},
      {"io", "write", writer_io_write},
      {"io", "flush", writer_io_flush},
      {LIBRARY_FILE, "write", writer_write},
      {LIBRARY_FILE, "flush", writer_flush},
      {LIBRARY_FILE, "seek", offset_seek},
      {LIBRARY_FILE, "setvbuf", writer_setvbuf},
      {"coroutine", "resume", running_resume},
      {"coroutine", "wrap", running_wrap},
  };
  for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++)
    if (strcmp(stand_ins[i].library, library) == 0 && strcmp(stand_ins[i].name, name) == 0)
      return stand_ins[i].function;
  return NULL;
}
