/* encoder.h - a message being written: the inside of encode.c, encode_table.c, encode_function.c and fault.c.
   Level 2: codec, scalar, written. Nothing here raises: the encoder holds memory.

   Tables and functions are objects whose parts are written one after the other; frames instead of C's stack, since a list may
   be 100,000 long. encode_enter takes the value on top of the Lua stack: it is either written and popped, or has a frame. The
   functions with a frame go on with it until it is complete, or another one is on top. */
#ifndef FAST_MAP_ENCODER_H
#define FAST_MAP_ENCODER_H

#include "scalar.h"
#include "written.h"

#define FRAMES_FIRST 16
#define FLAGS        1 /* bytes from the tag to the flags of what can be seen again */

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

static inline uint64_t here(const struct encoder *e) {
  return (uint64_t)(e->b->size - e->start) << 8;
}

/* Makes the decoder keep what was written at the offset in `where`. */
static inline void mark(struct encoder *e, uint64_t where) {
  e->b->bytes[e->start + (where >> 8) + FLAGS] |= CODEC_FLAG_SEEN;
}

/* Room has been reserved, but not for the text. OK NOMEM */
enum status encode_string(struct encoder *e, int idx);

/* A value that holds no others. OK; AGAIN: it is not one of them; NOMEM.
   Inline as far as numbers, lest each of them pay for what strings need. */
__attribute__((always_inline)) static inline enum status put_leaf(struct encoder *e, int idx, int type) {
  if (reserve(e->b) != STATUS_OK)
    return STATUS_NOMEM;
  if (type == LUA_TNUMBER) {
    put_any_number(e->L, idx, e->b);
    return STATUS_OK;
  }
  return type == LUA_TSTRING ? encode_string(e, idx) : put_constant(e->L, idx, type, e->b);
}

/* [-1, +0, -] */
static inline enum status written(struct encoder *e) {
  lua_settop(e->L, -2);
  return STATUS_OK;
}

/* [-1, +0, -] */
static inline enum status pop(struct encoder *e) {
  e->depth--;
  return written(e);
}

/* [-1|0, +0..., -] OK NOMEM DEPTH TYPE; the value stays on top when it cannot be written. named: see struct frame. */
enum status encode_enter(struct encoder *e, int type, int named);

/* OK NOMEM. Puts the length of what follows `at` in front of it. */
enum status encode_length(struct buffer *b, size_t at);

/* [-1, +0, -] Begin the table or function on top; go on with it: `more`: key and value are on the stack. OK NOMEM DEPTH TYPE */
enum status encode_table(struct encoder *e, struct frame *f);
enum status encode_array(struct encoder *e, struct frame *f, int more);
enum status encode_pairs(struct encoder *e, struct frame *f, int more);
enum status encode_value(struct encoder *e, struct frame *f);
enum status encode_function(struct encoder *e, struct frame *f);
enum status encode_upvalues(struct encoder *e, struct frame *f);

/* [-0, +..., -] What went wrong: TYPE and DEPTH; the value is on top, frame 0's object at `slot`. */
void fault_report(struct encoder *e, enum status status, int slot, int number, struct codec_fault *fault);

#endif
