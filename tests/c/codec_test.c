/* codec_test.c - Lua values there and back: golden bytes, what is refused, what is kept, and what happens without memory.
   The parts that compare Lua values are Lua, with the codec's functions below as globals. */
#include "config.h"
#include "codec.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

/* C's allocator, which can be told to refuse. */
static long allowed = -1; /* allocations still granted; -1: all */
static long asked;

static int refused(void) {
  asked++;
  if (allowed == 0)
    return 1;
  if (allowed > 0)
    allowed--;
  return 0;
}

static void *scarce_calloc(size_t count, size_t size) {
  return refused() ? NULL : calloc(count, size);
}

static void *scarce_realloc(void *old, size_t size) {
  return refused() ? NULL : realloc(old, size);
}

#define calloc  scarce_calloc
#define realloc scarce_realloc
#include "buffer.c"
#include "encode.c"
#include "encode_function.c"
#include "encode_table.c"
#undef calloc
#undef realloc

/* Lua's allocator, the same. */
static void *scarce_alloc(void *ud, void *old, size_t old_size, size_t size) {
  (void)ud;
  (void)old_size;
  if (size == 0) {
    free(old);
    return NULL;
  }
  if (old != NULL && size <= old_size) /* Lua relies on that */
    return realloc(old, size);
  return refused() ? NULL : realloc(old, size);
}

/* A link that knows what the Lua table `known` names: known[object] = name, known[name] = object. */
static enum status refer(struct codec_link *self, lua_State *L, int idx, struct buffer *b) {
  enum status status = STATUS_TYPE;
  size_t size;
  (void)self;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &allowed) == LUA_TTABLE) {
    lua_pushvalue(L, idx);
    if (lua_rawget(L, -2) == LUA_TSTRING) {
      const char *name = lua_tolstring(L, -1, &size);
      status = buffer_append(b, name, size);
    }
    lua_settop(L, -2);
  }
  lua_settop(L, -2);
  return status;
}

static enum status resolve(struct codec_link *self, lua_State *L, const unsigned char *bytes, size_t size) {
  (void)self;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &allowed) != LUA_TTABLE) {
    lua_settop(L, -2);
    return STATUS_FORMAT;
  }
  lua_pushlstring(L, (const char *)bytes, size);
  lua_rawget(L, -2);
  lua_replace(L, -2);
  if (!lua_isnil(L, -1))
    return STATUS_OK;
  lua_settop(L, -2);
  return STATUS_FORMAT;
}

static struct codec_link test_link = {refer, resolve};

/* [-n, +1|3, v] In Lua: bytes, or nil, status, fault. */
static int encode_with(lua_State *L, struct codec_link *with) {
  struct buffer b = {0};
  struct codec_fault fault = {""};
  int count = lua_gettop(L);
  enum status status = codec_encode(L, 1, count, &b, with, &fault);
  if (lua_gettop(L) != count)
    check_bail("encode left the stack at %d, not %d", lua_gettop(L), count);
  if (status == STATUS_OK)
    lua_pushlstring(L, (const char *)b.bytes, b.size);
  else if (b.size != 0)
    check_bail("a failed encode left %zu bytes", b.size);
  buffer_release(&b);
  if (status == STATUS_OK)
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, status_text(status));
  lua_pushstring(L, fault.text);
  return 3;
}

static int l_encode(lua_State *L) {
  return encode_with(L, NULL);
}

static int l_encode_linked(lua_State *L) {
  return encode_with(L, &test_link);
}

/* [-1, +n, e] In Lua: the values; or raises the status. */
static int decode_with(lua_State *L, struct codec_link *with) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  int count, top = lua_gettop(L);
  enum status status = codec_decode(L, bytes, size, with, &count);
  if (lua_gettop(L) != top + (status == STATUS_OK ? count : 0))
    check_bail("decode left the stack at %d", lua_gettop(L));
  return status == STATUS_OK ? count : luaL_error(L, "%s", status_text(status));
}

static int l_decode(lua_State *L) {
  return decode_with(L, NULL);
}

static int l_decode_linked(lua_State *L) {
  return decode_with(L, &test_link);
}

static int l_check(lua_State *L) {
  check(lua_toboolean(L, 1), luaL_checkstring(L, 2));
  return 0;
}

static int l_known(lua_State *L) {
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &allowed);
  return 0;
}

static lua_State *open_state(void) {
  static const luaL_Reg functions[] = {{"encode", l_encode}, {"encode_linked", l_encode_linked},
                                       {"decode", l_decode}, {"decode_linked", l_decode_linked},
                                       {"check", l_check},   {"known", l_known},
                                       {NULL, NULL}};
  lua_State *L = luaL_newstate();
  if (L == NULL)
    check_bail("no memory");
  luaL_openlibs(L);
  lua_pushglobaltable(L);
  luaL_setfuncs(L, functions, 0);
  lua_settop(L, 0);
  return L;
}

static void run(lua_State *L, const char *chunk) {
  if (luaL_dostring(L, chunk) != LUA_OK)
    check_bail("%s", lua_tostring(L, -1));
  lua_settop(L, 0);
}

/* Golden bytes: the second copy of the table in codec.h. */

struct golden {
  const char *values; /* Lua */
  const char *bytes;  /* hexadecimal */
};

static const struct golden golden[] = {
    {"", "00"},
    {"nil, true, false", "03 ac ae ad"},
    {"0, 1, 127, -1, -16", "05 00 01 7f ff f0"},
    {"128, -17, 300", "03 af8002 af21 afd804"},
    {"math.mininteger", "01 afffffffffffffffffff01"},
    {"math.maxinteger", "01 affeffffffffffffffff01"},
    {"1.0, -3.0, 1048575.0", "03 b002 b005 b0feff7f"},
    {"0.0, -0.0, 0.5, 1048576.0", "04 b000 b100000080 b10000003f b100008049"},
    {"0.1, 1e300", "02 b29a9999999999b93f b29c7500883ce4377e"},
    {"1/0, -1/0", "02 b10000807f b1000080ff"},
    {"'', 'a', 'a\\0b'", "03 80 8161 83610062"},
    {"('x'):rep(41)",
     "01 a929 78787878787878787878 78787878787878787878 78787878787878787878 78787878787878787878 78"},
    {"{}", "01 c000"},
    {"{1, 2, 3}, {{}}", "02 c300010203 c100c000"},
    {"{1, nil, 3}", "01 c30001ac03"},
    {"{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}", "01 cf000f 000000000000000000000000000000"},
    {"{x = 5}", "01 c001 8178 05 b9"},
    {"{'ab', 'ab', 'ab', {ab = 1}}", "01 c400 826162 aa03 d0 c001 d0 01 b9"},
    {"{[2.5] = true}, {[-1] = false}", "02 c001 b100002040 ae b9 c001 ff ad b9"},
    {"{{[{1}] = 2}}", "01 c100 c001 c10001 02 b9"},
    {"(function() local t = {} t[1] = t return t end)()", "01 c180 b301"},
    {"(function() local t = {7} return {t, t} end)()", "01 c200 c18007 b303"},
};

static size_t from_hex(const char *text, unsigned char *bytes) {
  size_t size = 0;
  int digit, high = -1;
  for (; *text != '\0'; text++) {
    if (*text == ' ')
      continue;
    digit = *text <= '9' ? *text - '0' : *text - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes[size++] = (unsigned char)(high << 4 | digit);
      high = -1;
    }
  }
  return size;
}

static void test_golden(lua_State *L) {
  size_t i;
  for (i = 0; i < sizeof golden / sizeof *golden; i++) {
    struct buffer b = {0};
    unsigned char bytes[256];
    char chunk[200], sentence[300];
    size_t size = from_hex(golden[i].bytes, bytes);
    int count, same;
    snprintf(chunk, sizeof chunk, "return %s", golden[i].values);
    if (luaL_dostring(L, chunk) != LUA_OK)
      check_bail("%s", lua_tostring(L, -1));
    count = lua_gettop(L);
    same = codec_encode(L, 1, count, &b, NULL, NULL) == STATUS_OK && b.size == size &&
           memcmp(b.bytes, bytes, size) == 0;
    lua_settop(L, 0);
    buffer_reset(&b, 0);
    same = same && codec_decode(L, bytes, size, NULL, &count) == STATUS_OK && count == lua_gettop(L) &&
           codec_encode(L, 1, count, &b, NULL, NULL) == STATUS_OK && b.size == size &&
           memcmp(b.bytes, bytes, size) == 0;
    snprintf(sentence, sizeof sentence, "the bytes of `%s` are those of the table, there and back",
             golden[i].values);
    check(same, sentence);
    lua_settop(L, 0);
    buffer_release(&b);
  }
}

/* Messages that are none. */
static const char *const broken[] = {
    "",                                 /* nothing at all */
    "01",                               /* a value is missing */
    "00 00",                            /* one too many */
    "01 01 02",                         /* the same */
    "ffffffffffffffffff01",             /* more values than bytes */
    "ffffffffff",                       /* a number that does not end */
    "01 af",                            /* an integer without its number */
    "01 af ffffffffffffffffff02",       /* of more than 64 bits */
    "01 b1 000000",                     /* a float cut short */
    "01 b2 00000000000000",             /* the same */
    "01 8561",                          /* a string cut short */
    "01 a9",                            /* without its length */
    "01 a9 ffffffffffffffff7f",         /* longer than memory */
    "01 aa 00",                         /* the name of what is no string */
    "01 aa 05",                         /* of what comes later */
    "02 af8501 aa02",                   /* of a string that does not end before it */
    "01 ab 00",                         /* a name that nothing has */
    "01 d0",                            /* the same */
    "01 b3 00",                         /* nothing was seen */
    "01 c200 c100 01 b303",             /* seen, but not kept */
    "01 b4",                            /* globals without a link */
    "01 b5 00 01 00",                   /* a reference without a link */
    "01 b6 00 01 00 00",                /* a function without a link */
    "01 b7 0000000000000000",           /* a pointer without a link */
    "01 b8 00 01",                      /* an upvalue outside a function */
    "01 b9",                            /* an end of nothing */
    "01 ba",                            /* tags that are none */
    "01 bf",                            /* the same */
    "01 c0",                            /* a table without flags */
    "01 c100",                          /* without its element */
    "01 cf00 ffffffffff7f",             /* with more elements than bytes */
    "01 c001",                          /* without its pairs */
    "01 c001 01",                       /* without a value */
    "01 c001 01 02",                    /* without an end */
    "01 c001 ac 02 b9",                 /* nil as key */
    "01 c001 b2000000000000f87f 02 b9", /* nan as key */
    "01 c001 01 b9",                    /* an end for a value */
    "01 c040 c000",                     /* a metatable without a link */
};

static void test_broken(lua_State *L) {
  size_t i;
  int count = -1;
  unsigned char *bytes = malloc(64);
  for (i = 0; i < sizeof broken / sizeof *broken; i++) {
    char sentence[200];
    size_t size = from_hex(broken[i], bytes);
    unsigned char *exact =
        malloc(size + 1); /* of the very size, so that a sanitizer sees one byte too many */
    memcpy(exact + 1, bytes, size);
    snprintf(sentence, sizeof sentence, "`%s` is no message", broken[i]);
    check(codec_decode(L, exact + 1, size, NULL, &count) == STATUS_FORMAT && lua_gettop(L) == 0, sentence);
    lua_settop(L, 0);
    free(exact);
  }
  free(bytes);
}

/* Every message cut short, and with each byte changed to every other, is decoded or refused, and nothing else. */
static void test_damaged(lua_State *L) {
  static const char *const chunk =
      "local t = {id = 7, name = 'seven', tags = {'red', 'red', 'red'}, [1.5] = -300}\n"
      "t.self = t\n"
      "return t, 0.1, 1/0, ('long'):rep(20), {t, t}";
  struct buffer b = {0};
  size_t i;
  int count, ok = 1, byte;
  luaL_loadstring(L, chunk);
  lua_call(L, 0, LUA_MULTRET);
  codec_encode(L, 1, lua_gettop(L), &b, NULL, NULL);
  lua_settop(L, 0);
  for (i = 0; i < b.size; i++) {
    unsigned char *exact = malloc(i + 1);
    memcpy(exact, b.bytes, i);
    ok &= codec_decode(L, exact, i, NULL, &count) == STATUS_FORMAT && lua_gettop(L) == 0;
    free(exact);
  }
  check(ok, "a message cut short anywhere is no message");
  for (i = 0; i < b.size; i++) {
    unsigned char was = b.bytes[i];
    for (byte = 0; byte < 256; byte++) {
      enum status status;
      b.bytes[i] = (unsigned char)byte;
      status = codec_decode(L, b.bytes, b.size, NULL, &count);
      ok &=
          (status == STATUS_OK && lua_gettop(L) == count) || (status == STATUS_FORMAT && lua_gettop(L) == 0);
      lua_settop(L, 0);
    }
    b.bytes[i] = was;
    lua_gc(L, LUA_GCCOLLECT);
  }
  check(ok, "a message with any byte changed is decoded or refused");
  buffer_release(&b);
}

/* A message of 2 MB that promises half a million pairs a thousand times must not take gigabytes. */
static void test_bomb(lua_State *L) {
  size_t size = 2 << 20, i;
  unsigned char *bytes = calloc(1, size);
  int count, before;
  bytes[0] = 1;
  for (i = 1; i + 2 < 100000; i += 2) {
    bytes[i] = TAG_TABLE + 1;
    bytes[i + 1] = 20; /* 2^19 pairs */
  }
  bytes[i] = TAG_LONG_STRING;
  before = lua_gc(L, LUA_GCCOUNT);
  check(codec_decode(L, bytes, size, NULL, &count) == STATUS_FORMAT &&
            lua_gc(L, LUA_GCCOUNT) - before < 200 * 1024,
        "tables that promise more than the message can hold get no room for it");
  lua_gc(L, LUA_GCCOLLECT);
  free(bytes);
}

/* Lua */

/* same(a, b): equal in all that a script can see, with the same sharing */
static const char *const same_chunk =
    "local function same(a, b, seen)\n"
    "  local stack = {a, b}\n"
    "  while #stack > 0 do\n"
    "    b, a = table.remove(stack), table.remove(stack)\n"
    "    if math.type(a) ~= math.type(b) or type(a) ~= type(b) then return false end\n"
    "    if type(a) ~= 'table' then\n"
    "      if a ~= b and (a == a or b == b) then return false end\n"
    "      if a == 0 and 1 / a ~= 1 / b then return false end\n"
    "    elseif seen[a] or seen[b] then\n"
    "      if seen[a] ~= b or seen[b] ~= a then return false end\n"
    "    else\n"
    "      seen[a], seen[b] = b, a\n"
    "      local keys, extra = {}, 0\n"
    "      for k in next, b do\n"
    "        extra = extra + 1\n"
    "        if type(k) == 'table' then keys[k.id or k[1] or 0] = k end\n" /* keys that are tables are told by these */
    "      end\n"
    "      for k, v in next, a do\n"
    "        local key = k\n"
    "        if type(k) == 'table' then key = keys[k.id or k[1] or 0] stack[#stack + 1] = k stack[#stack + "
    "1] = key or false end\n"
    "        extra = extra - 1\n"
    "        local w = rawget(b, k)\n"
    "        if w == nil and key then w = rawget(b, key) end\n"
    "        if w == nil then return false end\n"
    "        stack[#stack + 1] = v stack[#stack + 1] = w\n"
    "      end\n"
    "      if extra ~= 0 then return false end\n"
    "      local ma, mb = debug.getmetatable(a), debug.getmetatable(b)\n"
    "      if (ma == nil) ~= (mb == nil) then return false end\n"
    "      if ma then stack[#stack + 1] = ma stack[#stack + 1] = mb end\n"
    "    end\n"
    "  end\n"
    "  return true\n"
    "end\n"
    "function _G.same(a, b) return same(a, b, {}) end\n"
    "function _G.kept(...) return same(table.pack(...), table.pack(decode(encode(...))), {}) end\n";

static void test_values(lua_State *L) {
  run(L, "for _, v in ipairs{0, 127, 128, -16, -17, 2^53 | 0, math.mininteger, math.maxinteger, 0.0, -0.0, "
         "1.0, 0.1,\n"
         "  1e300, 5e-324, 2^53, -2^63, 1048575.0, -1048576.0, 16777217.0, 3.5e38, 1/0, -1/0} do\n"
         "  check(kept(v), ('%s comes back as it was'):format(v))\n"
         "end\n"
         "local n = decode(encode(0/0)) check(n ~= n, 'nan comes back')\n"
         "for n = 0, 63 do local p = 1 << n check(kept(p, -p, p - 1, ~p, p + 0.0, -p - 0.5), '2^' .. n .. ' "
         "comes back') end\n");
  run(L, "local ok = true\n"
         "for n = 0, 300 do ok = ok and kept(('\\0\\255'):rep(n), ('a'):rep(n)) end\n"
         "check(ok, 'strings of any length and bytes come back')\n"
         "check(kept(nil, false, nil), 'nils come back, the last ones too')\n"
         "check(select('#', decode(encode())) == 0, 'no value is no value')\n"
         "check(kept({1, 2, nil, 4}, {nil, nil, 3}, {[3] = 1, [5] = 2, [1000000] = 3}), 'tables with holes "
         "come back')\n"
         "check(kept({[1] = 1, [2.5] = 2, [true] = 3, [false] = 4, ['1'] = 5, [-1] = 6, [math.mininteger] = "
         "7}),\n"
         "  'keys of every kind come back')\n"
         "local t = {} for i = 100, 1, -1 do t[i] = i end t.n = 100\n"
         "check(kept(t), 'an array filled backwards comes back')\n"
         "local t = {'1', '2'} t['3'] = 3 t['4'] = 4\n"
         "check(kept(t), 'strings that look like numbers stay strings')\n"
         "local t = table.pack(nil, nil, nil, 4) t[100] = 5 check(kept(t), 'packed nils come back')\n"
         "local t = {} for i = 1, 70 do t[i] = i end for i = 1, 69 do t[i] = nil end\n"
         "check(kept(t), 'an array that lost its front comes back')\n"
         "local ok = true\n"
         "for n = 1, 200 do local t = {} for i = 1, n do t[i] = i * 100 end ok = ok and kept(t)\n"
         "  t.x = 1 ok = ok and kept(t) t[n // 2 + 1] = nil ok = ok and kept(t) end\n"
         "check(ok, 'arrays of any length come back, with a pair more and an element less too')\n");
  run(L, "local t, k = {}, {id = 1} t.self, t[k], t.k = t, k, k\n"
         "local a, b = decode(encode({t, t}, t))\n"
         "check(a[1] == a[2] and a[1] == b and b.self == b and b[b.k] == b.k and b.k.id == 1,\n"
         "  'sharing and cycles are kept, among values and keys')\n"
         "local word = ('w'):rep(40) local t = {} for i = 1, 1000 do t[i] = {[word] = word} end\n"
         "check(#encode(t) < 6000 and kept(t), 'a short string is sent once')\n"
         "local t = {} for r = 1, 3 do for i = 1, 5000 do t[#t + 1] = 'name ' .. i end end\n"
         "check(kept(t), 'more names than are remembered come back')\n"
         "local t = {} for r = 1, 3 do for i = 1, 100 do t[#t + 1] = 'name ' .. i end end\n"
         "check(kept(t) and #encode(t) < 2000, 'names beyond the near ones come back')\n");
  run(L, "local s = ('0123456789'):rep(10000000)\n"
         "check(decode(encode(s)) == s, 'a string of 100 MB comes back')\n");
}

static void test_large(lua_State *L) {
  lua_pushinteger(L, check_times(10000000));
  lua_setglobal(L, "many");
  run(L, "local t = {} for i = 1, many do t[i] = i end\n"
         "local b = encode(t) local u = decode(b) local ok = #u == many\n"
         "for i = 1, many do ok = ok and t[i] == u[i] end\n"
         "check(ok, 'an array of 10 million comes back')\n");
  lua_gc(L, LUA_GCCOLLECT);
  run(L, "local t = {} for i = 1, many // 50 do t['k' .. i] = i end\n"
         "local u = decode(encode(t)) local ok = true\n"
         "for k, v in pairs(t) do ok = ok and u[k] == v end\n"
         "for k in pairs(u) do ok = ok and t[k] end\n"
         "check(ok, '200,000 pairs come back')\n");
  lua_gc(L, LUA_GCCOLLECT);
}

static const char *const deep_chunk =
    "local function nest(n, k) local t = {} for i = 2, n do t = {[k] = t} end return t end\n"
    "local function unnest(t, k) local n = 0 while t do n, t = n + 1, t[k] end return n end\n"
    "check(unnest(decode(encode(nest(200000, 1))), 1) == 200000, 'arrays nested 200,000 deep come back')\n"
    "check(unnest(decode(encode(nest(100000, 'next'))), 'next') == 100000, 'a list of 100,000 nodes comes "
    "back')\n"
    "local bytes, why, fault = encode(nest(200001, 1))\n"
    "check(not bytes and why == 'nested too deeply' and fault == 'the value is nested deeper than 200000 "
    "levels',\n"
    "  'deeper than that is refused')\n"
    "local t = {} for i = 1, 100000 do t = {[t] = i} end\n"
    "local u, n = decode(encode(t)), 0 while next(u) do u, n = next(u), n + 1 end\n"
    "check(n == 100000, 'keys nested 100,000 deep come back')\n"
    "local ok, why = pcall(decode, '\\1' .. ('\\xc1\\0'):rep(200001) .. '\\1')\n"
    "check(not ok and why == 'nested too deeply', 'bytes that nest deeper are refused')\n"
    "local t = {} for i = 1, 50000 do t = setmetatable({}, t) end\n"
    "local u, n = decode_linked(encode_linked(t)), 0 while getmetatable(u) do u, n = getmetatable(u), n + 1 "
    "end\n"
    "check(n == 50000, 'metatables nested 50,000 deep come back')\n"
    "local f = function() end for i = 1, 10000 do local g = f f = function() return g end end\n"
    "local g, n = decode_linked(encode_linked(f)), 0 while g do g, n = g(), n + 1 end\n"
    "check(n == 10001, 'functions nested 10,000 deep come back')\n";

/* thread with a small stack */
static void *deep_thread(void *argument) {
  lua_State *L = open_state();
  (void)argument;
  run(L, deep_chunk);
  run(L, "local f = ... coroutine.wrap(function()\n"
         "  local t = {} for i = 1, 100000 do t = {t} end\n"
         "  local u, n = decode(encode(t)), 0 while u do u, n = u[1], n + 1 end\n"
         "  check(n == 100001, 'a coroutine does that as well')\n"
         "end)()\n");
  lua_close(L);
  return NULL;
}

static void test_deep(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 1 << 20);
  if (pthread_create(&thread, &attributes, deep_thread, NULL) != 0)
    check_bail("no thread");
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

static void test_functions(lua_State *L) {
  run(L,
      "local n = 0\n"
      "local function add() n = n + 1 return n end\n"
      "local function get() return n end\n"
      "local a, g = decode_linked(encode_linked(add, get)) a() a()\n"
      "check(g() == 2 and n == 0, 'two functions share their upvalue, and not the original')\n"
      "local function f(n) return n < 2 and 1 or n * f(n - 1) end\n"
      "check(decode_linked(encode_linked(f))(10) == 3628800, 'a recursive local function comes back')\n"
      "local even, odd\n"
      "function even(n) return n == 0 or odd(n - 1) end\n"
      "function odd(n) return n ~= 0 and even(n - 1) end\n"
      "local e, o = decode_linked(encode_linked(even, odd))\n"
      "check(e(10) and not o(10) and not e(7) and o(7), 'mutually recursive functions come back')\n"
      "local t = {} function t.me() return t end\n"
      "local u = decode_linked(encode_linked(t)) check(u.me() == u, 'a cycle through an upvalue is kept')\n"
      "local function none() return nothing end\n"
      "local x, y = nil, 5 local function two() return x, y end\n"
      "local p, q = decode_linked(encode_linked(two))() check(p == nil and q == 5, 'an upvalue that is nil "
      "stays nil')\n"
      "local env = {print = 7} local h = load('return print, ...', 'env', 't', env)\n"
      "local r, s = decode_linked(encode_linked(h))(3) check(r == 7 and s == 3, 'an environment of its own "
      "comes along')\n"
      "local G = decode_linked(encode_linked({g = _G, f = function() return _ENV end}))\n"
      "check(G.g == _G and G.f() == _G, 'the globals are not copied')\n"
      "local list = {} for i = 1, 10 do list[i] = function() return i end end\n"
      "local back, ok = decode_linked(encode_linked(list)), true\n"
      "for i = 1, 10 do ok = ok and back[i]() == i end\n"
      "check(ok and #encode_linked(list) < #encode_linked(list[1]) + 10 * 12, 'closures of one function "
      "share its code')\n"
      "local v = decode_linked(encode_linked(function(...) return select('#', ...), ... end))\n"
      "check(select('#', v(nil, nil)) == 3, 'a vararg function comes back')\n"
      "local bytes, why, fault = encode(print)\n"
      "check(not bytes and fault == 'the value is a C function', 'without a link a function is refused')\n"
      "local many = {} local src = {} for i = 1, 200 do src[i] = 'local v' .. i .. ' = ' .. i end\n"
      "src[#src + 1] = 'return function() return ' for i = 1, 200 do src[#src + 1] = (i > 1 and ' + v' or "
      "'v') .. i end\n"
      "src[#src + 1] = ' end' local sum = load(table.concat(src, ' '))()\n"
      "check(decode_linked(encode_linked(sum))() == 20100, 'two hundred upvalues come back')\n"
      "local stripped = load(string.dump(function(a) return a + 1 end, true))\n"
      "check(decode_linked(encode_linked(stripped))(1) == 2, 'a function without debug information comes "
      "back')\n"
      "local ok, why = pcall(function() return decode_linked(encode_linked(function() error('here') end))() "
      "end)\n"
      "check(why:find(':%d+: here'), 'its lines come along')\n");
  run(L, "local ok = pcall(decode_linked, '\\1\\xb6\\0\\4abcd\\0') check(not ok, 'code that is none is "
         "refused')\n"
         "local ok = pcall(decode_linked, '\\1\\xc2\\0\\xc0\\x80\\xb6\\0\\0\\3\\0') check(not ok, 'code that "
         "is elsewhere is none')\n"
         "local b = encode_linked(function() return print end)\n"
         "check(not pcall(decode_linked, b:sub(1, -3) .. '\\2\\xb4\\xb4'), 'more upvalues than there are is "
         "refused')\n"
         "check(not pcall(decode_linked, b:sub(1, -3) .. '\\0'), 'fewer too')\n"
         "check(not pcall(decode_linked, b:sub(1, -3) .. '\\1\\xb8\\1\\1'), 'an upvalue of what was not kept "
         "is refused')\n"
         "check(not pcall(decode_linked, '\\2\\xc0\\x80' .. b:sub(2, -3) .. '\\1\\xb8\\1\\1'), 'an upvalue "
         "of a table too')\n"
         "check(not pcall(decode_linked, '\\1\\xc0\\x40\\1'), 'a metatable that is no table is refused')\n"
         "check(not pcall(decode_linked, '\\1\\xb5\\0\\3abc'), 'a reference that nothing answers to is "
         "refused')\n");
}

static void test_metatables(lua_State *L) {
  run(L,
      "local class = {__name = 'class', __metatable = 'hidden'} class.__index = class\n"
      "function class:get() return self.n end\n"
      "local a, b = setmetatable({n = 1}, class), setmetatable({n = 2}, class)\n"
      "local c, d = decode_linked(encode_linked({a, b}))[1], decode_linked(encode_linked(b))\n"
      "check(c:get() == 1 and d:get() == 2, 'metatables come along, methods and all')\n"
      "local p, q = decode_linked(encode_linked(a, b))\n"
      "check(debug.getmetatable(p) == debug.getmetatable(q), 'two objects of a class stay two of one "
      "class')\n"
      "known{[class] = 'class', class = class}\n"
      "local p, q = decode_linked(encode_linked(a, b))\n"
      "check(debug.getmetatable(p) == class and debug.getmetatable(q) == class and p ~= a and p.n == 1,\n"
      "  'a metatable that has a name is the very same')\n"
      "check(decode_linked(encode_linked(class)) ~= class, 'as plain data it goes by value')\n"
      "local f = decode_linked(encode_linked(function() return class, {class} end))\n"
      "local u, v = f() check(u == class and v[1] == class, 'as an upvalue of a function it is the very "
      "same')\n"
      "local deep = {inner = {class = class}} local f = decode_linked(encode_linked(function() return deep "
      "end))\n"
      "check(f() ~= deep and f().inner.class == class, 'in a table that is an upvalue too')\n"
      "local sub = setmetatable({}, {__index = class})\n"
      "check(debug.getmetatable(decode_linked(encode_linked(sub))).__index == class, 'in a metatable too')\n"
      "known{[print] = 'print', print = print, [io.stdout] = 'out', out = io.stdout}\n"
      "local t = decode_linked(encode_linked{print, print, io.stdout, {io.stdout}})\n"
      "check(t[1] == print and t[2] == print and t[3] == io.stdout and t[4][1] == io.stdout,\n"
      "  'functions and userdata that have names are the very same')\n"
      "known(nil)\n"
      "check(getmetatable(decode(encode(sub))) == nil, 'without a link metatables stay behind')\n"
      "local weak = setmetatable({}, {__mode = 'k'}) weak[{id = 1}] = 1\n"
      "check(getmetatable(decode_linked(encode_linked(weak))).__mode == 'k', 'weak tables stay weak')\n");
  run(L,
      "local dead = 0\n"
      "local class = {__gc = function(o) o.count.n = o.count.n + 1 end}\n"
      "class.prototype = setmetatable({count = {n = 0}}, class)\n"
      "local o = setmetatable({count = {n = 0}}, class)\n"
      "local copy = decode_linked(encode_linked(o))\n"
      "local count, inner = copy.count, debug.getmetatable(copy).prototype.count\n"
      "copy = nil collectgarbage() collectgarbage()\n"
      "check(count.n == 1 and inner.n == 1, 'what was closed over by its own class is finalized as well')\n"
      "class.__gc = nil\n"
      "local function bad() return nil + 1 end\n"
      "local t = setmetatable({}, {__newindex = bad, __index = bad}) rawset(t, 'x', 1)\n"
      "check(rawget(decode_linked(encode_linked(t)), 'x') == 1, 'no metamethod runs meanwhile')\n"
      "local t = setmetatable({}, {__len = bad, __pairs = bad, __eq = bad}) rawset(t, 1, 1)\n"
      "check(rawget(decode_linked(encode_linked(t)), 1) == 1, 'nor on the way out')\n"
      "local s = {} setmetatable(s, s) local c = decode_linked(encode_linked(s))\n"
      "check(getmetatable(c) == c, 'a table can be its own metatable')\n");
}

static void test_faults(lua_State *L) {
  run(L, "local function fault(...) local bytes, why, text = encode_linked(...) assert(not bytes) return "
         "text end\n"
         "local function is(value, text) local f = fault(value) if f ~= text then print('# ' .. f) end\n"
         "  check(f == text, text) end\n"
         "local co = coroutine.create(print)\n"
         "is(co, 'the value is a coroutine')\n"
         "is({[3] = {conn = io.stdout}}, '[3].conn is a userdata (FILE*)')\n"
         "is({['a b'] = {1, co}}, '[\"a b\"][2] is a coroutine')\n"
         "is({[1.5] = {[true] = co}}, '[1.5][true] is a coroutine')\n"
         "is({{[co] = 1}}, '[1](key) is a coroutine')\n"
         "is({{[{co}] = 1}}, '[1](key)[1] is a coroutine')\n"
         "is({print}, '[1] is a C function')\n"
         "is(setmetatable({}, {__index = {co}}), '(metatable).__index[1] is a coroutine')\n"
         "is({['x\\1y'] = co}, '[\"x?y\"] is a coroutine')\n"
         "local db = {conn = io.stdout}\n"
         "local query = load('local db = ... return function() return db end', '@job.lua')(db)\n"
         "is(query, \"upvalue 'db'.conn of function at job.lua:1 is a userdata (FILE*)\")\n"
         "is({cb = query}, \"upvalue 'db'.conn of function at job.lua:1 in .cb is a userdata (FILE*)\")\n"
         "local outer = load('local q = ...\\nreturn function() return q end', '@other.lua')({query})\n"
         "is(outer, \"upvalue 'db'.conn of function at job.lua:1 in upvalue 'q'[1] of function at "
         "other.lua:2 \" ..\n"
         "  'is a userdata (FILE*)')\n"
         "check(fault(1, co) == 'value 2 is a coroutine', 'among several values it tells which')\n"
         "check(fault(1, {co}) == 'value 2[1] is a coroutine', 'and where in it')\n"
         "local long = ('x'):rep(300) local t = co for i = 1, 10 do t = {[long] = t} end\n"
         "check(#fault(t) <= 255, 'a long path is cut')\n"
         "local _, why, text = encode({print}) check(text == '[1] is a C function', 'without a link a C "
         "function is told')\n"
         "local _, why, text = encode(function() end) check(text == 'the value is a function', 'and a Lua "
         "function')\n");
}

/* A function that was made in one state reads the globals of the other. */
static void test_states(lua_State *L) {
  lua_State *M = open_state();
  struct buffer b = {0};
  int count;
  run(L, "X = 1");
  run(M, "X = 2");
  (void)luaL_dostring(L, "local n = 40 return function() return X + n end");
  check(codec_encode(L, 1, 1, &b, &test_link, NULL) == STATUS_OK &&
            codec_decode(M, b.bytes, b.size, &test_link, &count) == STATUS_OK && count == 1 &&
            lua_pcall(M, 0, 1, 0) == LUA_OK && lua_tointeger(M, 1) == 42,
        "a function reads the globals of the state that it came to");
  buffer_release(&b);
  lua_settop(L, 0);
  lua_close(M);
}

static void test_pointers(lua_State *L) {
  struct buffer b = {0};
  int count;
  lua_pushlightuserdata(L, &b);
  check(codec_encode(L, 1, 1, &b, NULL, NULL) == STATUS_TYPE && b.size == 0,
        "without a link a light userdata is refused");
  check(codec_encode(L, 1, 1, &b, &test_link, NULL) == STATUS_OK &&
            codec_decode(L, b.bytes, b.size, &test_link, &count) == STATUS_OK && lua_touserdata(L, -1) == &b,
        "with a link it comes back");
  buffer_release(&b);
  lua_settop(L, 0);
}

static void test_append(lua_State *L) {
  struct buffer b = {0};
  size_t size;
  int count;
  run(L, "local word = 'word' local t = {word, word, word} t.t = t v = {t, t}");
  lua_getglobal(L, "v");
  buffer_append(&b, "before", 6);
  check(codec_encode(L, 1, 1, &b, NULL, NULL) == STATUS_OK && memcmp(b.bytes, "before", 6) == 0,
        "a message is put behind what the buffer holds");
  size = b.size;
  lua_pushcfunction(L, l_check);
  check(codec_encode(L, 1, 2, &b, NULL, NULL) == STATUS_TYPE && b.size == size, "or nothing is");
  lua_settop(L, 1);
  check(codec_decode(L, b.bytes + 6, b.size - 6, NULL, &count) == STATUS_OK && lua_rawlen(L, -1) == 2,
        "its offsets count from its own start");
  buffer_release(&b);
  lua_settop(L, 0);
}

/* Random values, with sharing and cycles, there and back. */
static void test_random(lua_State *L) {
  uint64_t seed = check_seed((uint64_t)time(NULL));
  lua_pushinteger(L, (lua_Integer)seed);
  lua_setglobal(L, "seed");
  lua_pushinteger(L, check_times(5000));
  lua_setglobal(L, "many");
  run(L,
      "math.randomseed(seed) local random = math.random\n"
      "local words = {} for i = 1, 60 do words[i] = ('w' .. i):rep(random(12)) end\n"
      "local pool, id\n"
      "local value\n"
      "local function number() local n = random(0) >> random(0, 63) return random(2) == 1 and n or -n end\n"
      "local function fraction() local r = random(4)\n"
      "  return r == 1 and number() + 0.0 or r == 2 and random() or r == 3 and random(-99, 99) / 8 or "
      "random(-9, 9) + 0.0 end\n"
      "local function text() return random(3) == 1 and ('x'):rep(random(0, 90)) or words[random(60)] end\n"
      "local function new(depth)\n"
      "  id = id + 1 local t = {id = id} pool[#pool + 1] = t\n"
      "  for i = 1, random(0, random(30)) do t[i] = value(depth - 1) end\n"
      "  for i = 1, random(0, 6) do local k = value(depth - 2)\n"
      "    if k ~= nil and k == k then t[k] = value(depth - 1) end end\n"
      "  return t\n"
      "end\n"
      "function value(depth)\n"
      "  local r = random(12)\n"
      "  if r <= 3 then return number() elseif r <= 5 then return fraction() elseif r <= 7 then return "
      "text()\n"
      "  elseif r == 8 then return random(2) == 1 elseif r == 9 then return nil\n"
      "  elseif r == 10 and #pool > 0 then return pool[random(#pool)]\n"
      "  elseif depth > 0 then return new(depth) end\n"
      "end\n"
      "local ok = true\n"
      "for i = 1, many do pool, id = {}, 0 local v = value(4)\n"
      "  if ok and not kept(v, value(3)) then ok = false print('# case ' .. i .. ' of seed ' .. seed) end "
      "end\n"
      "check(ok, 'random values come back')\n");
}

/* Without memory */

static int l_decode_scarce(lua_State *L) {
  const struct buffer *b = lua_touserdata(L, 1);
  int count;
  enum status status;
  lua_settop(L, 0);
  status = codec_decode(L, b->bytes, b->size, &test_link, &count);
  if (status != STATUS_OK && status != STATUS_NOMEM)
    check_bail("decode without memory says %s", status_text(status));
  lua_pushboolean(L, status == STATUS_OK);
  return 1;
}

static const char *const scarce_chunk =
    "local t = {name = 'n', list = {1, 2, 3, 'word', 'word', 'word'}, f = function(...) return ... end}\n"
    "for i = 1, 40 do t[i] = {['key' .. i] = i, ['word' .. i] = 'key' .. i, t = t, u = setmetatable({}, t)} "
    "end\n"
    "local n = {} for i = 1, 100 do n = {n} end\n"
    "local function g() return t, g end\n"
    "return t, ('long'):rep(100), n, g, 0.1";

static void test_scarce_decode(lua_State *L) {
  struct buffer b = {0};
  long n;
  int done = 0, sound = 1;
  luaL_loadstring(L, scarce_chunk);
  lua_call(L, 0, LUA_MULTRET);
  if (codec_encode(L, 1, lua_gettop(L), &b, &test_link, NULL) != STATUS_OK)
    check_bail("not encoded");
  lua_settop(L, 0);
  for (n = 0; !done && n < 100000; n++) {
    lua_State *M = lua_newstate(scarce_alloc, NULL);
    lua_pushcfunction(M, l_decode_scarce);
    lua_pushlightuserdata(M, &b);
    allowed = n;
    if (lua_pcall(M, 1, 1, 0) == LUA_OK)
      done = lua_toboolean(M, -1);
    else
      sound &= lua_type(M, -1) == LUA_TSTRING;
    allowed = -1;
    sound &= lua_gettop(M) == 1;
    lua_close(M);
  }
  check(done && sound && n > 100,
        "decoding with memory refused at the n-th time, for all n, is an error until it succeeds");
  buffer_release(&b);
}

static void test_scarce_encode(lua_State *L) {
  long n;
  int done = 0, sound = 1, count;
  luaL_loadstring(L, scarce_chunk);
  lua_call(L, 0, LUA_MULTRET);
  count = lua_gettop(L);
  lua_checkstack(L, 1000); /* its growth is not C's */
  for (n = 0; !done && n < 100000; n++) {
    struct buffer b = {0};
    enum status status;
    allowed = n;
    asked = 0;
    status = codec_encode(L, 1, count, &b, &test_link, NULL);
    allowed = -1;
    sound &= (status == STATUS_OK || (status == STATUS_NOMEM && b.size == 0)) && lua_gettop(L) == count;
    done = status == STATUS_OK && asked <= n;
    buffer_release(&b);
  }
  check(done && sound && n > 10,
        "encoding with memory refused at the n-th time, for all n, says so or does without");
  lua_settop(L, 0);
}

int main(void) {
  lua_State *L = open_state();
  run(L, same_chunk);
  test_golden(L);
  test_broken(L);
  test_damaged(L);
  test_bomb(L);
  test_values(L);
  test_deep();
  test_functions(L);
  test_metatables(L);
  test_faults(L);
  test_states(L);
  test_pointers(L);
  test_append(L);
  test_random(L);
  test_scarce_decode(L);
  test_scarce_encode(L);
  test_large(L);
  lua_close(L);
  return check_end();
}
