#include "config.h"
#include "plain.h"

#include <pthread.h>

static locale_t plain; /* written once, by make; 0: no memory for it */

static void make(void) {
  plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t get(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make);
  return plain;
}

locale_t plain_enter(void) {
  return uselocale(get());
}

void plain_leave(locale_t before) {
  uselocale(before);
}

int plain_is_entered(void) {
  return plain != (locale_t)0 && uselocale((locale_t)0) == plain;
}
