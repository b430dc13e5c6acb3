/* bell.pml - rings, sleeping flags and doorbells (src/ring.h, doorbell.h, team.c, transport_fork.c), checked for lost
   wake-ups: whatever the order of steps, every task arrives and every reply is taken. `make model` runs it.

   A parent sends TASKS tasks of PIECES pieces each through a ring that holds one piece, and takes a reply for each from a
   ring that holds one. It sleeps on its bell. In the worker a thread sleeps on a condition; only a listener hears the bell
   and passes the wake-up on under the lock.

   Memory: what a process stores may become visible to others late, until it fences, locks or enters the kernel: each has
   a store buffer of one entry (what a processor may do without the fences of doorbell.h).

   run.sh also takes one step out at a time and asserts that the checker then finds the lost wake-up:
     NO_RECHECK  who is about to sleep does not look once more after arming its flag
     NO_FENCE    nothing between the store of the one and its load of the other's
     NO_REARM    the listener does not arm the flag again for a thread that stays idle
     NO_ROOM     a worker that took a piece of a task does not tell the parent, which waits to send the next
     NO_WANT     the parent that took a reply does not look whether somebody waits for its room */

#define TASKS 2
#define PIECES 2
#define ALL (TASKS * PIECES)

/* the shared words; the number of each is its name in a store buffer */
#define TASKS_WRITTEN 1 /* by the parent */
#define TASKS_TAKEN 2   /* by the thread */
#define REPLIES_WRITTEN 3
#define REPLIES_TAKEN 4
#define PARENT_ASLEEP 5 /* by the parent */
#define WORKER_ASLEEP 6 /* by thread and listener, under the lock */
#define ROOM_WANTED 7   /* likewise */
byte word[8];

/* the doorbells: a ring more than one changes nothing */
bool parent_rung, worker_rung;

/* the worker's lock, and what it protects */
bool locked, idle, waits_room, task_signal, room_signal;
byte taken; /* pieces */

#define PARENT 0
#define THREAD 1
#define LISTENER 2
byte late_word[3], late_value[3]; /* store buffers; word 0: empty */

inline land(who) {
  d_step {
    word[late_word[who]] = late_value[who];
    late_word[who] = 0;
    late_value[who] = 0;
    word[0] = 0
  }
}

inline store(who, name, value) {
  d_step { /* the older store lands first */
    word[late_word[who]] = late_value[who];
    word[0] = 0;
    late_word[who] = name;
    late_value[who] = value
  }
}

inline fence(who) {
#ifdef NO_FENCE
  skip
#else
  land(who)
#endif
}

active [3] proctype store_buffer() {
end_of_buffer:
  do
  :: late_word[_pid] != 0 -> land(_pid)
  od
}

inline lock() {
  atomic { !locked -> locked = true }
}

inline unlock(who) {
  atomic {
    land(who);
    locked = false
  }
}

inline wait_for(signal) {
  signal = false;
  unlock(THREAD);
  signal;
  lock()
}

/* bell_armed, doorbell_ring: entering the kernel lands what is late */
inline ring_if(who, flag, bell) {
  fence(who);
  if
  :: word[flag] -> land(who); bell = true
  :: else -> skip
  fi
}

/* -- parent -------------------------------------------------------------------- */

#define REPLY_THERE (word[REPLIES_WRITTEN] > back)
#define MAY_SEND (sent < ALL && sent == word[TASKS_TAKEN])

active proctype parent() {
  byte sent, back;
  do
  :: back == TASKS -> break
  :: back < TASKS && REPLY_THERE ->
    back++;
    store(PARENT, REPLIES_TAKEN, back);
#ifndef NO_WANT
    ring_if(PARENT, ROOM_WANTED, worker_rung)
#endif
  :: back < TASKS && MAY_SEND ->
    sent++;
    store(PARENT, TASKS_WRITTEN, sent);
    ring_if(PARENT, WORKER_ASLEEP, worker_rung)
  :: back < TASKS && !REPLY_THERE && !MAY_SEND ->
    store(PARENT, PARENT_ASLEEP, 1);
    fence(PARENT);
#ifndef NO_RECHECK
    if
    :: REPLY_THERE || MAY_SEND -> skip
    :: else -> land(PARENT); parent_rung /* poll */
    fi;
#else
    land(PARENT); parent_rung;
#endif
    store(PARENT, PARENT_ASLEEP, 0);
    parent_rung = false
  od
}

/* -- worker ------------------------------------------------------------------------ */

#define TASK_THERE (word[TASKS_WRITTEN] > taken)

inline idle_wait() {
  idle = true;
  store(THREAD, WORKER_ASLEEP, 1);
  fence(THREAD);
#ifndef NO_RECHECK
  if
  :: TASK_THERE -> skip
  :: else -> wait_for(task_signal)
  fi;
#else
  wait_for(task_signal);
#endif
  idle = false
}

inline await_room() {
  store(THREAD, ROOM_WANTED, 1);
  ring_if(THREAD, PARENT_ASLEEP, parent_rung);
  if
  :: word[REPLIES_TAKEN] == replied -> skip
  :: else ->
    waits_room = true;
    wait_for(room_signal);
    waits_room = false
  fi
}

inline publish() {
  do
  :: word[REPLIES_TAKEN] == replied -> break
  :: else -> await_room()
  od;
  replied++;
  store(THREAD, REPLIES_WRITTEN, replied);
  ring_if(THREAD, PARENT_ASLEEP, parent_rung)
}

active proctype thread() {
  byte replied;
  lock();
  do
  :: replied == TASKS -> break
  :: replied < TASKS && TASK_THERE ->
    taken++;
    store(THREAD, TASKS_TAKEN, taken);
    if
    :: taken % PIECES == 0 -> publish()
    :: else ->
#ifndef NO_ROOM
      ring_if(THREAD, PARENT_ASLEEP, parent_rung)
#else
      skip
#endif
    fi
  :: replied < TASKS && !TASK_THERE -> idle_wait()
  od;
  unlock(THREAD)
}

active proctype listener() {
end_of_listening:
  do
  :: worker_rung ->
    worker_rung = false;
    lock();
    store(LISTENER, WORKER_ASLEEP, 0);
    store(LISTENER, ROOM_WANTED, 0);
#ifndef NO_REARM
    if
    :: idle -> store(LISTENER, WORKER_ASLEEP, 1); fence(LISTENER)
    :: else -> skip
    fi;
#endif
    if
    :: idle && TASK_THERE -> task_signal = true
    :: else -> skip
    fi;
    if
    :: waits_room -> room_signal = true
    :: else -> skip
    fi;
    unlock(LISTENER)
  od
}
