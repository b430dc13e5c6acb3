/* command_line.h - what fmlua is asked for: the options of `lua`, some of its own, the script.
   Level 0: libc. Reads words; runs none of them. */
#ifndef FAST_MAP_COMMAND_LINE_H
#define FAST_MAP_COMMAND_LINE_H

#include <stdio.h>

enum action { ACTION_RUN, ACTION_MAP, ACTION_HELP, ACTION_VERSION, ACTION_MISUSE };

struct command_line {
  enum action action;
  int script; /* index in argv of the script; of the wrong option after MISUSE; argc when there is none */
  int interactive, version, execute, no_environment, progress;
  const char *trace, *report; /* files; NULL: none */
};

/* argv ends with NULL. */
void command_line_read(struct command_line *c, char **argv);

/* An option of one letter without its argument: that is the next word. */
int command_line_is_bare(const char *option);

/* A long option, of which the next word is a file. */
int command_line_takes_file(const char *option);

/* The next long option from *at on, NULL after the last. */
const char *command_line_long(size_t *at);

/* On stderr: what is wrong with the option; and the one that it is near to, or the help when that is NULL. */
void command_line_blame(const char *program, const char *option, const char *nearest);

void command_line_help(FILE *file);

#endif
