/* recorder.h - a journal in the hands of a map: which tasks an earlier run has done, and what becomes of the others.
   Level 6: journal, bag, references, origin, lua.h. A Lua userdata, made by core.journal; policy is in journal.lua.

   Life: core.journal(path) -> begin -> recorder_find for each task; recorder_keep for each result, recorder_flush after
   them -> recorder_close, when the map is closed. */
#ifndef FAST_MAP_RECORDER_H
#define FAST_MAP_RECORDER_H

#include <lua.h>

#include "buffer.h"

struct recorder;

/* [-0, +0, m] Adds `journal` and `digest` to the library on the top. */
void recorder_register(lua_State *L);

/* [-0, +0, v] The recorder at idx, on which begin was called. */
struct recorder *recorder_check(lua_State *L, int idx);

/* Tasks between the oldest that is not delivered and this one, which come with their numbers. */
struct recorder_task {
  uint64_t index, oldest;
  int first, count; /* its arguments on the stack */
  const struct buffer *message;
};

/* [-0, +0, e] 1: an earlier run did the task, and recorder_read finds its result at *at. 0: nobody did; when its result
   comes, recorder_keep will know where it belongs. */
int recorder_find(lua_State *L, struct recorder *r, const struct recorder_task *task, uint64_t *at);

/* [-0, +0, v] Replaces what is in b by the result. */
void recorder_read(lua_State *L, struct recorder *r, uint64_t at, struct buffer *b);

/* pool_options.keep. Calls no Lua. */
const char *recorder_keep(void *recorder, uint64_t index, const void *bytes, size_t size);

/* [-0, +0, v] Writes what was kept. */
void recorder_flush(lua_State *L, struct recorder *r);

/* The file is free for others. Harmless when repeated. */
void recorder_close(struct recorder *r);

#endif
