#include "config.h"
#include "codec.h"

#include <stdint.h>

#include "decoder.h"

#define LEVELS_AHEAD 32 /* that one lua_checkstack makes room for */
#define STRAY_SLOTS  24 /* of the Lua stack, for the codec and resolve, above the two of each level */

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

enum status decode_enter(struct decoder *d, enum part part, size_t at, unsigned flags, size_t count) {
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
  status = decode_enter(d, count > 0 ? PART_ARRAY : after_array(flags), at, flags, (size_t)count);
  if (status != STATUS_OK)
    return status;
  lua_createtable(d->L, (int)count, (int)pairs);
  if (flags & CODEC_FLAG_SEEN)
    decode_keep(d, at);
  return STATUS_OK;
}

/* [-0, +1|0, e] OK; AGAIN: a table or function was begun; FORMAT DEPTH NOMEM */
static enum status push_rest(struct decoder *d, unsigned tag) {
  enum status status;
  if (tag >= TAG_NAME)
    return push_name(d, tag - TAG_NAME);
  switch (tag) {
  case TAG_NEW_NAME:
    return decode_new_name(d);
  case TAG_FAR_NAME:
    return decode_far_name(d);
  case TAG_SEEN:
    return decode_seen(d);
  case TAG_REFERENCE:
    return decode_reference(d);
  case TAG_GLOBALS:
    return decode_globals(d);
  case TAG_POINTER:
    return decode_pointer(d);
  case TAG_FUNCTION:
    status = decode_function(d);
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
      status = decode_join(d, f);
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
  int idx = decode_slot(d, SLOT_LATE);
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

/* The message */

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
