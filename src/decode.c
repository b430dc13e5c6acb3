#include "config.h"
#include "codec.h"
#include "wire.h"

#include <stdint.h>

#define NEAR_NAMES   16 /* names kept on the Lua stack; the others in a table */
#define FRAMES_FIRST 16
#define LEVELS_AHEAD 32 /* that one lua_checkstack makes room for */
#define STRAY_SLOTS  24 /* of the Lua stack, for the codec and resolve, above the two of each level */

/* Slots of the Lua stack above the results; all nil until they are needed. */
enum slot {
  SLOT_SEEN = 1, /* table: offset -> what was decoded there */
  SLOT_NAMES,    /* table: number -> string, from NEAR_NAMES on */
  SLOT_FRAMES,   /* userdata: the frames, when they are more than FRAMES_FIRST */
  SLOT_LATE,     /* sequence of tables whose metatable was not complete */
  SLOT_NAME,     /* the first NEAR_NAMES strings */
  SLOT_COUNT = SLOT_NAME + NEAR_NAMES - 1
};

/* What the next value is, of the object in progress. */
enum part {
  PART_ARRAY,   /* element `done` + 1 */
  PART_PAIRS,   /* a key, or the end */
  PART_KEY,     /* (being read) */
  PART_VALUE,   /* of the key on the stack */
  PART_META,    /* the metatable, if any */
  PART_DONE,    /* none */
  PART_UPVALUES /* upvalue `done` + 1 */
};

struct frame {
  enum part part;
  unsigned flags;
  size_t at;    /* offset of the tag */
  size_t count; /* of elements or upvalues */
  size_t done;
};

struct decoder {
  lua_State *L;
  const unsigned char *bytes, *p, *end;
  struct codec_link *link;
  struct frame *frames;
  size_t depth, depth_most;
  size_t depth_ready; /* for which the Lua stack has room */
  size_t budget;      /* entries that tables may still make room for: each takes a byte at least */
  size_t names;       /* numbers given */
  int base;           /* slots start above it */
  struct frame first[FRAMES_FIRST];
};

/* Values that hold no others and need nothing of what came before.
   [-0, +1|0, m] OK; AGAIN: it is not one of them, only the tag is taken; FORMAT */

static enum status push_integer(lua_State *L, const unsigned char **p, const unsigned char *end) {
  uint64_t n;
  if (get_varint(p, end, &n) != STATUS_OK)
    return STATUS_FORMAT;
  lua_pushinteger(L, unzigzag(n));
  return STATUS_OK;
}

static enum status push_integral(lua_State *L, const unsigned char **p, const unsigned char *end) {
  uint64_t n;
  if (get_varint(p, end, &n) != STATUS_OK)
    return STATUS_FORMAT;
  lua_pushnumber(L, (lua_Number)unzigzag(n));
  return STATUS_OK;
}

static enum status push_float4(lua_State *L, const unsigned char **p, const unsigned char *end) {
  uint64_t bits;
  uint32_t half;
  float f;
  if (get_fixed(p, end, 4, &bits) != STATUS_OK)
    return STATUS_FORMAT;
  half = (uint32_t)bits;
  memcpy(&f, &half, sizeof f);
  lua_pushnumber(L, (lua_Number)f);
  return STATUS_OK;
}

static enum status push_float8(lua_State *L, const unsigned char **p, const unsigned char *end) {
  uint64_t bits;
  double d;
  if (get_fixed(p, end, 8, &bits) != STATUS_OK)
    return STATUS_FORMAT;
  memcpy(&d, &bits, sizeof d);
  lua_pushnumber(L, (lua_Number)d);
  return STATUS_OK;
}

static enum status push_string(lua_State *L, const unsigned char **p, const unsigned char *end,
                               uint64_t size) {
  if ((uint64_t)(end - *p) < size)
    return STATUS_FORMAT;
  lua_pushlstring(L, (const char *)*p, (size_t)size);
  *p += size;
  return STATUS_OK;
}

static inline enum status push_scalar(lua_State *L, unsigned tag, const unsigned char **p,
                                      const unsigned char *end) {
  uint64_t size;
  if (tag < TAG_STRING) {
    lua_pushinteger(L, (lua_Integer)tag);
    return STATUS_OK;
  }
  if (tag < TAG_LONG_STRING)
    return push_string(L, p, end, tag - TAG_STRING);
  if (tag >= TAG_NEGATIVE) {
    lua_pushinteger(L, (lua_Integer)tag - 256);
    return STATUS_OK;
  }
  switch (tag) {
  case TAG_LONG_STRING:
    return get_varint(p, end, &size) == STATUS_OK ? push_string(L, p, end, size) : STATUS_FORMAT;
  case TAG_NIL:
    lua_pushnil(L);
    return STATUS_OK;
  case TAG_FALSE:
  case TAG_TRUE:
    lua_pushboolean(L, tag == TAG_TRUE);
    return STATUS_OK;
  case TAG_INTEGER:
    return push_integer(L, p, end);
  case TAG_INTEGRAL:
    return push_integral(L, p, end);
  case TAG_FLOAT4:
    return push_float4(L, p, end);
  case TAG_FLOAT8:
    return push_float8(L, p, end);
  default:
    return STATUS_AGAIN;
  }
}

/* Values that name something of the message, or of the link. [-0, +1|0, e] */

/* OK FORMAT. The offset of something before the tag at hand. */
static enum status get_offset(struct decoder *d, uint64_t *offset) {
  if (get_varint(&d->p, d->end, offset) != STATUS_OK || *offset >= (uint64_t)(d->p - d->bytes))
    return STATUS_FORMAT;
  return STATUS_OK;
}

/* [-0, +0, m] The table in a slot, made when it is first needed. */
static int slot_table(struct decoder *d, int slot) {
  int idx = d->base + slot;
  if (lua_type(d->L, idx) == LUA_TNIL) {
    lua_createtable(d->L, 0, 0);
    lua_replace(d->L, idx);
  }
  return idx;
}

/* Keeps the string on top under the next number. */
static void keep_name(struct decoder *d) {
  lua_pushvalue(d->L, -1);
  if (d->names < NEAR_NAMES)
    lua_replace(d->L, d->base + SLOT_NAME + (int)d->names);
  else
    lua_rawseti(d->L, slot_table(d, SLOT_NAMES), (lua_Integer)(d->names - NEAR_NAMES) + 1);
  d->names++;
}

static enum status push_new_name(struct decoder *d) {
  uint64_t offset;
  const unsigned char *p;
  unsigned tag;
  if (get_offset(d, &offset) != STATUS_OK)
    return STATUS_FORMAT;
  p = d->bytes + offset;
  tag = *p++;
  if (tag < TAG_STRING || tag >= TAG_LONG_STRING ||
      push_string(d->L, &p, d->p, tag - TAG_STRING) != STATUS_OK)
    return STATUS_FORMAT;
  keep_name(d);
  return STATUS_OK;
}

static inline enum status push_name(struct decoder *d, uint64_t name) {
  if (name >= d->names)
    return STATUS_FORMAT;
  if (name < NEAR_NAMES)
    lua_pushvalue(d->L, d->base + SLOT_NAME + (int)name);
  else
    lua_rawgeti(d->L, d->base + SLOT_NAMES, (lua_Integer)(name - NEAR_NAMES) + 1);
  return STATUS_OK;
}

static enum status push_far_name(struct decoder *d) {
  uint64_t name;
  return get_varint(&d->p, d->end, &name) == STATUS_OK ? push_name(d, name) : STATUS_FORMAT;
}

/* Keeps the object on top for what names it by its offset. */
static void keep_seen(struct decoder *d, size_t at) {
  int seen = slot_table(d, SLOT_SEEN);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, seen, (lua_Integer)at);
}

static enum status push_seen(struct decoder *d) {
  uint64_t offset;
  if (get_offset(d, &offset) != STATUS_OK || lua_type(d->L, d->base + SLOT_SEEN) == LUA_TNIL)
    return STATUS_FORMAT;
  if (lua_rawgeti(d->L, d->base + SLOT_SEEN, (lua_Integer)offset) != LUA_TNIL)
    return STATUS_OK;
  lua_settop(d->L, -2);
  return STATUS_FORMAT;
}

static enum status push_reference(struct decoder *d) {
  size_t at = (size_t)(d->p - d->bytes) - 1;
  const unsigned char *bytes;
  unsigned flags;
  uint64_t size;
  if (d->link == NULL || d->p == d->end)
    return STATUS_FORMAT;
  flags = *d->p++;
  if (get_varint(&d->p, d->end, &size) != STATUS_OK || (uint64_t)(d->end - d->p) < size)
    return STATUS_FORMAT;
  bytes = d->p;
  d->p += size;
  if (d->link->resolve(d->link, d->L, bytes, (size_t)size) != STATUS_OK)
    return STATUS_FORMAT;
  if (flags & CODEC_FLAG_SEEN)
    keep_seen(d, at);
  return STATUS_OK;
}

static enum status push_globals(struct decoder *d) {
  if (d->link == NULL)
    return STATUS_FORMAT;
  lua_rawgeti(d->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  return STATUS_OK;
}

static enum status push_pointer(struct decoder *d) {
  uint64_t bits;
  if (d->link == NULL || get_fixed(&d->p, d->end, 8, &bits) != STATUS_OK)
    return STATUS_FORMAT;
  lua_pushlightuserdata(d->L, (void *)(uintptr_t)bits);
  return STATUS_OK;
}

/* Tables and functions: each has a frame until its last part is in; what they are filled with lies above them. */

/* [-0, +0, m] Frames move into a userdata, or a larger one. */
static void frames_grow(struct decoder *d) {
  size_t most = d->depth_most * 4;
  struct frame *frames = lua_newuserdatauv(d->L, most * sizeof *frames, 0);
  memcpy(frames, d->frames, d->depth * sizeof *frames);
  lua_replace(d->L, d->base + SLOT_FRAMES);
  d->frames = frames;
  d->depth_most = most;
}

/* [-0, +0, m] OK DEPTH NOMEM. Before the object that the frame is for is made. */
static enum status enter(struct decoder *d, enum part part, size_t at, unsigned flags, size_t count) {
  if (d->depth >= CODEC_DEPTH)
    return STATUS_DEPTH;
  if (d->depth >= d->depth_ready) {
    if (!lua_checkstack(d->L, 2 * LEVELS_AHEAD + STRAY_SLOTS))
      return STATUS_NOMEM;
    d->depth_ready = d->depth + LEVELS_AHEAD;
  }
  if (d->depth == d->depth_most)
    frames_grow(d);
  d->frames[d->depth++] = (struct frame){part, flags, at, count, 0};
  return STATUS_OK;
}

static inline struct frame *innermost(struct decoder *d) {
  return &d->frames[d->depth - 1];
}

/* What is left to come of a table whose elements are in. */
static enum part after_array(unsigned flags) {
  return flags & CODEC_FLAG_PAIRS ? PART_PAIRS : PART_META;
}

/* [-0, +1|0, m] OK FORMAT DEPTH NOMEM. An empty table with room for all; its frame. */
static enum status begin_table(struct decoder *d, unsigned tag) {
  size_t at = (size_t)(d->p - d->bytes) - 1, pairs;
  uint64_t count = tag - TAG_TABLE;
  unsigned flags, class;
  enum status status;
  if (d->p == d->end)
    return STATUS_FORMAT;
  flags = *d->p++;
  if (tag == TAG_LONG_TABLE && get_varint(&d->p, d->end, &count) != STATUS_OK)
    return STATUS_FORMAT;
  if (count > d->budget || count > INT32_MAX || (flags & CODEC_FLAG_META && d->link == NULL))
    return STATUS_FORMAT;
  d->budget -= (size_t)count;
  class = flags & CODEC_FLAG_PAIRS;
  pairs = class == 0 ? 0 : (size_t)1 << (class < 31 ? class - 1 : 30);
  if (pairs > d->budget) /* there are more than half as many, of two bytes at least */
    pairs = d->budget;
  d->budget -= pairs;
  status = enter(d, count > 0 ? PART_ARRAY : after_array(flags), at, flags, (size_t)count);
  if (status != STATUS_OK)
    return status;
  lua_createtable(d->L, (int)count, (int)pairs);
  if (flags & CODEC_FLAG_SEEN)
    keep_seen(d, at);
  return STATUS_OK;
}

struct piece {
  const char *bytes;
  size_t size;
};

/* lua_Reader */
static const char *read_piece(lua_State *L, void *box, size_t *size) {
  struct piece *piece = box;
  const char *bytes = piece->bytes;
  (void)L;
  *size = piece->size;
  piece->bytes = NULL;
  piece->size = 0;
  return bytes;
}

/* OK FORMAT. Where the code at d->p lies: there, or earlier. */
static enum status get_code(struct decoder *d, struct piece *code) {
  const unsigned char *p = d->p, **at = &d->p;
  uint64_t size;
  if (get_varint(at, d->end, &size) != STATUS_OK)
    return STATUS_FORMAT;
  if (size == 0) {
    if (get_offset(d, &size) != STATUS_OK)
      return STATUS_FORMAT;
    p = d->bytes + size;
    at = &p;
    if (get_varint(at, d->p, &size) != STATUS_OK)
      return STATUS_FORMAT;
  }
  if (size == 0 || (uint64_t)(d->end - *at) < size)
    return STATUS_FORMAT;
  code->bytes = (const char *)*at;
  code->size = (size_t)size;
  *at += size;
  return STATUS_OK;
}

/* [-0, +1|0, m] OK FORMAT */
static enum status push_code(struct decoder *d, struct piece *code) {
  int status = lua_load(d->L, read_piece, code, "=?", "b");
  if (status == LUA_ERRMEM)
    lua_error(d->L); /* the message is on top */
  if (status == LUA_OK)
    return STATUS_OK;
  lua_settop(d->L, -2);
  return STATUS_FORMAT;
}

/* [-0, +0, -] Upvalues of the function on top. */
static size_t upvalue_count(lua_State *L) {
  lua_Debug about;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">u", &about);
  return about.nups;
}

/* [-0, +1|0, m] OK FORMAT DEPTH NOMEM. The function, its upvalues fresh; its frame. */
static enum status begin_function(struct decoder *d) {
  size_t at = (size_t)(d->p - d->bytes) - 1;
  struct piece code;
  unsigned flags;
  uint64_t count;
  enum status status;
  if (d->link == NULL || d->p == d->end)
    return STATUS_FORMAT;
  flags = *d->p++;
  if (get_code(d, &code) != STATUS_OK || get_varint(&d->p, d->end, &count) != STATUS_OK)
    return STATUS_FORMAT;
  status = enter(d, PART_UPVALUES, at, flags, (size_t)count);
  if (status != STATUS_OK || (status = push_code(d, &code)) != STATUS_OK)
    return status;
  if (flags & CODEC_FLAG_SEEN)
    keep_seen(d, at);
  return upvalue_count(d->L) == count ? STATUS_OK : STATUS_FORMAT;
}

/* [-0, +0, -] OK FORMAT. The next upvalue of the function on top is one that an earlier function has. */
static enum status join_upvalue(struct decoder *d, struct frame *f) {
  lua_State *L = d->L;
  uint64_t k;
  enum status status = push_seen(d);
  if (status != STATUS_OK)
    return status;
  if (get_varint(&d->p, d->end, &k) != STATUS_OK || k == 0 || !lua_isfunction(L, -1) ||
      lua_iscfunction(L, -1) || k > upvalue_count(L))
    return STATUS_FORMAT;
  lua_upvaluejoin(L, -2, (int)++f->done, -1, (int)k);
  lua_settop(L, -2);
  return STATUS_OK;
}

/* [-0, +1|0, e] OK; AGAIN: a table or function was begun; FORMAT DEPTH NOMEM */
static enum status push_rest(struct decoder *d, unsigned tag) {
  enum status status;
  if (tag >= TAG_NAME)
    return push_name(d, tag - TAG_NAME);
  switch (tag) {
  case TAG_NEW_NAME:
    return push_new_name(d);
  case TAG_FAR_NAME:
    return push_far_name(d);
  case TAG_SEEN:
    return push_seen(d);
  case TAG_REFERENCE:
    return push_reference(d);
  case TAG_GLOBALS:
    return push_globals(d);
  case TAG_POINTER:
    return push_pointer(d);
  case TAG_FUNCTION:
    status = begin_function(d);
    break;
  default:
    status = tag >= TAG_TABLE ? begin_table(d, tag) : STATUS_FORMAT;
  }
  return status == STATUS_OK ? STATUS_AGAIN : status;
}

/* [-0, +1|0, e] OK; AGAIN: a table or function was begun; FORMAT DEPTH NOMEM */
static inline enum status push_value(struct decoder *d) {
  unsigned tag;
  enum status status;
  if (d->p == d->end)
    return STATUS_FORMAT;
  tag = *d->p++;
  status = push_scalar(d->L, tag, &d->p, d->end);
  return status == STATUS_AGAIN ? push_rest(d, tag) : status;
}

/* Each of these goes on until the object is complete (OK), or another is begun in it (AGAIN); a frame says
   where it is before that, since frames may move.
   [-0, +..., e] OK AGAIN FORMAT DEPTH NOMEM */

static enum status read_array(struct decoder *d, struct frame *f) {
  enum status status;
  while (f->done < f->count) {
    if ((status = push_value(d)) != STATUS_OK)
      return status;
    lua_rawseti(d->L, -2, (lua_Integer)++f->done);
  }
  f->part = after_array(f->flags);
  return STATUS_OK;
}

/* [-0, +0, -] What is on top can be a key. */
static int is_key(lua_State *L) {
  lua_Number n;
  if (lua_type(L, -1) != LUA_TNUMBER)
    return lua_type(L, -1) != LUA_TNIL;
  n = lua_tonumberx(L, -1, NULL);
  return n == n;
}

static inline enum status push_key(struct decoder *d) {
  unsigned tag;
  enum status status;
  if (d->p == d->end)
    return STATUS_FORMAT;
  tag = *d->p;
  if (tag >= TAG_NAME && tag < TAG_NEGATIVE) { /* by far the most frequent */
    d->p++;
    return push_name(d, tag - TAG_NAME);
  }
  status = push_value(d);
  return status != STATUS_OK || is_key(d->L) ? status : STATUS_FORMAT;
}

static enum status read_pairs(struct decoder *d, struct frame *f) {
  enum status status;
  for (;;) {
    if (f->part == PART_PAIRS) {
      if (d->p < d->end && *d->p == TAG_END)
        break;
      f->part = PART_KEY;
      if ((status = push_key(d)) != STATUS_OK)
        return status;
    }
    f->part = PART_VALUE;
    if ((status = push_value(d)) != STATUS_OK)
      return status;
    lua_rawset(d->L, -3);
    f->part = PART_PAIRS;
  }
  d->p++;
  f->part = PART_META;
  return STATUS_OK;
}

static enum status read_upvalues(struct decoder *d, struct frame *f) {
  enum status status;
  while (f->done < f->count) {
    if (d->p < d->end && *d->p == TAG_UPVALUE) {
      d->p++;
      status = join_upvalue(d, f);
    } else if ((status = push_value(d)) == STATUS_OK) {
      lua_setupvalue(d->L, -2, (int)++f->done);
    }
    if (status != STATUS_OK)
      return status;
  }
  return STATUS_OK;
}

/* What comes next is an object in progress, seen before. */
static int is_in_progress(const struct decoder *d) {
  const unsigned char *p = d->p;
  size_t low = 0, high = d->depth, middle;
  uint64_t offset;
  if (p == d->end || *p++ != TAG_SEEN || get_varint(&p, d->end, &offset) != STATUS_OK)
    return 0;
  while (low < high) {
    middle = low + (high - low) / 2;
    if (d->frames[middle].at == offset)
      return 1;
    if (d->frames[middle].at < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return 0;
}

/* [-1, +0, -] OK FORMAT. The value on top becomes the metatable of the table below. */
static enum status set_metatable(lua_State *L) {
  if (lua_type(L, -1) != LUA_TTABLE)
    return STATUS_FORMAT;
  lua_setmetatable(L, -2);
  return STATUS_OK;
}

/* [-0, +0, m] The metatable of the table on top may still lack the __gc that Lua looks for when it is set: the
   table gets it once more at the end. */
static void keep_late(struct decoder *d) {
  int idx = slot_table(d, SLOT_LATE);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, idx, (lua_Integer)lua_rawlen(d->L, idx) + 1);
}

static void set_late_metatables(struct decoder *d) {
  lua_State *L = d->L;
  int late = d->base + SLOT_LATE;
  lua_Integer i, count = lua_type(L, late) == LUA_TNIL ? 0 : (lua_Integer)lua_rawlen(L, late);
  for (i = 1; i <= count; i++) {
    lua_rawgeti(L, late, i);
    if (lua_getmetatable(L, -1))
      lua_setmetatable(L, -2);
    lua_settop(L, -2);
  }
}

static enum status read_metatable(struct decoder *d, struct frame *f) {
  enum status status;
  if (!(f->flags & CODEC_FLAG_META))
    return STATUS_OK;
  if (is_in_progress(d))
    keep_late(d);
  status = push_value(d);
  return status == STATUS_OK ? set_metatable(d->L) : status;
}

static enum status read_parts(struct decoder *d, struct frame *f) {
  enum status status = STATUS_OK;
  if (f->part == PART_UPVALUES)
    return read_upvalues(d, f);
  if (f->part == PART_ARRAY)
    status = read_array(d, f);
  if (status == STATUS_OK && (f->part == PART_PAIRS || f->part == PART_VALUE))
    status = read_pairs(d, f);
  if (status == STATUS_OK && f->part == PART_META)
    status = read_metatable(d, f);
  return status;
}

/* [-1, +0, m] OK FORMAT. Hands the complete object on top to the one that is the innermost now. */
static enum status deliver(struct decoder *d) {
  lua_State *L = d->L;
  struct frame *f = innermost(d);
  switch (f->part) {
  case PART_ARRAY:
    lua_rawseti(L, -2, (lua_Integer)++f->done);
    break;
  case PART_KEY: /* stays where it is */
    f->part = PART_VALUE;
    break;
  case PART_VALUE:
    lua_rawset(L, -3);
    f->part = PART_PAIRS;
    break;
  case PART_UPVALUES:
    lua_setupvalue(L, -2, (int)++f->done);
    break;
  default:
    f->part = PART_DONE;
    return set_metatable(L);
  }
  return STATUS_OK;
}

/* [-0, +1, e] OK FORMAT DEPTH NOMEM. Fills what has been begun. */
static enum status finish(struct decoder *d) {
  enum status status;
  do {
    status = read_parts(d, innermost(d));
    if (status == STATUS_OK && --d->depth > 0)
      status = deliver(d);
    else if (status == STATUS_AGAIN)
      status = STATUS_OK;
  } while (status == STATUS_OK && d->depth > 0);
  return status;
}

/* [-0, +..., e] The values from `from` on, the first of which is no scalar; those before lie above `top`. */
static enum status read_values(lua_State *L, int top, int from, int count, const unsigned char *bytes,
                               const unsigned char *p, const unsigned char *end, struct codec_link *link) {
  struct decoder d;
  enum status status = STATUS_OK;
  int i;
  d.L = L;
  d.bytes = bytes;
  d.p = p;
  d.end = end;
  d.link = link;
  d.frames = d.first;
  d.depth = d.depth_ready = d.names = 0;
  d.depth_most = FRAMES_FIRST;
  d.budget = (size_t)(end - bytes);
  d.base = top + count;
  if (!lua_checkstack(L, count - from + SLOT_COUNT + STRAY_SLOTS))
    return STATUS_NOMEM;
  lua_settop(L, d.base + SLOT_COUNT);
  for (i = from; i < count && status == STATUS_OK; i++) {
    if ((status = push_value(&d)) == STATUS_AGAIN)
      status = finish(&d);
    if (status == STATUS_OK)
      lua_replace(L, top + 1 + i);
  }
  if (status == STATUS_OK && d.p != end)
    status = STATUS_FORMAT;
  if (status == STATUS_OK)
    set_late_metatables(&d);
  return status;
}

/* [-0, +..., e] The values from `from` on, the first of which is no small integer; those before are on top. */
static enum status read_more(lua_State *L, int from, int count, const unsigned char *bytes,
                             const unsigned char *p, const unsigned char *end, struct codec_link *link) {
  int top = lua_gettop(L) - from, i;
  enum status status = STATUS_OK;
  for (i = from; i < count && status == STATUS_OK; i++) {
    const unsigned char *at = p++;
    status = at < end ? push_scalar(L, *at, &p, end) : STATUS_FORMAT;
    if (status == STATUS_AGAIN) { /* only now is it worth while to make ready for the rest */
      status = read_values(L, top, i, count, bytes, at, end, link);
      p = end;
      break;
    }
  }
  if (status == STATUS_OK && p != end)
    status = STATUS_FORMAT;
  lua_settop(L, status == STATUS_OK ? top + count : top);
  return status;
}

/* Inline here is what a message of a few small integers needs: there may be millions of them a second. */
enum status codec_decode(lua_State *L, const void *bytes, size_t size, struct codec_link *link, int *count) {
  const unsigned char *p = bytes, *end = p + size;
  uint64_t n;
  int i;
  if (get_varint(&p, end, &n) != STATUS_OK || n > (uint64_t)(end - p) || n > INT32_MAX / 2)
    return STATUS_FORMAT;
  if (!lua_checkstack(L, (int)n + STRAY_SLOTS))
    return STATUS_NOMEM;
  *count = (int)n;
  for (i = 0; i < (int)n && p < end && *p < TAG_STRING; i++)
    lua_pushinteger(L, (lua_Integer)*p++);
  return i == (int)n && p == end ? STATUS_OK : read_more(L, i, (int)n, bytes, p, end, link);
}
