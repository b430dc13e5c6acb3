/* stack.h - the C stacks of a worker's threads: as large as the main thread's may become, where address space costs nothing.
   Level 0: libc. Any thread. */
#ifndef FAST_MAP_STACK_H
#define FAST_MAP_STACK_H

#include <pthread.h>

/* What a thread is to get: as the limits of this process are now. */
size_t stack_size(void);

/* Starts a detached thread with such a stack, or with the smallest that Lua itself can do with, when there is no more. Memory is
   only used for what the thread touches. The stack stays when the thread has ended. 0, or an error number. */
int stack_start_thread(size_t size, void *(*run)(void *), void *argument);

#endif
