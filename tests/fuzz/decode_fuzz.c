/* decode_fuzz.c - any bytes are a message or an error; what they decode to can be encoded and decoded again.
   A libFuzzer target; with -DONE_FILE a program that takes the files named on its command line instead. */
#include "config.h"
#include "codec.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct message {
  const void *bytes;
  size_t size;
};

#define insist(what)                                                                                         \
  do {                                                                                                       \
    if (!(what)) {                                                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);                                   \
      abort();                                                                                               \
    }                                                                                                        \
  } while (0)

/* [-1, +count|0, e] Protected: decodes the message that the light userdata points to. */
static int decode(lua_State *L) {
  const struct message *message = lua_touserdata(L, 1);
  int count = -1;
  enum status status;
  lua_settop(L, 0);
  status = codec_decode(L, message->bytes, message->size, NULL, &count);
  insist(status == STATUS_OK || status == STATUS_FORMAT || status == STATUS_DEPTH || status == STATUS_NOMEM);
  insist(lua_gettop(L) == (status == STATUS_OK ? count : 0));
  return lua_gettop(L);
}

static int decode_protected(lua_State *L, const void *bytes, size_t size) {
  struct message message = {bytes, size};
  lua_settop(L, 0);
  lua_pushcfunction(L, decode);
  lua_pushlightuserdata(L, &message);
  insist(lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK);
  return lua_gettop(L);
}

static void run(lua_State *L, const uint8_t *bytes, size_t size) {
  struct buffer b = {0};
  int count = decode_protected(L, bytes, size);
  if (count > 0) {
    insist(codec_encode(L, 1, count, &b, NULL, NULL) == STATUS_OK);
    insist(lua_gettop(L) == count);
    insist(decode_protected(L, b.bytes, b.size) == count);
  }
  buffer_release(&b);
  lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static lua_State *L;
  static unsigned runs;
  if (L == NULL)
    insist((L = luaL_newstate()) != NULL);
  run(L, bytes, size);
  if (++runs % 256 == 0)
    lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

#ifdef ONE_FILE
int main(int argc, char **argv) {
  static uint8_t bytes[1 << 20];
  int i;
  for (i = 1; i < argc; i++) {
    FILE *file = fopen(argv[i], "rb");
    insist(file != NULL);
    LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
  }
  printf("%d files: no finding\n", argc - 1);
  return 0;
}
#endif
