/* plain.h - text for machines: a thread leaves the locale that the script has set, so that numbers have no decimal comma, strings
   are ordered by their bytes, and only ASCII has letters.
   Level 0: libc. Any thread. What it calls must not come back to the script's code meanwhile. */
#ifndef FAST_MAP_PLAIN_H
#define FAST_MAP_PLAIN_H

#include <locale.h>

/* Returns what plain_leave is to be given. They may be nested. */
locale_t plain_enter(void);
void plain_leave(locale_t before);

/* This thread is between the two. */
int plain_is_entered(void);

#endif
