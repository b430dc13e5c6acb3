/* writer.h - what a task writes: the stand-ins for print and for what writes files.
   Level 3: files, import.

   What is written to a stream that other threads and processes share goes through the thread's output; to a task's own file, to
   the file. */
#ifndef FAST_MAP_WRITER_H
#define FAST_MAP_WRITER_H

#include <lua.h>

int writer_print(lua_State *L);
int writer_io_write(lua_State *L);
int writer_io_flush(lua_State *L);

/* Methods of files. */
int writer_write(lua_State *L);
int writer_flush(lua_State *L);
int writer_setvbuf(lua_State *L);

#endif
