#include "config.h"
#include "warning.h"

#include <stdio.h>
#include <string.h>

#include "import.h"

static void append(struct buffer *b, const char *text) {
  (void)buffer_append(b, text, strlen(text)); /* without memory a warning is cut */
}

void warning_write(void *import, const char *message, int to_be_continued) {
  struct import *I = import;
  if (I->warning.size == 0 && !to_be_continued && message[0] == '@') {
    if (strcmp(message, "@on") == 0)
      I->warnings = 1;
    else if (strcmp(message, "@off") == 0)
      I->warnings = 0;
    return;
  }
  if (I->warning.size == 0)
    append(&I->warning, "Lua warning: ");
  append(&I->warning, message);
  if (to_be_continued)
    return;
  append(&I->warning, "\n");
  if (I->warnings)
    fwrite(I->warning.bytes, 1, I->warning.size, stderr);
  buffer_reset(&I->warning, 0);
}

/* Lua does not tell; so this is an empty warning, which Lua's own function writes to stderr or drops. */
int warning_is_on(lua_State *V) {
  const struct import *outer = import_of_script(V);
  char text[64] = "";
  FILE *visible = stderr, *memory;
  if (outer != NULL)
    return outer->warnings;
  memory = fmemopen(text, sizeof text, "w");
  if (memory == NULL)
    return 0;
  stderr = memory; /* glibc lets us */
  lua_warning(V, "", 0);
  stderr = visible;
  fclose(memory);
  return text[0] != '\0';
}
