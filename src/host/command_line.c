#include "config.h"
#include "command_line.h"

#include <string.h>

static const char help_text[] =
    "usage: fmlua [options] [script [arguments]]\n"
    "       fmlua map [options] 'code'    lines in, results out: fmlua map --help\n"
    "\n"
    "Runs Lua 5.4 scripts like `lua`, with fast_map built in: a parallel map that runs\n"
    "a function over many tasks on all cores, and hands out the results in order.\n"
    "\n"
    "Options:\n"
    "  -e stat    execute string 'stat'\n"
    "  -i         enter interactive mode after executing 'script'\n"
    "  -l mod     require library 'mod' into global 'mod'\n"
    "  -l g=mod   require library 'mod' into global 'g'\n"
    "  -v         show version information\n"
    "  -E         ignore environment variables\n"
    "  -W         turn warnings on\n"
    "  --         stop handling options\n"
    "  -          stop handling options and execute stdin\n"
    "  --progress show on stderr how far each map is\n"
    "  --trace f, --report f  leave a timeline of each map in file f: see the manual\n"
    "  --help     show this help\n"
    "  --version  show the versions of fast_map and Lua\n"
    "\n"
    "Without a script: interactive mode on a terminal, else the script is stdin.\n"
    "Environment: LUA_PATH, LUA_CPATH, LUA_INIT as for `lua`; FMLUA_HISTORY (a file).\n"
    "\n"
    "Examples:\n"
    "  -- results come as soon as they are there, in the order of the tasks\n"
    "  for i, size in fast_map(function(name) return #io.open(name):read('a') end, arg) do\n"
    "    print(arg[i], size)\n"
    "  end\n"
    "\n"
    "  -- or by callback, while the script goes on\n"
    "  local t = fast_map_async(fetch, urls, {on_result = print, threads_limit = 100})\n"
    "  t:join()\n";

int command_line_is_bare(const char *option) {
  return option[2] == '\0';
}

int command_line_takes_file(const char *option) {
  return strcmp(option, "--trace") == 0 || strcmp(option, "--report") == 0;
}

static const char *const long_options[] = {"--progress", "--trace", "--report", "--help", "--version", NULL};

const char *command_line_long(size_t *at) {
  const char *option = long_options[*at];
  if (option != NULL)
    (*at)++;
  return option;
}

/* `--trace=FILE`: FILE, else NULL. */
static const char *file_behind(const char *option, const char *name) {
  size_t size = strlen(name);
  return strncmp(option, name, size) == 0 && option[size] == '=' && option[size + 1] != '\0'
             ? option + size + 1
             : NULL;
}

/* --trace FILE, --report FILE. Whether more options may follow. */
static int read_file_option(struct command_line *c, char **argv) {
  const char *option = argv[c->script], *file = argv[c->script + 1];
  if (file == NULL) {
    c->action = ACTION_MISUSE;
    return 0;
  }
  *(strcmp(option, "--trace") == 0 ? &c->trace : &c->report) = file;
  c->script++;
  return 1;
}

/* The same as one word. Whether it is one. */
static int read_file_word(struct command_line *c, const char *option) {
  const char *trace = file_behind(option, "--trace"), *report = file_behind(option, "--report");
  if (trace != NULL)
    c->trace = trace;
  if (report != NULL)
    c->report = report;
  return trace != NULL || report != NULL;
}

/* The long options and `--`. Whether more options may follow. */
static int read_long(struct command_line *c, char **argv) {
  const char *option = argv[c->script];
  if (strcmp(option, "--progress") == 0) {
    c->progress = 1;
    return 1;
  }
  if (command_line_takes_file(option))
    return read_file_option(c, argv);
  if (read_file_word(c, option))
    return 1;
  if (command_line_is_bare(option))
    c->script++;
  else if (strcmp(option, "--help") == 0)
    c->action = ACTION_HELP;
  else if (strcmp(option, "--version") == 0)
    c->action = ACTION_VERSION;
  else
    c->action = ACTION_MISUSE;
  return 0;
}

/* Whether argv[c->script] is an option like others; else reading stops there. */
static int read_option(struct command_line *c, char **argv) {
  const char *option = argv[c->script];
  if (option[0] != '-' || option[1] == '\0')
    return 0;
  switch (option[1]) {
  case '-':
    return read_long(c, argv);
  case 'e':
  case 'l':
    if (option[1] == 'e')
      c->execute = 1;
    if (command_line_is_bare(option) && (argv[c->script + 1] == NULL || argv[c->script + 1][0] == '-'))
      c->action = ACTION_MISUSE;
    else if (command_line_is_bare(option))
      c->script++;
    return c->action == ACTION_RUN;
  case 'i':
    c->interactive = 1;
    c->version = 1;
    break;
  case 'v':
    c->version = 1;
    break;
  case 'E':
    c->no_environment = 1;
    break;
  case 'W':
    break;
  default:
    c->action = ACTION_MISUSE;
  }
  if (!command_line_is_bare(option))
    c->action = ACTION_MISUSE;
  return c->action == ACTION_RUN;
}

void command_line_read(struct command_line *c, char **argv) {
  *c = (struct command_line){.action = ACTION_RUN, .script = argv[0] != NULL ? 1 : 0};
  if (argv[c->script] != NULL && strcmp(argv[c->script], "map") == 0) {
    c->action = ACTION_MAP;
    return;
  }
  while (argv[c->script] != NULL && read_option(c, argv))
    c->script++;
}

/* What is no control character, for a terminal: also none of C1. */
static void write_visible(const char *text) {
  for (; *text != '\0'; text++) {
    unsigned char c = (unsigned char)*text;
    fputc(c < 0x20 || c >= 0x7f ? '?' : c, stderr);
  }
}

void command_line_blame(const char *program, const char *option, const char *nearest) {
  int needs = option[1] == 'e' || option[1] == 'l' || command_line_takes_file(option);
  fprintf(stderr, "%s: %s'", program, needs ? "" : "unrecognized option ");
  write_visible(option);
  fputs(needs ? "' needs argument\n" : "'", stderr);
  if (!needs && nearest != NULL) {
    fprintf(stderr, "; did you mean '%s'?\n", nearest);
    return;
  }
  if (!needs)
    fputc('\n', stderr);
  fputs(help_text, stderr);
}

void command_line_help(FILE *file) {
  fputs(help_text, file);
}
