/* files.h - the script's open files in a thread.
   Level 3: copy. */
#ifndef FAST_MAP_FILES_H
#define FAST_MAP_FILES_H

#include <lauxlib.h>
#include <stdio.h>
#include <sys/types.h>

#include "copy.h"

#define FILES_INPUT  "_IO_input" /* in the registry: Lua's default files */
#define FILES_OUTPUT "_IO_output"

/* [-0, +0, m] The io library of this state, on the top, was just opened: notes its standard files. */
void files_open(lua_State *L);

/* [-0, +1|0, m] The view's top is a userdata: when it is a file, pushes this
   state's own handle of the same C stream and returns 1. Closing the handle
   leaves the stream open for others. */
int files_copy(struct copy *c);

/* [-0, +0, m] The tops of the view and of L are userdata. 0: the view's is a file, and L's is none of the same C stream. */
int files_same(struct copy *c);

/* [-0, +1|0, m] In a script's state: pushes its handle of a standard stream. */
int files_push(lua_State *L, const char *name);

/* A task's handle of one of the script's files. */
struct files_handle {
  luaL_Stream stream; /* first: it is a file to Lua */
  FILE *shared;       /* the script's stream, also after the handle has parted from it */
  off_t before,
      end; /* it went from one offset to the other, the end of the file, with all who share it; end < 0: it did not */
};

/* Whether the handle's stream, not closed, is one of the script's. */
int files_shared(const luaL_Stream *stream);

/* The handle, when its stream is one of the script's but no standard one; else NULL. */
struct files_handle *files_may_part(luaL_Stream *stream);

/* [-0, +0, -] From now on it uses, and closes, a stream of its own. */
void files_part(struct files_handle *handle, FILE *own);

/* The stand-in for io.popen. */
int files_popen(lua_State *L);

/* [-0, +0, -] A task begins: the commands that others have opened are not its own. */
void files_begin(struct import *import);

/* [-0, +0, -] It was ended: so are the commands it has opened and not closed, for which the collector would wait in another
   task. */
void files_end(struct import *import);

/* The name of a standard stream's handle at idx: "stdin", "stdout", "stderr"; else NULL. */
const char *files_name(lua_State *L, int idx);

#endif
