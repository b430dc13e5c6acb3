/* transport.h - the seam between a map and whatever runs its tasks.
   Level 3: message. Above it: order, attempts, re-runs. Below it: processes, memory, wake-ups.

   The pool drives a transport through these functions only; tests put a fake one in its place. None raises, none
   blocks but receive, and receive blocks only until its deadline. */
#ifndef FAST_MAP_TRANSPORT_H
#define FAST_MAP_TRANSPORT_H

#include <stdint.h>

#include "message.h"

enum event_kind {
  EVENT_RESULT, /* a reply: message with verdict as kind, or a run of them; its bytes are valid until the next call */
  EVENT_ADDED, /* a worker appeared or changed: it can use `capacity` tasks at a time now */
  EVENT_LOST   /* a worker died; nothing more comes from it, its number is free for a start */
};

#define LOSS_TEXT 1024 /* bytes: what people are told of a loss, trace included */

/* Why a worker was lost. */
struct loss {
  int signal;                /* that killed it; 0: none */
  int exit_code;             /* when it exited by itself; -1: not known (reaped by someone else) */
  int garbage;               /* it wrote nonsense and was killed for it */
  uint64_t culprit;          /* index of the task whose thread faulted or would not end; 0: not known */
  int timed_out;             /* the culprit overran its timeout and did not yield to the interruption */
  char trace[LOSS_TEXT / 2]; /* the culprit's Lua stack, as far as it could be had; "" */
};

struct event {
  enum event_kind kind;
  int worker;             /* 0 .. worker count - 1 */
  struct message message; /* RESULT */
  int capacity;           /* ADDED */
  struct loss loss;       /* LOST */
};

struct transport;

struct transport_ops {
  /* Starts worker number `worker`. OK (EVENT_ADDED follows); SYSTEM, NOMEM: refused. */
  enum status (*start)(struct transport *t, int worker);
  /* Gives a task to a worker. m->bytes stay valid until its result or the worker's loss was received; those of a run, which
     is not larger than run_size, until the return.
     OK; AGAIN: full now, nothing was taken; CLOSED: the worker is lost, EVENT_LOST follows. */
  enum status (*send)(struct transport *t, int worker, const struct message *m);
  /* Wakes workers that sleep although tasks were sent. Call once after a row of sends. */
  void (*flush)(struct transport *t);
  /* The next event; sleeps until there is one or the deadline (clock.h) has passed: AGAIN. errno is EINTR when a signal
     handler ran meanwhile. */
  enum status (*receive)(struct transport *t, int64_t deadline, struct event *event);
  /* The index of a task that is running there, 0: no more of them. *place is where to look on, 0 at first. After EVENT_LOST, until
     the worker is started again: what was running when it died. */
  uint64_t (*running)(struct transport *t, int worker, int *place);
  /* True when neither a task nor a reply is on its way: what the worker has not answered, it has. */
  int (*quiet)(struct transport *t, int worker);
  /* Kills a worker that is out of its mind; EVENT_LOST follows. */
  void (*drop)(struct transport *t, int worker);
  /* Tells a worker that it gets no more tasks: it does those it has, flushes its output and leaves; EVENT_LOST follows. */
  void (*retire)(struct transport *t, int worker);
  /* Process id, for messages; after EVENT_LOST, until the worker is started again, of the one that died. 0: there is none. */
  int (*pid)(struct transport *t, int worker);
  /* Ends and reaps all workers: by their own exit when `gently` and they are idle, by SIGKILL otherwise; frees t. */
  void (*stop)(struct transport *t, int gently);
};

struct transport {
  const struct transport_ops *ops;
  size_t
      run_size; /* bytes: a run of tasks not larger than this is taken whole or not at all; 0: runs are not */
};

#endif
