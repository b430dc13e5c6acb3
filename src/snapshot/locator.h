/* locator.h - the bytes that name a thing of the script in a message: a codec's reference. Written, read, and followed where that
   is the same in any copy of the script.
   Level 3: import, library, place.

   A reference is a kind (1 byte) and its body:
     1  Lua's own C function   library, 0, name, 0
     2  C function of the program, or of a library that both sides have   address (8)
     3  standard file          its name
     4  place                  address (8), type (1), then steps: step (1) and, by its kind, name, 0 or number (8)

   Addresses hold between forks of one program only. A place is followed in the receiver's copy of the script; what is found
   there must have that address and type; with address 0 (see locator_detach) any address will do. */
#ifndef FAST_MAP_LOCATOR_H
#define FAST_MAP_LOCATOR_H

#include "import.h"
#include "library.h"

enum locator_kind { KIND_LIBRARY = 1, KIND_ADDRESS, KIND_FILE, KIND_PLACE };

/* [-0, +0, -] Appends a reference to what needs no place: Lua's own functions, functions of the program, standard files.
   OK; TYPE: it is none of them; NOMEM, with a part of it written, as below. */
enum status locator_append_common(lua_State *L, int idx, struct buffer *b);

/* Appends the address of the C function at idx, which has no upvalues. OK NOMEM */
enum status locator_append_address(lua_State *L, int idx, struct buffer *b);

/* Appends a reference to the place of an entry, an object of the type. OK; TYPE when nobody could follow the place; NOMEM */
enum status locator_append_place(struct buffer *b, const struct entry *entries, uint32_t number, int type);

/* A reference being read. */
struct locator {
  const unsigned char *at, *end;
};

/* 0: it ends before. */
int locator_read(struct locator *r, void *to, size_t size);

/* The name, which lasts as long as the bytes, or the function; NULL: there is none. */
const char *locator_read_name(struct locator *r);
const struct library_function *locator_read_library(struct locator *r);

/* place->parent stays 0. 0: there is no step. */
int locator_read_step(struct locator *r, struct place *place);
int locator_has_name(enum step step);

/* [-1, +1, -] From an object to a part of it. Steps with a name are the caller's. 0: there is none. */
int locator_follow(lua_State *V, const struct place *place);

/* [-0, +1|0, -] Pushes the C function of a KIND_ADDRESS. OK FORMAT */
enum status locator_push_function(lua_State *L, struct locator *r);

/* Makes a reference that a thread made mean the same to a later run of the script: its object is then found by its place
   alone. Sets *of_function when the place is one in the map's function, which must then be the same. OK; TYPE: it cannot:
   the object has no place, or is one of the program; FORMAT. */
enum status locator_detach(unsigned char *reference, size_t size, int *of_function);

#endif
