/* mask.h - signals wait while their thread makes up its mind to sleep.
   Level 0: libc.

   A signal's handler may leave word, in a hook say. Who looks for that and then sleeps would miss a signal that comes in
   between. So: mask_hold, look, sleep (ppoll with mask_asleep), mask_release. All for the calling thread. */
#ifndef FAST_MAP_MASK_H
#define FAST_MAP_MASK_H

#include <signal.h>

/* From now on signals wait, but those that a fault raises. No thread may be started meanwhile: it would inherit that. */
void mask_hold(void);

/* For ppoll, which lets them in as long as it sleeps: the thread's own mask. NULL: they are not held. */
const sigset_t *mask_asleep(void);

/* Those that came meanwhile come now. Harmless when they are not held. */
void mask_release(void);

#endif
