/* status.h - how C code that knows no Lua reports what happened.
   Level 0: nothing. */
#ifndef FAST_MAP_STATUS_H
#define FAST_MAP_STATUS_H

enum status {
  STATUS_OK = 0,
  STATUS_AGAIN,  /* nothing now: no room, no data, or the deadline passed */
  STATUS_CLOSED, /* the other side is gone, or nothing more will come */
  STATUS_NOMEM,  /* memory was refused */
  STATUS_FORMAT, /* bytes that are not what they should be */
  STATUS_DEPTH,  /* nested too deeply */
  STATUS_TYPE,   /* a value that cannot travel */
  STATUS_SYSTEM  /* a system call failed; errno says why */
};

/* A constant text for messages; never NULL. */
const char *status_text(enum status status);

#endif
