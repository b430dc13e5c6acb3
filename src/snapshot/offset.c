#include "config.h"
#include "offset.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "import.h"
#include "streams.h"

static const char *mode_of(int flags) {
  if ((flags & O_ACCMODE) == O_RDONLY)
    return "r";
  if ((flags & O_APPEND) != 0)
    return (flags & O_ACCMODE) == O_RDWR ? "a+" : "a";
  return (flags & O_ACCMODE) == O_RDWR ? "r+" : "w"; /* fdopen does not truncate */
}

/* The same file opened once more; NULL where there is no such way, or no permission any more. */
static FILE *reopen(int fd, int flags) {
  char path[40];
  FILE *f;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  fd = open(path, (flags & (O_ACCMODE | O_APPEND)) | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  f = fdopen(fd, mode_of(flags));
  if (f == NULL)
    close(fd);
  return f;
}

/* Whether a task that seeks shall do so alone. Who goes to the end of a file in order to write there goes with all: alone, two
   would write over each other. */
static int is_alone(int fd, int flags, int whence) {
  struct stat file;
  return flags >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
         (whence != SEEK_END || (flags & O_ACCMODE) == O_RDONLY);
}

/* The handle gets a stream of its own, at the same place. Where it went before with all, only to see how long the file is, they
   go back. */
static void part(struct files_handle *handle, int whence) {
  FILE *shared = handle->shared;
  int fd = fileno(shared), flags = fcntl(fd, F_GETFL);
  off_t at = streams_position(shared);
  FILE *f = at >= 0 && is_alone(fd, flags, whence) ? reopen(fd, flags) : NULL;
  if (f == NULL)
    return;
  setvbuf(f, NULL, (flags & O_ACCMODE) == O_WRONLY ? _IONBF : _IOLBF,
          BUFSIZ); /* as what all share is written */
  fseeko(f, at, SEEK_SET);
  if (handle->end == at)
    streams_seek(shared, handle->before, SEEK_SET);
  files_part(handle, f);
}

/* With all who share the offset. */
static off_t seek_shared(luaL_Stream *stream, off_t by, int whence) {
  struct files_handle *handle = files_may_part(stream);
  off_t before = streams_position(stream->f), at;
  if (whence == SEEK_CUR && by == 0)
    return before; /* it only asks */
  at = streams_seek(stream->f, by, whence);
  if (handle != NULL && at >= 0) {
    handle->before = before;
    handle->end = whence == SEEK_END ? at : -1;
  }
  return at;
}

static off_t seek(luaL_Stream *stream, off_t by, int whence) {
  struct files_handle *handle = files_may_part(stream);
  if (handle != NULL && (whence != SEEK_CUR || by != 0))
    part(handle, whence);
  if (files_shared(stream))
    return seek_shared(stream, by, whence);
  return fseeko(stream->f, by, whence) == 0 ? ftello(stream->f) : -1;
}

int offset_seek(lua_State *L) {
  static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  static const char *const names[] = {"set", "cur", "end", NULL};
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int whence;
  lua_Integer by;
  if (stream->closef == NULL)
    return luaL_error(L, "attempt to use a closed file");
  whence = whences[luaL_checkoption(L, 2, "cur", names)];
  by = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, (lua_Integer)(off_t)by == by, 3, "not an integer in proper range");
  if (files_shared(stream))
    output_flush(&import_of(L)->output, stream->f);
  by = (lua_Integer)seek(stream, (off_t)by, whence);
  if (by < 0)
    return luaL_fileresult(L, 0, NULL);
  lua_pushinteger(L, by);
  return 1;
}
