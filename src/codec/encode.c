#include "config.h"
#include "codec.h"

#include <stdint.h>
#include <stdlib.h>

#include "encoder.h"

#define STRAY_SLOTS 24 /* of the Lua stack, for the codec and refer, above those of the levels */

enum status encode_length(struct buffer *b, size_t at) {
  unsigned char length[10];
  size_t size = b->size - at, width = (size_t)(put_varint(length, size) - length);
  if (buffer_reserve(b, width) != STATUS_OK)
    return STATUS_NOMEM;
  memmove(b->bytes + at + width, b->bytes + at, size);
  memcpy(b->bytes + at, length, width);
  b->size += width;
  return STATUS_OK;
}

/* Strings */

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

enum status encode_string(struct encoder *e, int idx) {
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

/* Objects */

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
  if (status == STATUS_OK && (status = encode_length(b, at + 2)) == STATUS_OK)
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

static inline struct frame *innermost(struct encoder *e) {
  return &e->frames[e->depth - 1];
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

enum status encode_enter(struct encoder *e, int type, int named) {
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
    return encode_table(e, f);
  case PART_FUNCTION:
    return encode_function(e, f);
  case PART_ARRAY:
    return encode_array(e, f, lua_next(e->L, -2));
  case PART_PAIRS:
    return encode_pairs(e, f, lua_next(e->L, -2));
  case PART_KEY:
    return encode_value(e, f);
  case PART_UPVALUES:
    return encode_upvalues(e, f);
  default:
    return pop(e);
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
    status = encode_enter(&e, type, 0);
    while (status == STATUS_OK && e.depth > 0)
      status = step(&e);
  }
  fault_report(&e, status, top + 1, count > 1 ? i : 0, fault);
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
    } else if ((status = put_constant(L, first + i, type, b)) == STATUS_AGAIN) {
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
