#include "config.h"
#include "memory.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define KEEP_MOST   (64 << 20) /* bytes free at the end of the heap; more is given back */
#define ALONE_LEAST (32 << 20) /* bytes; larger blocks are mapped by themselves; the most that glibc allows */

void memory_keep(void) {
#if defined(M_TRIM_THRESHOLD) && defined(M_MMAP_THRESHOLD)
  static int kept; /* a fork inherits it with the rest */
  if (kept || getenv("MALLOC_TRIM_THRESHOLD_") != NULL)
    return;
  kept = 1;
  mallopt(M_TRIM_THRESHOLD, KEEP_MOST);
  mallopt(M_MMAP_THRESHOLD, ALONE_LEAST);
#endif
}
