/* decoder.h - a message being read: the inside of decode.c, decode_name.c and decode_function.c.
   Level 2: codec, scalar. What these functions hold is on the Lua stack, so they may raise. They trust no byte. */
#ifndef FAST_MAP_DECODER_H
#define FAST_MAP_DECODER_H

#include "scalar.h"

#define NEAR_NAMES   16 /* names kept on the Lua stack; the others in a table */
#define FRAMES_FIRST 16

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

/* [-0, +0, m] OK DEPTH NOMEM. Before the object that the frame is for is made. */
enum status decode_enter(struct decoder *d, enum part part, size_t at, unsigned flags, size_t count);

/* [-0, +0, m] The table in a slot, made when it is first needed. */
int decode_slot(struct decoder *d, int slot);

/* OK FORMAT. The offset of something before the tag at hand. */
static inline enum status get_offset(struct decoder *d, uint64_t *offset) {
  if (get_varint(&d->p, d->end, offset) != STATUS_OK || *offset >= (uint64_t)(d->p - d->bytes))
    return STATUS_FORMAT;
  return STATUS_OK;
}

/* [-0, +0, m] Keeps the object on top for what names it by its offset. */
void decode_keep(struct decoder *d, size_t at);

/* [-0, +1|0, e] OK FORMAT. What names something of the message, or of the link. */
enum status decode_new_name(struct decoder *d);
enum status decode_far_name(struct decoder *d);
enum status decode_seen(struct decoder *d);
enum status decode_reference(struct decoder *d);
enum status decode_globals(struct decoder *d);
enum status decode_pointer(struct decoder *d);

static inline enum status push_name(struct decoder *d, uint64_t name) {
  if (name >= d->names)
    return STATUS_FORMAT;
  if (name < NEAR_NAMES)
    lua_pushvalue(d->L, d->base + SLOT_NAME + (int)name);
  else
    lua_rawgeti(d->L, d->base + SLOT_NAMES, (lua_Integer)(name - NEAR_NAMES) + 1);
  return STATUS_OK;
}

/* [-0, +1|0, m] OK FORMAT DEPTH NOMEM. The function, its upvalues fresh; its frame. */
enum status decode_function(struct decoder *d);

/* [-0, +0, -] OK FORMAT. The next upvalue of the function on top is one that an earlier function has. */
enum status decode_join(struct decoder *d, struct frame *f);

#endif
