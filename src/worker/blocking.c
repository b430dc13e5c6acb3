#include "config.h"
#include "blocking.h"

#include <stddef.h>

static _Thread_local struct blocking *installed; /* this thread's own */

void blocking_install(struct blocking *hook) {
  installed = hook;
}

void blocking_begin(void) {
  if (installed != NULL)
    installed->begin(installed);
}

void blocking_end(void) {
  if (installed != NULL)
    installed->end(installed);
}
