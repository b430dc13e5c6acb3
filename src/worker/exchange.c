#include "config.h"

#include <unistd.h>

#include "clock.h"
#include "member.h"
#include "stamp.h"

#define EXIT_BROKEN  126
#define BITE_NS      1000000 /* of work that a thread takes at a time */
#define BITE_MOST    4096    /* tasks */
#define HAND_OVER_NS 1000000 /* replies are kept no longer, while tasks end */
#define STAMPED_KEEP 65536   /* bytes of a buffer that is kept between tasks */
#define SLOW_NS      1000000 /* a task that may be one of the slowest takes so long */

static struct member *of_port(struct port *port) {
  return (struct member *)port;
}

/* -- replies out -------------------------------------------------------------- */

static void wait_room(struct team *team) {
  team->room_waiters++;
  team_wait_for(team, &team->room);
  team->room_waiters--;
}

/* Waits until the ring has room again; the parent must know that we wait for it. */
static void await_room(struct team *team) {
  bell_arm(&team->link->control->room_wanted);
  team_ring_parent(team);
  if (ring_room(&team->replies, team->replies.size / 2) < team->replies.size / 2)
    wait_room(team);
}

static void publish(struct team *team, const struct message *m) {
  while (message_send(&team->replies, m, &team->sent) != STATUS_OK)
    await_room(team);
}

static int has_replies(const struct member *m) {
  return m->reply != NULL || m->bite.reply_count > 0;
}

/* Under the lock. True when there was something. */
static int hand_over(struct member *m) {
  struct team *team = m->team;
  struct message message;
  if (!has_replies(m))
    return 0;
  m->handing_over = 1;
  while (
      team->sending) /* a long reply goes through whole before another starts; ours may be shared meanwhile */
    wait_room(team);
  team->sending = 1;
  if (bite_message(&m->bite, &message)) {
    publish(team, &message);
    bite_sent(&m->bite);
  }
  if (m->reply != NULL) {
    message =
        (struct message){.kind = (unsigned char)m->verdict, .attempt = m->job.attempt, .index = m->job.index};
    message.bytes = m->reply->bytes;
    message.size = m->reply->size;
    publish(team, &message);
    m->reply = NULL;
  }
  team->sending = 0;
  m->handing_over = 0;
  if (team->room_waiters > 0)
    pthread_cond_broadcast(&team->room);
  return 1;
}

/* The reply with a stamp behind it; without memory for both, the stamp alone: the task has then failed. */
static const struct buffer *stamped(struct member *m, const struct buffer *bytes, enum verdict *verdict) {
  struct stamp stamp = {.start = m->task_at, .ns = clock_now() - m->task_at, .thread = m->number};
  if (!m->team->options.stamped)
    return bytes;
  stamp.pid = m->team->pid;
  stamp.waited = m->waited_ns;
  stamp.wait_at = m->wait_at;
  buffer_reset(&m->stamped, STAMPED_KEEP);
  if (buffer_append(&m->stamped, bytes->bytes, bytes->size) != STATUS_OK ||
      stamp_put(&m->stamped, &stamp) != STATUS_OK) {
    buffer_reset(&m->stamped, STAMPED_KEEP);
    *verdict = VERDICT_MEMORY;
    stamp_put(&m->stamped, &stamp); /* team.c has made room for that */
  }
  return &m->stamped;
}

/* Kept with the bite, or handed over by the take that follows at once: one lock for both. */
static void reply(struct port *port, const struct job *job, enum verdict verdict,
                  const struct buffer *bytes) {
  struct member *m = of_port(port);
  enum status status = STATUS_NOMEM;
  bytes = stamped(m, bytes, &verdict);
  if (!m->bite.single && bytes->size <= MEMBER_REPLY_MOST)
    status = bite_answer(&m->bite, job, verdict, bytes, m->team->reply_most);
  if (status == STATUS_AGAIN)
    m->hand_over_at = 0;
  if (status != STATUS_NOMEM)
    return;
  m->reply = bytes;
  m->verdict = verdict;
}

/* -- tasks in ------------------------------------------------------------------ */

static void sit_down(struct member *m, int64_t now) {
  m->task_at = now;
  m->waited_ns = m->wait_at = 0;
  atomic_store_explicit(&m->seat->since, now, memory_order_relaxed);
  /* release: whoever reads the index (acquire, listener and parent) sees its own start time */
  atomic_store_explicit(&m->seat->index, m->preparing ? INDEX_INIT : m->job.index, memory_order_release);
}

/* team thread: what took until now is not the task's time, nor its fault */
static void ready(struct port *port) {
  struct member *m = of_port(port);
  m->preparing = 0;
  m->loaded_at = clock_now();
  sit_down(m, m->loaded_at);
}

/* The task is done: it cannot be late any more, however long its reply must wait for room. */
static void rise(struct member *m) {
  atomic_store_explicit(&m->seat->since, CLOCK_NEVER, memory_order_relaxed);
}

static void unblock(struct member *m) {
  if (m->blocked) { /* by a sample, or by a longjmp out of a waiting function */
    atomic_store_explicit(&m->seat->at_ease, 0, memory_order_relaxed);
    m->blocked = 0;
    m->team->blocked--;
    team_list(m);
    team_tell_capacity(m->team);
  }
}

static void learn_pace(struct team *team, int64_t elapsed, uint32_t count) {
  int64_t ns = elapsed / (count > 0 ? count : 1);
  team->task_ns = team->task_ns == 0 ? ns + 1 : (team->task_ns + ns + 1) / 2;
}

/* The bite is done. */
static void get_up(struct member *m, int64_t now) {
  struct team *team = m->team;
  if (!m->in_task)
    return;
  atomic_store_explicit(&m->seat->index, 0, memory_order_relaxed);
  learn_pace(team, now - m->loaded_at, m->bite.begun - m->begun_at_load);
  team->busy--;
  team->shared -= m->shared;
  m->in_task = m->shared = 0;
  team_list(m);
}

static uint32_t bite_most(const struct team *team) {
  int64_t most;
  if (team->options.chunksize > 0)
    return (uint32_t)team->options.chunksize;
  if (team->task_ns == 0)
    return 1;
  most = BITE_NS / team->task_ns;
  return most < 1 ? 1 : most < BITE_MOST ? (uint32_t)most : BITE_MOST;
}

/* A task that there is no memory for is answered at once. */
static void refuse(struct member *m, const struct job *job) {
  static const struct buffer nothing = {0};
  m->job = *job;
  m->verdict = VERDICT_MEMORY;
  m->task_at = clock_now(); /* for the stamp: it has not run */
  m->waited_ns = m->wait_at = 0;
  m->reply = stamped(m, &nothing, &m->verdict);
  m->task_at = 0;
  hand_over(m);
  team_ring_parent(m->team); /* nobody else would */
}

/* OK; AGAIN: there is no task. */
static enum status load(struct member *m) {
  struct team *team = m->team;
  struct job refused;
  enum status status;
  while ((status = queue_take(&team->queue, &m->bite, bite_most(team), &refused)) == STATUS_NOMEM)
    refuse(m, &refused);
  if (status == STATUS_CLOSED)
    _exit(EXIT_BROKEN); /* the ring cannot be followed any more; the parent reports the code */
  if (queue_gathering(&team->queue))
    team_ring_parent(team); /* of a long task there is more to come, and now room for it */
  if (status != STATUS_OK)
    return status;
  m->loaded_at = clock_now();
  m->begun_at_load = m->bite.begun;
  m->shared = m->bite.left > 1;
  m->in_task = 1;
  team_list(m);
  team->busy++;
  team->shared += m->shared;
  return STATUS_OK;
}

static void idle_wait(struct team *team) {
  team->idle++;
  if (!team_arm(team))
    team_wait_for(team, &team->tasks);
  team->idle--;
}

/* After a sample: the next thread is added by the one that just found a task and sees more. */
static int spend_budget(struct team *team) {
  if (team->budget == 0 || team->idle > 0 || team->thread_count >= team->limit || !queue_there(&team->queue))
    return 0;
  team->budget--;
  team_reserve(team);
  return 1;
}

/* The parent said that nothing more comes, and nobody works any more. */
static void leave(struct team *team, int replied) {
  if (replied)
    team_ring_parent(team);
  team_exit();
}

/* Under the lock: waits until the member has a task. *replied: the parent is to be rung. OK; CLOSED: none will come, and
   each thread has an end of its own. */
static enum status await_task(struct member *m, int *replied) {
  struct team *team = m->team;
  while (load(m) == STATUS_AGAIN) {
    if (team->queue.ending && team->busy == 0) {
      if (!team->options.state.has_exit)
        leave(team, *replied);
      pthread_cond_broadcast(&team->tasks); /* for all of them */
      return STATUS_CLOSED;
    }
    if (*replied) /* nobody else would tell the parent */
      team_ring_parent(team);
    else
      idle_wait(team);
    *replied = 0;
  }
  if (team->idle > 0 && queue_there(&team->queue))
    pthread_cond_signal(&team->tasks); /* hand the wake-up on */
  return STATUS_OK;
}

/* Under the lock: what the threads did, for people. */
static void publish_figures(struct member *m) {
  struct team *team = m->team;
  struct control *c = team->link->control;
  int i;
  team->working_ns += m->working_ns;
  m->working_ns = 0;
  atomic_store_explicit(&c->working_ns, (uint64_t)team->working_ns, memory_order_relaxed);
  for (i = 0; i < TALLY_SLOW && team->slow[i].index != 0; i++) {
    atomic_store_explicit(&c->slow_index[i], team->slow[i].index, memory_order_relaxed);
    atomic_store_explicit(&c->slow_ns[i], team->slow[i].ns, memory_order_relaxed);
  }
}

/* The task is done. */
static void clock_off(struct member *m, int64_t now) {
  int64_t ns = now - m->task_at;
  if (m->task_at == 0)
    return;
  m->task_at = 0;
  m->working_ns += ns;
  if (ns < SLOW_NS)
    return;
  pthread_mutex_lock(&m->team->lock);
  tally_slow(m->team->slow, m->job.index, (uint64_t)ns);
  pthread_mutex_unlock(&m->team->lock);
}

/* Hands over what is done, and gets the next task from the bite or a new one; *now is then when it begins. OK CLOSED */
static enum status exchange(struct member *m, int64_t *now) {
  struct team *team = m->team;
  enum status status = STATUS_OK;
  int grow = 0, replied;
  rise(m);
  pthread_mutex_lock(&team->lock);
  unblock(m);
  publish_figures(m);
  replied = hand_over(m);
  while (status == STATUS_OK && !bite_next(&m->bite, &m->job)) {
    get_up(m, *now);
    status = await_task(m, &replied);
    *now = m->loaded_at;
  }
  if (status == STATUS_OK)
    grow = spend_budget(team);
  pthread_mutex_unlock(&team->lock);
  if (replied)
    team_ring_parent(team);
  if (grow)
    team_grow(team);
  m->hand_over_at = *now + HAND_OVER_NS;
  return status;
}

/* team thread */
static enum status take(struct port *port, struct job *job) {
  struct member *m = of_port(port);
  int64_t now = clock_now();
  if (team_stray)
    _exit(0); /* a task has forked, and this is its child, back from the task: it is no worker */
  clock_off(m, now);
  if ((m->reply != NULL || now >= m->hand_over_at || !bite_next(&m->bite, &m->job)) &&
      exchange(m, &now) != STATUS_OK)
    return STATUS_CLOSED;
  sit_down(m, now);
  *job = m->job;
  return STATUS_OK;
}

const struct port exchange_port = {take, reply, ready};

/* -- for others ------------------------------------------------------------------- */

void exchange_settle(struct member *m) {
  int replied;
  rise(m);
  pthread_mutex_lock(&m->team->lock);
  unblock(m);
  replied = hand_over(m);
  pthread_mutex_unlock(&m->team->lock);
  if (replied)
    team_ring_parent(m->team);
}

/* Only when nobody has to wait for room. */
static int offer(struct member *m) {
  struct team *team = m->team;
  struct message message;
  int sent = 0;
  if (team->sending)
    return 0;
  pthread_mutex_lock(&m->bite.lock);
  if (bite_message(&m->bite, &message) && message_send(&team->replies, &message, &team->sent) == STATUS_OK) {
    bite_sent(&m->bite);
    sent = 1;
  }
  pthread_mutex_unlock(&m->bite.lock);
  return sent;
}

int exchange_share(struct member *m) {
  if (!m->shared)
    return 0;
  queue_return(&m->team->queue, &m->bite);
  return offer(m);
}

int exchange_leave(struct member *m) {
  queue_return(&m->team->queue, &m->bite);
  if (m->bite.left > 0)
    return 0;
  get_up(m, clock_now());
  return 1;
}
