/* member.h - a worker's threads and what they share: the inside of team.c (threads), exchange.c (tasks in, replies out) and
   lookout.c (the listener's part).
   Level 5: team, queue. */
#ifndef FAST_MAP_MEMBER_H
#define FAST_MAP_MEMBER_H

#include <pthread.h>

#include "blocking.h"
#include "fatal.h"
#include "home.h"
#include "queue.h"
#include "team.h"

#define SAMPLE_MS_LEAST   1
#define MEMBER_REPLY_MOST 1024 /* bytes of a reply that a bite keeps; longer ones are not copied once more */

/* One thread. */
struct member {
  struct port port;         /* first: a port is its member */
  struct blocking blocking; /* finds its member by offsetof */
  struct team *team;
  struct member *next;
  struct seat *seat;
  int number;
  int tid;          /* the kernel's number, for team_sample; 0 until the thread runs */
  int in_task;      /* has a bite that is not done; all below under the team's lock */
  int shared;       /* its bite had several tasks; counted in team->shared */
  int blocked;      /* counted in team->blocked */
  int handing_over; /* its task is done, its reply may wait for room: more threads would only wait with it */
  struct member *before, *after; /* from team->first to team->last, when it is there */
  int listed;                    /* it is */
  int look_again;                /* it was found asleep: it stays first for one look more */
  int asleep_at_sample;          /* the kernel said so at the last look, in the same task */
  uint64_t sampled_index;
  uint32_t begun_at_look; /* tasks begun at the last team_share */
  uint64_t stopped_index; /* the task that it was in when the process was stopped, */
  int64_t stopped_ns;     /* and for how long, all stops of that task added up */
  pthread_t thread;       /* valid once tid is set */
  struct bite bite;       /* under its own lock */
  struct state *state;    /* this and all below: the thread's own */
  int preparing;          /* its state's init comes before the task */
  struct fatal fatal;
  struct job job;             /* the running one */
  const struct buffer *reply; /* to it, when the bite does not keep it */
  enum verdict verdict;       /* of that reply */
  int64_t loaded_at;          /* clock_now() when the bite was */
  int64_t hand_over_at;       /* replies kept are handed over at the first task that ends after this */
  uint32_t begun_at_load;     /* tasks begun before this bite */
  int64_t task_at;            /* clock_now() when the task began; 0: none did */
  int64_t working_ns;         /* in tasks; not yet added to the team's */
  int64_t blocked_at, wait_at, waited_ns; /* of the running task; only when replies are stamped */
  struct buffer stamped;                  /* its reply with the stamp */
};

struct team {
  struct team_options options;
  int pid;
  struct link *link;
  struct home home;     /* constant while others than the first run */
  size_t stack_size;    /* of its threads but the first; constant once there is a second */
  pthread_mutex_t lock; /* before a bite's, when both are held */
  pthread_cond_t tasks; /* idle threads wait: a task may be there */
  pthread_cond_t
      room; /* threads with a reply wait: the reply ring may have room, or another's long reply is through */
  struct queue queue;
  struct ring_writer replies;
  size_t sent; /* of the reply that is on its way in pieces */
  int sending; /* somebody's reply is */
  size_t
      reply_most; /* bytes of replies that a bite keeps: as a message they go into the ring whole or not at all */
  int thread_count, idle, blocked, room_waiters;
  int starting;       /* of thread_count: reserved, not yet running */
  int busy;           /* threads with a task */
  int shared;         /* of those, with a bite of several */
  int64_t task_ns;    /* what a task takes, moving mean; 0: not known */
  int64_t working_ns; /* in tasks, all threads added up */
  struct slow_task slow[TALLY_SLOW];
  int limit;                    /* thread_limit, or less when the system refuses */
  void (*listen_alone)(void *); /* the only thread listens itself while it waits; NULL: there is a listener */
  void *listen_context;
  int budget; /* threads to add one after the other while tasks are there (after a sample) */
  int sample_ms;
  struct member *members; /* newest first; never removed */
  struct member *first,
      *last; /* those in a task that are not known to wait: whose turn to be looked at it is comes first */
};

/* -- team.c ----------------------------------------------------------------- */

/* Under the lock: one more thread; the caller starts it with team_grow after unlocking. */
void team_reserve(struct team *team);

/* Under the lock: reserves a thread when one is wanted. */
int team_wants_thread(struct team *team);
int team_computing(const struct team *team); /* threads that run, or are about to */
int team_starving(const struct team *team);  /* nobody computes, and one more thread may */
void team_grow(struct team *team);           /* starts the thread that was reserved */

/* Under the lock. */
void team_tell_capacity(struct team *team);
void team_ring_parent(struct team *team);
int team_arm(struct team *team); /* somebody waits for tasks: true when there are some already */

/* Under the lock, one thread more waits in its task: others shall compute meanwhile. True when one was reserved, as by
   team_wants_thread; *ring is set when the parent is to be rung. */
int team_replace(struct team *team, int *ring);

/* Under the lock: puts the member last of those to be looked at, or takes it out, as in_task and blocked are now. */
void team_list(struct member *m);

/* Waits for a signal on the condition; without a listener, for the doorbell itself. */
void team_wait_for(struct team *team, pthread_cond_t *condition);

/* In a child that a task forked; written once there, in its only thread. */
extern volatile int team_stray;

/* -- exchange.c ------------------------------------------------------------- */

extern const struct port exchange_port; /* take, reply and ready, for a member's port */

/* Thread: hands over what it has kept, before its state goes. */
void exchange_settle(struct member *m);

/* Under the lock, any thread: what the member has not begun is there for others, and its replies, if the ring has room, for
   the parent. True when the parent is to be rung. */
int exchange_share(struct member *m);

/* Under the lock: the member's thread leaves for good; false: it has tasks that nobody else could take. */
int exchange_leave(struct member *m);

#endif
