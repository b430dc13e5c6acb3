/* fmlua.c - the host: runs Lua scripts like `lua`, with fast_map built in.
   Level 9: everything. */
#include "config.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "command_line.h"
#include "core.h"
#include "descriptor.h"
#include "embedded.h"
#include "memory.h"
#include "notice.h"
#include "repl.h"

#define INIT             "LUA_INIT"
#define INIT_5_4         INIT "_5_4"
#define EXIT_INTERRUPTED 130 /* what shells report for a program that Ctrl-C ended */

static const char *program = "fmlua";

static void show_version(void) {
  printf("%s\n", LUA_COPYRIGHT);
  fflush(stdout);
}

/*
** The state
*/

/* [-0, +1, e] Pushes the function of an embedded file. */
static void load_embedded(lua_State *L, const char *name) {
  const struct embedded *e = embedded_modules;
  while (e->module != NULL && strcmp(e->module, name) != 0)
    e++;
  if (e->module == NULL)
    luaL_error(L, "fmlua holds no module '%s'", name);
  if (luaL_loadbufferx(L, (const char *)e->bytes, e->size, name, "b") != LUA_OK)
    lua_error(L);
}

/* [-0, +1, e] Runs the embedded module that its first argument names. The loader in package.preload: without upvalues,
   so that it can travel to a task by its address. */
static int run_embedded(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  load_embedded(L, name);
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  return 1;
}

/* [-0, +1, m] The table of what options of maps are when the script does not say. */
static void push_defaults(lua_State *L, const struct command_line *c) {
  lua_newtable(L);
  if (c->progress) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "progress");
  }
  lua_pushstring(L, c->trace); /* NULL: nil */
  lua_setfield(L, -2, "trace");
  lua_pushstring(L, c->report);
  lua_setfield(L, -2, "report");
}

/* [-0, +0, e] The modules of fast_map in package.preload, its globals by lua/fmlua.lua. */
static void open_fast_map(lua_State *L, const struct command_line *c) {
  const struct embedded *e;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (e = embedded_modules; e->module != NULL; e++) {
    lua_pushcfunction(L, run_embedded);
    lua_setfield(L, -2, e->module);
  }
  lua_pushcfunction(L, luaopen_fast_map_core);
  lua_setfield(L, -2, "fast_map.core");
  lua_pop(L, 1);
  load_embedded(L, "fmlua");
  lua_pushcfunction(L, run_embedded);
  push_defaults(L, c);
  lua_call(L, 2, 0);
}

/* [-0, +0, m] The global `arg`: the script at 0, its arguments from 1, what stands before it below 0. */
static void define_arg(lua_State *L, char **argv, int count, int script) {
  int i;
  if (script == count)
    script = 0; /* no script: 0 is the program itself */
  lua_createtable(L, count - script, script + 1);
  for (i = 0; i < count; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/*
** What the command line asks for, in its order
*/

static int run_file(lua_State *L, const char *name) {
  return call_chunk(L, luaL_loadfile(L, name));
}

static int run_text(lua_State *L, const char *text, const char *name) {
  return call_chunk(L, luaL_loadbuffer(L, text, strlen(text), name));
}

/* [-0, +0, e] `mod` or `global=mod`. As in later releases of Lua 5.4, a module's version is no part of the global's name:
   `mod-v2` goes into `mod`. */
static int run_library(lua_State *L, const char *option) {
  const char *equals = strchr(option, '=');
  const char *module = equals != NULL ? equals + 1 : option;
  size_t size = strcspn(option, equals != NULL ? "=" : "-");
  int status;
  lua_pushlstring(L, option, size);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  status = call_run(L, 1, 1);
  if (status == LUA_OK)
    lua_setglobal(L, lua_tostring(L, -2));
  call_report(L, status);
  lua_pop(L, 1);
  return status;
}

static int run_init(lua_State *L) {
  const char *name = "=" INIT_5_4;
  const char *text = getenv(name + 1);
  if (text == NULL) {
    name = "=" INIT;
    text = getenv(name + 1);
  }
  if (text == NULL)
    return LUA_OK;
  return text[0] == '@' ? run_file(L, text + 1) : run_text(L, text, name);
}

/* [-0, +0, e] The options -e, -l and -W among the first `end` arguments; ends with the first that fails. */
static int run_options(lua_State *L, char **argv, int end) {
  int i, status = LUA_OK;
  for (i = 1; i < end && status == LUA_OK; i++) {
    int option = argv[i][1];
    if (command_line_takes_file(argv[i]))
      i++;
    if (option == 'W')
      lua_warning(L, "@on", 0);
    if (option == 'e' || option == 'l') {
      const char *text = command_line_is_bare(argv[i]) ? argv[++i] : argv[i] + 2;
      status = option == 'e' ? run_text(L, text, "=(command line)") : run_library(L, text);
    }
  }
  return status;
}

/* [-0, +n, e] Pushes what the script gets: `arg` may have been changed by the options. */
static int push_arguments(lua_State *L) {
  int i, count;
  if (lua_getglobal(L, "arg") != LUA_TTABLE)
    luaL_error(L, "'arg' is not a table");
  count = (int)luaL_len(L, -1);
  luaL_checkstack(L, count + 3, "too many arguments to script");
  for (i = 1; i <= count; i++)
    lua_rawgeti(L, -i, i);
  lua_remove(L, -i);
  return count;
}

/* [-0, +0, e] `fmlua map`: lines in, results out. A failure of its lines ends the process in there. */
static int run_map(lua_State *L) {
  int status;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "fast_map.command");
  status = call_run(L, 1, 1);
  if (status == LUA_OK)
    status = call_run(L, push_arguments(L), 0);
  return call_report(L, status);
}

/* [-0, +1, m] Why there is no script `map`. */
static void push_map_comes_first(lua_State *L) {
  lua_pushliteral(L,
                  "cannot open map; if `fmlua map` is meant: `map` comes first, and then options, such as\n"
                  "  fmlua map --progress 'line * 2'");
}

/* [-0, +0, e] `-` is stdin, unless it follows `--`. */
static int run_script(lua_State *L, char **argv) {
  const char *name = argv[0];
  int status;
  if (strcmp(name, "-") == 0 && strcmp(argv[-1], "--") != 0)
    name = NULL;
  status = luaL_loadfile(L, name);
  if (status == LUA_OK)
    status = call_run(L, push_arguments(L), 0);
  else if (status == LUA_ERRFILE && name != NULL && strcmp(name, "map") == 0)
    push_map_comes_first(L);
  return call_report(L, status);
}

/* [-0, +0, e] Without a script: the user, or the script that comes through stdin. `lua` hides that script's failure
   from its exit code; here it counts. */
static int run_stdin(lua_State *L) {
  if (!isatty(STDIN_FILENO))
    return run_file(L, NULL);
  show_version();
  repl_run(L, program);
  return LUA_OK;
}

/* [-2, +1, e] Runs all of it; returns whether it went well. */
static int run(lua_State *L) {
  int count = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  struct command_line c;
  command_line_read(&c, argv);
  if (c.version)
    show_version();
  if (c.no_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV"); /* loadlib.c looks for it */
  }
  luaL_checkversion(L);
  luaL_openlibs(L);
  open_fast_map(L, &c);
  define_arg(L, argv, count, c.script);
  lua_gc(L, LUA_GCGEN, 0, 0); /* as `lua` does */
  if (!c.no_environment && run_init(L) != LUA_OK)
    return 0;
  if (c.action == ACTION_MAP) {
    lua_pushboolean(L, run_map(L) == LUA_OK);
    return 1;
  }
  if (run_options(L, argv, c.script) != LUA_OK)
    return 0;
  if (c.script < count && run_script(L, argv + c.script) != LUA_OK)
    return 0;
  if (c.interactive)
    repl_run(L, program);
  else if (c.script == count && !c.execute && !c.version && run_stdin(L) != LUA_OK)
    return 0;
  lua_pushboolean(L, 1);
  return 1;
}

/* [-1, +1, e] (option) -> the long option that its writer may have meant, or nil. */
static int find_nearest(lua_State *L) {
  size_t at = 0;
  const char *option;
  load_embedded(L, "fast_map.nearest");
  lua_call(L, 0, 1);
  lua_insert(L, 1);
  lua_newtable(L);
  while ((option = command_line_long(&at)) != NULL) {
    lua_pushstring(L, option);
    lua_rawseti(L, 3, (lua_Integer)at);
  }
  lua_call(L, 2, 1);
  return 1;
}

static void blame(const char *option) {
  lua_State *L = option[1] == '-' ? luaL_newstate() : NULL;
  const char *nearest = NULL;
  if (L != NULL) {
    luaL_openlibs(L);
    lua_pushcfunction(L, find_nearest);
    lua_pushstring(L, option);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
      nearest = lua_tostring(L, -1);
  }
  command_line_blame(program, option, nearest);
  if (L != NULL)
    lua_close(L);
}

/* Shows what needs no Lua state but one of its own. Returns whether that was all. */
static int answer(char **argv, int *exit_code) {
  struct command_line c;
  command_line_read(&c, argv);
  *exit_code = c.action == ACTION_MISUSE ? EXIT_FAILURE : EXIT_SUCCESS;
  if (c.action == ACTION_MISUSE)
    blame(argv[c.script]);
  if (c.action == ACTION_HELP)
    command_line_help(stdout);
  if (c.action == ACTION_VERSION)
    printf("fmlua %s (fast_map)\n%s\n", PACKAGE_VERSION, LUA_COPYRIGHT);
  return c.action != ACTION_RUN && c.action != ACTION_MAP;
}

/* (good) -> good. Maps with callbacks that still run: a script that ended well gets all of these, one that failed ends the maps.
   Before the state closes: the finalizers of a closing state would come too late for what callbacks use. */
static int end_maps(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "fast_map.handle") == LUA_TTABLE &&
      lua_getfield(L, -1, "at_exit") == LUA_TFUNCTION) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* Runs all, then lets the maps end, while everything is alive. Returns the exit code. */
static int run_protected(lua_State *L, int argc, char **argv) {
  int status, good, interrupted;
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  status = lua_pcall(L, 2, 1, 0);
  good = status == LUA_OK && lua_toboolean(L, -1);
  interrupted = !good && call_interrupted();
  call_report(L, status);
  lua_pushcfunction(L, end_maps);
  lua_pushboolean(L, good);
  status = call_report(L, call_run(L, 1, 1));
  if (status != LUA_OK || !lua_toboolean(L, -1)) {
    good = 0;
    interrupted = interrupted || call_interrupted();
  }
  return good ? EXIT_SUCCESS : interrupted ? EXIT_INTERRUPTED : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  int exit_code;
  lua_State *L;
  if (argv[0] != NULL && argv[0][0] != '\0')
    program = argv[0];
  call_name(program);
  descriptor_fill_standard();
  memory_keep();
  notice_expect();
  if (answer(argv, &exit_code))
    return exit_code;
  L = luaL_newstate();
  if (L == NULL) {
    call_message("cannot create state: not enough memory");
    return EXIT_FAILURE;
  }
  exit_code = run_protected(L, argc, argv);
  lua_close(L);
  return exit_code;
}
