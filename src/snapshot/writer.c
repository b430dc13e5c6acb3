#include "config.h"
#include "writer.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>

#include "files.h"
#include "import.h"
#include "library.h"
#include "streams.h"

#define SCRATCH_KEEP  ((size_t)64 << 10)
#define NUMBER_LENGTH 64 /* bytes that a number takes at most */

static luaL_Stream *check_open(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  if (stream->closef == NULL)
    luaL_error(L, "attempt to use a closed file");
  return stream;
}

/* [-0, +1, e] Pushes io.output(). */
static luaL_Stream *push_default(lua_State *L) {
  luaL_Stream *stream;
  lua_getfield(L, LUA_REGISTRYINDEX, FILES_OUTPUT);
  stream = lua_touserdata(L, -1);
  if (stream->closef == NULL)
    luaL_error(L, "default %s file is closed", "output");
  return stream;
}

/* ------------------------------------------------------------------ writing */

/* [-0, +0, v] Raises where Lua's own functions would, before anything is written. */
static void check_values(lua_State *L, int first, int last) {
  for (int i = first; i <= last; i++)
    if (lua_type(L, i) != LUA_TSTRING && lua_type(L, i) != LUA_TNUMBER)
      luaL_checkstring(L, i);
}

static enum status append_number(lua_State *L, int idx, struct buffer *b) {
  enum status status = buffer_reserve(b, NUMBER_LENGTH);
  char *at = (char *)b->bytes + b->size;
  if (status != STATUS_OK)
    return status;
  if (lua_isinteger(L, idx))
    b->size += (size_t)snprintf(at, NUMBER_LENGTH, LUA_INTEGER_FMT, (LUAI_UACINT)lua_tointeger(L, idx));
  else
    b->size += (size_t)snprintf(at, NUMBER_LENGTH, LUA_NUMBER_FMT, (LUAI_UACNUMBER)lua_tonumber(L, idx));
  return STATUS_OK;
}

/* [-0, +0, -] Appends a string, or a number as io.write shows it. */
static enum status append(lua_State *L, int idx, struct buffer *b) {
  size_t size;
  const char *bytes;
  if (lua_type(L, idx) == LUA_TNUMBER)
    return append_number(L, idx, b);
  bytes = lua_tolstring(L, idx, &size);
  return buffer_append(b, bytes, size);
}

/* [-0, +0, -] One piece, so that it stays whole. False: errno says why. */
static int put(lua_State *L, const luaL_Stream *stream, const void *bytes, size_t size) {
  if (files_shared(stream))
    return output_write(&import_of(L)->output, stream->f, bytes, size);
  return streams_write(stream->f, bytes, size);
}

/* [-0, +0, -] Strings and numbers. As put. */
static int put_values(lua_State *L, const luaL_Stream *stream, int first, int last) {
  struct buffer *b = &import_of(L)->scratch;
  enum status status = STATUS_OK;
  size_t size;
  const char *bytes;
  if (first == last && lua_type(L, first) == LUA_TSTRING) {
    bytes = lua_tolstring(L, first, &size);
    return put(L, stream, bytes, size);
  }
  buffer_reset(b, SCRATCH_KEEP);
  for (int i = first; i <= last && status == STATUS_OK; i++)
    status = append(L, i, b);
  if (status == STATUS_OK)
    return put(L, stream, b->bytes, b->size);
  errno = ENOMEM;
  return 0;
}

/* [-0, +n, e] The file is on the top, the values below it. */
static int write_values(lua_State *L, const luaL_Stream *stream, int first) {
  const int last = lua_gettop(L) - 1;
  check_values(L, first, last);
  return put_values(L, stream, first, last) ? 1 : luaL_fileresult(L, 0, NULL);
}

int writer_write(lua_State *L) {
  const luaL_Stream *stream = check_open(L);
  lua_pushvalue(L, 1);
  return write_values(L, stream, 2);
}

int writer_io_write(lua_State *L) {
  return write_values(L, push_default(L), 1);
}

/* [-0, +0, -] The values, which are strings, as a line. */
static enum status join_line(lua_State *L, struct buffer *b) {
  const int n = lua_gettop(L);
  enum status status = STATUS_OK;
  buffer_reset(b, SCRATCH_KEEP);
  for (int i = 1; i <= n && status == STATUS_OK; i++)
    if ((status = append(L, i, b)) == STATUS_OK)
      status = buffer_append(b, i < n ? "\t" : "\n", 1);
  return n == 0 ? buffer_append(b, "\n", 1) : status;
}

int writer_print(lua_State *L) {
  struct import *I = import_of(L);
  const int n = lua_gettop(L);
  for (int i = 1; i <= n; i++) { /* first: a __tostring may print, too */
    luaL_tolstring(L, i, NULL);
    lua_replace(L, i);
  }
  if (join_line(L, &I->scratch) == STATUS_OK)
    output_write(&I->output, stdout, I->scratch.bytes, I->scratch.size);
  return 0;
}

/* ------------------------------------------------------------------ buffers */

static int flush(lua_State *L, const luaL_Stream *stream) {
  int good = files_shared(stream) ? output_flush(&import_of(L)->output, stream->f) : fflush(stream->f) == 0;
  return luaL_fileresult(L, good, NULL);
}

int writer_flush(lua_State *L) {
  return flush(L, check_open(L));
}

int writer_io_flush(lua_State *L) {
  return flush(L, push_default(L));
}

/* [-0, +n, e] Calls Lua's own method. */
static int call_original(lua_State *L, const char *name) {
  return library_named(LIBRARY_FILE, name)->function(L);
}

int writer_setvbuf(lua_State *L) {
  static const char *const names[] = {"no", "full", "line", NULL};
  static const enum sink_mode modes[] = {SINK_NONE, SINK_FULL, SINK_LINES};
  const luaL_Stream *stream = check_open(L);
  int mode = luaL_checkoption(L, 2, NULL, names);
  lua_Integer size = luaL_optinteger(L, 3, LUAL_BUFFERSIZE);
  enum status status;
  if (!files_shared(stream) || stream->f == stdin)
    return call_original(L, "setvbuf");
  status = output_set_mode(&import_of(L)->output, stream->f, modes[mode], (size_t)size);
  errno = ENOMEM;
  return luaL_fileresult(L, status == STATUS_OK, NULL);
}
