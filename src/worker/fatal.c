#include "config.h"
#include "fatal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Nobody else sends it: people and batch systems send the others, and a task that has a map with callbacks takes SIGURG for
   them. */
#ifdef SIGRTMAX
#define INTERRUPT_SIGNAL (SIGRTMAX - 3)
#else
#define INTERRUPT_SIGNAL SIGXFSZ
#endif

static _Thread_local struct fatal *watched; /* this thread's own */

static void note(struct fatal *f, uint64_t index) {
  if (*f->state != NULL)
    state_trace(*f->state, f->control->fault_trace, sizeof f->control->fault_trace);
  /* pairs with the acquire in process.c's note_culprit */
  atomic_store_explicit(&f->control->fault_index, index, memory_order_release);
}

/* The thread that faulted. The default action was restored (SA_RESETHAND): a second fault in here ends it too. */
static void on_fault(int number) {
  if (watched != NULL) {
    uint64_t index = atomic_load_explicit(&watched->seat->index, memory_order_relaxed);
    if (index != 0) {
      atomic_store_explicit(&watched->control->fault_index, index,
                            memory_order_release); /* first, should the trace fail */
      note(watched, index);
      if (*watched->state != NULL)
        state_last_words(*watched->state);
    }
  }
  raise(number); /* pending until we return: also when somebody only sent the signal */
}

/* Not in a handler: called by the state. */
static void tell_place(void *teller, const char *text) {
  struct fatal *f = teller;
  snprintf(f->place, LINK_PLACE, "%s", text);
  /* pairs with the acquire in seats.c's has_answered */
  atomic_store_explicit(&f->seat->answered, atomic_load_explicit(&f->control->asked, memory_order_relaxed),
                        memory_order_release);
}

static void on_interrupt(int number) {
  int saved = errno;
  (void)number;
  if (watched != NULL && *watched->state != NULL) {
    uint64_t index = atomic_load_explicit(&watched->seat->index, memory_order_relaxed);
    if (index != 0 && index == atomic_load_explicit(&watched->interrupted, memory_order_relaxed))
      state_interrupt(*watched->state);
  }
  errno = saved;
}

/* The parent asks where the task is. Lua tells it between two instructions; who waits in a library's C function does not. */
static void on_ask(int number) {
  int saved = errno;
  (void)number;
  if (watched != NULL && *watched->state != NULL)
    state_ask(*watched->state, tell_place, watched);
  errno = saved;
}

static void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* A script may have been started with them blocked. */
static void let_in(void) {
  sigset_t needed;
  sigemptyset(&needed);
  sigaddset(&needed, LINK_ASK_SIGNAL);
  sigaddset(&needed, INTERRUPT_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &needed, NULL);
}

void fatal_install(void) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
  size_t i;
  for (i = 0; i < sizeof fatal / sizeof *fatal; i++)
    handle(fatal[i], on_fault, SA_ONSTACK | (int)SA_RESETHAND);
  handle(LINK_ASK_SIGNAL, on_ask, SA_ONSTACK | SA_RESTART);
  handle(INTERRUPT_SIGNAL, on_interrupt, SA_ONSTACK); /* no SA_RESTART: what waits shall return */
  let_in();
}

void fatal_watch(struct fatal *fatal, void *stack) {
  stack_t handler_stack = {
      .ss_sp = stack, .ss_size = FATAL_STACK, .ss_flags = stack == NULL ? SS_DISABLE : 0};
  sigaltstack(&handler_stack, NULL);
  watched = fatal;
}

void fatal_interrupt(struct fatal *fatal, pthread_t thread, uint64_t index) {
  atomic_store_explicit(&fatal->interrupted, index, memory_order_relaxed);
  pthread_kill(thread, INTERRUPT_SIGNAL);
}

void fatal_overrun(struct fatal *fatal, uint64_t index) {
  atomic_store_explicit(&fatal->control->fault_timeout, 1, memory_order_relaxed);
  atomic_store_explicit(&fatal->control->fault_index, index,
                        memory_order_release); /* pairs with note_culprit's acquire */
}
