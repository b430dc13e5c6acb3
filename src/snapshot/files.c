#include "config.h"
#include "files.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "blocking.h"
#include "running.h"
#include "shell.h"
#include "standard.h"
#include "streams.h"

static const char *const names[] = {"stdin", "stdout", "stderr", NULL};

static const char
    standard_keys[3]; /* registry: this state's own handles of the standard files, which io may not have */

static FILE *standard(int i) {
  return i == 0 ? stdin : i == 1 ? stdout : stderr;
}

const char *files_name(lua_State *L, int idx) {
  luaL_Stream *stream = luaL_testudata(L, idx, LUA_FILEHANDLE);
  for (int i = 0; stream != NULL && stream->closef != NULL && names[i] != NULL; i++)
    if (stream->f == standard(i))
      return names[i];
  return NULL;
}

void files_open(lua_State *L) {
  for (int i = 0; names[i] != NULL; i++) {
    lua_getfield(L, -1, names[i]);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &standard_keys[i]);
  }
}

int files_push(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_IOLIBNAME) == LUA_TTABLE) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (luaL_testudata(L, -1, LUA_FILEHANDLE) != NULL) {
      lua_replace(L, top + 1);
      lua_settop(L, top + 1);
      return 1;
    }
  }
  lua_settop(L, top);
  return 0;
}

/* Closes the handle only: the stream is the script's. */
static int close_handle(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, output_flush(&import_of(L)->output, stream->f) && streams_settle(stream->f) == 0,
                         NULL);
}

/* It has parted: the stream is its own. */
static int close_parted(lua_State *L) {
  struct files_handle *handle = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  FILE *own = handle->stream.f;
  handle->stream.f = handle->shared;
  return luaL_fileresult(L, fclose(own) == 0, NULL);
}

struct files_handle *files_may_part(luaL_Stream *stream) {
  return stream->closef == close_handle ? (struct files_handle *)stream : NULL;
}

void files_part(struct files_handle *handle, FILE *own) {
  handle->stream.f = own;
  handle->stream.closef = close_parted;
}

static const FILE *shared_stream(const luaL_Stream *stream) {
  return stream->closef == close_parted ? ((const struct files_handle *)stream)->shared : stream->f;
}

int files_shared(const luaL_Stream *stream) {
  return stream->closef == close_handle || stream->f == stdin || stream->f == stdout || stream->f == stderr;
}

/* Whether the view's top is a file. */
static int is_file(struct copy *c) {
  const void *meta = NULL;
  if (lua_getmetatable(c->view, -1)) {
    meta = lua_topointer(c->view, -1);
    lua_pop(c->view, 1);
  }
  return meta != NULL && meta == c->import->snapshot->tables.file_meta;
}

int files_same(struct copy *c) {
  const luaL_Stream *original, *copy;
  if (!is_file(c))
    return 1;
  original = lua_touserdata(c->view, -1);
  copy = luaL_testudata(c->L, -1, LUA_FILEHANDLE);
  return copy != NULL && shared_stream(copy) == original->f && original->closef != NULL;
}

int files_copy(struct copy *c) {
  lua_State *L = c->L;
  luaL_Stream *original;
  struct files_handle *copy;
  uint32_t entry;
  if (!is_file(c))
    return 0;
  original = lua_touserdata(c->view, -1);
  standard_push(c, LUA_IOLIBNAME);
  lua_pop(L, 1);
  if ((entry = addresses_get(&c->import->known, original)) != 0) { /* it came with the library */
    lua_rawgeti(L, c->objects, (lua_Integer)entry);
    return 1;
  }
  for (int i = 0; original->closef != NULL && names[i] != NULL; i++) {
    if (original->f == standard(i)) {
      lua_rawgetp(L, LUA_REGISTRYINDEX, &standard_keys[i]);
      return 1;
    }
  }
  copy = lua_newuserdatauv(L, sizeof *copy, 0);
  copy->stream.f = copy->shared = original->f;
  copy->stream.closef = NULL;
  copy->end = -1;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  if (original->closef != NULL)
    copy->stream.closef = close_handle;
  return 1;
}

/* ------------------------------------------------------------------ popen */

struct pipe {
  luaL_Stream stream; /* first: it is a file to Lua */
  pid_t pid;
};

/* Where this task's own begin and end. */
static pid_t *opened(const struct import *I, pid_t **end) {
  pid_t *begin = (pid_t *)(void *)I->commands.bytes;
  *end = begin == NULL ? NULL : begin + I->commands.size / sizeof *begin;
  return begin;
}

static void forget(struct import *I, pid_t pid) {
  pid_t *end, *at = opened(I, &end);
  while (at < end && *at != pid)
    at++;
  if (at < end) {
    *at = end[-1];
    I->commands.size -= sizeof pid;
  }
}

static int close_pipe(lua_State *L) {
  struct pipe *pipe = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int status;
  forget(import_of(L), pipe->pid);
  output_yield();
  errno = 0;
  blocking_begin();
  running_hold_still(1);
  status = shell_close(pipe->pid, pipe->stream.f);
  running_hold_still(0);
  blocking_end();
  return luaL_execresult(L, status);
}

/* Lua's flushes all files first, and so waits for every thread that reads one. */
int files_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  struct pipe *pipe;
  luaL_argcheck(L, (mode[0] == 'r' || mode[0] == 'w') && mode[1] == '\0', 2, "invalid mode");
  pipe = lua_newuserdatauv(L, sizeof *pipe, 0);
  pipe->stream.closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  output_yield();
  fflush(stdout); /* what C libraries have printed */
  errno = 0;
  blocking_begin(); /* a process begins: the worker must know */
  pipe->pid = shell_open(command, mode[0] == 'w', &pipe->stream.f);
  blocking_end();
  if (pipe->pid < 0)
    return luaL_fileresult(L, 0, command);
  pipe->stream.closef = close_pipe;
  buffer_append(&import_of(L)->commands, &pipe->pid, sizeof pipe->pid);
  return 1;
}

void files_begin(struct import *I) {
  I->commands.size = 0;
}

void files_end(struct import *I) {
  pid_t *end, *at = opened(I, &end);
  while (at < end)
    shell_kill(*at++);
}
