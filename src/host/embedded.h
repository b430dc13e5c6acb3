/* embedded.h - the Lua files that fmlua carries inside; embedded.c is made by the program embed.
   Level 0: nothing. */
#ifndef FAST_MAP_EMBEDDED_H
#define FAST_MAP_EMBEDDED_H

#include <stddef.h>

struct embedded {
  const char *module;         /* the name for require */
  const unsigned char *bytes; /* a compiled chunk; its name in messages is that of the file */
  size_t size;
};

/* Ends with an entry whose module is NULL. */
extern const struct embedded embedded_modules[];

#endif
