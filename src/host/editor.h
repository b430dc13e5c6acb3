/* editor.h - reads a line from the user, with editing and a history where a line editor is installed.
   Level 0: libc. Knows no Lua.

   GNU readline or libedit is loaded when the first line is read from a terminal: a script's start does not pay
   for it, and fmlua neither needs nor contains it.
   Life: editor_open -> editor_read / editor_remember -> editor_close. One at a time. */
#ifndef FAST_MAP_EDITOR_H
#define FAST_MAP_EDITOR_H

/* Loads the line editor if stdin is a terminal; without one, lines are read plainly. */
void editor_open(const char *program);
void editor_close(void);

/* A line without its newline, valid until the next call; NULL at the end of the input. */
const char *editor_read(const char *prompt);

/* Adds what was typed to the history and to its file ($FMLUA_HISTORY, else ~/.fmlua_history). */
void editor_remember(const char *text);

#endif
