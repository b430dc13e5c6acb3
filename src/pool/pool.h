/* pool.h - one map's tasks on their way through the workers: order, attempts, how many each worker gets.
   Level 5: window, transport. Parent only; one thread; knows neither Lua nor processes.

   Life: pool_open -> pool_start (a first row of pool_give may come before it) -> pool_give / pool_wait / pool_ready /
   pool_delivered -> pool_end (no more tasks) -> pool_close. */
#ifndef FAST_MAP_POOL_H
#define FAST_MAP_POOL_H

#include <stdint.h>

#include "record.h"
#include "transport.h"
#include "window.h"

struct pool_options {
  int worker_limit;        /* processes, at least 1 */
  int thread_limit;        /* threads of all processes together, at least 1 */
  uint64_t window_limit;   /* tasks between the oldest undelivered and the newest */
  int64_t task_count;      /* when known, else -1 */
  int ordered;             /* results in the tasks' order */
  int retries;             /* further runs of a task that raised or timed out */
  int64_t retry_delay_ns;  /* before the first of them, doubling */
  uint64_t chunksize;      /* tasks that a thread takes at a time; 0: as many as are short */
  uint64_t worker_quota;   /* tasks after which a worker is replaced; 0: never */
  struct records *records; /* the caller's; replies are stamped; NULL: they are not */
  int rerun;               /* tasks that were running in a worker when it died run again */
  /* Told of each result when it arrives, before it can be handed over; NULL: nobody is. Returns NULL, or why the task must
     fail (VERDICT_TRANSFER) although it has a result. */
  const char *(*keep)(void *keeper, uint64_t index, const void *bytes, size_t size);
  void *keeper;
};

/* A result at its turn. */
struct delivery {
  uint64_t index;
  uint32_t attempt;
  enum verdict verdict;
  int pid; /* of the worker, when the task failed; 0: not known */
  int own; /* the verdict is the pool's, not a worker's: bytes are text, not a codec message */
  const unsigned char
      *bytes; /* valid until pool_delivered; text for people when the verdict is the pool's own */
  size_t size;
};

struct pool;

/* Takes over the transport (also on failure: it is then stopped). OK NOMEM */
enum status pool_open(struct pool **pool, const struct pool_options *options, struct transport *transport);

/* Ends and reaps the workers; gently when every task was delivered. What pool_ready gave stays; then only pool_close. */
void pool_stop(struct pool *pool);

/* The same, if that was not done, and frees everything. Accepts NULL and half-open. */
void pool_close(struct pool **pool);

/* How many more tasks the workers could use now, and the window allows; 0: hand out results first. */
uint64_t pool_room(struct pool *pool);

/* Adds the next task, the bytes of a buffer, whose memory is taken over when they are many, and starts or feeds a worker.
   OK; NOMEM; SYSTEM with errno: no worker could be started. */
enum status pool_give(struct pool *pool, struct buffer *b);

/* Adds a task that is done already, with its result: no worker gets it, none is started for it. OK NOMEM */
enum status pool_add_done(struct pool *pool, enum verdict verdict, const void *bytes, size_t size);

/* Starts the workers that there may be and are not yet, unless no more tasks will come: one that started later would see a script
   that its own code has changed. From here on a worker is started only in the place of a lost one. OK also when the system refuses
   some; SYSTEM with errno, NOMEM: there is none. */
enum status pool_start(struct pool *pool);

/* Wakes workers that got tasks; call after a row of pool_give. */
void pool_flush(struct pool *pool);

/* No more tasks will come. */
void pool_end(struct pool *pool);

/* True when all tasks were delivered and no more will come. */
int pool_finished(const struct pool *pool);

/* The next result to hand over: OK; AGAIN: none is ready. */
enum status pool_ready(struct pool *pool, struct delivery *delivery);

/* Takes the result that pool_ready gave out of the window. */
void pool_delivered(struct pool *pool, const struct delivery *delivery);

/* Takes in what workers sent; sleeps until something came or the deadline (0: does not sleep). OK; AGAIN: nothing came
   (errno EINTR: a signal handler ran); SYSTEM, NOMEM: the map cannot go on: errno says why. */
enum status pool_wait(struct pool *pool, int64_t deadline);

/* When pool_wait must be called at the latest, for a caller that sleeps elsewhere; CLOCK_NEVER: when a bell rings. */
int64_t pool_due(const struct pool *pool);

/* The same for a caller that has better things to do: only when a task will wait for the call. */
int64_t pool_wanted(const struct pool *pool);

/* Figures for people. */
struct pool_figures {
  uint64_t added, delivered;
  uint64_t oldest;              /* task that is not delivered; the next one when all are */
  uint64_t rerun;               /* after a death */
  uint64_t retried;             /* after a failure */
  uint64_t deaths;              /* of workers, but in order */
  uint64_t bytes_out, bytes_in; /* of tasks and results */
  int64_t waited_ns;            /* asleep until workers had something */
  int64_t starting_ns;          /* starting them */
  int workers;                  /* alive */
};
void pool_figures(const struct pool *pool, struct pool_figures *figures);

/* The process id of a worker that lives; 0: it does not. */
int pool_pid(const struct pool *pool, int worker);

struct transport *pool_transport(struct pool *pool);

#endif
