#include "config.h"
#include "origin.h"

#include <stdlib.h>

void origin_open(lua_State *L, struct snapshot *s) {
  (void)L;
  (void)s;
}

void origin_close(struct origin **origin) {
  (void)origin;
}

void origin_forked(struct origin *origin) {
  (void)origin;
}

struct codec_link *origin_thread_link(struct import *import) {
  (void)import;
  return NULL;
}
