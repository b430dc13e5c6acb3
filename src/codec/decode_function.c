#include "config.h"
#include "decoder.h"

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

enum status decode_function(struct decoder *d) {
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
  status = decode_enter(d, PART_UPVALUES, at, flags, (size_t)count);
  if (status != STATUS_OK || (status = push_code(d, &code)) != STATUS_OK)
    return status;
  if (flags & CODEC_FLAG_SEEN)
    decode_keep(d, at);
  return upvalue_count(d->L) == count ? STATUS_OK : STATUS_FORMAT;
}

enum status decode_join(struct decoder *d, struct frame *f) {
  lua_State *L = d->L;
  uint64_t k;
  enum status status = decode_seen(d);
  if (status != STATUS_OK)
    return status;
  if (get_varint(&d->p, d->end, &k) != STATUS_OK || k == 0 || !lua_isfunction(L, -1) ||
      lua_iscfunction(L, -1) || k > upvalue_count(L))
    return STATUS_FORMAT;
  lua_upvaluejoin(L, -2, (int)++f->done, -1, (int)k);
  lua_settop(L, -2);
  return STATUS_OK;
}
