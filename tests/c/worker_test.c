/* worker_test.c - a worker and the end of whoever forked it. */
#include "config.h"
#include "worker.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

static void open_rig(struct rig *rig, const char *task, const char *exit) {
  struct fork_options options = {
      .worker_count = 1, .thread_limit = 1, .ring_size = 65536, .main = worker_run, .context = &rig->context};
  *rig = (struct rig){.L = luaL_newstate()};
  luaL_openlibs(rig->L);
  if (luaL_loadstring(rig->L, task) != LUA_OK || luaL_loadstring(rig->L, exit) != LUA_OK)
    check_bail("no function");
  snapshot_take(rig->L, 1, &rig->snapshot);
  lua_pushnil(rig->L);
  snapshot_add_ends(rig->L, -1, 2, rig->snapshot);
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

static void send(struct rig *rig, uint64_t index) {
  struct transport *t = rig->transport;
  struct message task = {.attempt = 1, .index = index, .bytes = rig->none.bytes, .size = rig->none.size};
  t->ops->send(t, 0, &task);
  t->ops->flush(t);
}

/* True when the worker does the task. */
static int does(struct rig *rig, uint64_t index) {
  struct transport *t = rig->transport;
  struct event event = {.kind = EVENT_ADDED};
  int64_t deadline = clock_after(30);
  send(rig, index);
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
    open_rig(&rig, "return 1", "");
    pthread_create(&thread, NULL, begin, &rig);
    pthread_join(thread, &done);
    ok = done != NULL;
    for (i = 2; i < 20; i++)
      ok = ok && does(&rig, i);
    close_rig(&rig);
  }
  check(ok, "a worker outlives the thread that forked it, as long as the process lives");
}

/* The last reply may be out before its thread has said that it is done: the listener sends what a thread keeps. */
static void test_busy_end(void) {
  struct rig rig;
  char name[] = "/tmp/worker_test.XXXXXX", mark[64], task[256], exit[128];
  FILE *f = fdopen(mkstemp(name), "r");
  int begun, ended;
  snprintf(mark, sizeof mark, "%s.exit", name);
  snprintf(exit, sizeof exit, "io.open('%s', 'w'):close()", mark);
  snprintf(task, sizeof task,
           "f = io.open('%s', 'w') f:write 'b' f:flush() f:write 'e'"
           "local t = os.clock() + 0.1 while os.clock() < t do end",
           name);
  open_rig(&rig, task, exit);
  rig.context.state.has_exit = 1;
  rig.transport->ops->start(rig.transport, 0);
  send(&rig, 1);
  while ((begun = fgetc(f)) == EOF) /* under the alarm of main */
    clearerr(f);
  close_rig(&rig);
  clearerr(f);
  ended = fgetc(f);
  check(begun == 'b' && ended == 'e',
        "a worker that is to leave while a thread seems busy writes what streams hold");
  check(unlink(mark) == 0, "and its threads call exit");
  unlink(name);
  fclose(f);
}

int main(void) {
  alarm(60);
  test_thread_ends();
  test_busy_end();
  return check_end();
}
