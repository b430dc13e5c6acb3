/* port.h - where a thread's Lua state gets its tasks and leaves its results.
   Level 2: buffer. Implemented by the worker's team, used by state.c; none of the functions raises. */
#ifndef FAST_MAP_PORT_H
#define FAST_MAP_PORT_H

#include <stdint.h>

#include "buffer.h"

/* What became of a task. Also the wire's byte (message.h). */
enum verdict {
  VERDICT_DONE = 1,  /* bytes: a codec message with the results */
  VERDICT_ERROR,     /* bytes: a codec message (message, traceback): f raised */
  VERDICT_MEMORY,    /* the same: the state ran out of memory */
  VERDICT_TRANSFER,  /* the same: something could not travel to the task or back */
  VERDICT_TIMEOUT,   /* the same, made by the worker (interrupted) or without bytes by the pool (killed) */
  VERDICT_CRASH,     /* made by the pool: the process died; bytes: text */
  VERDICT_CANCELLED, /* made by the pool */
  VERDICT_FATAL,     /* as ERROR, or as CRASH when the pool made it; the map must end: init failed */
  VERDICT_RECORDED   /* made by the map: an earlier run did the task; bytes: where to find its result */
};

/* No task's index: stands for the state's own beginning where it is told what runs. */
#define INDEX_INIT (UINT64_C(1) << 48)

struct job {
  uint64_t index;             /* of the task, from 1 */
  uint32_t attempt;           /* from 1 */
  const unsigned char *bytes; /* a codec message with the arguments; valid until reply returns */
  size_t size;
};

struct port {
  /* Waits for a task. OK; CLOSED: the thread ends. */
  enum status (*take)(struct port *self, struct job *job);
  /* Hands over the verdict on the job that take gave, with its bytes (the buffer stays the caller's). Called once a job. */
  void (*reply)(struct port *self, const struct job *job, enum verdict verdict, const struct buffer *bytes);
  /* Only of states that have an init: it is done, and the job that take gave begins. */
  void (*ready)(struct port *self);
};

#endif
