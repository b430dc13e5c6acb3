/* crew.h - a pool's workers as the dealer of tasks sees them: who has how many, who may have more.
   Level 2: pace. Knows neither tasks nor processes.

   Life: crew_open -> crew_start / crew_sent / crew_answered / crew_lost -> crew_close. */
#ifndef FAST_MAP_CREW_H
#define FAST_MAP_CREW_H

#include <stdint.h>

#include "pace.h"
#include "status.h"

struct crewman {
  int alive;
  int answered;        /* has returned a result in this life */
  int full;            /* took no more when last asked */
  int retired;         /* was asked to leave */
  int alone;           /* has a suspect in hand: nothing else until that is answered */
  int capacity;        /* tasks its threads could work on now, as it says */
  uint64_t in_hand;    /* tasks sent and not answered */
  uint64_t assigned;   /* tasks sent in this life */
  uint64_t audited;    /* of those, the ones answered at the last audit (audit.c) */
  int strikes;         /* audits in a row that found it doing nothing with what it has in hand */
  int64_t started;     /* clock_now() */
  int64_t last_answer; /* as far as crew_pass told the time */
};

struct crew {
  struct crewman *men; /* [0, limit) */
  int limit;
  int alive;
  int emptying; /* who gets nothing more, until it has nothing in hand: a suspect waits for it; -1: nobody */
  int64_t task_count; /* of the whole map; -1: not known */
  uint64_t quota;     /* tasks for one life of a worker; 0: no limit */
  uint64_t chunk;     /* tasks that a thread takes at a time, at least 1 */
  struct pace pace;
};

/* OK NOMEM */
enum status crew_open(struct crew *crew, int limit, int64_t task_count, uint64_t quota, uint64_t chunk);
void crew_close(struct crew *crew);

/* A number that no living worker has; -1: all live. */
int crew_vacancy(const struct crew *crew);

void crew_start(struct crew *crew, int man, int64_t now);
void crew_lost(struct crew *crew, int man);
void crew_sent(struct crew *crew, int man, uint64_t count);
void crew_answered(struct crew *crew, int man);

/* Lets the pace know that time has passed. */
void crew_pass(struct crew *crew, int64_t now);

/* What all share out at this moment. */
struct ration {
  uint64_t share; /* in hand at most: an even part of what is left */
  uint64_t lead;  /* assigned at most: others are just starting */
};

/* left: tasks queued or still to come; UINT64_MAX when nobody knows. */
struct ration crew_ration(const struct crew *crew, uint64_t left);

/* When the ration may change although nothing happens: waiting for a worker that just starts ends. CLOCK_NEVER: it will not. */
int64_t crew_next_change(const struct crew *crew);

/* How many more tasks a worker should get now. */
uint64_t crew_appetite(const struct crew *crew, int man, const struct ration *ration);

/* The sum of it over all. */
uint64_t crew_hunger(const struct crew *crew, const struct ration *ration);

/* The hungriest, and of those alike the one with the least in hand; -1: nobody. *appetite: its own. */
int crew_hungriest(const struct crew *crew, const struct ration *ration, uint64_t *appetite);

/* True when it has worked off its quota and has nothing in hand. */
int crew_worn_out(const struct crew *crew, int man);

/* One with nothing in hand; -1: none. */
int crew_idle(const struct crew *crew);

/* The one that would have nothing in hand the soonest; -1: somebody has a suspect in hand and will take the next. */
int crew_emptiest(const struct crew *crew);

#endif
