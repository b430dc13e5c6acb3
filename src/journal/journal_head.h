/* journal_head.h - the bytes of a journal's record before its body: the table in journal.h, and the checksum over both.
   Level 2: journal, digest, wire. For journal.c. */
#ifndef FAST_MAP_JOURNAL_HEAD_H
#define FAST_MAP_JOURNAL_HEAD_H

#include "journal.h"

#define HEAD   40 /* bytes of a record before its body */
#define SUMMED 32 /* of these, what the checksum covers; the rest is the checksum */

static const unsigned char marker[4] = {0xfa, 'J', 'R', '\n'};

/* The head of a record with this body, for this place in the file. */
void journal_head_write(unsigned char *head, uint64_t at, uint32_t kind, const struct digest *digest,
                        const void *body, size_t size);

/* OK; FORMAT: there is no record. */
enum status journal_head_read(const unsigned char *head, uint64_t at, struct journal_record *record);

/* Begins the checksum of a record at this place; its body comes next. */
void journal_head_begin_sum(struct digester *d, uint64_t at, const unsigned char *head);

/* Whether it comes out as the bytes at `sum`. */
int journal_head_sum_is(struct digester *d, const unsigned char *sum);

#endif
