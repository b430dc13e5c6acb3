#include "config.h"
#include "encoder.h"

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
  if (lua_dump(e->L, put_dump, b, 0) != 0 || encode_length(b, at) != STATUS_OK)
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

/* Those after `done`. */
enum status encode_upvalues(struct encoder *e, struct frame *f) {
  while (f->done < f->count) {
    int k = (int)++f->done;
    uint64_t where = (uint64_t)(f->at - e->start) << 8 | (unsigned)k;
    enum status status = seen_meet(&e->seen, lua_upvalueid(e->L, -1, k), &where);
    if (status == STATUS_AGAIN) {
      status = put_shared_upvalue(e, where);
    } else if (status == STATUS_OK) {
      lua_getupvalue(e->L, -1, k);
      if ((status = put_leaf(e, -1, lua_type(e->L, -1))) == STATUS_AGAIN)
        return encode_enter(e, lua_type(e->L, -1), 1);
      lua_settop(e->L, -2);
    }
    if (status != STATUS_OK)
      return status;
  }
  return pop(e);
}

enum status encode_function(struct encoder *e, struct frame *f) {
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
  return encode_upvalues(e, f);
}
