#include "config.h"
#include "references.h"

#include "codec.h"
#include "wire.h"

struct scan {
  const unsigned char *at, *end;
  reference_visitor *visit;
  void *context;
};

static enum status skip(struct scan *s, uint64_t size) {
  if ((uint64_t)(s->end - s->at) < size)
    return STATUS_FORMAT;
  s->at += size;
  return STATUS_OK;
}

static enum status skip_numbers(struct scan *s, int count) {
  enum status status = STATUS_OK;
  uint64_t number;
  while (count-- > 0 && status == STATUS_OK)
    status = get_varint(&s->at, s->end, &number);
  return status;
}

/* varint n, n bytes */
static enum status skip_string(struct scan *s, uint64_t *size) {
  enum status status = get_varint(&s->at, s->end, size);
  return status == STATUS_OK ? skip(s, *size) : status;
}

/* flags, varint n, n bytes */
static enum status take_reference(struct scan *s) {
  uint64_t size;
  enum status status = skip(s, 1);
  if (status == STATUS_OK)
    status = skip_string(s, &size);
  if (status == STATUS_OK)
    status = s->visit(s->context, (unsigned char *)(uintptr_t)(s->at - size), (size_t)size);
  return status;
}

/* flags, code, number of upvalues: those follow, as values */
static enum status skip_function(struct scan *s) {
  uint64_t size;
  enum status status = skip(s, 1);
  if (status == STATUS_OK)
    status = skip_string(s, &size);
  if (status == STATUS_OK)
    status = skip_numbers(s, size == 0 ? 2 : 1);
  return status;
}

/* flags, and the number of elements: those follow, as values, and so do pairs and metatable */
static enum status skip_table(struct scan *s, int is_long) {
  enum status status = skip(s, 1);
  return status == STATUS_OK ? skip_numbers(s, is_long) : status;
}

/* A value's own bytes; the values inside of it follow one after the other. */
static enum status take_value(struct scan *s) {
  unsigned tag = *s->at++;
  uint64_t size;
  if (tag >= TAG_STRING && tag < TAG_LONG_STRING)
    return skip(s, tag - TAG_STRING);
  if (tag >= TAG_TABLE && tag <= TAG_LONG_TABLE)
    return skip_table(s, tag == TAG_LONG_TABLE);
  if (tag < TAG_STRING || tag >= TAG_NAME)
    return STATUS_OK;
  switch (tag) {
  case TAG_LONG_STRING:
    return skip_string(s, &size);
  case TAG_NEW_NAME:
  case TAG_FAR_NAME:
  case TAG_INTEGER:
  case TAG_INTEGRAL:
  case TAG_SEEN:
    return skip_numbers(s, 1);
  case TAG_FLOAT4:
    return skip(s, 4);
  case TAG_FLOAT8:
    return skip(s, 8);
  case TAG_REFERENCE:
    return take_reference(s);
  case TAG_FUNCTION:
    return skip_function(s);
  case TAG_UPVALUE:
    return skip_numbers(s, 2);
  case TAG_POINTER:
    return STATUS_TYPE;
  case TAG_NIL:
  case TAG_FALSE:
  case TAG_TRUE:
  case TAG_GLOBALS:
  case TAG_END:
    return STATUS_OK;
  default:
    return STATUS_FORMAT;
  }
}

enum status references_visit(unsigned char *message, size_t size, reference_visitor *visit, void *context) {
  struct scan s = {message, message + size, visit, context};
  enum status status = skip_numbers(&s, 1);
  while (status == STATUS_OK && s.at < s.end)
    status = take_value(&s);
  return status;
}
