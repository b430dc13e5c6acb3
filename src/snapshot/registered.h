/* registered.h - what C libraries keep in the registry: the metatables of their types, settings. A library that is loaded afresh
   made its own; what the script changed there is laid over it.
   Level 3: copy, overlay, module_index.

   Life, around each loading of a module: registered_push -> registered_lay. */
#ifndef FAST_MAP_REGISTERED_H
#define FAST_MAP_REGISTERED_H

#include "copy.h"

/* [-0, +1, m] Pushes the set of the keys that the registry of this state has. */
void registered_push(struct copy *c);

/* [-0, +0, m] A module was loaded from the library that is mapped at base. What the registry had before is in the set at
   absolute index `before`. */
void registered_lay(struct copy *c, const void *base, int before);

#endif
