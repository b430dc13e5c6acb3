#include "config.h"
#include "caller.h"

#include <string.h>

static int is_own(const char *source) {
  static const char folder[] = "fast_map";
  const size_t length = sizeof folder - 1;
  const char *file = strrchr(source, '/');
  return file != NULL && (size_t)(file - source) > length && memcmp(file - length, folder, length) == 0;
}

int caller_level(lua_State *L, int level) {
  lua_Debug ar;
  int own = -1;
  for (; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0)
      continue;
    if (!is_own(ar.source))
      return level;
    if (own < 0)
      own = level;
  }
  return own;
}
