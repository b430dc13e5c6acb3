#include "config.h"
#include "codec.h"
#include "path.h"
#include "wire.h"
#include "written.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define FRAMES_FIRST 16
#define STRAY_SLOTS  24 /* of the Lua stack, for the codec and refer, above those of the levels */
#define SCALAR_MOST  24 /* bytes of a value that is no string, or of a tag, flags and two varints */
#define GAP_MOST     8  /* nils written to keep an array with holes an array */
#define FLAGS        1  /* bytes from the tag to the flags of what can be seen again */

/* What is being written of the object at the frame's slot of the Lua stack, and what lies above it. */
enum part {
  PART_TABLE,    /* nothing of it yet */
  PART_FUNCTION, /* the same */
  PART_ARRAY,    /* key, value: of an element 1, 2, 3... */
  PART_PAIRS,    /* key, value */
  PART_KEY,      /* key, value, key: the last is being written */
  PART_META,     /* metatable */
  PART_UPVALUES, /* value of upvalue `done` */
};

struct frame {
  enum part part;
  int named;         /* refer is asked for tables in here */
  size_t at;         /* of the tag */
  lua_Integer count; /* of elements announced, or upvalues */
  lua_Integer done;
  size_t pairs;
};

struct encoder {
  lua_State *L;
  struct buffer *b;
  struct codec_link *link;
  size_t start;             /* of the message in b */
  const void *globals;      /* the table; NULL without a link */
  struct frame *frames;     /* the innermost is the last */
  size_t depth, depth_most; /* the Lua stack has room for the most */
  struct seen seen;   /* objects, upvalues: offset << 8, | k for the k-th upvalue of the function there */
  struct seen codes;  /* dumped code, by a hash of it: offset */
  struct names names; /* offset << 1 of a string met once, name << 1 | 1 afterwards */
  uint64_t name_count;
  struct frame first[FRAMES_FIRST];
};

/* Bytes */

static inline unsigned char *put_integer(unsigned char *p, lua_Integer v) {
  if (v >= -16 && v < 128) {
    *p++ = (unsigned char)v;
    return p;
  }
  *p++ = TAG_INTEGER;
  return put_varint(p, zigzag(v));
}

static unsigned char *put_float(unsigned char *p, lua_Number v) {
  double d = v;
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  if (d > -1048576 && d < 1048576 && (double)(int)d == d && bits != UINT64_C(1) << 63) {
    *p++ = TAG_INTEGRAL;
    return put_varint(p, zigzag((int)d));
  }
  if ((fabs(d) <= FLT_MAX && (double)(float)d == d) || isinf(d)) {
    float f = (float)d;
    uint32_t half;
    memcpy(&half, &f, sizeof half);
    *p++ = TAG_FLOAT4;
    return put_fixed(p, half, 4);
  }
  *p++ = TAG_FLOAT8;
  return put_fixed(p, bits, 8);
}

/* OK NOMEM */
static inline enum status reserve(struct buffer *b) {
  return buffer_reserve(b, SCALAR_MOST);
}

static inline void put_byte(struct buffer *b, unsigned byte) {
  b->bytes[b->size++] = (unsigned char)byte;
}

static inline void put_number(struct buffer *b, uint64_t n) {
  b->size = (size_t)(put_varint(b->bytes + b->size, n) - b->bytes);
}

/* OK NOMEM. Puts the length of what follows `at` in front of it. */
static enum status insert_length(struct buffer *b, size_t at) {
  unsigned char length[10];
  size_t size = b->size - at, width = (size_t)(put_varint(length, size) - length);
  if (buffer_reserve(b, width) != STATUS_OK)
    return STATUS_NOMEM;
  memmove(b->bytes + at + width, b->bytes + at, size);
  memcpy(b->bytes + at, length, width);
  b->size += width;
  return STATUS_OK;
}

/* Objects and strings written before */

static inline uint64_t here(const struct encoder *e) {
  return (uint64_t)(e->b->size - e->start) << 8;
}

/* Makes the decoder keep what was written at the offset in `where`. */
static void mark(struct encoder *e, uint64_t where) {
  e->b->bytes[e->start + (where >> 8) + FLAGS] |= CODEC_FLAG_SEEN;
}

static enum status put_text(struct buffer *b, const char *text, size_t size) {
  unsigned char *p;
  if (buffer_reserve(b, size + SCALAR_MOST) != STATUS_OK)
    return STATUS_NOMEM;
  p = b->bytes + b->size;
  if (size <= CODEC_SHORT_STRING) {
    *p++ = (unsigned char)(TAG_STRING + size);
  } else {
    *p++ = TAG_LONG_STRING;
    p = put_varint(p, size);
  }
  memcpy(p, text, size);
  b->size = (size_t)(p - b->bytes) + size;
  return STATUS_OK;
}

/* Room has been reserved. A string that was written before: by its name, which it gets the second time. */
static inline void put_name(struct encoder *e, uint64_t *where) {
  struct buffer *b = e->b;
  uint64_t name = *where >> 1;
  if (!(*where & 1)) {
    put_byte(b, TAG_NEW_NAME);
    put_number(b, *where >> 1);
    *where = e->name_count++ << 1 | 1;
  } else if (name < CODEC_NEAR_NAMES) {
    put_byte(b, TAG_NAME + (unsigned)name);
  } else {
    put_byte(b, TAG_FAR_NAME);
    put_number(b, name);
  }
}

/* Room has been reserved, but not for the text. */
static enum status put_string(struct encoder *e, int idx) {
  size_t size;
  const char *text = lua_tolstring(e->L, idx, &size);
  uint64_t *where = names_find(&e->names, text);
  if (where != NULL) {
    put_name(e, where);
    return STATUS_OK;
  }
  if (size <= CODEC_SHORT_STRING && size > 0)
    names_put(&e->names, text, (uint64_t)(e->b->size - e->start) << 1);
  return put_text(e->b, text, size);
}

/* Values that hold no others. OK; AGAIN: it is not one of them; NOMEM */

/* Room has been reserved. */
static inline void put_any_number(lua_State *L, int idx, struct buffer *b) {
  unsigned char *p = b->bytes + b->size;
  p = lua_isinteger(L, idx) ? put_integer(p, lua_tointegerx(L, idx, NULL))
                            : put_float(p, lua_tonumberx(L, idx, NULL));
  b->size = (size_t)(p - b->bytes);
}

/* Room has been reserved. OK; AGAIN: neither nil nor boolean */
static inline enum status put_rest(lua_State *L, int idx, int type, struct buffer *b) {
  if (type == LUA_TBOOLEAN)
    put_byte(b, lua_toboolean(L, idx) ? TAG_TRUE : TAG_FALSE);
  else if (type == LUA_TNIL)
    put_byte(b, TAG_NIL);
  else
    return STATUS_AGAIN;
  return STATUS_OK;
}

/* Inline as far as numbers, lest each of them pay for what strings need. */
static inline enum status put_leaf(struct encoder *e, int idx, int type) {
  if (reserve(e->b) != STATUS_OK)
    return STATUS_NOMEM;
  if (type == LUA_TNUMBER) {
    put_any_number(e->L, idx, e->b);
    return STATUS_OK;
  }
  return type == LUA_TSTRING ? put_string(e, idx) : put_rest(e->L, idx, type, e->b);
}

/* Tables and functions, whose parts are written one after the other; frames instead of C's stack, since a list
   may be 100,000 long. enter() takes the value on top of the Lua stack: it is either written and popped, or has
   a frame. */

static enum status enter(struct encoder *e, int type, int named);

/* [-1, +0, -] */
static enum status written(struct encoder *e) {
  lua_settop(e->L, -2);
  return STATUS_OK;
}

static enum status put_seen(struct encoder *e, uint64_t where) {
  if (reserve(e->b) != STATUS_OK)
    return STATUS_NOMEM;
  mark(e, where);
  put_byte(e->b, TAG_SEEN);
  put_number(e->b, where >> 8);
  return written(e);
}

/* OK NOMEM, or TYPE with nothing written: the link has no name for it. */
static enum status put_reference(struct encoder *e) {
  struct buffer *b = e->b;
  size_t at = b->size;
  enum status status;
  if (reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(b, TAG_REFERENCE);
  put_byte(b, 0);
  status = e->link->refer(e->link, e->L, lua_gettop(e->L), b);
  if (status == STATUS_OK && (status = insert_length(b, at + 2)) == STATUS_OK)
    return written(e);
  b->size = at;
  return status;
}

/* OK NOMEM. Slots of the Lua stack for all levels that there are frames for: three when a key is a table. */
static enum status slots_reserve(struct encoder *e) {
  return lua_checkstack(e->L, (int)(e->depth_most - e->depth) * 3 + STRAY_SLOTS) ? STATUS_OK : STATUS_NOMEM;
}

/* OK NOMEM */
static enum status frames_grow(struct encoder *e) {
  size_t most = e->depth_most * 2 < CODEC_DEPTH ? e->depth_most * 2 : CODEC_DEPTH;
  struct frame *frames = realloc(e->frames == e->first ? NULL : e->frames, most * sizeof *frames);
  if (frames == NULL)
    return STATUS_NOMEM;
  if (e->frames == e->first)
    memcpy(frames, e->first, sizeof e->first);
  e->frames = frames;
  e->depth_most = most;
  return slots_reserve(e);
}

/* OK NOMEM DEPTH. A frame for the value on top. */
static inline enum status push(struct encoder *e, enum part part, int named) {
  struct frame *f;
  if (e->depth == e->depth_most) {
    if (e->depth >= CODEC_DEPTH)
      return STATUS_DEPTH;
    if (frames_grow(e) != STATUS_OK)
      return STATUS_NOMEM;
  }
  f = &e->frames[e->depth++];
  f->part = part;
  f->named = named;
  f->at = e->b->size;
  f->count = f->done = 0;
  f->pairs = 0;
  return STATUS_OK;
}

/* [-1, +0, -] */
static enum status pop(struct encoder *e) {
  e->depth--;
  return written(e);
}

static inline struct frame *innermost(struct encoder *e) {
  return &e->frames[e->depth - 1];
}

static unsigned char *flags_of(struct encoder *e, const struct frame *f) {
  return &e->b->bytes[f->at + FLAGS];
}

/* 1 + log2, rounded up */
static unsigned pairs_class(size_t pairs) {
  return pairs <= 1 ? (unsigned)pairs : 65 - (unsigned)__builtin_clzll(pairs - 1);
}

/* [-1, +0, -] The elements and pairs of the table on top are written. */
static enum status end_table(struct encoder *e, struct frame *f) {
  if (f->pairs > 0) {
    if (reserve(e->b) != STATUS_OK)
      return STATUS_NOMEM;
    put_byte(e->b, TAG_END);
    *flags_of(e, f) |= (unsigned char)pairs_class(f->pairs);
  }
  if (e->link != NULL && lua_getmetatable(e->L, -1)) {
    *flags_of(e, f) |= CODEC_FLAG_META;
    f->part = PART_META;
    return enter(e, LUA_TTABLE, 1);
  }
  return pop(e);
}

/* [-1, +0, -] Writes pairs; `more`: key and value are on the stack. */
static enum status put_pairs(struct encoder *e, struct frame *f, int more) {
  lua_State *L = e->L;
  enum status status;
  int type;
  for (; more; more = lua_next(L, -2)) {
    f->pairs++;
    type = lua_type(L, -2);
    if ((status = put_leaf(e, -2, type)) != STATUS_OK) {
      if (status != STATUS_AGAIN)
        return status;
      f->part = PART_KEY;
      lua_pushvalue(L, -2);
      return enter(e, type, f->named);
    }
    type = lua_type(L, -1);
    if ((status = put_leaf(e, -1, type)) != STATUS_OK)
      return status == STATUS_AGAIN ? enter(e, type, f->named) : status;
    lua_settop(L, -2);
  }
  return end_table(e, f);
}

/* The key that was a table is written; key and value are on the stack. */
static enum status put_value(struct encoder *e, struct frame *f) {
  int type = lua_type(e->L, -1);
  enum status status = put_leaf(e, -1, type);
  f->part = PART_PAIRS;
  if (status == STATUS_AGAIN)
    return enter(e, type, f->named);
  return status == STATUS_OK ? written(e) : status;
}

/* Fewer elements came in order than lua_rawlen had promised: corrects their number in its place. */
static void end_array(struct encoder *e, struct frame *f) {
  unsigned char *p = e->b->bytes + f->at;
  lua_Integer most = f->count, count = f->done;
  f->part = PART_PAIRS;
  if (most == count)
    return;
  if (*p != TAG_LONG_TABLE) {
    *p = (unsigned char)(TAG_TABLE + count);
    return;
  }
  for (p += FLAGS + 1; most >= 0x80; most >>= 7, count >>= 7)
    *p++ = (unsigned char)(count | 0x80);
  *p = (unsigned char)count;
}

/* The key at -2 is the next of the array, or a little further, which nils bridge. */
static inline int is_element(struct encoder *e, struct frame *f) {
  lua_Integer key, gap;
  if (!lua_isinteger(e->L, -2))
    return 0;
  key = lua_tointegerx(e->L, -2, NULL);
  if (key == f->done + 1 && key <= f->count) {
    f->done = key;
    return 1;
  }
  if (key <= f->done || key > f->count || key - f->done > GAP_MOST || reserve(e->b) != STATUS_OK)
    return 0;
  for (gap = key - f->done - 1; gap > 0; gap--)
    put_byte(e->b, TAG_NIL);
  f->done = key;
  return 1;
}

/* [-1, +0, -] Writes elements; `more`: key and value are on the stack. */
static enum status put_array(struct encoder *e, struct frame *f, int more) {
  lua_State *L = e->L;
  enum status status;
  int type;
  for (; more; more = lua_next(L, -2)) {
    if (!is_element(e, f)) {
      end_array(e, f);
      return put_pairs(e, f, 1);
    }
    type = lua_type(L, -1);
    if ((status = put_leaf(e, -1, type)) != STATUS_OK)
      return status == STATUS_AGAIN ? enter(e, type, f->named) : status;
    lua_settop(L, -2);
  }
  end_array(e, f);
  return end_table(e, f);
}

/* One pass with lua_next: what comes as 1, 2, 3... is the array, the rest are pairs. */
static enum status begin_table(struct encoder *e, struct frame *f) {
  struct buffer *b = e->b;
  int more;
  lua_pushnil(e->L);
  more = lua_next(e->L, -2);
  if (more && lua_type(e->L, -2) == LUA_TNUMBER)
    f->count = (lua_Integer)lua_rawlen(e->L, -3);
  if (reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(b, f->count < TAG_LONG_TABLE - TAG_TABLE ? TAG_TABLE + (unsigned)f->count : TAG_LONG_TABLE);
  put_byte(b, 0);
  if (f->count == 0) {
    f->part = PART_PAIRS;
    return put_pairs(e, f, more);
  }
  if (f->count >= TAG_LONG_TABLE - TAG_TABLE)
    put_number(b, (uint64_t)f->count);
  f->part = PART_ARRAY;
  return put_array(e, f, more);
}

static enum status enter_table(struct encoder *e, int named) {
  const void *table = lua_topointer(e->L, -1);
  uint64_t where = here(e);
  enum status status = seen_meet(&e->seen, table, &where);
  if (status != STATUS_OK)
    return status == STATUS_AGAIN ? put_seen(e, where) : status;
  if (named && (status = put_reference(e)) != STATUS_TYPE)
    return status;
  return push(e, PART_TABLE, named);
}

static enum status put_globals(struct encoder *e) {
  if (reserve(e->b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(e->b, TAG_GLOBALS);
  return written(e);
}

/* lua_Writer */
static int put_dump(lua_State *L, const void *bytes, size_t size, void *b) {
  (void)L;
  return buffer_append(b, bytes, size) != STATUS_OK;
}

static uint64_t hash_bytes(const unsigned char *bytes, size_t size) {
  uint64_t hash = size, word;
  for (; size >= 8; size -= 8, bytes += 8) {
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 32;
  }
  for (; size > 0; size--)
    hash = (hash ^ *bytes++) * UINT64_C(0x9E3779B97F4A7C15);
  return hash;
}

/* The code at `at` was written before at `earlier`, for another closure of the same function. */
static int is_same(const struct buffer *b, size_t at, size_t earlier) {
  size_t size = b->size - at;
  return earlier + size <= at && memcmp(b->bytes + earlier, b->bytes + at, size) == 0;
}

/* OK NOMEM. The code of the function on top. */
static enum status put_code(struct encoder *e) {
  struct buffer *b = e->b;
  size_t at = b->size;
  uint64_t where = at - e->start;
  enum status status;
  if (lua_dump(e->L, put_dump, b, 0) != 0 || insert_length(b, at) != STATUS_OK)
    return STATUS_NOMEM;
  if (e->codes.spots == NULL)
    seen_init(&e->codes);
  status =
      seen_meet(&e->codes, (const void *)(uintptr_t)(hash_bytes(b->bytes + at, b->size - at) | 1), &where);
  if (status != STATUS_AGAIN || !is_same(b, at, e->start + (size_t)where))
    return status == STATUS_NOMEM ? status : STATUS_OK;
  b->size = at;
  put_byte(b, 0);
  put_number(b, where);
  return STATUS_OK;
}

/* OK NOMEM. An upvalue that another function of the message has too. */
static enum status put_shared_upvalue(struct encoder *e, uint64_t where) {
  if (reserve(e->b) != STATUS_OK)
    return STATUS_NOMEM;
  mark(e, where);
  put_byte(e->b, TAG_UPVALUE);
  put_number(e->b, where >> 8);
  put_number(e->b, where & 0xff);
  return STATUS_OK;
}

/* [-1, +0, -] Writes the upvalues after `done`. */
static enum status put_upvalues(struct encoder *e, struct frame *f) {
  while (f->done < f->count) {
    int k = (int)++f->done;
    uint64_t where = (uint64_t)(f->at - e->start) << 8 | (unsigned)k;
    enum status status = seen_meet(&e->seen, lua_upvalueid(e->L, -1, k), &where);
    if (status == STATUS_AGAIN) {
      status = put_shared_upvalue(e, where);
    } else if (status == STATUS_OK) {
      lua_getupvalue(e->L, -1, k);
      if ((status = put_leaf(e, -1, lua_type(e->L, -1))) == STATUS_AGAIN)
        return enter(e, lua_type(e->L, -1), 1);
      lua_settop(e->L, -2);
    }
    if (status != STATUS_OK)
      return status;
  }
  return pop(e);
}

static enum status begin_function(struct encoder *e, struct frame *f) {
  struct buffer *b = e->b;
  lua_Debug about;
  lua_pushvalue(e->L, -1);
  lua_getinfo(e->L, ">u", &about);
  f->count = about.nups;
  if (reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(b, TAG_FUNCTION);
  put_byte(b, 0);
  if (put_code(e) != STATUS_OK || reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_number(b, about.nups);
  f->part = PART_UPVALUES;
  return put_upvalues(e, f);
}

/* A function or userdata. */
static enum status enter_object(struct encoder *e) {
  uint64_t where = here(e);
  const char *object =
      lua_topointer(e->L, -1); /* of an empty userdata it may be where the next object begins */
  enum status status;
  if (e->link == NULL)
    return STATUS_TYPE;
  status = seen_meet(&e->seen, object + 1, &where);
  if (status != STATUS_OK)
    return status == STATUS_AGAIN ? put_seen(e, where) : status;
  status = put_reference(e);
  if (status != STATUS_TYPE || !lua_isfunction(e->L, -1) || lua_iscfunction(e->L, -1))
    return status;
  return push(e, PART_FUNCTION, 1);
}

static enum status put_pointer(struct encoder *e) {
  struct buffer *b = e->b;
  if (e->link == NULL)
    return STATUS_TYPE;
  if (reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(b, TAG_POINTER);
  put_fixed(b->bytes + b->size, (uintptr_t)lua_touserdata(e->L, -1), 8);
  b->size += 8;
  return written(e);
}

/* [-1|0, +0..., -] OK NOMEM DEPTH TYPE; the value stays on top when it cannot be written. */
static enum status enter(struct encoder *e, int type, int named) {
  switch (type) {
  case LUA_TTABLE:
    return e->link != NULL && lua_topointer(e->L, -1) == e->globals
               ? put_globals(e)
               : enter_table(e, named && e->link != NULL);
  case LUA_TFUNCTION:
  case LUA_TUSERDATA:
    return enter_object(e);
  case LUA_TLIGHTUSERDATA:
    return put_pointer(e);
  default:
    return STATUS_TYPE;
  }
}

/* Goes on with the innermost frame, after what was written of it last has left the stack. */
static enum status step(struct encoder *e) {
  struct frame *f = innermost(e);
  switch (f->part) {
  case PART_TABLE:
    return begin_table(e, f);
  case PART_FUNCTION:
    return begin_function(e, f);
  case PART_ARRAY:
    return put_array(e, f, lua_next(e->L, -2));
  case PART_PAIRS:
    return put_pairs(e, f, lua_next(e->L, -2));
  case PART_KEY:
    return put_value(e, f);
  case PART_UPVALUES:
    return put_upvalues(e, f);
  default:
    return pop(e);
  }
}

/* What went wrong */

/* [-0, +0, -] The path to the value on top; frame i's object is at the slot that those below leave it. */
static void path_find(struct encoder *e, int slot, struct path *path) {
  size_t i;
  for (i = 0; i < e->depth; i++) {
    const struct frame *f = &e->frames[i];
    switch (f->part) {
    case PART_KEY:
      path_step(path, "(key)");
      slot += 3;
      break;
    case PART_META:
      path_step(path, "(metatable)");
      slot += 1;
      break;
    case PART_UPVALUES:
      path_upvalue(e->L, slot, (int)f->done, path);
      slot += 1;
      break;
    default:
      path_key(e->L, slot + 1, path);
      slot += 2;
    }
  }
}

/* [-0, +..., -] TYPE and DEPTH; the value is on top, frame 0's object at `slot`. */
static void report(struct encoder *e, enum status status, int slot, int number, struct codec_fault *fault) {
  struct path path = {"", ""};
  char what[96];
  if (fault == NULL)
    return;
  if (number > 0)
    snprintf(path.text, sizeof path.text, "value %d", number);
  if (status == STATUS_DEPTH) {
    snprintf(fault->text, sizeof fault->text, "%.40s is nested deeper than %d levels",
             number > 0 ? path.text : "the value", CODEC_DEPTH);
  } else if (status == STATUS_TYPE) {
    path_find(e, slot, &path);
    describe(e->L, what, sizeof what);
    snprintf(fault->text, sizeof fault->text, "%.90s%.105s is %.55s",
             *path.text == '\0' ? "the value" : path.text, path.owner, what);
  }
}

/* The message */

/* [-0, +0, -] Appends values `from` to `count` - 1, the first of which is no leaf. `start` is where the
   message is. */
static enum status put_values(lua_State *L, int first, int from, int count, struct buffer *b, size_t start,
                              struct codec_link *link, struct codec_fault *fault) {
  struct encoder e;
  int top = lua_gettop(L), i = from;
  enum status status = STATUS_OK;
  e.L = L;
  e.b = b;
  e.link = link;
  e.start = start;
  e.globals = NULL;
  e.frames = e.first;
  e.depth = 0;
  e.depth_most = FRAMES_FIRST;
  e.name_count = 0;
  if (slots_reserve(&e) != STATUS_OK)
    return STATUS_NOMEM;
  e.codes.spots = NULL;
  seen_init(&e.seen);
  names_init(&e.names);
  if (link != NULL) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    e.globals = lua_topointer(L, -1);
    lua_settop(L, top);
  }
  for (; i < count && status == STATUS_OK; i++) {
    int type = lua_type(L, first + i);
    if ((status = put_leaf(&e, first + i, type)) != STATUS_AGAIN)
      continue;
    lua_pushvalue(L, first + i);
    status = enter(&e, type, 0);
    while (status == STATUS_OK && e.depth > 0)
      status = step(&e);
  }
  report(&e, status, top + 1, count > 1 ? i : 0, fault);
  lua_settop(L, top);
  if (e.frames != e.first)
    free(e.frames);
  if (e.codes.spots != NULL)
    seen_release(&e.codes);
  seen_release(&e.seen);
  names_release(&e.names);
  return status;
}

/* OK NOMEM DEPTH TYPE. Appends values `from` to `count` - 1, the first of which is no number. */
static enum status put_more(lua_State *L, int first, int from, int count, struct buffer *b, size_t start,
                            struct codec_link *link, struct codec_fault *fault) {
  enum status status = STATUS_OK;
  size_t size;
  int i;
  for (i = from; i < count && status == STATUS_OK; i++) {
    int type = lua_type(L, first + i);
    if ((status = reserve(b)) != STATUS_OK)
      return status;
    if (type == LUA_TNUMBER) {
      put_any_number(L, first + i, b);
    } else if (type == LUA_TSTRING) {
      const char *text = lua_tolstring(L, first + i, &size);
      status = put_text(b, text, size);
    } else if ((status = put_rest(L, first + i, type, b)) == STATUS_AGAIN) {
      /* only now is it worth while to make ready */
      return put_values(L, first, i, count, b, start, link, fault);
    }
  }
  return status;
}

/* Inline here is what a message of a few integers needs: there may be millions of them a second. */
enum status codec_encode(lua_State *L, int first, int count, struct buffer *b, struct codec_link *link,
                         struct codec_fault *fault) {
  size_t start = b->size;
  unsigned char *p;
  enum status status;
  int i;
  if (buffer_reserve(b, 10 + (size_t)count * SCALAR_MOST) != STATUS_OK)
    return STATUS_NOMEM;
  p = put_varint(b->bytes + start, (uint64_t)count);
  for (i = 0; i < count && lua_isinteger(L, first + i); i++)
    p = put_integer(p, lua_tointegerx(L, first + i, NULL));
  b->size = (size_t)(p - b->bytes);
  if (i == count)
    return STATUS_OK;
  status = put_more(L, first, i, count, b, start, link, fault);
  if (status != STATUS_OK)
    b->size = start;
  return status;
}

size_t codec_string_head(unsigned char head[CODEC_HEAD_MOST], size_t size) {
  unsigned char *p = put_varint(head, 1);
  *p++ = TAG_LONG_STRING;
  return (size_t)(put_varint(p, size) - head);
}
