/* process.h - the workers' processes as their parent sees them: forked, watched, buried (process.c), at work (seats.c), and
   what transport_fork.c knows of the way to them and back.
   Level 4: transport_fork. */
#ifndef FAST_MAP_PROCESS_H
#define FAST_MAP_PROCESS_H

#include <poll.h>
#include <sys/types.h>

#include "groups.h"
#include "transport_fork.h"

enum life { LIFE_NONE, LIFE_RUNNING, LIFE_LEAVING /* its end of the bell is closed; replies may remain */ };

struct process {
  enum life life;
  pid_t pid;
  int pidfd;    /* readable at the process's death, also when a child of a task holds the bell; -1: none */
  int capacity; /* as last told */
  int garbage;  /* wrote nonsense */
  uint64_t answered; /* tasks */
  int64_t started;   /* clock_now() */
  long number;       /* of this life in the tally */
  int retired;       /* was told that nothing more comes */
  int sent_some;     /* tasks, since it was last looked whether it sleeps */
  int took_some;     /* replies, since then */
  struct link link;
  int far_bell; /* the worker's end, until it is forked; -1: not open */
  struct inbox inbox;
  struct ring_writer tasks;
  size_t sent;            /* of the message `sending` */
  struct message sending; /* accepted, only partly in the ring; size_t sent != 0 */
};

struct transport_fork {
  struct transport base;
  struct fork_options options;
  struct link_layout layout;
  unsigned char *memory;
  struct process *processes; /* worker_count */
  struct pollfd *polls;      /* 2 * worker_count, and one of the caller's */
  int turn;                  /* whose replies are taken */
  int taken;                 /* in this turn */
  int armed;                 /* the workers are to ring */
  unsigned hasty;            /* calls of receive that found nothing and did not sleep */
  int burst;                 /* replies since the last sleep */
  struct recipient notified; /* whom rings reach also while it does something else */
  struct groups left;        /* by workers that have ended in order */
  pid_t owner; /* the process that opened it: a child that its host forks must leave the workers alone */
  int held;    /* the worker whose reply the caller looks at, -1 */
  struct message reply;
  struct transport_fork *next_open; /* parent: list of all, so that a child can close their bells */
};

static inline struct transport_fork *transport_fork_self(struct transport *t) {
  return (struct transport_fork *)t;
}

/* -- process.c -------------------------------------------------------------- */

/* Before the first is opened. OK NOMEM */
enum status process_prepare(void);

/* A child that anybody forks closes what listed transports hold. */
void process_list(struct transport_fork *f);
void process_unlist(struct transport_fork *f);

/* The transport's operation start. OK SYSTEM */
enum status process_start(struct transport *t, int worker);

/* With all that its tasks had started. */
void process_kill(const struct process *p);

/* It has ended, or is about to: reaps it and says what became of it. */
void process_bury(struct transport_fork *f, struct process *p, struct loss *loss);

/* All of them end now: by themselves, within the patience that the options grant, or killed. */
void process_end_all(struct transport_fork *f, int gently);

/* Closes what the parent holds of it. */
void process_forget(struct process *p);

/* What it says of itself, as far as it can be true. */
void process_read_life(const struct transport_fork *f, const struct process *p, struct tally_worker *life);

/* -- seats.c ---------------------------------------------------------------- */

/* The transport's operation running. */
uint64_t seats_running(struct transport *t, int worker, int *place);

#endif
