/* scalar.h - values that hold no others, as bytes, both ways: what they look like is in the table of codec.h.
   Level 2: codec, wire. For the files of the codec, inline since each value passes through here; those of the encoder hold
   memory, so nothing raises there. */
#ifndef FAST_MAP_SCALAR_H
#define FAST_MAP_SCALAR_H

#include <float.h>
#include <math.h>

#include "codec.h"
#include "wire.h"

#define SCALAR_MOST 24 /* bytes of a value that is no string, or of a tag, flags and two varints */

/* To bytes */

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

/* OK NOMEM. Room for one of them. */
static inline enum status reserve(struct buffer *b) {
  return buffer_reserve(b, SCALAR_MOST);
}

static inline void put_byte(struct buffer *b, unsigned byte) {
  b->bytes[b->size++] = (unsigned char)byte;
}

static inline void put_number(struct buffer *b, uint64_t n) {
  b->size = (size_t)(put_varint(b->bytes + b->size, n) - b->bytes);
}

/* OK NOMEM */
static inline enum status put_text(struct buffer *b, const char *text, size_t size) {
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

/* Room has been reserved. */
static inline void put_any_number(lua_State *L, int idx, struct buffer *b) {
  unsigned char *p = b->bytes + b->size;
  p = lua_isinteger(L, idx) ? put_integer(p, lua_tointegerx(L, idx, NULL))
                            : put_float(p, lua_tonumberx(L, idx, NULL));
  b->size = (size_t)(p - b->bytes);
}

/* Room has been reserved. OK; AGAIN: neither nil nor boolean */
static inline enum status put_constant(lua_State *L, int idx, int type, struct buffer *b) {
  if (type == LUA_TBOOLEAN)
    put_byte(b, lua_toboolean(L, idx) ? TAG_TRUE : TAG_FALSE);
  else if (type == LUA_TNIL)
    put_byte(b, TAG_NIL);
  else
    return STATUS_AGAIN;
  return STATUS_OK;
}

/* From bytes. [-0, +1|0, m] OK; AGAIN: it is not one of them, only the tag is taken; FORMAT */

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

#endif
