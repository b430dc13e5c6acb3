#include "config.h"
#include "plain.h"

#include <pthread.h>
#include <stdatomic.h>

/* 0: not made yet, or no memory for it. Stored once, by make (release); loaded by any thread (acquire). */
static _Atomic(locale_t) plain;

static void make(void) {
  atomic_store_explicit(&plain, newlocale(LC_ALL_MASK, "C", (locale_t)0), memory_order_release);
}

static locale_t made(void) {
  return atomic_load_explicit(&plain, memory_order_acquire); /* pairs with the release in make */
}

static locale_t get(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make);
  return made();
}

locale_t plain_enter(void) {
  return uselocale(get());
}

void plain_leave(locale_t before) {
  uselocale(before);
}

int plain_is_entered(void) {
  return made() != (locale_t)0 && uselocale((locale_t)0) == made();
}
