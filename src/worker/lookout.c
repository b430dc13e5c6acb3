#include "config.h"

#include <limits.h>
#include <signal.h>

#include "clock.h"
#include "member.h"
#include "scheduling.h"

#define SAMPLE_MS_MOST  50
#define SAMPLE_MOST     64    /* threads looked at in one go */
#define SHARE_MS        3     /* between two looks at bites of several tasks */
#define SHARE_MS_MOST   50    /* until the first look at a new one */
#define LOOK_MS_MOST    60000 /* between two looks at deadlines: they may be further away than an int tells */
#define INTERRUPT_AGAIN 20000000 /* ns between two interruptions of the same task */

void team_wake(struct team *team) {
  int grow;
  pthread_mutex_lock(&team->lock);
  bell_disarm(&team->link->control->worker_asleep);
  bell_disarm(&team->link->control->room_wanted); /* who is woken below and finds none arms it again */
  team->sample_ms = SAMPLE_MS_LEAST;
  if (team->idle > 0 || team_starving(team))
    team_arm(team); /* whoever is woken below looks for itself */
  if (team->idle > 0 && queue_there(&team->queue))
    pthread_cond_signal(&team->tasks);
  if (team->room_waiters > 0)
    pthread_cond_broadcast(&team->room);
  grow = team_wants_thread(team);
  pthread_mutex_unlock(&team->lock);
  if (grow)
    team_grow(team);
}

/* Does the kernel say that the thread sleeps? */
static int kernel_sleeps(const struct team *team, int tid) {
  char state = scheduling_state(team->pid, tid);
  return state == 'S' || state == 'D';
}

/* Twice asleep in the same task: it waits. Who is asleep is looked at once more the next time, the others when all have been.
   Returns whether the parent is to be rung. */
static int sample_member(struct member *m) {
  uint64_t index = atomic_load_explicit(&m->seat->index, memory_order_relaxed);
  int asleep = kernel_sleeps(m->team, m->tid), ring = 0;
  if (asleep && m->asleep_at_sample && m->sampled_index == index) {
    m->blocked = 1;
    m->team->blocked++;
    ring = exchange_share(m);
  }
  m->look_again = asleep && !m->look_again;
  if (m->blocked || !m->look_again)
    team_list(m);
  m->asleep_at_sample = asleep;
  m->sampled_index = index;
  return ring;
}

int team_sample(struct team *team) {
  struct member *m, *next, *last;
  int looked, before, grow = 0, ring = 0, again;
  pthread_mutex_lock(&team->lock);
  before = team->blocked;
  last = team->last;
  for (m = team->first, looked = 0; m != NULL && looked < SAMPLE_MOST; m = next, looked++) {
    next = m == last ? NULL : m->after;
    if (m->handing_over)
      team_list(m);
    else
      ring |= sample_member(m);
  }
  if (team->blocked > before) {
    team->sample_ms = SAMPLE_MS_LEAST;
    team->budget = team->thread_count / 2;
    team_tell_capacity(team);
    grow = team_replace(team, &ring);
  } else if (team->sample_ms < SAMPLE_MS_MOST) {
    team->sample_ms *= 2;
  }
  again = INT_MAX;
  if (team_computing(team) > 0 && (team->idle > 0 || team->thread_count < team->limit))
    again = team->sample_ms;
  pthread_mutex_unlock(&team->lock);
  if (ring)
    team_ring_parent(team);
  if (grow)
    team_grow(team);
  return again;
}

/* -- short tasks that turn out long ---------------------------------------------- */

/* The member has been in the same task since the last look: others get what it has not begun. */
static int share_member(struct member *m) {
  uint32_t begun = bite_begun(&m->bite);
  int ring = m->begun_at_look == begun && exchange_share(m);
  m->begun_at_look = begun;
  return ring;
}

int team_share(struct team *team) {
  struct member *m;
  int again, ring = 0;
  pthread_mutex_lock(&team->lock);
  for (m = team->shared > 0 ? team->members : NULL; m != NULL; m = m->next)
    if (m->shared)
      ring |= share_member(m);
  if (team->idle > 0 && queue_there(&team->queue))
    pthread_cond_signal(&team->tasks);
  again = team->shared > 0 ? SHARE_MS : team->busy > 0 ? SHARE_MS_MOST : INT_MAX;
  pthread_mutex_unlock(&team->lock);
  if (ring)
    team_ring_parent(team);
  return again;
}

/* -- deadlines ------------------------------------------------------------------ */

/* The whole process dies for one task that does not end; the parent runs the others again. */
static void overrun(struct member *m, uint64_t index) {
  fatal_overrun(&m->fatal, index);
  kill(0, SIGKILL);
}

void team_was_stopped(struct team *team, int64_t ns) {
  struct member *m;
  pthread_mutex_lock(&team->lock);
  for (m = team->members; m != NULL; m = m->next) {
    uint64_t index = atomic_load_explicit(&m->seat->index, memory_order_relaxed);
    m->stopped_ns = index == m->stopped_index ? m->stopped_ns + ns : ns;
    m->stopped_index = index;
  }
  pthread_mutex_unlock(&team->lock);
}

/* Returns when to look at the member again. */
static int64_t check_member(struct member *m, int64_t now) {
  const struct team_options *o = &m->team->options;
  /* acquire: pairs with the release in sit_down; since is then of this task or of a later one */
  uint64_t index = atomic_load_explicit(&m->seat->index, memory_order_acquire);
  int64_t since = atomic_load_explicit(&m->seat->since, memory_order_relaxed), due;
  if (index == 0 || since > now) /* done, or about to begin */
    return now + o->timeout_ns;
  due = (since > 0 ? since : 0) + o->timeout_ns; /* a task may have overwritten it: no sum may overflow */
  if (index == m->stopped_index)
    due += m->stopped_ns;
  if (now < due)
    return due;
  if (now - due >= o->kill_after_ns)
    overrun(m, index);
  fatal_interrupt(&m->fatal, m->thread, index); /* again and again: it may have been caught */
  return now + INTERRUPT_AGAIN;
}

int team_check_deadlines(struct team *team) {
  int64_t now, next;
  struct member *m;
  if (team->options.timeout_ns == 0)
    return INT_MAX;
  now = clock_now();
  next = now + team->options.timeout_ns;
  pthread_mutex_lock(&team->lock);
  for (m = team->members; m != NULL; m = m->next)
    if (m->in_task && m->tid != 0) {
      int64_t again = check_member(m, now);
      next = again < next ? again : next;
    }
  pthread_mutex_unlock(&team->lock);
  next -= now;
  return next < LOOK_MS_MOST * INT64_C(1000000) ? (int)(next / 1000000) + 1 : LOOK_MS_MOST;
}
