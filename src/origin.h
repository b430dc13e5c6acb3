/* origin.h - how things of the script are named in messages: what codec_link
   refers to and resolves. Level 3: import, library.

   A reference is a kind (1 byte) and its body:
     1  Lua's own C function   library, 0, name, 0
     2  C function of the program   address (8)
     3  standard file          its name
     4  place                  address (8), type (1), then steps: step (1) and,
   by its kind, name, 0 or number (8) Addresses hold between forks of one
   program only. A place is followed in the receiver's copy of the script; what
   is found there must have that address and type; with address 0 (see
   origin_detach) any address will do. */
#ifndef FAST_MAP_ORIGIN_H
#define FAST_MAP_ORIGIN_H

#include "import.h"

struct origin;

/* [-0, +0, m] Parent: fills s->origin, which origin_close ends even half-made.
 */
void origin_open(lua_State *L, struct snapshot *s);
void origin_close(lua_State *L, struct origin **origin);
void origin_forked(struct origin *origin);
struct codec_link *origin_link(struct origin *origin);

/* Makes a reference that a thread made mean the same to a later run of the script: its object is then found by its place
   alone. Sets *of_function when the place is one in the map's function, which must then be the same. OK; TYPE: it cannot:
   the object has no place, or is one of the program; FORMAT. */
enum status origin_detach(unsigned char *reference, size_t size, int *of_function);

/* The link of a thread: valid as long as the import. */
struct codec_link *origin_thread_link(struct import *import);

#endif
