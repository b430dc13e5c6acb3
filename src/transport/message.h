/* message.h - whole messages through a ring, also those that are larger than it.
   Level 2: ring, buffer, port.h (verdicts).

   wire: a header of two 8-byte words in the machine's byte order (both ends are forks of one image), then the bytes
     word 1   size << 24 | run << 8 | kind      size in bytes of what follows
     word 2   index << 16 | attempt */
#ifndef FAST_MAP_MESSAGE_H
#define FAST_MAP_MESSAGE_H

#include <stdint.h>

#include "buffer.h"
#include "ring.h"

#define MESSAGE_ATTEMPT_MAX 0xffff
#define MESSAGE_RUN_MAX     0xffff
#define MESSAGE_HEADER      ((size_t)16) /* bytes */

/* kind: these to the worker; from the worker an enum verdict */
enum {
  MESSAGE_TASK = 0,
  MESSAGE_RUN = 0x40, /* from the worker: replies with a verdict each */
  MESSAGE_END = 0x80  /* no bytes, index 0: no task will come any more; leave when the last is done */
};

struct message {
  unsigned char kind;
  uint32_t attempt; /* 1..MESSAGE_ATTEMPT_MAX */
  uint16_t run;     /* number of tasks or replies in it (run.h); 0: one, whose bytes are its own */
  uint64_t index;   /* of the first; below 2^48 */
  const unsigned char *bytes;
  size_t size; /* below 2^40 */
};

/* Writer. *sent: bytes of the message (header included) that went before; 0 at first.
   OK: all of it is in the ring, published, *sent is 0 again; AGAIN: a part is, call again with the same when there is
   room. A message that fits the ring waits until it fits whole. */
enum status message_send(struct ring_writer *w, const struct message *m, size_t *sent);

/* Reader's half-received message. */
struct inbox {
  struct ring_reader reader;
  struct message head;    /* of the message being gathered */
  struct buffer gathered; /* its bytes so far */
  int gathering;
};

void inbox_release(struct inbox *inbox);

/* Reader. OK: m is whole; its bytes stay valid until message_done. AGAIN; NOMEM (the message is lost for good: treat the
   writer as broken); FORMAT, CLOSED: the writer wrote nonsense. */
enum status message_receive(struct inbox *inbox, struct message *m);

/* Reader, after each OK: gives the room back. With `keep` (may be NULL) the bytes of a gathered message are moved there
   instead of copied: *keep then holds them, and m.bytes stays valid as long as it does. */
void message_done(struct inbox *inbox, const struct message *m, struct buffer *keep);

#endif
