/* team.h - the threads of one worker and the queue they share.
   Level 5: link, queue, port, state, blocking. One a process; knows no lua.h. Its inside: member.h.

   Threads wait for tasks on the process's task ring under one lock; the worker's listener thread (worker.c) alone listens to
   the doorbell and passes the wake-up on. A thread is added only while tasks are queued and every thread waits:
   a waiting function says so (blocking.h), or the listener sees it (team_sample). */
#ifndef FAST_MAP_TEAM_H
#define FAST_MAP_TEAM_H

#include "link.h"
#include "state.h"

struct team;

struct team_options {
  struct link *link;
  struct snapshot *snapshot;
  struct state_options state; /* seed: of the process; each thread gets another made from it */
  int thread_limit;
  int stamped;           /* replies tell when and where their tasks ran (stamp.h) */
  int chunksize;         /* tasks that a thread takes at a time; 0: as many as are short */
  int64_t timeout_ns;    /* of a task, from its start; 0: none */
  int64_t kill_after_ns; /* from the interruption to the end of the process */
  void (*before_wait)(
      void); /* called by a thread in a task that is about to wait, or to start a process; may be NULL */
};

/* Parent, before it forks: what every team would else do for itself, each in memory that it must copy first. */
void team_prepare(void);

/* Worker main thread, before any other. OK NOMEM */
enum status team_open(struct team **team, const struct team_options *options);

/* Worker main thread: works as the first of the team, until the process ends. listen_alone is NULL, or, when no listener
   could be started, a function that listens until the doorbell rings. */
void team_join(struct team *team, void (*listen_alone)(void *), void *context);

/* Any thread in a task: there is a listener now; listen_alone is not called any more. */
void team_has_listener(struct team *team);

/* Listener thread: the doorbell rang, or nothing did for a while: hands tasks to idle threads, adds a thread when all wait. */
void team_wake(struct team *team);

/* Listener thread: looks which threads wait in the kernel without having said so. Returns the milliseconds after
   which to look again. */
int team_sample(struct team *team);

/* Listener thread: looks for threads that took several tasks and are long in one of them: the others are shared out, and
   their replies sent. Returns as above. */
int team_share(struct team *team);

/* Listener thread: interrupts tasks that are over their time; ends the process when one does not yield to that. Returns
   the milliseconds after which to look again. */
int team_check_deadlines(struct team *team);

/* Listener thread: the process was stopped for so long, which does not count as the time of the tasks that run. */
void team_was_stopped(struct team *team, int64_t ns);

/* Listener thread: no task will come any more. The threads run their states' exit, and the last one ends the process. */
void team_end(struct team *team);

/* Ends the process in order: what its tasks have printed comes out. Never returns. */
_Noreturn void team_exit(void);

/* True while some thread is in a task. */
int team_busy(struct team *team);

#endif
