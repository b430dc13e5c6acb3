#include "config.h"
#include "encoder.h"

#define GAP_MOST 8 /* nils written to keep an array with holes an array */

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
    return encode_enter(e, LUA_TTABLE, 1);
  }
  return pop(e);
}

enum status encode_pairs(struct encoder *e, struct frame *f, int more) {
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
      return encode_enter(e, type, f->named);
    }
    type = lua_type(L, -1);
    if ((status = put_leaf(e, -1, type)) != STATUS_OK)
      return status == STATUS_AGAIN ? encode_enter(e, type, f->named) : status;
    lua_settop(L, -2);
  }
  return end_table(e, f);
}

/* The key that was a table is written; key and value are on the stack. */
enum status encode_value(struct encoder *e, struct frame *f) {
  int type = lua_type(e->L, -1);
  enum status status = put_leaf(e, -1, type);
  f->part = PART_PAIRS;
  if (status == STATUS_AGAIN)
    return encode_enter(e, type, f->named);
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

/* The key at -2, an integer, is the next of the array, or a little further, which nils bridge. */
static inline int is_element(struct encoder *e, struct frame *f) {
  lua_Integer key = lua_tointegerx(e->L, -2, NULL), gap;
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

/* As encode_array. `sure`: the first key is an integer. */
static inline enum status put_elements(struct encoder *e, struct frame *f, int more, int sure) {
  lua_State *L = e->L;
  enum status status;
  int type;
  for (; more; more = lua_next(L, -2), sure = 0) {
    if (!(sure || lua_isinteger(L, -2)) || !is_element(e, f)) {
      end_array(e, f);
      return encode_pairs(e, f, 1);
    }
    type = lua_type(L, -1);
    if (type == LUA_TTABLE)
      return encode_enter(e, type, f->named);
    if ((status = put_leaf(e, -1, type)) != STATUS_OK)
      return status == STATUS_AGAIN ? encode_enter(e, type, f->named) : status;
    lua_settop(L, -2);
  }
  end_array(e, f);
  return end_table(e, f);
}

enum status encode_array(struct encoder *e, struct frame *f, int more) {
  return put_elements(e, f, more, 0);
}

/* One pass with lua_next: what comes as 1, 2, 3... is the array, the rest are pairs. */
enum status encode_table(struct encoder *e, struct frame *f) {
  struct buffer *b = e->b;
  int more;
  lua_pushnil(e->L);
  more = lua_next(e->L, -2);
  if (more && lua_isinteger(e->L, -2))
    f->count = (lua_Integer)lua_rawlen(e->L, -3);
  if (reserve(b) != STATUS_OK)
    return STATUS_NOMEM;
  put_byte(b, f->count < TAG_LONG_TABLE - TAG_TABLE ? TAG_TABLE + (unsigned)f->count : TAG_LONG_TABLE);
  put_byte(b, 0);
  if (f->count == 0) {
    f->part = PART_PAIRS;
    return encode_pairs(e, f, more);
  }
  if (f->count >= TAG_LONG_TABLE - TAG_TABLE)
    put_number(b, (uint64_t)f->count);
  f->part = PART_ARRAY;
  return put_elements(e, f, more, 1);
}
