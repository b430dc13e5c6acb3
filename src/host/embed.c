/* embed.c - a program of the build: writes a C file that holds Lua files, compiled, for fmlua to carry inside.
   Level 0: lua.h.

   embed ROOT FILE... > embedded.c     ROOT/a/b.lua becomes the module a.b, ROOT/a/init.lua the module a
   Compiled, because compiling them at each start of fmlua would double the time that a short script takes. */
#include "config.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_A_LINE 20

static size_t written; /* bytes of the present array */

/* lua_Writer: bytes as the elements of an array. */
static int write_bytes(lua_State *L, const void *bytes, size_t size, void *file) {
  const unsigned char *byte = bytes;
  (void)L;
  for (; size > 0; size--, byte++)
    if (fprintf(file, "%s%d,", written++ % BYTES_A_LINE == 0 ? "\n  " : "", *byte) < 0)
      return 1;
  return 0;
}

/* [-0, +1, e] Pushes the chunk's function, with `=a/b.lua` as its name in messages. */
static void load_file(lua_State *L, const char *path, const char *name) {
  static char text[1 << 20];
  FILE *file = fopen(path, "rb");
  size_t size;
  if (file == NULL)
    luaL_error(L, "cannot open %s", path);
  size = fread(text, 1, sizeof text, file);
  fclose(file);
  if (size == sizeof text)
    luaL_error(L, "%s is too long", path);
  if (luaL_loadbufferx(L, text, size, lua_pushfstring(L, "=%s", name), "t") != LUA_OK)
    lua_error(L);
  lua_remove(L, -2);
}

/* [-0, +1, e] Pushes the module's name. */
static const char *push_module(lua_State *L, const char *name) {
  luaL_gsub(L, name, ".lua", "");
  luaL_gsub(L, lua_tostring(L, -1), "/init", "");
  return luaL_gsub(L, lua_tostring(L, -1), "/", ".");
}

/* [-0, +0, e] embed(argv, argc) */
static int embed(lua_State *L) {
  char **argv = lua_touserdata(L, 1);
  int count = (int)lua_tointeger(L, 2);
  int i;
  printf("/* Made by embed.c: do not edit. */\n#include \"config.h\"\n#include \"embedded.h\"\n");
  for (i = 2; i < count; i++) {
    load_file(L, lua_pushfstring(L, "%s/%s", argv[1], argv[i]), argv[i]);
    printf("\nstatic const unsigned char bytes_%d[] = {", i);
    written = 0;
    lua_dump(L, write_bytes, stdout, 0);
    printf("};\n");
    lua_settop(L, 2);
  }
  printf("\nconst struct embedded embedded_modules[] = {\n");
  for (i = 2; i < count; i++) {
    printf("  {\"%s\", bytes_%d, sizeof bytes_%d},\n", push_module(L, argv[i]), i, i);
    lua_settop(L, 2);
  }
  printf("  {NULL, NULL, 0}};\n");
  return 0;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int status;
  if (L == NULL || argc < 2)
    return EXIT_FAILURE;
  lua_pushcfunction(L, embed);
  lua_pushlightuserdata(L, argv);
  lua_pushinteger(L, argc);
  status = lua_pcall(L, 2, 0, 0);
  if (status != LUA_OK)
    fprintf(stderr, "embed: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
