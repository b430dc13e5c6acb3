/* image.h - the constant bytes of a library that is mapped into this process.
   Level 0: libc. Any thread. */
#ifndef FAST_MAP_IMAGE_H
#define FAST_MAP_IMAGE_H

#include <stddef.h>

/* Whether the library mapped at base has these bytes in what it cannot write to: its code and its literals. */
int image_holds(const void *base, const void *bytes, size_t size);

/* Whether the address lies in the library mapped at base. */
int image_spans(const void *base, const void *address);

#endif
