#include "config.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lauxlib.h>

#include "buffer.h"

#define LINES     "fast_map.lines"
#define READ_SIZE ((size_t)64 << 10)

struct lines {
  struct buffer buffer; /* what was read; lines up to `taken` were handed out */
  size_t taken;
  size_t searched; /* no delimiter lies between taken and it */
  int fd;          /* -1: closed */
  int ended;
  char delimiter;
  uint64_t read_size;
  int64_t start; /* the offset of what was read first; -1: it is no regular file */
};

static struct lines *check_lines(lua_State *L) {
  return luaL_checkudata(L, 1, LINES);
}

static int l_close(lua_State *L) {
  struct lines *lines = check_lines(L);
  if (lines->fd >= 0)
    close(lines->fd);
  lines->fd = -1;
  lines->ended = 1;
  lines->taken = lines->searched = 0;
  buffer_release(&lines->buffer);
  return 0;
}

/* The standard input moves to another descriptor, and what tasks start finds /dev/null in its place: a command that reads
   would take lines away. */
static int take_over(int fd) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 3), null;
  if (own < 0 || fd != STDIN_FILENO)
    return own;
  null = open("/dev/null", O_RDONLY);
  if (null >= 0) {
    dup2(null, fd);
    close(null);
  }
  return own;
}

/* What reading it would fail with, 0 for nothing: better known before other files are changed. */
static int fault_of(int fd) {
  struct stat about;
  if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return EBADF;
  return fstat(fd, &about) == 0 && S_ISDIR(about.st_mode) ? EISDIR : 0;
}

static int64_t start_of(int fd) {
  struct stat about;
  return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) ? (int64_t)lseek(fd, 0, SEEK_CUR) : -1;
}

/* lines(fd, delimiter) -> function that returns a line, false for none now, nil at the end. Raises what reading raises. */
static int l_open(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  const char *delimiter = luaL_checkstring(L, 2);
  struct lines *lines = lua_newuserdatauv(L, sizeof *lines, 0);
  *lines = (struct lines){.fd = -1, .delimiter = delimiter[0]};
  luaL_setmetatable(L, LINES);
  lines->fd = take_over(fd);
  if (lines->fd >= 0)
    errno = fault_of(lines->fd);
  if (lines->fd < 0 || errno != 0)
    return luaL_error(L, "cannot read the standard input: %s", strerror(errno));
  lines->start = start_of(lines->fd);
  return 1;
}

/* [-0, +0, v] Moves what is left to the front and appends what there is to read. Returns 0: nothing now. */
static int read_more(lua_State *L, struct lines *lines) {
  struct pollfd ready = {.fd = lines->fd, .events = POLLIN};
  struct buffer *b = &lines->buffer;
  ssize_t size;
  if (poll(&ready, 1, 0) <= 0)
    return 0;
  if (lines->taken > 0) {
    memmove(b->bytes, b->bytes + lines->taken, b->size - lines->taken);
    b->size -= lines->taken;
    lines->searched -= lines->taken;
    lines->taken = 0;
  }
  if (buffer_reserve(b, READ_SIZE) != STATUS_OK)
    return luaL_error(L, "not enough memory for a line");
  size = read(lines->fd, b->bytes + b->size, READ_SIZE);
  if (size < 0 && errno != EINTR && errno != EAGAIN)
    return luaL_error(L, "cannot read the standard input: %s", strerror(errno));
  if (size > 0) {
    b->size += (size_t)size;
    lines->read_size += (uint64_t)size;
  }
  lines->ended = size == 0;
  return size >= 0;
}

/* [-0, +1, m] The line that ends before `end`; what follows starts at `next`. */
static int push_line(lua_State *L, struct lines *lines, size_t end, size_t next) {
  lua_pushlstring(L, (const char *)lines->buffer.bytes + lines->taken, end - lines->taken);
  lines->taken = lines->searched = next;
  return 1;
}

/* [-0, +1, v] The function that lines makes. */
static int l_next(lua_State *L) {
  struct lines *lines = check_lines(L);
  struct buffer *b = &lines->buffer;
  for (;;) {
    size_t left = b->size - lines->searched;
    const unsigned char *end = left == 0 ? NULL : memchr(b->bytes + lines->searched, lines->delimiter, left);
    if (end != NULL)
      return push_line(L, lines, (size_t)(end - b->bytes), (size_t)(end - b->bytes) + 1);
    lines->searched = b->size;
    if (lines->ended)
      break;
    if (!read_more(L, lines)) {
      lua_pushboolean(L, 0);
      return 1;
    }
  }
  if (lines->taken < b->size)
    return push_line(L, lines, b->size, b->size);
  lua_pushnil(L);
  return 1;
}

/* fd(lines) -> the descriptor that becomes readable when there is more */
static int l_fd(lua_State *L) {
  lua_pushinteger(L, check_lines(L)->fd);
  return 1;
}

/* progress(lines) -> bytes of the lines handed out, and of all as far as one can see; nil: it is no regular file */
static int l_progress(lua_State *L) {
  struct lines *lines = check_lines(L);
  struct stat about;
  if (lines->fd < 0 || lines->start < 0 || fstat(lines->fd, &about) != 0)
    return 0;
  lua_pushinteger(L, (lua_Integer)(lines->read_size - (lines->buffer.size - lines->taken)));
  lua_pushinteger(L, (lua_Integer)about.st_size - (lua_Integer)lines->start);
  return 2;
}

void lines_register(lua_State *L) {
  static const luaL_Reg meta[] = {{"__gc", l_close}, {"__close", l_close}, {"__call", l_next}, {NULL, NULL}};
  luaL_newmetatable(L, LINES);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  lua_pushcfunction(L, l_fd);
  lua_setfield(L, -2, "fd");
  lua_pushcfunction(L, l_progress);
  lua_setfield(L, -2, "progress");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_open);
  lua_setfield(L, -2, "lines");
}
