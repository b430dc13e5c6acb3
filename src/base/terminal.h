/* terminal.h - the terminal behind stderr: its size, and that it is left as it was found.
   Level 0: nothing. */
#ifndef FAST_MAP_TERMINAL_H
#define FAST_MAP_TERMINAL_H

#include <stddef.h>

enum terminal { TERMINAL_NONE, TERMINAL_OURS, TERMINAL_OF_OTHERS };

/* What stderr is: no terminal; one that this process may draw on, and its size; one on which another job is in the
   foreground. */
enum terminal terminal_size(int *columns, int *rows);

/* Writes to stderr in one piece, past its buffer; what a terminal that is stopped (Ctrl-S) or full does not take is lost. */
void terminal_write(const char *text, size_t size);

/* From now on `text` is written when the process ends by exit or by a signal that nobody handles, or is stopped by Ctrl-Z; NULL:
   nothing is, and the signals are as they were. A text longer than 127 bytes is cut. */
void terminal_at_end(const char *text);

/* True when it was written since: the process goes on after Ctrl-Z, and what was drawn is gone. */
int terminal_was_left(void);

#endif
