/* memory.h - what becomes of freed memory.
   Level 0: libc. */
#ifndef FAST_MAP_MEMORY_H
#define FAST_MAP_MEMORY_H

/* From now on the process keeps what it frees, to use it again: given back and asked for anew, every 4 KB cost a page fault,
   which for large values is more than all copying. Only where the C library allows it, and the user has not said otherwise
   (MALLOC_TRIM_THRESHOLD_). */
void memory_keep(void);

#endif
