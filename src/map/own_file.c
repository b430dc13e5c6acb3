#include "config.h"
#include "own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "descriptor.h"

static int close_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* [-0, +0, -] Sets errno. */
static FILE *open_file(const char *path, int append) {
  int fd =
      descriptor_own(open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : 0), 0666));
  FILE *file = fd < 0 ? NULL : fdopen(fd, append ? "a" : "w");
  if (file == NULL && fd >= 0) {
    int error = errno;
    close(fd);
    errno = error;
  }
  return file;
}

/* file(path, append) -> a file to be written to, which keeps what it holds until `truncate`; else as io.open. None of the
   standard descriptors; commands do not inherit it. */
static int l_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->closef = NULL; /* it is closed until then */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  stream->f = open_file(path, lua_toboolean(L, 2));
  if (stream->f == NULL)
    return luaL_fileresult(L, 0, path);
  stream->closef = close_file;
  return 1;
}

/* truncate(file, size): cuts a file of `file` that nothing was written to yet; what is no regular file is left as it is.
   Returns as io.open does. */
static int l_truncate(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lua_Integer size = luaL_checkinteger(L, 2);
  struct stat about;
  int fd;
  luaL_argcheck(L, stream->closef != NULL, 1, "the file is closed");
  fd = fileno(stream->f);
  if (fstat(fd, &about) == 0 && !S_ISREG(about.st_mode))
    return luaL_fileresult(L, 1, NULL);
  return luaL_fileresult(L, ftruncate(fd, (off_t)size) == 0, NULL);
}

void own_file_register(lua_State *L) {
  lua_pushcfunction(L, l_file);
  lua_setfield(L, -2, "file");
  lua_pushcfunction(L, l_truncate);
  lua_setfield(L, -2, "truncate");
}
