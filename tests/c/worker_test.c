/* worker_test.c - a worker and the end of whoever forked it. */
#include "config.h"
#include "worker.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>

#include "check.h"
#include "clock.h"
#include "codec.h"
#include "snapshot.h"
#include "transport_fork.h"

#define ROUNDS 20

/* A worker of its own that gets one task at a time, as a map of one task has. */
struct rig {
  lua_State *L;
  struct snapshot *snapshot;
  struct worker_context context;
  struct transport *transport;
  struct buffer none; /* a message without values */
};

static void open_rig(struct rig *rig) {
  struct fork_options options = {
      .worker_count = 1, .thread_limit = 1, .ring_size = 65536, .main = worker_run, .context = &rig->context};
  *rig = (struct rig){.L = luaL_newstate()};
  luaL_openlibs(rig->L);
  if (luaL_loadstring(rig->L, "return 1") != LUA_OK)
    check_bail("no function");
  snapshot_take(rig->L, -1, &rig->snapshot);
  codec_encode(rig->L, 1, 0, &rig->none, NULL, NULL);
  rig->context = (struct worker_context){
      .snapshot = rig->snapshot, .thread_limit = 1, .worker_count = 1, .threads_most = 1};
  if (transport_fork_open(&rig->transport, &options) != STATUS_OK)
    check_bail("no transport");
}

static void close_rig(struct rig *rig) {
  rig->transport->ops->stop(rig->transport, 1);
  buffer_release(&rig->none);
  lua_close(rig->L);
}

/* True when the worker does the task. */
static int does(struct rig *rig, uint64_t index) {
  struct transport *t = rig->transport;
  struct message task = {.attempt = 1, .index = index, .bytes = rig->none.bytes, .size = rig->none.size};
  struct event event = {.kind = EVENT_ADDED};
  int64_t deadline = clock_after(30);
  t->ops->send(t, 0, &task);
  t->ops->flush(t);
  while (event.kind == EVENT_ADDED && clock_now() < deadline)
    t->ops->receive(t, deadline, &event);
  return event.kind == EVENT_RESULT && event.message.index == index && event.message.kind == VERDICT_DONE;
}

/* A thread that forks the worker, sees it at work, and ends. */
static void *begin(void *argument) {
  struct rig *rig = argument;
  rig->context.solo = worker_prepare();
  if (rig->transport->ops->start(rig->transport, 0) != STATUS_OK)
    check_bail("no worker");
  return does(rig, 1) ? rig : NULL;
}

static void test_thread_ends(void) {
  int round, ok = 1;
  for (round = 0; round < ROUNDS && ok; round++) {
    struct rig rig;
    pthread_t thread;
    void *done;
    uint64_t i;
    open_rig(&rig);
    pthread_create(&thread, NULL, begin, &rig);
    pthread_join(thread, &done);
    ok = done != NULL;
    for (i = 2; i < 20; i++)
      ok = ok && does(&rig, i);
    close_rig(&rig);
  }
  check(ok, "a worker outlives the thread that forked it, as long as the process lives");
}

int main(void) {
  test_thread_ends();
  return check_end();
}
