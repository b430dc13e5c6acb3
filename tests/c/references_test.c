/* references_test.c - the references of a message are found wherever they are, and nothing else is taken for one. */
#include "config.h"
#include "references.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "check.h"
#include "codec.h"

/* Userdata and functions that the global `names` names travel by that name. */
static enum status refer(struct codec_link *self, lua_State *L, int idx, struct buffer *b) {
  enum status status = STATUS_TYPE;
  size_t size;
  const char *name;
  (void)self;
  lua_pushvalue(L, idx);
  lua_getglobal(L, "names");
  lua_insert(L, -2);
  lua_rawget(L, -2);
  name = lua_tolstring(L, -1, &size);
  if (name != NULL)
    status = buffer_append(b, name, size);
  lua_pop(L, 2);
  return status;
}

static struct codec_link names_link = {refer, NULL};

/* What visit met, as one text. */
struct met {
  char text[256];
  int count;
};

static enum status meet(void *context, unsigned char *bytes, size_t size) {
  struct met *met = context;
  snprintf(met->text + strlen(met->text), sizeof met->text - strlen(met->text), "%.*s ", (int)size,
           (const char *)bytes);
  met->count++;
  if (size > 0)
    bytes[0] = '#';
  return size == 3 && memcmp(bytes, "#op", 3) == 0 ? STATUS_CLOSED : STATUS_OK;
}

/* Encodes the values that the chunk returns. */
static void encode(lua_State *L, const char *chunk, struct buffer *b) {
  struct codec_fault fault = {""};
  b->size = 0;
  lua_settop(L, 0);
  if (luaL_dostring(L, chunk) || codec_encode(L, 1, lua_gettop(L), b, &names_link, &fault) != STATUS_OK)
    check_bail("%s: %s", chunk, lua_gettop(L) > 0 ? lua_tostring(L, -1) : fault.text);
}

static int finds(lua_State *L, const char *chunk, enum status status, const char *text) {
  struct buffer b = {0};
  struct met met = {0};
  int ok;
  encode(L, chunk, &b);
  ok = references_visit(b.bytes, b.size, meet, &met) == status && strcmp(met.text, text) == 0;
  if (!ok)
    printf("# %s: %s\n", chunk, met.text);
  buffer_release(&b);
  return ok;
}

static void test_places(lua_State *L) {
  check(finds(L, "return", STATUS_OK, "") &&
            finds(L, "return nil, 1, -1, 300, 1.5, 2.0, 0.1, true, 'x'", STATUS_OK, ""),
        "plain values have none");
  check(finds(L, "return ('\\xb5'):rep(100), {('\\xb5'):rep(30)}, '\\xb5\\0\\1x'", STATUS_OK, ""),
        "what stands in a string is none");
  check(finds(L, "return a, 1, b", STATUS_OK, "a b "), "values are found");
  check(finds(L, "return {1, 2, {a, x = {b}}, 'x', 'x', 'x'}, c", STATUS_OK, "a b c "),
        "those in tables are found");
  check(finds(L, "return {[a] = 1}, {[b] = c}", STATUS_OK, "a b c "), "keys are found");
  check(finds(L, "return setmetatable({1, 2}, m), 5, setmetatable({}, {__index = a})", STATUS_OK, "m a "),
        "metatables are found");
  check(finds(L, "local x, y = a, {b} return function() return x, y end", STATUS_OK, "a b "),
        "upvalues are found");
  check(finds(L, "local t = {a} t[2] = t return t, t, a", STATUS_OK, "a "), "what comes twice is found once");
  check(finds(L, "local l = {} for i = 1, 300 do l[i] = {k = i, i / 3} end l.x = b return l, a", STATUS_OK,
              "b a "),
        "those behind much else are found");
  check(finds(L, "return a, top, b", STATUS_CLOSED, "a top "), "the visitor can end the search");
  check(finds(L, "return a, pointer, b", STATUS_TYPE, "a "), "addresses are refused");
  check(
      finds(L, "local function f() return f end return {f, f, function() return f end}, a", STATUS_OK, "a "),
      "functions that share upvalues are passed over");
}

/* Whatever the bytes are, no byte outside is touched (the sanitizers tell), and the search ends. */
static void test_nonsense(lua_State *L, uint64_t seed) {
  struct buffer b = {0};
  struct met met = {0};
  unsigned char *copy;
  size_t size;
  int ok = 1, i;
  encode(L,
         "local x = a return {1, {b, k = 'text'}, setmetatable({0.1}, m)}, function() return x, c end, 'end'",
         &b);
  for (size = 0; size < b.size; size++) {
    copy = malloc(size + 1);
    memcpy(copy, b.bytes, size);
    ok &= references_visit(copy, size, meet, &met) != STATUS_TYPE;
    free(copy);
    memset(&met, 0, sizeof met);
  }
  check(ok, "a message may end anywhere");
  for (i = 0; i < check_times(20000); i++) {
    copy = malloc(b.size);
    memcpy(copy, b.bytes, b.size);
    copy[check_random(&seed, b.size)] = (unsigned char)check_random(&seed, 256);
    copy[check_random(&seed, b.size)] = (unsigned char)check_random(&seed, 256);
    references_visit(copy, b.size, meet, &met);
    free(copy);
    memset(&met, 0, sizeof met);
  }
  check(1, "wrong bytes do no harm");
  buffer_release(&b);
}

int main(void) {
  uint64_t seed = check_seed(9);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushlightuserdata(L, &names_link);
  lua_setglobal(L, "pointer");
  if (luaL_dostring(L,
                    "names = {} for _, n in ipairs {'a', 'b', 'c', 'top'} do _G[n] = function() return n end "
                    "names[_G[n]] = n end m = {} names[m] = 'm'"))
    check_bail("%s", lua_tostring(L, -1));
  test_places(L);
  test_nonsense(L, seed);
  lua_close(L);
  return check_end();
}
