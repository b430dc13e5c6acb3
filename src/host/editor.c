#include "config.h"
#include "editor.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define HISTORY_LINES 1000

static const char *const libraries[] = {
    "libreadline.so.8", "libreadline.so.7",  "libreadline.so", "libedit.so.2",
    "libedit.so.0",     "libreadline.dylib", "libedit.dylib",  NULL};

static char *line; /* of malloc, whoever read it */
static char *history_file;
static char *(*library_readline)(const char *);
static void (*library_add)(const char *);

/* dlsym returns an object pointer; POSIX lets it hold a function's address. */
static void find(void *library, const char *name, void *function) {
  void *address = dlsym(library, name);
  memcpy(function, &address, sizeof address);
}

/* Reads what earlier sessions left; only its user may read the file. */
static void load_history(void *library) {
  void (*begin)(void), (*stifle)(int);
  int (*read_file)(const char *), (*truncate_file)(const char *, int);
  int file;
  find(library, "using_history", &begin);
  find(library, "stifle_history", &stifle);
  find(library, "read_history", &read_file);
  find(library, "history_truncate_file", &truncate_file);
  if (begin != NULL)
    begin();
  if (stifle != NULL)
    stifle(HISTORY_LINES);
  if (history_file == NULL || *history_file == '\0')
    return;
  file = open(history_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0)
    return;
  close(file);
  if (truncate_file != NULL)
    truncate_file(history_file, HISTORY_LINES);
  if (read_file != NULL)
    read_file(history_file);
}

static char *history_name(void) {
  const char *name = getenv("FMLUA_HISTORY");
  const char *home = getenv("HOME");
  char *path;
  if (name != NULL)
    return strdup(name);
  if (home == NULL || *home == '\0')
    return NULL;
  path = malloc(strlen(home) + sizeof "/.fmlua_history");
  if (path != NULL)
    sprintf(path, "%s/.fmlua_history", home);
  return path;
}

/* Only where a user types. */
static void *load_library(void) {
  int i;
#if USE_READLINE
  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
    for (i = 0; libraries[i] != NULL; i++) {
      void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
      if (library != NULL)
        return library;
    }
  }
#else
  (void)libraries;
  (void)i;
#endif
  return NULL;
}

void editor_open(const char *program) {
  void *library = load_library();
  const char **name;
  if (library == NULL)
    return;
  find(library, "readline", &library_readline);
  find(library, "add_history", &library_add);
  find(library, "rl_readline_name", &name);
  if (name != NULL)
    *name = program; /* for conditions in ~/.inputrc */
  history_file = history_name();
  load_history(library);
}

void editor_close(void) {
  free(line);
  free(history_file);
  line = history_file = NULL;
  library_readline = NULL; /* the library itself stays: it may have left handlers behind */
  library_add = NULL;
}

/* What does not come from a terminal is shown, so that the output reads like a session: `lua` with readline does so. */
static const char *read_plainly(const char *prompt) {
  size_t capacity = 0;
  ssize_t size;
  fputs(prompt, stdout);
  fflush(stdout);
  size = getline(&line, &capacity, stdin);
  if (size < 0)
    return NULL;
  if (size > 0 && line[size - 1] == '\n')
    line[size - 1] = '\0';
  if (!isatty(STDIN_FILENO))
    printf("%s\n", line);
  return line;
}

const char *editor_read(const char *prompt) {
  free(line);
  line = NULL;
  return library_readline != NULL ? (line = library_readline(prompt)) : read_plainly(prompt);
}

/* Written at once, so that neither a crash nor Ctrl-C at the prompt loses it. */
void editor_remember(const char *text) {
  FILE *file;
  if (*text == '\0' || library_add == NULL)
    return;
  library_add(text);
  if (history_file == NULL || *history_file == '\0')
    return;
  file = fopen(history_file, "a");
  if (file == NULL)
    return;
  for (; *text != '\0'; text++)
    putc(*text == '\n' ? ' ' : *text, file); /* the file has one entry a line */
  putc('\n', file);
  fclose(file);
}
