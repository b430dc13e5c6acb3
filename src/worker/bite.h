/* bite.h - the tasks that a thread has taken at one time, and their replies that are not yet handed over.
   Level 2: run, message, port. Never waits but for its own lock.

   Short tasks are taken many at a time, so that they cost little. One that turns out long must not hold up the others: whoever
   watches the thread takes away the tasks not begun (bite_strip) and hands over the replies (bite_message, bite_sent).
   The thread that works on the bite and the watcher share it, under its lock.

   Life: bite_init -> bite_load | bite_load_run -> bite_next, bite_answer for each -> loaded again. */
#ifndef FAST_MAP_BITE_H
#define FAST_MAP_BITE_H

#include <pthread.h>
#include <stdint.h>

#include "message.h"
#include "port.h"
#include "run.h"

#define BITE_KEEP (1 << 16) /* bytes of each of its buffers that are kept between tasks */

struct bite {
  pthread_mutex_t lock; /* for all below but `held` and `single` */
  struct buffer held;   /* the bytes of its tasks; the thread's own, unchanged until it is loaded again */
  int single;           /* `held` is one task's bytes, not items; the thread's own */
  struct run rest;      /* the tasks not begun */
  uint32_t left;        /* their number */
  uint64_t next;        /* index of the first of them */
  uint32_t attempt;
  uint32_t begun;        /* ever; stored by the thread alone */
  struct buffer replies; /* items */
  uint32_t reply_count;
  uint64_t reply_first; /* index of the first of them */
};

void bite_init(struct bite *bite);

/* Thread: one task, whose bytes are in bite->held already. The bite must be empty; so below. */
void bite_load(struct bite *bite, uint64_t index, uint32_t attempt);

/* Thread: copies the first `count` tasks of a run and moves the run on. OK; FORMAT: the run is nonsense; NOMEM: nothing
   has changed. */
enum status bite_load_run(struct bite *bite, struct run *run, uint32_t count, uint64_t index,
                          uint32_t attempt);

/* Thread: the next task: 1; 0: there is none. job->bytes are valid until the bite is loaded again. */
int bite_next(struct bite *bite, struct job *job);

/* Thread: keeps the reply to the job that bite_next gave last. OK; AGAIN: the same, and they are `most` bytes or more now;
   NOMEM. */
enum status bite_answer(struct bite *bite, const struct job *job, enum verdict verdict,
                        const struct buffer *bytes, size_t most);

/* Tasks begun, ever: tells a watcher whether the thread gets on. */
uint32_t bite_begun(struct bite *bite);

/* The replies kept, as one message in place: 1; 0: there are none. Whoever calls sees to it that no reply is kept until
   bite_sent: the thread itself, or a watcher with the lock. */
int bite_message(const struct bite *bite, struct message *m);
void bite_sent(struct bite *bite);

/* Tasks that were taken away before they were begun. */
struct leftover {
  struct leftover *next; /* the owner's */
  struct run rest;
  uint32_t left;
  uint64_t index; /* of the first */
  uint32_t attempt;
  unsigned char bytes[];
};

/* Takes away what is not begun, in one piece of memory to be freed; NULL: there is nothing, or no memory. */
struct leftover *bite_strip(struct bite *bite);

#endif
