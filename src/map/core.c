#include "config.h"
#include "core.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "blocking.h"
#include "clock.h"
#include "codec.h"
#include "cpus.h"
#include "heed.h"
#include "library.h"
#include "lines.h"
#include "lock.h"
#include "map.h"
#include "mask.h"
#include "notice.h"
#include "outlet.h"
#include "output.h"
#include "own_file.h"
#include "plain.h"
#include "recorder.h"
#include "terminal.h"
#include "worker.h"

#define BUFFER_KEEP ((size_t)1 << 16) /* bytes of encode's buffer that are kept between calls */
#define LONG_STRING 4096              /* bytes from which a string is worth a way of its own */

/* sleep(seconds): this thread only. A hook that a signal handler sets meanwhile acts at once; it may raise. */
static int l_sleep(lua_State *L) {
  int64_t deadline = clock_after(luaL_checknumber(L, 1));
  int64_t left;
  output_pause();
  blocking_begin();
  heed_hold(L);
  while ((left = deadline - clock_now()) > 0) {
    struct timespec pause = {left / CLOCK_SECOND, left % CLOCK_SECOND};
    if (ppoll(NULL, 0, &pause, mask_asleep()) >= 0)
      continue;
    mask_release();
    heed_hold(L);
  }
  mask_release();
  blocking_end();
  return 0;
}

/* now() -> seconds since some fixed point, monotonic */
static int l_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock_now() / (lua_Number)CLOCK_SECOND);
  return 1;
}

/* cpus() -> CPUs this process may use */
static int l_cpus(lua_State *L) {
  lua_pushinteger(L, cpus_usable());
  return 1;
}

/* depth() -> 0 in the script, 1 in its tasks, 2 in the tasks of a map inside a task … */
static int l_depth(lua_State *L) {
  lua_pushinteger(L, worker_depth());
  return 1;
}

static int l_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* terminal() -> columns, rows of the terminal that stderr is; false when another job uses it; nil when it is none */
static int l_terminal(lua_State *L) {
  int columns, rows;
  switch (terminal_size(&columns, &rows)) {
  case TERMINAL_OURS:
    lua_pushinteger(L, columns);
    lua_pushinteger(L, rows);
    return 2;
  case TERMINAL_OF_OTHERS:
    lua_pushboolean(L, 0);
    return 1;
  case TERMINAL_NONE:
    break;
  }
  lua_pushnil(L);
  return 1;
}

/* put(text) -> true, or nil, message, code: to stdout, in one piece also beside what tasks print */
static int l_put(lua_State *L) {
  size_t size, written = 0;
  const char *text = luaL_checklstring(L, 1, &size);
  struct outlet stdout_outlet;
  int good = fflush(stdout) == 0;
  outlet_open(&stdout_outlet, STDOUT_FILENO);
  while (good && written < size) {
    size_t n = outlet_write(&stdout_outlet, text + written, size - written);
    written += n;
    good = n > 0 || errno == EINTR;
  }
  return luaL_fileresult(L, good, NULL);
}

/* left() -> true when what was drawn is gone: Ctrl-Z has stopped the script since */
static int l_left(lua_State *L) {
  lua_pushboolean(L, terminal_was_left());
  return 1;
}

/* draw(text): to the terminal; draw(text, last): and `last`, however the process ends; draw(text, nil): no longer */
static int l_draw(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  if (!lua_isnone(L, 2))
    terminal_at_end(luaL_optstring(L, 2, NULL));
  terminal_write(text, size);
  return 0;
}

static int free_buffer(lua_State *L) {
  buffer_release(lua_touserdata(L, 1));
  return 0;
}

/* [-0, +1, m] An empty buffer. */
static void push_buffer(lua_State *L) {
  struct buffer *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (struct buffer){0};
  if (luaL_newmetatable(L, "fast_map.buffer")) {
    lua_pushcfunction(L, free_buffer);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

/* [-0, +1, m] The message of one long string: it is copied once, not twice. */
static void push_string_message(lua_State *L, size_t size) {
  unsigned char head[CODEC_HEAD_MOST];
  lua_pushlstring(L, (const char *)head, codec_string_head(head, size));
  lua_pushvalue(L, 1);
  lua_concat(L, 2);
}

/* encode(...) -> string. Raises for what cannot travel. Upvalue: a buffer, used again and again: nothing in here calls back. */
static int l_encode(lua_State *L) {
  int count = lua_gettop(L);
  struct codec_fault fault;
  struct buffer *b = lua_touserdata(L, lua_upvalueindex(1));
  enum status status;
  size_t size;
  if (count == 1 && lua_type(L, 1) == LUA_TSTRING && lua_tolstring(L, 1, &size) && size >= LONG_STRING) {
    push_string_message(L, size);
    return 1;
  }
  buffer_reset(b, BUFFER_KEEP);
  status = codec_encode(L, 1, count, b, NULL, &fault);
  if (status == STATUS_TYPE || status == STATUS_DEPTH)
    return luaL_error(L, "cannot encode: %s%s", strchr(".[(", *fault.text) != NULL ? "the value" : "",
                      fault.text);
  if (status != STATUS_OK)
    return luaL_error(L, "cannot encode: %s", status_text(status));
  lua_pushlstring(L, (const char *)b->bytes, b->size);
  return 1;
}

/* decode(string) -> ... */
static int l_decode(lua_State *L) {
  size_t size;
  int count;
  const char *bytes = luaL_checklstring(L, 1, &size);
  enum status status = codec_decode(L, bytes, size, NULL, &count);
  if (status != STATUS_OK)
    return luaL_error(L, "cannot decode: %s", status_text(status));
  return count;
}

/* serve(f): f() is called when a map with callbacks has something, while the script runs */
static int l_serve(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  notice_install(L);
  return 0;
}

/* on_report(f): f() is called after the signal that asks what goes on (SIGUSR1) */
static int l_on_report(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  notice_report(L);
  return 0;
}

/* notice(): the function given to serve is called when the statement that goes on now is complete */
static int l_notice(lua_State *L) {
  (void)L;
  notice_after_statement();
  return 0;
}

/* decimal_point() -> what numbers have now */
static int l_decimal_point(lua_State *L) {
  lua_pushstring(L, localeconv()->decimal_point);
  return 1;
}

/* plain(f, ...) -> what f(...) returns; see plain.lua */
static int l_plain(lua_State *L) {
  locale_t before;
  int status;
  luaL_checkany(L, 1);
  before = plain_enter();
  status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  plain_leave(before);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* [-0, +0, -] The library stays when the state is closed: signals may still reach its handlers, and what is built once a
   program is kept. */
static void stay_loaded(void) {
  Dl_info info;
  if (dladdr(library_address(luaopen_fast_map_core), &info) != 0)
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

int luaopen_fast_map_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"sleep", l_sleep},
                                       {"now", l_now},
                                       {"cpus", l_cpus},
                                       {"decode", l_decode},
                                       {"serve", l_serve},
                                       {"notice", l_notice},
                                       {"on_report", l_on_report},
                                       {"terminal", l_terminal},
                                       {"draw", l_draw},
                                       {"left", l_left},
                                       {"put", l_put},
                                       {"pid", l_pid},
                                       {"depth", l_depth},
                                       {"plain", l_plain},
                                       {"decimal_point", l_decimal_point},
                                       {NULL, NULL}};
  stay_loaded();
  luaL_newlib(L, functions);
  push_buffer(L);
  lua_pushcclosure(L, l_encode, 1);
  lua_setfield(L, -2, "encode");
  lines_register(L);
  own_file_register(L);
  lock_register(L);
  map_register(L);
  recorder_register(L);
  lua_pushliteral(L, PACKAGE_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
