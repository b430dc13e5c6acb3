/* state_test.c - a script's state, frozen in this very process, and threads that fill theirs from it.
   Each case is a chunk of Lua that returns the function; every thread runs it as its task and compares the answer. */
#include "config.h"
#include "state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "check.h"
#include "codec.h"
#include "snapshot.h"
#include "still.h"

/* ThreadSanitizer keeps signals back until the program calls something it knows, which a loop in Lua never does. And it
   makes large data slow, by a factor of thirty, while it has nothing to find there that small ones do not show. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#define THREADS 64
#define FEW     (UNDER_TSAN ? 1 : 4) /* threads of a case that needs much memory in each */
#define TASKS   3                    /* a thread */
#define TEXT    2000

/* A port that hands out `left` tasks with the index as the only argument, and keeps the last answer as text. */
struct feed {
  struct port port;
  uint64_t index;
  int left;
  struct buffer bytes;
  enum verdict verdict; /* the worst */
  char text[TEXT];
};

static enum status take(struct port *port, struct job *job) {
  struct feed *f = (struct feed *)port;
  if (f->left-- <= 0)
    return STATUS_CLOSED;
  job->index = ++f->index;
  job->attempt = 1;
  job->bytes = f->bytes.bytes;
  job->size = f->bytes.size;
  return STATUS_OK;
}

static void reply(struct port *port, const struct job *job, enum verdict verdict,
                  const struct buffer *bytes) {
  struct feed *f = (struct feed *)port;
  lua_State *L = luaL_newstate();
  int count;
  (void)job;
  if (verdict > f->verdict || f->text[0] == '\0') {
    f->verdict = verdict;
    if (codec_decode(L, bytes->bytes, bytes->size, NULL, &count) == STATUS_OK && count > 0)
      snprintf(f->text, TEXT, "%s", luaL_tolstring(L, 1, NULL));
    else
      snprintf(f->text, TEXT, "(no value)");
  }
  lua_close(L);
}

static void feed_init(struct feed *f, int tasks) {
  lua_State *L = luaL_newstate();
  *f = (struct feed){.port = {take, reply}, .left = tasks};
  lua_pushinteger(L, 7);
  codec_encode(L, 1, 1, &f->bytes, NULL, NULL);
  lua_close(L);
}

struct run {
  pthread_barrier_t *start; /* so that all read at once */
  struct snapshot *snapshot;
  struct state_options options;
  struct feed feed;
  enum status status;
};

static void *run_thread(void *data) {
  struct run *r = data;
  struct state *state;
  pthread_barrier_wait(r->start);
  if ((r->status = state_open(&state, r->snapshot, &r->options)) == STATUS_OK)
    r->status = state_serve(state, &r->feed.port);
  state_close(&state);
  return NULL;
}

/* Runs the function that the chunk returns in `threads` threads. Fills text with the answer of the first that differs, or
   with what became of the script meanwhile. */
static enum verdict run_script(const char *chunk, int threads, const char *expected, char text[TEXT]) {
  struct still still;
  lua_State *L = (still_init(&still), lua_newstate(still_allocate, &still));
  struct run *runs = calloc((size_t)threads, sizeof *runs);
  pthread_t *ids = calloc((size_t)threads, sizeof *ids);
  pthread_barrier_t start;
  struct snapshot *snapshot;
  enum verdict verdict = VERDICT_DONE;
  pthread_barrier_init(&start, NULL, (unsigned)threads);
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, chunk, strlen(chunk), "=script") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK) {
    snprintf(text, TEXT, "%s", lua_tostring(L, -1));
    return VERDICT_FATAL;
  }
  snapshot_take(L, -1, &snapshot);
  if (state_freeze(snapshot) != STATUS_OK)
    return VERDICT_FATAL;
  still_close(&still);
  for (int i = 0; i < threads; i++) {
    runs[i].start = &start;
    runs[i].snapshot = snapshot;
    runs[i].options.seed = (uint64_t)i + 1;
    feed_init(&runs[i].feed, TASKS);
    pthread_create(&ids[i], NULL, run_thread, &runs[i]);
  }
  for (int i = 0; i < threads; i++)
    pthread_join(ids[i], NULL);
  snprintf(text, TEXT, "%s", runs[0].feed.text);
  verdict = runs[0].feed.verdict;
  for (int i = 0; i < threads; i++) {
    if (strcmp(runs[i].feed.text, expected) != 0) {
      snprintf(text, TEXT, "%s", runs[i].feed.text);
      verdict = runs[i].feed.verdict;
    }
    buffer_release(&runs[i].feed.bytes);
  }
  if (still_changed(&still) > 0) {
    snprintf(text, TEXT, "%d objects of the script were written to", still_changed(&still));
    verdict = VERDICT_FATAL;
  }
  lua_close(L);
  pthread_barrier_destroy(&start);
  free(runs);
  free(ids);
  return verdict;
}

static void answers_in(int threads, const char *title, const char *chunk, const char *expected) {
  char text[TEXT];
  enum verdict verdict = run_script(chunk, threads, expected, text);
  int ok = verdict == VERDICT_DONE && strcmp(text, expected) == 0;
  if (!ok)
    printf("# verdict %d, answer %s, expected %s\n", verdict, text, expected);
  check(ok, title);
}

static void answers(const char *title, const char *chunk, const char *expected) {
  answers_in(THREADS, title, chunk, expected);
}

static void fails_in(int threads, const char *title, const char *chunk, enum verdict expected,
                     const char *part) {
  char text[TEXT];
  enum verdict verdict = run_script(chunk, threads, "", text);
  int ok = verdict == expected && strstr(text, part) != NULL;
  if (!ok)
    printf("# verdict %d, answer %s, expected %s\n", verdict, text, part);
  check(ok, title);
}

static void fails(const char *title, const char *chunk, enum verdict expected, const char *part) {
  fails_in(THREADS, title, chunk, expected, part);
}

static void test_upvalues(void) {
  answers("a function without upvalues runs", "return function(x) return x + 1 end", "8");
  answers("plain upvalues travel",
          "local a, b, c = 1, 'two', 3.5 return function(x) return a .. b .. c .. x end", "1two3.57");
  answers("tables travel with cycles and shared parts",
          "local t = {1, 2, x = {y = {}}} t.self = t t.also = t.x "
          "return function() return tostring(t.self == t and t.also == t.x and t[2] == 2 and #t == 2) end",
          "true");
  answers("two closures share an upvalue",
          "local n = 0 local function inc() n = n + 1 end local function get() return n end "
          "return function() n = 0 inc() inc() return get() end",
          "2");
  answers("local functions call themselves and each other",
          "local even, odd function even(n) return n == 0 or odd(n - 1) end function odd(n) return n ~= 0 "
          "and even(n - 1) end "
          "return function() return tostring(even(10)) .. tostring(odd(10)) end",
          "truefalse");
  answers_in(FEW, "a list of 100,000 nodes travels",
             "local l for i = 1, 100000 do l = {next = l, i = i} end "
             "return function() local n, p = 0, l while p do n = n + 1 p = p.next end return n end",
             "100000");
  answers(
      "a custom _ENV travels",
      "local print = print local _ENV = {y = 5, s = _G.tostring} return function() z = y + 1 return s(z) end",
      "6");
  answers("constants and to-be-closed variables travel",
          "local k <const> = {9} local c <close> = setmetatable({v = 3}, {__close = function() end}) "
          "return function() return k[1] + c.v end",
          "12");
  answers("functions from text and from string.dump travel",
          "local g = load('local a = ... return function() return 4 + #tostring(a) end')(nil) "
          "local h = load(string.dump(function() return 5 end)) return function() return g() + h() end",
          "12");
  answers("vararg functions travel",
          "local function v(...) return select('#', ...) end return function() return v(nil, nil) end", "2");
}

static void test_globals(void) {
  answers("globals come when they are named",
          "function add(a, b) return a + b end k = 5 return function(x) return add(x, k) end", "12");
  answers("globals come through _G and in loaded text",
          "value = 3 return function() return _G['val' .. 'ue'] + load('return value')() end", "6");
  answers("an assigned global stays in the thread and nil hides the script's",
          "a, b = 1, 2 return function() a = nil b = 5 local r = tostring(a) .. b a, b = 1, 2 return r end",
          "nil5");
  answers("next and pairs see all globals",
          "g1 = 1 return function() local seen = {} for k in pairs(_G) do seen[k] = true end "
          "return tostring(seen.g1 and seen.print and seen.string and rawget(_G, 'g1') == 1) end",
          "true");
  answers("strings have their methods and do arithmetic",
          "return function() return ('x'):upper() .. ('10' + 1) .. #('a'):rep(3) end", "X113");
  answers(
      "the library table is one however it is reached",
      "local s = string return function() return tostring(getmetatable('').__index == s and s == string and "
      "require('string') == s and package.loaded.string == s) end",
      "true");
  answers("functions added to the libraries travel",
          "function string.trim(s) return (s:gsub('^%s+', '')) end function math.twice(x) return 2 * x end "
          "function io.nothing() return 'n' end os.gone = 1 "
          "return function() return ('  a'):trim() .. math.twice(4) .. io.nothing() .. os.gone end",
          "a8n1");
  answers("functions taken away from the libraries are gone",
          "math.sin = nil io.popen = nil return function() return tostring(math.sin) .. tostring(io.popen) "
          ".. math.floor(2.5) end",
          "nilnil2");
  answers("replaced functions travel",
          "function print(x) return 'mine' .. x end return function(x) return print(x) end", "mine7");
  answers("a strict _G is strict in tasks",
          "known = 1 setmetatable(_G, {__newindex = function(t, k) error('assign ' .. k, 2) end, "
          "__index = function(t, k) error('undefined ' .. k, 2) end}) "
          "return function() local a, e = pcall(function() return unknown end) known = 2 "
          "local b, e2 = pcall(function() fresh = 1 end) local r = known known = 1 "
          "return tostring(a) .. e .. tostring(b) .. e2 .. r end",
          "falsescript:1: undefined unknownfalsescript:1: assign fresh2");
  answers("math.random works and differs from the script's",
          "return function() return math.type(math.random(100)) end", "integer");
  answers("a metatable of strings that the script changed is kept",
          "getmetatable('').__call = function(s, n) return s .. n end return function() return ('a')(1) .. "
          "('x'):upper() end",
          "a1X");
}

static void test_modules(void) {
  answers(
      "a Lua module keeps its state, captured or required",
      "package.preload.config = function() return {level = 1} end local config = require 'config' "
      "config.level = 3 "
      "return function() local again = require 'config' return again.level .. tostring(again == config) end",
      "3true");
  answers("a module from package.preload is loaded in the task",
          "package.preload.later = function(name) return {name = name} end return function() return "
          "require('later').name end",
          "later");
  answers("package.path and package.searchers are the script's",
          "package.path = '/nowhere/?.lua' table.insert(package.searchers, 2, function(n) return function() "
          "return {n} end, 'x' end) "
          "return function() return package.path .. require('some')[1] .. #package.searchers end",
          "/nowhere/?.luasome5");
  answers("a module that is loaded again is a new one",
          "package.preload.m = function() return {} end local m = require 'm' "
          "return function() package.loaded.m = nil local r = tostring(require 'm' ~= m) package.loaded.m = "
          "m return r end",
          "true");
}

static void test_objects(void) {
  answers("metatables, methods and __index chains travel",
          "local A = {} A.__index = A function A:name() return 'A' .. self.n end local B = setmetatable({}, "
          "A) B.__index = B "
          "local o = setmetatable({n = 1}, B) return function() return o:name() .. tostring(getmetatable(o) "
          "== B) end",
          "A1true");
  answers("weak tables stay weak",
          "local cache = setmetatable({}, {__mode = 'k'}) return function() cache[{}] = 1 collectgarbage() "
          "collectgarbage() "
          "return tostring(next(cache)) end",
          "nil");
  answers("finalizers of the script's objects do not run in a thread",
          "local log = {} local o = setmetatable({}, {__gc = function() log[1] = 'x' end}) "
          "return function() local p = o o = nil p = nil collectgarbage() return #log end",
          "0");
  answers("finalizers of a task's objects run, also in the middle of a copy",
          "big = {} for i = 1, 2000 do big[i] = {i} end count = 0 "
          "return function() for i = 1, 100 do setmetatable({}, {__gc = function() count = count + #big "
          "end}) end "
          "local n = #big collectgarbage() return tostring(n == 2000 and count > 0) end",
          "true");
  answers("io.stdout and its like are the thread's own",
          "local out = io.stdout return function() return tostring(out == io.stdout) .. io.type(out) end",
          "truefile");
  answers("an open file travels",
          "local f = assert(io.tmpfile()) f:write('hello') f:seek('set') local b = f:read(2) "
          "return function() f:write('') return io.type(f) end",
          "file");
}

static void test_placeholders(void) {
  answers("what cannot travel harms nobody who does not use it",
          "local t = {co = coroutine.create(print), x = 5} return function() return t.x end", "5");
  fails("a coroutine fails with its path when it is used",
        "local db = {co = coroutine.create(print)} return function() return db.co.x end", VERDICT_ERROR,
        "upvalue 'db'.co of function at script:1 is a coroutine, which cannot travel to a task: open it in "
        "the task");
  fails("a C closure of nowhere fails with its path",
        "local t = {a = {string.gmatch('a b', '%a')}} return function() return t.a[1]() end", VERDICT_ERROR,
        "upvalue 't'.a[1] of function at script:1 is a C function");
}

static void test_errors(void) {
  fails("an error shows the script's line", "return function()\nerror('oops') end", VERDICT_ERROR,
        "script:2: oops");
  fails("os.exit is an error", "return function() os.exit(3) end", VERDICT_ERROR,
        "os.exit(3) called in a task");
  fails("yielding is explained", "return function() coroutine.yield() end", VERDICT_ERROR,
        "a task is no coroutine");
  fails("a result that cannot travel is an error", "return function() return coroutine.create(print) end",
        VERDICT_TRANSFER, "coroutine");
  fails_in(1, "a stack overflow is an error",
           "local function r() return 1 + r() end return function() return r() end", VERDICT_ERROR,
           "stack overflow");
}

/* ------------------------------------------------------------------ many threads */

static void test_many(void) {
  static const char chunk[] =
      "numbers = {} for i = 1, 200 do numbers[i] = {n = i, name = 'number ' .. i} end "
      "for i = 1, 100 do _G['global' .. i] = {value = i} end "
      "package.preload.counted = function() return {count = 0} end require 'counted' "
      "local Class = {} Class.__index = Class function Class:value() return self.v end "
      "function string.double(s) return s .. s end "
      "return function(x) "
      "  local sum = 0 for _, e in ipairs(numbers) do sum = sum + e.n + #e.name end "
      "  for i = 1, 100 do sum = sum + _G['global' .. i].value end "
      "  local counted = require 'counted' counted.count = counted.count + 1 "
      "  local o = setmetatable({v = x}, Class) "
      "  io.stdout:write('') math.random() "
      "  local count = 0 for _ in pairs(_G) do count = count + 1 end "
      "  return sum .. ('a'):double() .. o:value() .. tostring(count > 100) .. tostring(undefined) end";
  char text[TEXT];
  enum verdict verdict = run_script(chunk, THREADS, "27042aa7truenil", text);
  printf("# %s\n", text);
  check(verdict == VERDICT_DONE && strcmp(text, "27042aa7truenil") == 0,
        "64 threads read the frozen state at once");
}

/* ------------------------------------------------------------------ references in both directions */

/* Encodes `count` values from the stack index first on. */
static struct buffer encoded(lua_State *L, int first, int count, struct codec_link *link) {
  struct buffer b = {0};
  if (codec_encode(L, first, count, &b, link, NULL) != STATUS_OK)
    check_bail("cannot encode");
  return b;
}

/* A port with one job, which keeps the answer. */
struct errand {
  struct port port;
  struct buffer arguments, results;
  enum verdict verdict;
  int taken;
};

static enum status take_one(struct port *port, struct job *job) {
  struct errand *e = (struct errand *)port;
  if (e->taken++ > 0)
    return STATUS_CLOSED;
  *job = (struct job){.index = 1, .attempt = 1, .bytes = e->arguments.bytes, .size = e->arguments.size};
  return STATUS_OK;
}

static void keep_reply(struct port *port, const struct job *job, enum verdict verdict,
                       const struct buffer *bytes) {
  struct errand *e = (struct errand *)port;
  (void)job;
  e->verdict = verdict;
  e->results.size = 0;
  buffer_append(&e->results, bytes->bytes, bytes->size);
}

struct errand_run {
  struct errand *errand;
  struct snapshot *snapshot;
  struct state_options options;
  enum status status;
};

static void *run_errand_thread(void *data) {
  struct errand_run *r = data;
  struct state *state;
  if (state_open(&state, r->snapshot, &r->options) == STATUS_OK)
    r->status = state_serve(state, &r->errand->port);
  state_close(&state);
  return NULL;
}

/* The chunk returns f, an argument, and a function that gets f's results and says whether they are right. */
static void comes_back(const char *title, const char *chunk) {
  lua_State *L = luaL_newstate();
  struct errand e = {.port = {take_one, keep_reply}};
  struct errand_run run = {.errand = &e, .options = {.seed = 1}};
  pthread_t thread;
  int count = 0, ok = 0;
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, chunk, strlen(chunk), "=script") != LUA_OK || lua_pcall(L, 0, 3, 0) != LUA_OK)
    check_bail("%s", lua_tostring(L, -1));
  snapshot_take(L, 1, &run.snapshot);
  e.arguments = encoded(L, 2, 1, snapshot_link(run.snapshot));
  snapshot_forked(run.snapshot);
  state_freeze(run.snapshot);
  pthread_create(&thread, NULL, run_errand_thread, &run);
  pthread_join(thread, NULL);
  lua_gc(L, LUA_GCRESTART);
  lua_pushvalue(L, 3);
  if (codec_decode(L, e.results.bytes, e.results.size, snapshot_link(run.snapshot), &count) == STATUS_OK)
    ok = e.verdict == VERDICT_DONE && lua_pcall(L, count, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  if (!ok)
    printf("# verdict %d: %s\n", e.verdict, luaL_tolstring(L, -1, NULL));
  check(ok, title);
  buffer_release(&e.arguments);
  buffer_release(&e.results);
  lua_close(L);
}

static void test_references(void) {
  comes_back(
      "an object's metatable is the script's in the task and back in the script",
      "Point = {} Point.__index = Point function Point:get() return self.x end "
      "return function(p) return setmetatable({x = p:get() + 1}, Point), getmetatable(p) == Point end, "
      "setmetatable({x = 4}, Point), function(p, same) return getmetatable(p) == Point and p:get() == 5 and "
      "same end");
  comes_back("so is a metatable that only the argument leads to",
             "local Point = {} Point.__index = Point "
             "return function(p) return setmetatable({x = p.x + 1}, getmetatable(p)) end, "
             "setmetatable({x = 4}, Point), function(p) return getmetatable(p) == Point and p.x == 5 end");
  comes_back(
      "a metatable behind an upvalue, an array and a metatable is found again",
      "local classes = {{}, setmetatable({}, {__index = {deep = {name = 'deep'}}})} "
      "return function() return setmetatable({}, classes[2].deep), setmetatable({}, classes[1]) end, 0, "
      "function(a, b) return getmetatable(a) == classes[2].deep and getmetatable(b) == classes[1] end");
  comes_back("functions of the script and of Lua come back as themselves",
             "local function mine() end return function(g) return mine, print, math.random, io.stdout, "
             "string.format, g end, mine, "
             "function(a, b, c, d, e, g) return a == mine and b == print and c == math.random and d == "
             "io.stdout and "
             "e == string.format and g == mine end");
  comes_back("a function made in a task comes back with the script's own tables",
             "counter = {n = 0} local k = {} "
             "return function(x) return function(y) return x + y, print end end, 5, "
             "function(f) local r, p = f(6) return r == 11 and p == print end");
  comes_back("a metatable made in a task comes back by value",
             "return function() return setmetatable({}, {__index = {a = 1}}) end, 0, function(o) return o.a "
             "== 1 end");
}

/* ------------------------------------------------------------------ interruption and memory */

static struct state *interrupted;

static void on_alarm(int number) {
  (void)number;
  if (interrupted != NULL)
    state_interrupt(interrupted);
}

/* Runs f once on this thread; the message, as text. */
static enum verdict run_here(const char *chunk, const struct state_options *options, int interrupt,
                             enum status *status, char text[TEXT]) {
  struct itimerval soon = {.it_value = {0, 30000}};
  lua_State *L = luaL_newstate();
  struct errand e = {.port = {take_one, keep_reply}};
  struct snapshot *snapshot;
  struct state *state;
  int count;
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, chunk, strlen(chunk), "=script") != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK)
    check_bail("%s", lua_tostring(L, -1));
  snapshot_take(L, 1, &snapshot);
  e.arguments = encoded(L, 1, 0, NULL);
  state_freeze(snapshot);
  *status = state_open(&state, snapshot, options);
  if (*status == STATUS_OK) {
    interrupted = state;
    if (interrupt)
      setitimer(ITIMER_REAL, &soon, NULL);
    *status = state_serve(state, &e.port);
    interrupted = NULL;
  }
  state_close(&state);
  text[0] = '\0';
  if (codec_decode(L, e.results.bytes, e.results.size, NULL, &count) == STATUS_OK && count > 0)
    snprintf(text, TEXT, "%s", luaL_tolstring(L, -count, NULL));
  buffer_release(&e.arguments);
  buffer_release(&e.results);
  lua_close(L);
  return e.verdict;
}

static void times_out(const char *title, const char *chunk, const char *expected) {
  static const struct state_options options = {.seed = 1};
  char text[TEXT];
  enum status status;
  enum verdict verdict = run_here(chunk, &options, 1, &status, text);
  int ok = verdict == VERDICT_TIMEOUT && strcmp(text, expected) == 0;
  if (!ok)
    printf("# verdict %d, %s\n", verdict, text);
  check(ok, title);
}

static void test_interruption(void) {
  if (UNDER_TSAN) {
    check_skip("a loop is interrupted at its line", "ThreadSanitizer");
    return;
  }
  signal(SIGALRM, on_alarm);
  times_out("an endless loop is interrupted at its line", "return function()\nwhile true do end end",
            "script:2: timed out");
  times_out("so is one in a coroutine",
            "return function() local co = coroutine.create(function()\nwhile true do end end) "
            "coroutine.resume(co) return 1 end",
            "script:2: timed out");
  times_out("so is one in a coroutine of a coroutine",
            "return function() for _ in coroutine.wrap(function() coroutine.wrap(function()\nwhile true do "
            "end end)() end) do end end",
            "script:2: timed out");
  times_out("so is one that catches errors once",
            "return function() pcall(function() while true do end end)\nwhile true do end end",
            "script:2: timed out");
}

/* Init and the first task on this thread; how often the state said that it is ready. */
static int ready_count;

static void note_ready(struct port *port) {
  (void)port;
  ready_count++;
}

static void begins(const char *title, const char *chunk, enum verdict expected, const char *part, int ready) {
  static const struct state_options options = {.seed = 1, .has_init = 1};
  lua_State *L = luaL_newstate();
  struct errand e = {.port = {take_one, keep_reply, note_ready}};
  struct snapshot *snapshot;
  struct state *state;
  const char *text = "";
  int count;
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, chunk, strlen(chunk), "=script") != LUA_OK || lua_pcall(L, 0, 2, 0) != LUA_OK)
    check_bail("%s", lua_tostring(L, -1));
  lua_pushnil(L);
  snapshot_take(L, 1, &snapshot);
  snapshot_add_ends(L, 2, 3, snapshot);
  e.arguments = encoded(L, 1, 0, NULL);
  state_freeze(snapshot);
  ready_count = 0;
  if (state_open(&state, snapshot, &options) == STATUS_OK)
    state_serve(state, &e.port);
  state_close(&state);
  if (codec_decode(L, e.results.bytes, e.results.size, NULL, &count) == STATUS_OK && count > 0)
    text = luaL_tolstring(L, -count, NULL);
  if (e.verdict != expected || strstr(text, part) == NULL || ready_count != ready)
    printf("# verdict %d, %s, ready %d times\n", e.verdict, text, ready_count);
  check(e.verdict == expected && strstr(text, part) != NULL && ready_count == ready, title);
  buffer_release(&e.arguments);
  buffer_release(&e.results);
  lua_close(L);
}

static void test_init(void) {
  begins("init runs before the first task and shares its upvalues",
         "local n = 0 return function() return n end, function() n = n + 5 end", VERDICT_DONE, "5", 1);
  begins("a failing init is fatal", "return function() end, function() error('no') end", VERDICT_FATAL,
         "script:1: no", 0);
  begins("an init that cannot be called is fatal", "return function() end, {}", VERDICT_FATAL,
         "attempt to call a table value", 0);
}

static void test_memory(void) {
  struct state_options options = {.seed = 1, .memory_limit = 1 << 20};
  static const char hungry[] =
      "return function() local t = {} for i = 1, 1e8 do t[i] = {i} end return #t end";
  static const char modest[] =
      "local t = {} for i = 1, 50 do t[i] = setmetatable({i, tostring(i)}, {__index = t}) end big = t "
      "return function() local n = 0 for k, v in pairs(t) do n = n + v[1] + #v[2] end return n + #big + "
      "math.floor(2.5) "
      "+ #require('string').rep('x', 10) + #debug.traceback('', 0):match(\"'debug.traceback'\") end";
  char text[TEXT];
  enum status status;
  enum verdict verdict = run_here(hungry, &options, 0, &status, text);
  size_t step = check_times(10) == 10 ? 64 : 1024;
  int done = 0;
  check(verdict == VERDICT_MEMORY && status == STATUS_NOMEM &&
            strcmp(text, "not enough memory (memory_limit is 1048576 bytes)") == 0,
        "a task beyond the memory limit fails with a clear message, and its state is given up");
  for (options.memory_limit = 4096; options.memory_limit < 120000; options.memory_limit += step) {
    verdict = run_here(modest, &options, 0, &status, text);
    if (verdict == VERDICT_DONE)
      done++;
    else if (verdict != VERDICT_MEMORY || done > 0)
      check_bail("limit %zu: verdict %d, %s", options.memory_limit, verdict, text);
  }
  check(done > 10 && strcmp(text, "1445") == 0,
        "whatever allocation is the one that fails, the task says so");
}

int main(void) {
  test_upvalues();
  test_globals();
  test_modules();
  test_objects();
  test_placeholders();
  test_errors();
  test_many();
  test_references();
  test_interruption();
  test_init();
  test_memory();
  return check_end();
}
