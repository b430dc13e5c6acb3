/* references.h - finds what in a codec message belongs to the script.
   Level 2: codec.h. Reads the bytes only; runs nothing. */
#ifndef FAST_MAP_REFERENCES_H
#define FAST_MAP_REFERENCES_H

#include <stddef.h>

#include "status.h"

/* May change the bytes of the reference, not their number. Anything but OK ends the search. */
typedef enum status reference_visitor(void *context, unsigned char *bytes, size_t size);

/* Calls visit for each reference in the message. OK; TYPE: the message has an address of this process; FORMAT: the bytes
   are no message; or what visit returned. */
enum status references_visit(unsigned char *message, size_t size, reference_visitor *visit, void *context);

#endif
