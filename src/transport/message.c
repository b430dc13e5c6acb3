#include "config.h"
#include "message.h"

#define HEADER MESSAGE_HEADER

static void pack(const struct message *m, uint64_t words[2]) {
  words[0] = (uint64_t)m->size << 24 | (uint64_t)m->run << 8 | m->kind;
  words[1] = m->index << 16 | m->attempt;
}

static void unpack(struct message *m, const uint64_t words[2]) {
  m->kind = words[0] & 0xff;
  m->run = words[0] >> 8 & 0xffff;
  m->size = words[0] >> 24;
  m->attempt = words[1] & 0xffff;
  m->index = words[1] >> 16;
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

enum status message_send(struct ring_writer *w, const struct message *m, size_t *sent) {
  size_t whole = HEADER + m->size;
  size_t wanted =
      smaller(whole - *sent, w->size / 2); /* halves: the reader empties one while we fill the other */
  size_t room = ring_room(w, wanted);
  if (room < wanted)
    return STATUS_AGAIN;
  if (*sent == 0) {
    uint64_t words[2];
    pack(m, words);
    ring_put(w, words, HEADER);
    *sent = HEADER;
    room -= HEADER;
  }
  room = smaller(room, whole - *sent);
  if (room > 0) /* m->bytes may be NULL when there are none */
    ring_put(w, m->bytes + (*sent - HEADER), room);
  ring_publish(w);
  *sent += room;
  if (*sent < whole)
    return STATUS_AGAIN;
  *sent = 0;
  return STATUS_OK;
}

void inbox_release(struct inbox *inbox) {
  buffer_release(&inbox->gathered);
  inbox->gathering = 0;
}

/* A message that is not whole in one piece: what is there moves to the side, so that the writer can go on. */
static enum status gather(struct inbox *inbox, struct message *m) {
  size_t size, missing = inbox->head.size - inbox->gathered.size;
  enum status status = ring_peek(&inbox->reader, missing, &size);
  if (status != STATUS_OK)
    return status;
  size = smaller(size, missing);
  status = buffer_reserve(&inbox->gathered, size);
  if (status != STATUS_OK)
    return status;
  if (size > 0)
    ring_take(&inbox->reader, inbox->gathered.bytes + inbox->gathered.size, size);
  ring_release(&inbox->reader);
  inbox->gathered.size += size;
  if (size < missing)
    return STATUS_AGAIN;
  *m = inbox->head;
  m->bytes = inbox->gathered.bytes;
  return STATUS_OK;
}

enum status message_receive(struct inbox *inbox, struct message *m) {
  uint64_t words[2];
  size_t size, piece;
  enum status status;
  if (inbox->gathering)
    return gather(inbox, m);
  status = ring_peek(&inbox->reader, HEADER, &size);
  if (status != STATUS_OK)
    return status;
  if (size < HEADER)
    return STATUS_AGAIN; /* headers are published whole */
  ring_take(&inbox->reader, words, HEADER);
  unpack(m, words);
  size -= HEADER;
  m->bytes = ring_piece(&inbox->reader, smaller(size, m->size), &piece);
  if (piece == m->size) {
    ring_skip(&inbox->reader, m->size);
    return STATUS_OK;
  }
  inbox->gathering = 1;
  inbox->head = *m;
  inbox->gathered.size = 0;
  return gather(inbox, m);
}

void message_done(struct inbox *inbox, const struct message *m, struct buffer *keep) {
  if (!inbox->gathering) {
    ring_release(&inbox->reader);
    return;
  }
  inbox->gathering = 0;
  if (keep != NULL) {
    buffer_release(keep);
    *keep = inbox->gathered;
    inbox->gathered = (struct buffer){0};
  } else {
    buffer_reset(&inbox->gathered, 1 << 20);
  }
  (void)m;
}
