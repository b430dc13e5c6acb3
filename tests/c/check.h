/* check.h - a C test in the Test Anything Protocol: check(what must hold, "the sentence that says so"); return check_end();
   Include it in the test's one file. Threads may check too. */
#ifndef FAST_MAP_CHECK_H
#define FAST_MAP_CHECK_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif

static _Atomic int check_count, check_failed;

static void check_at(const char *file, int line, int ok, const char *sentence) {
  if (!ok) {
    atomic_fetch_add(&check_failed, 1);
    printf("# failed at %s:%d\n", file, line);
  }
  printf("%sok %d - %s\n", ok ? "" : "not ", atomic_fetch_add(&check_count, 1) + 1, sentence);
  fflush(stdout); /* a test that forks must not print it twice, one that hangs must have said where */
}

#define check(ok, sentence) check_at(__FILE__, __LINE__, (ok) != 0, (sentence))

__attribute__((unused, format(printf, 1, 2), noreturn)) static void check_bail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("Bail out! ");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  exit(99);
}

__attribute__((unused)) static void check_skip(const char *sentence, const char *why) {
  printf("ok %d - %s # SKIP %s\n", atomic_fetch_add(&check_count, 1) + 1, sentence, why);
  fflush(stdout);
}

/* For main to return. */
__attribute__((unused)) static int check_end(void) {
  printf("1..%d\n", check_count);
  return check_failed > 0;
}

/* A seed that SEED in the environment overrides, so that a failure can be had again. */
__attribute__((unused)) static uint64_t check_seed(uint64_t otherwise) {
  const char *text = getenv("SEED");
  uint64_t seed = text == NULL ? otherwise : strtoull(text, NULL, 0);
  printf("# SEED=%llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

/* xorshift64*: below `below` */
__attribute__((unused)) static uint64_t check_random(uint64_t *seed, uint64_t below) {
  uint64_t x = *seed == 0 ? 88172645463325252u : *seed;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *seed = x;
  return (x * UINT64_C(2685821657736338717) >> 11) % below;
}

/* Valgrind and the sanitizers are slower: `usual`, or a tenth of it under them (set by the compiler or QUICK). */
__attribute__((unused)) static int check_times(int usual) {
  return CHECK_SANITIZED || getenv("QUICK") != NULL ? usual / 10 : usual;
}

#endif
