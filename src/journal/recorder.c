#include "config.h"
#include "recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "bag.h"
#include "journal.h"
#include "locator.h"
#include "references.h"

#define RECORDER     "fast_map.journal"
#define SCRATCH_KEPT ((size_t)1 << 20)

/* records; the numbers are in files */
enum {
  RECORD_FUNCTION = 1, /* digest: of the function whose results follow; body: in words, where it stands */
  RECORD_RESULT,       /* digest: of a task; body: a codec message */
  RECORD_BOUND         /* the same, and it leads to something that is found through the function */
};

/* kinds of digest */
enum { KIND_MESSAGE = 1, KIND_VALUE, KIND_TEXT };

/* A task whose result has not come. */
struct pending {
  struct digest digest;
  uint64_t index; /* 0: free */
};

struct recorder {
  struct journal *journal; /* NULL: closed */
  char *path;
  struct bag bag; /* results of earlier runs: task -> 2 * place in the file + 1 when bound */
  uint64_t result_count;
  struct journal_record function; /* the last RECORD_FUNCTION; kind 0: there is none */
  uint64_t bound_since;           /* bound results before this place are of another function */
  struct pending *pending;        /* circular: task k is pending[k & (pending_capacity - 1)] */
  uint64_t pending_capacity;
  struct buffer scratch;
  int seeded; /* results depend on the seed and the task's index, too */
  uint64_t seed;
};

static struct recorder *check_open(lua_State *L, int idx) {
  struct recorder *r = luaL_checkudata(L, idx, RECORDER);
  if (r->journal == NULL)
    luaL_error(L, "the journal is closed");
  return r;
}

struct recorder *recorder_check(lua_State *L, int idx) {
  struct recorder *r = check_open(L, idx);
  luaL_argcheck(L, r->bag.chains != NULL, idx, "the journal has not begun");
  return r;
}

void recorder_close(struct recorder *r) {
  journal_close(&r->journal);
  bag_release(&r->bag);
  buffer_release(&r->scratch);
  free(r->path);
  free(r->pending);
  r->path = NULL;
  r->pending = NULL;
  r->pending_capacity = 0;
}

static const char *trouble(enum status status) {
  return status == STATUS_SYSTEM   ? strerror(errno)
         : status == STATUS_FORMAT ? "a result in it was damaged while it was open"
                                   : status_text(status);
}

/* [-0, +0, v] */
static void raise(lua_State *L, const struct recorder *r, enum status status, const char *what) {
  luaL_error(L, "the journal '%s' cannot be %s: %s", r->path, what, trouble(status));
}

/* -- tasks -------------------------------------------------------------------- */

/* The message of such values has the same bytes in every run; tables' pairs have no order. */
static int is_plain(lua_State *L, int first, int count) {
  int i;
  for (i = first; i < first + count; i++)
    if (lua_type(L, i) > LUA_TSTRING || lua_islightuserdata(L, i))
      return 0;
  return 1;
}

/* With a seed, the random numbers that the task draws are those of its index. */
static struct digest end_key(const struct recorder *r, struct digester *d, uint64_t index) {
  if (r->seeded) {
    digest_add(d, &r->seed, sizeof r->seed);
    digest_add(d, &index, sizeof index);
  }
  return digest_end(d);
}

/* [-0, +0, e] What tells the task from others. */
static struct digest key_of(lua_State *L, const struct recorder *r, const struct recorder_task *t) {
  struct digester d;
  struct digest key;
  const char *text;
  size_t size;
  int i, top = lua_gettop(L);
  if (is_plain(L, t->first, t->count)) {
    digest_begin(&d, KIND_MESSAGE);
    digest_add(&d, t->message->bytes, t->message->size);
    return end_key(r, &d, t->index);
  }
  luaL_checkstack(L, t->count + 2, "too many values");
  lua_rawgetp(L, LUA_REGISTRYINDEX, r);
  for (i = 0; i < t->count; i++)
    lua_pushvalue(L, t->first + i);
  lua_call(L, t->count, 1);
  if (r->journal == NULL)
    luaL_error(L, "the map was closed by a callback");
  text = luaL_checklstring(L, -1, &size);
  digest_begin(&d, KIND_VALUE);
  digest_add(&d, text, size);
  key = end_key(r, &d, t->index);
  lua_settop(L, top);
  return key;
}

/* OK NOMEM. Room for the tasks from `oldest` to `index`. */
static enum status make_room(struct recorder *r, uint64_t oldest, uint64_t index) {
  uint64_t capacity = r->pending_capacity == 0 ? 64 : r->pending_capacity, i;
  struct pending *pending;
  while (index - oldest >= capacity)
    capacity *= 2;
  if (capacity == r->pending_capacity)
    return STATUS_OK;
  pending = calloc(capacity, sizeof *pending);
  if (pending == NULL)
    return STATUS_NOMEM;
  for (i = oldest; i < index && r->pending != NULL; i++)
    pending[i & (capacity - 1)] = r->pending[i & (r->pending_capacity - 1)];
  free(r->pending);
  r->pending = pending;
  r->pending_capacity = capacity;
  return STATUS_OK;
}

int recorder_find(lua_State *L, struct recorder *r, const struct recorder_task *t, uint64_t *at) {
  struct digest key = key_of(L, r, t);
  uint64_t number;
  while (bag_take(&r->bag, &key, &number) == STATUS_OK) {
    *at = number / 2;
    if (number % 2 == 0 || *at >= r->bound_since)
      return 1;
  }
  if (make_room(r, t->oldest, t->index) != STATUS_OK)
    luaL_error(L, "not enough memory");
  r->pending[t->index & (r->pending_capacity - 1)] = (struct pending){key, t->index};
  return 0;
}

void recorder_read(lua_State *L, struct recorder *r, uint64_t at, struct buffer *b) {
  enum status status = journal_read(r->journal, at, b);
  if (status != STATUS_OK)
    raise(L, r, status, "read");
}

/* -- results ------------------------------------------------------------------ */

/* reference_visitor */
static enum status detach(void *bound, unsigned char *bytes, size_t size) {
  return locator_detach(bytes, size, bound);
}

const char *recorder_keep(void *recorder, uint64_t index, const void *bytes, size_t size) {
  struct recorder *r = recorder;
  struct pending *p = &r->pending[index & (r->pending_capacity - 1)];
  enum status status;
  int bound = 0;
  if (r->pending == NULL || p->index != index)
    return NULL;
  buffer_reset(&r->scratch, SCRATCH_KEPT);
  if ((status = buffer_append(&r->scratch, bytes, size)) == STATUS_OK)
    status = references_visit(r->scratch.bytes, size, detach, &bound);
  if (status == STATUS_OK)
    status =
        journal_add(r->journal, bound ? RECORD_BOUND : RECORD_RESULT, &p->digest, r->scratch.bytes, size);
  switch (status) {
  case STATUS_OK:
    p->index = 0;
    return NULL;
  case STATUS_TYPE:
    return "the result cannot be kept in the journal: it leads to an object that only this run of the script "
           "has";
  case STATUS_NOMEM:
    return "not enough memory to keep the result in the journal";
  default:
    return "the result cannot be kept in the journal: it is malformed";
  }
}

void recorder_flush(lua_State *L, struct recorder *r) {
  enum status status = journal_flush(r->journal);
  if (status != STATUS_OK)
    raise(L, r, status, "written");
}

/* -- the userdata ------------------------------------------------------------- */

/* OK NOMEM SYSTEM. Learns what is in the file. */
static enum status look_through(struct recorder *r) {
  struct journal_record record;
  enum status status;
  while ((status = journal_next(r->journal, &record)) == STATUS_OK) {
    if (record.kind == RECORD_FUNCTION) {
      r->function = record;
      r->bound_since = record.at;
    } else if (record.kind == RECORD_RESULT || record.kind == RECORD_BOUND) {
      if (bag_put(&r->bag, &record.digest, 2 * record.at + (record.kind == RECORD_BOUND)) != STATUS_OK)
        return STATUS_NOMEM;
      r->result_count++;
    }
  }
  return status == STATUS_CLOSED ? STATUS_OK : status;
}

/* journal(path) -> journal; or nil, "busy" | "foreign" | "special" | "system", the system's words */
static int l_journal(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *code, *words;
  struct recorder *r;
  enum status status;
  lua_settop(L, 1);
  r = lua_newuserdatauv(L, sizeof *r, 0);
  *r = (struct recorder){0};
  luaL_setmetatable(L, RECORDER);
  status = (r->path = strdup(path)) == NULL ? STATUS_NOMEM : journal_open(&r->journal, path);
  if (status == STATUS_OK)
    status = look_through(r);
  if (status == STATUS_OK)
    return 1;
  words = trouble(status);
  code = status == STATUS_AGAIN    ? "busy"
         : status == STATUS_FORMAT ? "foreign"
         : status == STATUS_TYPE   ? "special"
                                   : "system";
  luaL_pushfail(L);
  lua_pushstring(L, code);
  lua_pushstring(L, words);
  recorder_close(r);
  return 3;
}

/* identity(journal) -> the function whose results it holds, and where that stood, in words; nil: it holds none */
static int l_identity(lua_State *L) {
  struct recorder *r = check_open(L, 1);
  if (r->function.kind == 0) {
    luaL_pushfail(L);
    return 1;
  }
  lua_pushlstring(L, (const char *)r->function.digest.bytes, DIGEST_SIZE);
  recorder_read(L, r, r->function.at, &r->scratch);
  lua_pushlstring(L, (const char *)r->scratch.bytes, r->scratch.size);
  return 2;
}

/* count(journal) -> results that it holds from earlier runs */
static int l_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_open(L, 1)->result_count);
  return 1;
}

/* restart(journal): forgets all -> true; or nil, message */
static int l_restart(lua_State *L) {
  struct recorder *r = check_open(L, 1);
  if (journal_restart(r->journal) != STATUS_OK)
    return luaL_fileresult(L, 0, NULL);
  bag_release(&r->bag);
  r->function.kind = 0;
  r->result_count = r->bound_since = 0;
  lua_pushboolean(L, 1);
  return 1;
}

/* OK NOMEM SYSTEM. Results that follow are those of the function. */
static enum status begin_function(struct recorder *r, const char *identity, const char *words, size_t size) {
  struct digest digest;
  enum status status;
  memcpy(digest.bytes, identity, DIGEST_SIZE);
  if (r->function.kind != 0 && memcmp(r->function.digest.bytes, identity, DIGEST_SIZE) == 0)
    return STATUS_OK;
  r->bound_since = UINT64_MAX;
  status = journal_add(r->journal, RECORD_FUNCTION, &digest, words, size);
  return status == STATUS_OK ? journal_flush(r->journal) : status;
}

/* begin(journal, identity, words, key [, seed]) -> true; or nil, message.
   identity and words: of the function, see identity. key(...): a string that is equal for equal tasks. */
static int l_begin(lua_State *L) {
  struct recorder *r = check_open(L, 1);
  size_t identity_size, words_size;
  const char *identity = luaL_checklstring(L, 2, &identity_size);
  const char *words = luaL_checklstring(L, 3, &words_size);
  enum status status;
  luaL_argcheck(L, identity_size == DIGEST_SIZE, 2, "no digest");
  luaL_checktype(L, 4, LUA_TFUNCTION);
  r->seeded = !lua_isnoneornil(L, 5);
  r->seed = r->seeded ? (uint64_t)luaL_checkinteger(L, 5) : 0;
  lua_pushvalue(L, 4);
  lua_rawsetp(L, LUA_REGISTRYINDEX, r);
  status = begin_function(r, identity, words, words_size);
  if (status == STATUS_OK)
    status = bag_seal(&r->bag);
  if (status == STATUS_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  luaL_pushfail(L);
  lua_pushstring(L, trouble(status));
  return 2;
}

/* close(journal) */
static int l_close(lua_State *L) {
  struct recorder *r = luaL_checkudata(L, 1, RECORDER);
  recorder_close(r);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, r);
  return 0;
}

/* digest(text) -> 16 bytes */
static int l_digest(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  struct digest digest = digest_of(KIND_TEXT, text, size);
  lua_pushlstring(L, (const char *)digest.bytes, DIGEST_SIZE);
  return 1;
}

void recorder_register(lua_State *L) {
  static const luaL_Reg methods[] = {{"identity", l_identity}, {"count", l_count}, {"restart", l_restart},
                                     {"begin", l_begin},       {"close", l_close}, {NULL, NULL}};
  luaL_newmetatable(L, RECORDER);
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, l_journal);
  lua_setfield(L, -2, "journal");
  lua_pushcfunction(L, l_digest);
  lua_setfield(L, -2, "digest");
}
