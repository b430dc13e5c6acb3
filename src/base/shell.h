/* shell.h - a shell command, perhaps behind a pipe: as system and popen have it, but it inherits the signals that a command of the
   script would, and one behind a pipe can be ended, with what it has started.
   Level 0: dispositions, descriptor. Any thread. */
#ifndef FAST_MAP_SHELL_H
#define FAST_MAP_SHELL_H

#include <stdio.h>
#include <sys/types.h>

/* Starts it: *f is its input, or its output. Returns its process, or -1 and errno. */
pid_t shell_open(const char *text, int is_input, FILE **f);

/* Runs it to its end. Returns as shell_close. Unlike system, it changes no signal of this process meanwhile: other threads start
   commands that would inherit that. */
int shell_run(const char *text);

/* Closes f and waits for the end. Returns the wait status, or -1 and errno. */
int shell_close(pid_t pid, FILE *f);

/* Ends one that was not closed yet, and all its descendants. shell_close is due all the same. */
void shell_kill(pid_t pid);

#endif
