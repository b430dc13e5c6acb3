#include "config.h"
#include "status.h"

const char *status_text(enum status status) {
  switch (status) {
  case STATUS_OK:
    return "ok";
  case STATUS_AGAIN:
    return "nothing available now";
  case STATUS_CLOSED:
    return "closed";
  case STATUS_NOMEM:
    return "not enough memory";
  case STATUS_FORMAT:
    return "malformed bytes";
  case STATUS_DEPTH:
    return "nested too deeply";
  case STATUS_TYPE:
    return "a value that cannot travel";
  case STATUS_SYSTEM:
    return "system error";
  }
  return "unknown status";
}
