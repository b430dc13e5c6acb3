/* codec.h - Lua values to bytes (encode.c) and back (decode.c).
   Level 2: buffer, lua.h. Knows neither processes nor the snapshot: what belongs to the script
   travels as a reference that the codec_link below makes and resolves.

   A message is `varint count`, then `count` values. */
#ifndef FAST_MAP_CODEC_H
#define FAST_MAP_CODEC_H

#include <lua.h>

#include "buffer.h"
#include "status.h"

/* Tables and functions nested deeper than this are refused with STATUS_DEPTH (both ways). A level costs two slots of
   the Lua stack, which ends at LUAI_MAXSTACK (1,000,000), and none of the C stack. */
#define CODEC_DEPTH 200000

/* A value is a tag and its body. varint: 7 bits a byte, lowest first, the top bit set in all but the last.
   An offset is a varint that counts from the first byte of the message to the tag of something before.
   flags: bit 7: some `seen` names this; bit 6: a metatable follows; bits 0-5: 0: no pairs, else 1 + log2 of their number, up.

   tag    name       body
   00-7f  integer    none; 0 to 127
   80-a8  string     tag - 80 bytes (0 to 40)
   a9     string     varint n, n bytes
   aa     name       offset of a string 80-a8, which from now on also goes by the next free number (0, 1, 2...)
   ab     name       varint number
   ac-ae  nil false true
   af     integer    zigzag varint
   b0     float      zigzag varint; integral, not -0.0
   b1     float      4 bytes, IEEE 754, lowest byte first
   b2     float      8 bytes, the same
   b3     seen       offset of a table, function or reference that has bit 7 of its flags
   b4     globals    none: the decoding state's table of globals
   b5     reference  flags, varint n, n bytes for codec_link.resolve
   b6     function   flags, code, varint m, m upvalues
                     code: varint n > 0, n bytes of lua_dump; or 0, offset of code as above
                     upvalue: a value; or b8, offset of a function with bit 7, varint k: the one it has as its k-th
   b7     pointer    8 bytes, lowest first: a light userdata; with a link only, as are the three above
   b9     end        none: ends the pairs of a table
   c0-cf  table      flags, tag - c0 values for the keys 1, 2, 3...; cf: flags, varint n, n values;
                     when bits 0-5 are not 0: pairs of values (key, value), end; with bit 6: a value, the metatable
   d0-ef  name       none; the number is tag - d0
   f0-ff  integer    none; tag - 100: -16 to -1 */
enum tag {
  TAG_STRING = 0x80,
  TAG_LONG_STRING = 0xa9,
  TAG_NEW_NAME,
  TAG_FAR_NAME,
  TAG_NIL,
  TAG_FALSE,
  TAG_TRUE,
  TAG_INTEGER,
  TAG_INTEGRAL,
  TAG_FLOAT4,
  TAG_FLOAT8,
  TAG_SEEN,
  TAG_GLOBALS,
  TAG_REFERENCE,
  TAG_FUNCTION,
  TAG_POINTER,
  TAG_UPVALUE,
  TAG_END,
  TAG_TABLE = 0xc0,
  TAG_LONG_TABLE = 0xcf,
  TAG_NAME = 0xd0,
  TAG_NEGATIVE = 0xf0
};

#define CODEC_SHORT_STRING 40 /* bytes; Lua keeps one copy of each: its address tells it */
#define CODEC_HEAD_MOST    12 /* bytes: a number, a tag, a varint */
#define CODEC_NEAR_NAMES   (TAG_NEGATIVE - TAG_NAME)
#define CODEC_FLAG_SEEN    0x80
#define CODEC_FLAG_META    0x40
#define CODEC_FLAG_PAIRS   0x3f

/* How things that belong to the script travel: metatables, functions, userdata. NULL instead of a link:
   none of them do (functions, userdata and light userdata are STATUS_TYPE, metatables are left out). With a link, what it
   refuses goes by value where it can: a metatable as a table, a Lua function as code and upvalues. refer is asked for
   functions and userdata, for metatables, and for tables within a metatable or within a function's upvalues; tables that
   are plain data go by value, and the table of globals has a tag of its own. Both find 16 free slots on the Lua stack. */
struct codec_link {
  /* [-0, +0, -] Appends to b bytes that name the table, function or userdata at idx.
     OK; TYPE when it has no name (b is then unchanged); NOMEM. */
  enum status (*refer)(struct codec_link *self, lua_State *L, int idx, struct buffer *b);
  /* [-0, +1|0, e] Pushes what the bytes name. OK, or FORMAT with nothing pushed. */
  enum status (*resolve)(struct codec_link *self, lua_State *L, const unsigned char *bytes, size_t size);
};

/* What could not be encoded, for the message: `[3].conn is a userdata (pg.conn)`. */
struct codec_fault {
  char text[256];
};

/* [-0, +0, -] Appends the message of the `count` values from absolute index `first` to b.
   Holds what it needs itself (freed on return), so it calls no API function that raises.
   OK; NOMEM; DEPTH and TYPE fill fault (may be NULL) with path and type. On failure b->size is as before. */
enum status codec_encode(lua_State *L, int first, int count, struct buffer *b, struct codec_link *link,
                         struct codec_fault *fault);

/* The first bytes of the message of one string, longer than CODEC_SHORT_STRING: the string itself follows. Returns their
   number. */
size_t codec_string_head(unsigned char head[CODEC_HEAD_MOST], size_t size);

/* [-0, +count|0, e] Pushes the values of one message and stores their number.
   Trusts no byte (but code, which only comes with a link). Raises only for memory (and what link->resolve raises);
   holds nothing. OK; FORMAT, DEPTH, or NOMEM (no room on the Lua stack) with nothing pushed.
   The message must fill `size` exactly. A key that comes twice keeps the later value. */
enum status codec_decode(lua_State *L, const void *bytes, size_t size, struct codec_link *link, int *count);

#endif
