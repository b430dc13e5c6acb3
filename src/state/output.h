/* output.h - what a task prints: written line by line, kept for the delivery of its result, or marked line by line.
   Level 2: sink, wire, forks. Knows no Lua. One thread's; the parent reads what was kept.

   Life: struct output o = {.mode = ...} -> output_begin -> (output_label -> output_write ... -> output_finish -> output_attach ->
   output_reset), a task at a time -> output_end -> output_release.

   What is kept, in the order in which it was printed; each piece is:
     stream   1 byte: 1 stdout, 2 stderr
     size     8 bytes, little-endian
     bytes    as many
   In a reply, the size of all that (8 bytes, little-endian) and that go before the codec's message. */
#ifndef FAST_MAP_OUTPUT_H
#define FAST_MAP_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include "buffer.h"
#include "sink.h"

enum output_mode {
  OUTPUT_LINE, /* as it comes, in whole lines */
  OUTPUT_GROUP,
  OUTPUT_TAG
};

struct output {
  enum output_mode mode;
  char label[32];        /* TAG: goes before each line */
  struct buffer kept;    /* GROUP */
  size_t piece;          /* the last one's place in it */
  int through;           /* GROUP: this task prints too much to be kept */
  struct buffer line[2]; /* TAG: lines that have no end yet, of stdout and of stderr */
  struct buffer ready;   /* TAG: scratch */
  struct sink *sinks;    /* of stdout, stderr, and of the script's files that it has written to */
  int sink_count;
};

void output_release(struct output *o);

/* TAG: what is printed from now on comes from task `index`, or from what `name` names when that is not NULL. */
void output_label(struct output *o, uint64_t index, const char *name);

/* What this thread's functions print goes through `o` until output_end: a fork, and output_pause, write what it holds. */
void output_begin(struct output *o);
void output_end(struct output *o);

/* Instead of fwrite, to stdout, stderr or a file of the script's. 0: not all was written; errno says why. o may be NULL: at
   once. */
int output_write(struct output *o, FILE *f, const void *bytes, size_t size);

/* Instead of fflush. Returns as output_write does. */
int output_flush(struct output *o, FILE *f);

/* Instead of setvbuf; from now on, in this thread. OK NOMEM */
enum status output_set_mode(struct output *o, FILE *f, enum sink_mode mode, size_t size);

/* A command begins, which may print to the same places: writes all that this thread's task has printed. */
void output_yield(void);

/* This thread is about to wait: writes the whole lines that its task has printed. */
void output_pause(void);

/* The task is over: begun lines are ended, and all is written. */
void output_finish(struct output *o);

/* From a handler of a fatal signal on the output's own thread: writes what was printed and not yet written. */
void output_last_words(const struct output *o);

/* GROUP: puts what was kept into the reply, which is empty. OK NOMEM */
enum status output_attach(const struct output *o, struct buffer *reply);

/* The reply is on its way: nothing is kept any more. */
void output_reset(struct output *o);

/* Reader of a reply with something attached: moves *bytes and *size on to the message, after writing what was kept, through
   `o` when it is itself a task's. Trusts no byte: FORMAT. */
enum status output_show(struct output *o, const unsigned char **bytes, size_t *size);

/* The same without writing it. */
enum status output_skip(const unsigned char **bytes, size_t *size);

#endif
