/* descriptor.h - descriptors of our own: never those of the standard streams, which a program may have been started without
   (`>&-`): what the script prints would go into them.
   Level 0: nothing. Any thread. */
#ifndef FAST_MAP_DESCRIPTOR_H
#define FAST_MAP_DESCRIPTOR_H

/* Takes a descriptor that was just opened, -1 too. Returns it, or its replacement above 2: close-on-exec. -1: there is none
   to be had, errno says why, and the given one is closed. */
int descriptor_own(int fd);

/* The same for a pair. 0, or -1 with both closed. */
int descriptor_own_pair(int ends[2]);

/* At a program's start: whichever of the descriptors 0 to 2 is closed stands for /dev/null from now on, the wrong way round:
   reading and writing fail as they would have failed. */
void descriptor_fill_standard(void);

#endif
