#include "config.h"
#include "repl.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "editor.h"

#define INCOMPLETE "<eof>" /* how a syntax error ends when only more text is missing */
#define NO_MORE    (-1)

/* [-0, +1, e] Leaves the prompt's value on the stack, so that its text stays valid. */
static const char *push_prompt(lua_State *L, int first) {
  if (lua_getglobal(L, first ? "_PROMPT" : "_PROMPT2") == LUA_TNIL) {
    lua_pop(L, 1);
    return lua_pushstring(L, first ? "> " : ">> ");
  }
  luaL_tolstring(L, -1, NULL);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

/* [-0, +0|1, e] Pushes the next line, `=x` as `return x`. Returns 0 at the end of the input. */
static int push_line(lua_State *L, int first) {
  const char *prompt = push_prompt(L, first);
  const char *line = editor_read(prompt);
  lua_pop(L, 1);
  if (line == NULL)
    return 0;
  if (first && line[0] == '=')
    lua_pushfstring(L, "return %s", line + 1);
  else
    lua_pushstring(L, line);
  return 1;
}

/* [-0, +1, m] Tries the line at index 1 as an expression: pushes its function, or the error. */
static int load_expression(lua_State *L) {
  const char *line = lua_tostring(L, 1);
  const char *text = lua_pushfstring(L, "return %s", line);
  int status = luaL_loadbuffer(L, text, strlen(text), "=stdin");
  lua_remove(L, -2);
  if (status == LUA_OK)
    editor_remember(line);
  return status;
}

/* [-0, +0, -] Whether the error on the top is one that more text can mend. */
static int is_incomplete(lua_State *L) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  size_t mark = strlen(INCOMPLETE);
  return size >= mark && strcmp(text + size - mark, INCOMPLETE) == 0;
}

/* [-0, +1, e] Reads on until the text at index 1 is a statement: pushes its function, or the error. */
static int load_statement(lua_State *L) {
  for (;;) {
    size_t size;
    const char *text = lua_tolstring(L, 1, &size);
    int status = luaL_loadbuffer(L, text, size, "=stdin");
    if (status != LUA_ERRSYNTAX || !is_incomplete(L) || !push_line(L, 0)) {
      editor_remember(text);
      return status;
    }
    lua_remove(L, 2); /* the error */
    lua_pushliteral(L, "\n");
    lua_insert(L, 2);
    lua_concat(L, 3);
  }
}

/* [-all, +1|0, e] Pushes the next statement's function, or the error. */
static int load_next(lua_State *L) {
  int status;
  lua_settop(L, 0);
  if (!push_line(L, 1))
    return NO_MORE;
  status = load_expression(L);
  if (status != LUA_OK) {
    lua_pop(L, 1);
    status = load_statement(L);
  }
  lua_remove(L, 1);
  return status;
}

/* [-all, +0, e] Through the global `print`, as the user may have made it. */
static void print_values(lua_State *L) {
  int count = lua_gettop(L);
  if (count == 0)
    return;
  luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
  lua_getglobal(L, "print");
  lua_insert(L, 1);
  if (lua_pcall(L, count, 0, 0) != LUA_OK)
    call_message(lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1)));
}

void repl_run(lua_State *L, const char *program) {
  int status;
  call_name(NULL);
  editor_open("lua"); /* the name that ~/.inputrc files test for */
  while ((status = load_next(L)) != NO_MORE) {
    if (status == LUA_OK)
      status = call_run(L, 0, LUA_MULTRET);
    if (status == LUA_OK)
      print_values(L);
    else
      call_report(L, status);
  }
  lua_settop(L, 0);
  fputs("\n", stdout);
  fflush(stdout);
  editor_close();
  call_name(program);
}
