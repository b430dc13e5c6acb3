/* team.pml - the threads of one worker (src/team.c, exchange.c, lookout.c, queue.c, bite.c) and the parent that deals them
   tasks (transport_fork.c, crew.c), checked for lost wake-ups. `make model` runs it.

   Tasks come in pairs that wait for each other, saying so or not: whoever holds one up, asleep or with a run in hand, stops
   everything. A thread takes up to BITE tasks at a time and keeps replies; who waits shares them. The parent sends no more than
   the worker says it can use. With -DSHORT the first task does not wait, and its reply is waited for; with -DALONE no task
   waits for another, but a thread may be refused and a thread may leave for lack of memory; with -DEXIT each thread has an end
   of its own, as when the map has an exit.

   What bell.pml checks is taken for granted here: a store is seen at once, and rings have room. Looks of the listener that come
   after so and so many milliseconds, whatever happened, are left out where they would only repair something.

   run.sh also takes one step out at a time and asserts that the checker then finds the lost wake-up:
     NO_RECHECK   who is about to idle does not look once more after arming the flag
     NO_REARM     the listener does not arm the flag again for who stays idle, or for a thread that may be added
     NO_GROWTH    a ring adds no thread where all wait
     NO_SHARE     who waits keeps the tasks that it has not begun
     NO_OFFER     who waits keeps its replies (SHORT)
     NO_SIGNAL    what was shared wakes no idle thread
     NO_SECOND    where all wait, the queue is not looked at once more after arming the flag
     NO_ASK       the parent does not hear that a thread waits while another is idle
     NO_CAPACITY  the parent goes to sleep without a last look at what the worker can use
     NO_TELL      a thread goes idle without a ring for the replies it has handed over
     NO_FAREWELL  a thread leaves without waking the idle ones (ALONE)
     NO_COUNT     a thread leaves since there is another, though that is only reserved (ALONE)
     NO_EMPTY     a thread is refused when all others have had their ends, and the process stays (ALONE, EXIT)
     NO_LAST      the last one that works does not wake the idle ones for their ends (EXIT) */

#ifndef TASKS
#define TASKS 4
#endif
#define THREADS 2
#define BITE 2

/* shared with the parent */
byte there;              /* tasks in the ring */
bool end_there;          /* after them: no more come */
byte replies;            /* published */
byte capacity = 1;
bool worker_asleep, parent_asleep, worker_rung, parent_rung;

/* the worker's lock, and what it protects */
bool locked, ending;
byte given;              /* leftovers */
byte idle, blocked, busy, count = 1, starting, limit = THREADS;
byte left[THREADS], kept[THREADS];
bool in_task[THREADS], is_blocked[THREADS], sleeps[THREADS];
bool waits[THREADS];     /* on the condition */
bool started[THREADS];
bool over;               /* the process has ended */
bool finished;           /* the parent has all it wanted */

byte back;               /* replies that the parent has taken */

byte present, meetings;  /* the tasks' own business */
#ifdef SHORT
bool short_done;
#define SHORT_TASKS 1
#define MAY_WAIT short_done
#else
#define SHORT_TASKS 0
#define MAY_WAIT true
#endif

#define QUEUED (given > 0 || there > 0)
#ifdef NO_COUNT
#define MAY_LEAVE (count > 1)
#else
#define MAY_LEAVE (count - starting > 1)
#endif
#define COMPUTING (count - idle - blocked)
#define STARVING (idle == 0 && COMPUTING == 0 && count < limit)

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* pthread_cond_signal: any one that waits; nobody may */
inline signal_one() {
  if
  :: waits[0] -> waits[0] = false
  :: waits[1] -> waits[1] = false
  :: !waits[0] && !waits[1] -> skip
  fi
}

inline signal_all() { d_step { waits[0] = false; waits[1] = false } }

inline ring_parent() {
  if
  :: parent_asleep -> parent_rung = true
  :: else -> skip
  fi
}

inline tell_capacity() {
  capacity = (2 * blocked + 1 < limit -> 2 * blocked + 1 : limit)
}

/* -- team_replace, exchange_share: under the lock; m has begun to wait -------------- */

inline share(m, rings) {
#ifndef NO_SHARE
  d_step { given = given + left[m]; left[m] = 0 };
#endif
#ifndef NO_OFFER
  if
  :: kept[m] > 0 -> replies = replies + kept[m]; kept[m] = 0; rings = true
  :: else -> skip
  fi
#else
  skip
#endif
}

inline want_thread(grows) {
  if
  :: STARVING && QUEUED -> count++; starting++; grows = true
  :: else -> skip
  fi
}

inline replace(grows, rings) {
  if
  :: grows || COMPUTING > 0 -> skip
  :: else ->
    atomic {
      if
      :: STARVING -> worker_asleep = true
      :: else -> skip
      fi
    };
    atomic {
#ifndef NO_SECOND
      want_thread(grows);
#endif
      if
      :: !grows && !QUEUED && count < limit -> rings = true
#ifndef NO_ASK
      :: !grows && !QUEUED && count == limit && idle > 0 -> rings = true
#endif
      :: else -> skip
      fi
    }
  fi
}

inline wait_begins(m, grows, rings) {
  atomic {
    is_blocked[m] = true;
    blocked++;
    tell_capacity();
    share(m, rings);
    want_thread(grows);
#ifndef NO_SIGNAL
    if
    :: idle > 0 && QUEUED -> signal_one()
    :: else -> skip
    fi
#endif
  };
  replace(grows, rings)
}

/* team_grow: the thread that was reserved */
inline grow_if(grows) {
  if
  :: grows ->
    grows = false;
    if
    :: !started[1] -> started[1] = true
#ifdef ALONE
    :: lock(); d_step { count--; starting--; limit = count; tell_capacity() };
#ifndef NO_EMPTY
      if
      :: count == 0 -> over = true
      :: else -> skip
      fi;
#endif
      unlock()
#endif
    fi
  :: else -> skip
  fi
}

inline ring_if(rings) {
  if
  :: rings -> rings = false; ring_parent()
  :: else -> skip
  fi
}

/* -- parent ------------------------------------------------------------------------ */

active proctype parent() {
  byte sent, known = 1, n;
  do
  :: back == TASKS -> break
  :: back < TASKS && replies > back -> back++
  :: back < TASKS && capacity != known -> known = capacity
  :: sent < TASKS && sent - back < known ->
    n = 1;
    if
    :: true -> skip
    :: TASKS - sent > 1 -> n = 2 /* a run, ahead of what can be done at once */
    fi;
    sent = sent + n;
    there = there + n;
    if
    :: sent == TASKS -> end_there = true /* retire */
    :: else -> skip
    fi;
    if
    :: worker_asleep -> worker_rung = true
    :: else -> skip
    fi
  :: back < TASKS && replies == back && !(sent < TASKS && sent - back < known) ->
    parent_asleep = true;
    if
    :: replies > back -> skip
#ifndef NO_CAPACITY
    :: capacity != known -> skip
    :: replies == back && capacity == known -> parent_rung
#else
    :: replies == back -> parent_rung
#endif
    fi;
    d_step { parent_asleep = false; parent_rung = false }
  od;
  over; /* it waits for the process to end, in order */
  finished = true
}

/* Nobody can go on. */
active proctype verdict() {
  timeout;
  assert(finished)
}

/* -- a thread ---------------------------------------------------------------------- */

inline get_up(m) {
  d_step {
    if
    :: in_task[m] -> in_task[m] = false; busy--
    :: else -> skip
    fi
  }
}

/* queue_take: leftovers first */
inline load(m) {
  atomic {
    if
    :: given > 0 -> left[m] = (given < BITE -> given : BITE); given = given - left[m]
    :: given == 0 -> left[m] = (there < BITE -> there : BITE); there = there - left[m]
    fi;
    in_task[m] = true;
    busy++
  }
}

inline hand_over(m, replied) {
  if
  :: kept[m] > 0 -> replies = replies + kept[m]; kept[m] = 0; replied = true
  :: else -> skip
  fi
}

inline unblock(m) {
  d_step {
    if
    :: is_blocked[m] -> is_blocked[m] = false; blocked--; tell_capacity()
    :: else -> skip
    fi
  }
}

inline idle_wait(m) {
  idle++;
  worker_asleep = true;
#ifndef NO_RECHECK
  if
  :: QUEUED || (end_there && !ending) -> skip
  :: else ->
#endif
    waits[m] = true;
    unlock();
    !waits[m];
    lock();
#ifndef NO_RECHECK
  fi;
#endif
  idle--
}

/* The task: it waits for another, and for the delivery of what was done before; or it is over at some time. */
inline meet() {
#ifndef ALONE
  atomic {
    mine = meetings;
    present++;
    if
    :: present == 2 -> present = 0; meetings++
    :: else -> skip
    fi
  };
  meetings != mine && back >= 2 * mine + SHORT_TASKS
#else
  skip
#endif
}

proctype thread(byte m) {
  byte mine;
  bool replied, grows, rings;
  started[m];
  if
  :: m > 0 -> atomic { lock(); starting--; unlock() }
  :: else -> skip
  fi;
again:
  atomic {
    lock();
    unblock(m);
    hand_over(m, replied)
  };
#ifdef ALONE
  if /* the state is spent, and there is no memory for another */
  :: MAY_LEAVE ->
    d_step { given = given + left[m]; left[m] = 0 };
    get_up(m);
    d_step { count--; limit = count; tell_capacity() };
#ifndef NO_FAREWELL
    signal_all();
#endif
    unlock();
    ring_if(replied);
    goto gone
  :: true -> skip
  fi;
#endif
  do
  :: left[m] > 0 -> break
  :: left[m] == 0 ->
    get_up(m);
    if
    :: there == 0 && end_there -> ending = true
    :: else -> skip
    fi;
    if
    :: QUEUED ->
      load(m);
      if
      :: idle > 0 && QUEUED -> signal_one() /* hand the wake-up on */
      :: else -> skip
      fi;
      break
    :: !QUEUED && ending && busy == 0 ->
#ifdef EXIT
#ifndef NO_LAST
      signal_all();
#endif
      unlock();
      ring_if(replied);
      lock(); count--; unlock();
      if
      :: count == 0 -> over = true
      :: else -> skip
      fi;
#else
      ring_if(replied);
      over = true; /* with the lock held: nobody else goes on */
#endif
      goto gone
    :: !QUEUED && !(ending && busy == 0) ->
#ifndef NO_TELL
      if
      :: replied -> ring_if(replied)
      :: else -> idle_wait(m)
      fi
#else
      replied = false;
      idle_wait(m)
#endif
    fi
  od;
  left[m]--;
  unlock();
  ring_if(replied);
work:
  if
#ifdef SHORT
  :: atomic { !short_done -> short_done = true }
#endif
  :: MAY_WAIT -> /* it says that it waits */
    lock();
    wait_begins(m, grows, rings);
    unlock();
    ring_if(rings);
    grow_if(grows);
    meet();
    atomic { lock(); unblock(m); unlock() }
  :: MAY_WAIT ->
    sleeps[m] = true;
    meet();
    sleeps[m] = false
  fi;
  kept[m]++;
  if
  :: atomic { left[m] > 0 -> left[m]-- }; goto work /* the next of the bite, without the lock */
  :: true -> goto again
  fi;
gone:
  skip
}

/* -- the listener ------------------------------------------------------------------ */

#define SILENT(m) (sleeps[m] && in_task[m] && !is_blocked[m])

inline sample(m) {
  lock();
  if
  :: in_task[m] && !is_blocked[m] -> wait_begins(m, grows, rings)
  :: else -> skip
  fi;
  unlock();
  ring_if(rings);
  grow_if(grows)
}

active proctype listener() {
  bool grows, rings;
  do
  :: worker_rung ->
    worker_rung = false;
    atomic { lock(); worker_asleep = false };
#ifndef NO_REARM
    atomic {
      if
      :: idle > 0 || STARVING -> worker_asleep = true
      :: else -> skip
      fi
    };
#endif
    atomic {
      if
      :: idle > 0 && (QUEUED || end_there) -> signal_one()
      :: else -> skip
      fi;
#ifndef NO_GROWTH
      want_thread(grows);
#endif
      unlock()
    };
    grow_if(grows)
#ifndef ALONE
  :: SILENT(0) -> sample(0) /* who waits for nobody needs not be seen */
  :: SILENT(1) -> sample(1)
#endif
  od
}

init {
  atomic {
    started[0] = true;
    run thread(0);
    run thread(1)
  }
}
