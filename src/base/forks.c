#include "config.h"
#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static const struct forks_handlers
    *_Atomic watched[FORKS_RANKS]; /* stored by forks_watch (release), loaded by whoever forks (acquire) */
static _Thread_local int
    forking[FORKS_RANKS]; /* `before` was called: others may begin to watch during the fork */
int forks_depth;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum status registered; /* written under once */

static const struct forks_handlers *handlers_of(int rank) {
  return atomic_load_explicit(&watched[rank],
                              memory_order_acquire); /* pairs with the release in forks_watch */
}

static void before(void) {
  int rank;
  for (rank = 0; rank < FORKS_RANKS; rank++) {
    const struct forks_handlers *h = handlers_of(rank);
    forking[rank] = h != NULL;
    if (h != NULL && h->before != NULL)
      h->before();
  }
}

static void after(void) {
  int rank;
  for (rank = FORKS_RANKS - 1; rank >= 0; rank--)
    if (forking[rank] && handlers_of(rank)->after != NULL)
      handlers_of(rank)->after();
}

static void in_child(void) {
  int rank;
  forks_depth++;
  for (rank = FORKS_RANKS - 1; rank >= 0; rank--)
    if (forking[rank] && handlers_of(rank)->in_child != NULL)
      handlers_of(rank)->in_child();
}

static void register_all(void) {
  registered = pthread_atfork(before, after, in_child) == 0 ? STATUS_OK : STATUS_NOMEM;
}

enum status forks_watch(enum forks_rank rank, const struct forks_handlers *handlers) {
  pthread_once(&once, register_all);
  /* release: pairs with the acquire in handlers_of */
  atomic_store_explicit(&watched[rank], handlers, memory_order_release);
  return registered;
}
