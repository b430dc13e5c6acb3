#include "config.h"
#include "decoder.h"

int decode_slot(struct decoder *d, int slot) {
  int idx = d->base + slot;
  if (lua_type(d->L, idx) == LUA_TNIL) {
    lua_createtable(d->L, 0, 0);
    lua_replace(d->L, idx);
  }
  return idx;
}

/* Strings */

/* Keeps the string on top under the next number. */
static void keep_name(struct decoder *d) {
  lua_pushvalue(d->L, -1);
  if (d->names < NEAR_NAMES)
    lua_replace(d->L, d->base + SLOT_NAME + (int)d->names);
  else
    lua_rawseti(d->L, decode_slot(d, SLOT_NAMES), (lua_Integer)(d->names - NEAR_NAMES) + 1);
  d->names++;
}

enum status decode_new_name(struct decoder *d) {
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

enum status decode_far_name(struct decoder *d) {
  uint64_t name;
  return get_varint(&d->p, d->end, &name) == STATUS_OK ? push_name(d, name) : STATUS_FORMAT;
}

/* Objects */

void decode_keep(struct decoder *d, size_t at) {
  int seen = decode_slot(d, SLOT_SEEN);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, seen, (lua_Integer)at);
}

enum status decode_seen(struct decoder *d) {
  uint64_t offset;
  if (get_offset(d, &offset) != STATUS_OK || lua_type(d->L, d->base + SLOT_SEEN) == LUA_TNIL)
    return STATUS_FORMAT;
  if (lua_rawgeti(d->L, d->base + SLOT_SEEN, (lua_Integer)offset) != LUA_TNIL)
    return STATUS_OK;
  lua_settop(d->L, -2);
  return STATUS_FORMAT;
}

enum status decode_reference(struct decoder *d) {
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
    decode_keep(d, at);
  return STATUS_OK;
}

enum status decode_globals(struct decoder *d) {
  if (d->link == NULL)
    return STATUS_FORMAT;
  lua_rawgeti(d->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  return STATUS_OK;
}

enum status decode_pointer(struct decoder *d) {
  uint64_t bits;
  if (d->link == NULL || get_fixed(&d->p, d->end, 8, &bits) != STATUS_OK)
    return STATUS_FORMAT;
  lua_pushlightuserdata(d->L, (void *)(uintptr_t)bits);
  return STATUS_OK;
}
