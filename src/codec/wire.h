/* wire.h - numbers as bytes, both ways.
   Level 1: libc. For the codec, inline since each value passes through here.

   put_X write at p, where there is room, and return what follows. get_X read at *at and move it on, or leave it and
   say STATUS_FORMAT when the bytes before `end` do not suffice. */
#ifndef FAST_MAP_WIRE_H
#define FAST_MAP_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "status.h"

static inline unsigned char *put_varint(unsigned char *p, uint64_t n) {
  for (; n >= 0x80; n >>= 7)
    *p++ = (unsigned char)(n | 0x80);
  *p++ = (unsigned char)n;
  return p;
}

static inline unsigned char *put_fixed(unsigned char *p, uint64_t bits, size_t size) {
  bits = htole64(bits);
  memcpy(p, &bits, size);
  return p + size;
}

static inline uint64_t zigzag(int64_t v) {
  return (uint64_t)v << 1 ^ (v < 0 ? ~UINT64_C(0) : 0);
}

static inline int64_t unzigzag(uint64_t n) {
  return (int64_t)(n >> 1 ^ (~(n & 1) + 1));
}

static enum status get_varint_slow(const unsigned char **at, const unsigned char *end, uint64_t *n) {
  const unsigned char *p = *at;
  uint64_t value = 0;
  unsigned shift = 0;
  for (; p < end && shift < 64; shift += 7) {
    unsigned char byte = *p++;
    if (shift == 63 && byte > 1)
      return STATUS_FORMAT;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *n = value;
      *at = p;
      return STATUS_OK;
    }
  }
  return STATUS_FORMAT;
}

static inline enum status get_varint(const unsigned char **at, const unsigned char *end, uint64_t *n) {
  const unsigned char *p = *at;
  if (p < end && *p < 0x80) {
    *n = *p;
    *at = p + 1;
    return STATUS_OK;
  }
  if (end - p >= 3) {
    uint64_t value = p[0];
    if (p[1] < 0x80) {
      value = (value & 0x7f) | (uint64_t)p[1] << 7;
      *at = p + 2;
    } else if (p[2] < 0x80) {
      value = (value & 0x7f) | (uint64_t)(p[1] & 0x7f) << 7 | (uint64_t)p[2] << 14;
      *at = p + 3;
    } else {
      return get_varint_slow(at, end, n);
    }
    *n = value;
    return STATUS_OK;
  }
  return get_varint_slow(at, end, n);
}

static inline enum status get_fixed(const unsigned char **at, const unsigned char *end, size_t size,
                                    uint64_t *bits) {
  if ((size_t)(end - *at) < size)
    return STATUS_FORMAT;
  *bits = 0;
  memcpy(bits, *at, size);
  *bits = le64toh(*bits);
  *at += size;
  return STATUS_OK;
}

#endif
