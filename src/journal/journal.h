/* journal.h - a file of records that only grows: what one run of a script leaves to the next.
   Level 2: buffer, digest, wire. Parent only; one thread at a time. Knows neither Lua nor tasks.

   The file is the line "fast_map journal 1" and records, numbers lowest byte first:

   at  size
    0   4   fa 4a 52 0a: where a record may begin, for whoever looks for the next good one
    4   4   kind
    8   8   n
   16  16   digest
   32   8   checksum: of the place of the record in the file (8 bytes), bytes 0 to 31, and the body
   40   n   body

   Life: journal_open (locks the file) -> journal_next until CLOSED (which cuts off what is not whole) -> journal_add,
   journal_flush, journal_read, journal_restart -> journal_close. One process at a time has a journal open: a fork's child
   loses it. */
#ifndef FAST_MAP_JOURNAL_H
#define FAST_MAP_JOURNAL_H

#include "buffer.h"
#include "digest.h"
#include "status.h"

struct journal;

struct journal_record {
  uint64_t at; /* place in the file */
  uint64_t size;
  uint32_t kind; /* its meaning is the caller's */
  struct digest digest;
};

/* Opens the file, makes it when it is missing. OK; NOMEM; SYSTEM with errno; AGAIN: somebody has it open; TYPE: not a
   regular file; FORMAT: some other file, which is left alone. */
enum status journal_open(struct journal **journal, const char *path);

/* Accepts NULL and half-open. What was not flushed is lost. */
void journal_close(struct journal **journal);

/* The next whole record, without its body. Damaged ones are skipped; what is not whole at the end of the file is cut off.
   OK; CLOSED: that was all; SYSTEM with errno; NOMEM. */
enum status journal_next(struct journal *journal, struct journal_record *record);

/* Replaces what is in the buffer by the body of a record. OK; NOMEM; SYSTEM with errno; FORMAT: it has been damaged since
   journal_next saw it. */
enum status journal_read(struct journal *journal, uint64_t at, struct buffer *body);

/* Adds a record, at the latest with the next flush. OK NOMEM */
enum status journal_add(struct journal *journal, uint32_t kind, const struct digest *digest, const void *body,
                        size_t size);

/* Hands to the system what was added: it is then safe from the end of this process, and before long from a loss of power.
   OK; SYSTEM with errno: it is as if nothing had been added since the last flush; and so it will stay. */
enum status journal_flush(struct journal *journal);

/* Begins anew: no record is left. OK; SYSTEM with errno. */
enum status journal_restart(struct journal *journal);

#endif
