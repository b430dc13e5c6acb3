#include "config.h"
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "forks.h"
#include "journal_head.h"

#define VIEW_SIZE    ((size_t)256 << 10) /* of the file in memory while it is looked through */
#define READ_LITTLE  4096                /* when a record is read back: most fit */
#define READ_AHEAD   ((size_t)64 << 10)  /* when its neighbours are wanted next */
#define PENDING_MOST ((size_t)1 << 20)   /* then they are written without waiting for a flush */

static const char title[] = "fast_map journal 1\n";
#define TITLE_SIZE (sizeof title - 1)
#define TITLE_SURE 8 /* of these bytes a torn title must have, to be told from another short file */

struct journal {
  int fd;                /* -1: closed, or lost by a fork */
  uint64_t end;          /* of the last whole record in the file; 0: the title is missing */
  struct buffer pending; /* what follows it, not written yet */
  int error;             /* errno of a write that failed; 0 */
  uint64_t at, size;     /* while it is looked through: the next record, and the file's size */
  unsigned char *view;   /* VIEW_SIZE; holds bytes [view_at, view_at + view_size) of the file */
  uint64_t view_at;
  size_t view_size;
  struct journal *next_open; /* list of all */
};

/* -- all that are open: a child must not keep the lock ------------------------ */

static struct journal *all_open;
static pthread_mutex_t all_open_lock = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) {
  pthread_mutex_lock(&all_open_lock);
}

static void after_fork(void) {
  pthread_mutex_unlock(&all_open_lock);
}

static void after_fork_in_child(void) {
  struct journal *j;
  for (j = all_open; j != NULL; j = j->next_open) {
    if (j->fd >= 0)
      close(j->fd);
    j->fd = -1;
  }
  all_open = NULL;
  pthread_mutex_unlock(&all_open_lock);
}

static void enlist(struct journal *j) {
  pthread_mutex_lock(&all_open_lock);
  j->next_open = all_open;
  all_open = j;
  pthread_mutex_unlock(&all_open_lock);
}

static void strike(struct journal *j) {
  struct journal **link;
  pthread_mutex_lock(&all_open_lock);
  for (link = &all_open; *link != NULL && *link != j; link = &(*link)->next_open)
    ;
  if (*link != NULL)
    *link = j->next_open;
  pthread_mutex_unlock(&all_open_lock);
}

/* -- the system's calls, whole ------------------------------------------------- */

/* Returns how many bytes there were, at most `size`; -1 with errno. */
static ssize_t read_at(int fd, void *bytes, size_t size, uint64_t at) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = pread(fd, (char *)bytes + done, size - done, (off_t)(at + done));
    if (n < 0 && errno != EINTR)
      return -1;
    if (n == 0)
      break;
    if (n > 0)
      done += (size_t)n;
  }
  return (ssize_t)done;
}

/* OK; SYSTEM with errno, with any part of it written. */
static enum status write_at(int fd, const void *bytes, size_t size, uint64_t at) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(at + done));
    if (n < 0 && errno != EINTR)
      return STATUS_SYSTEM;
    if (n == 0) {
      errno = ENOSPC;
      return STATUS_SYSTEM;
    }
    if (n > 0)
      done += (size_t)n;
  }
  return STATUS_OK;
}

/* -- opening ------------------------------------------------------------------- */

/* FORMAT: it is no journal. */
static enum status check_title(struct journal *j) {
  char begin[TITLE_SIZE];
  ssize_t n = read_at(j->fd, begin, TITLE_SIZE, 0);
  if (n < 0)
    return STATUS_SYSTEM;
  if (memcmp(begin, title, (size_t)n) != 0 || (n > 0 && n < TITLE_SURE))
    return STATUS_FORMAT;
  j->at = n == (ssize_t)TITLE_SIZE ? TITLE_SIZE : 0;
  return STATUS_OK;
}

/* The lock is the open file's: it also keeps out another map of this process, and ends with the process. */
static enum status open_file(struct journal *j, const char *path) {
  struct stat about;
  j->fd = descriptor_own(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
  if (j->fd < 0 || fstat(j->fd, &about) != 0)
    return STATUS_SYSTEM;
  if (!S_ISREG(about.st_mode))
    return STATUS_TYPE;
  if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? STATUS_AGAIN : STATUS_SYSTEM;
  if (fstat(j->fd, &about) != 0) /* again: it may have grown before it was ours */
    return STATUS_SYSTEM;
  j->size = (uint64_t)about.st_size;
  return check_title(j);
}

enum status journal_open(struct journal **box, const char *path) {
  static const struct forks_handlers handlers = {before_fork, after_fork, after_fork_in_child};
  struct journal *j = *box =
      forks_watch(FORKS_JOURNALS, &handlers) == STATUS_OK ? calloc(1, sizeof *j) : NULL;
  enum status status;
  if (j == NULL)
    return STATUS_NOMEM;
  j->fd = -1;
  enlist(j);
  status = open_file(j, path);
  if (status != STATUS_OK) {
    int error = errno;
    journal_close(box);
    errno = error;
  }
  return status;
}

void journal_close(struct journal **box) {
  struct journal *j = *box;
  if (j == NULL)
    return;
  *box = NULL;
  strike(j);
  if (j->fd >= 0) {
    flock(j->fd, LOCK_UN); /* a child may be about to close its copy */
    close(j->fd);
  }
  buffer_release(&j->pending);
  free(j->view);
  free(j);
}

/* -- looking through ----------------------------------------------------------- */

/* Makes *bytes the `size` bytes at `at`, valid until the next call, and reads up to `ahead` when they must be read: at least
   as many, and at most VIEW_SIZE. OK; NOMEM; SYSTEM; FORMAT: the file is shorter. */
static enum status look(struct journal *j, uint64_t at, size_t size, size_t ahead,
                        const unsigned char **bytes) {
  ssize_t n;
  if (j->view == NULL && (j->view = malloc(VIEW_SIZE)) == NULL)
    return STATUS_NOMEM;
  if (at < j->view_at || at + size > j->view_at + j->view_size) {
    j->view_size = 0;
    n = read_at(j->fd, j->view, ahead, at);
    if (n < 0)
      return STATUS_SYSTEM;
    j->view_at = at;
    j->view_size = (size_t)n;
    if (j->view_size < size)
      return STATUS_FORMAT;
  }
  *bytes = j->view + (at - j->view_at);
  return STATUS_OK;
}

/* OK; FORMAT: there is no whole record at this place; SYSTEM; NOMEM. */
static enum status check_record(struct journal *j, uint64_t at, struct journal_record *r) {
  const unsigned char *bytes;
  unsigned char sum[HEAD - SUMMED];
  struct digester d;
  uint64_t done;
  enum status status;
  if (j->size < at || j->size - at < HEAD)
    return STATUS_FORMAT;
  if ((status = look(j, at, HEAD, VIEW_SIZE, &bytes)) != STATUS_OK ||
      (status = journal_head_read(bytes, at, r)) != STATUS_OK)
    return status;
  if (r->size > j->size - at - HEAD)
    return STATUS_FORMAT;
  memcpy(sum, bytes + SUMMED, sizeof sum);
  journal_head_begin_sum(&d, at, bytes);
  for (done = 0; done < r->size;) {
    size_t piece = r->size - done < VIEW_SIZE ? (size_t)(r->size - done) : VIEW_SIZE;
    if ((status = look(j, at + HEAD + done, piece, VIEW_SIZE, &bytes)) != STATUS_OK)
      return status;
    digest_add(&d, bytes, piece);
    done += piece;
  }
  return journal_head_sum_is(&d, sum) ? STATUS_OK : STATUS_FORMAT;
}

/* The first whole record behind `at`, where there is none. OK; CLOSED: there is none; SYSTEM; NOMEM. */
static enum status search(struct journal *j, uint64_t at, struct journal_record *r) {
  const unsigned char *bytes, *found;
  enum status status;
  for (at++; at < j->size && j->size - at >= HEAD;) {
    size_t piece = j->size - at < VIEW_SIZE / 2 ? (size_t)(j->size - at) : VIEW_SIZE / 2;
    if ((status = look(j, at, piece, VIEW_SIZE, &bytes)) != STATUS_OK)
      return status == STATUS_FORMAT ? STATUS_CLOSED : status;
    found = memmem(bytes, piece, marker, sizeof marker);
    if (found == NULL) {
      at += piece - sizeof marker + 1;
      continue;
    }
    at += (uint64_t)(found - bytes);
    if ((status = check_record(j, at, r)) != STATUS_FORMAT)
      return status;
    at++;
  }
  return STATUS_CLOSED;
}

/* All was seen: from here on the file grows at j->end. */
static enum status settle(struct journal *j) {
  free(j->view);
  j->view = NULL;
  j->view_size = 0;
  j->end = j->at;
  if (j->size > j->end && ftruncate(j->fd, (off_t)j->end) != 0)
    return STATUS_SYSTEM;
  j->size = j->end;
  return STATUS_CLOSED;
}

enum status journal_next(struct journal *j, struct journal_record *r) {
  enum status status = j->at == j->size ? STATUS_CLOSED : check_record(j, j->at, r);
  if (status == STATUS_FORMAT)
    status = j->at == 0 ? STATUS_CLOSED : search(j, j->at, r);
  if (status == STATUS_OK)
    j->at = r->at + HEAD + r->size;
  return status == STATUS_CLOSED ? settle(j) : status;
}

/* -- reading back -------------------------------------------------------------- */

/* Reads what does not fit into the view. */
static enum status read_large(const struct journal *j, uint64_t at, uint64_t size, struct buffer *bytes) {
  ssize_t n;
  if (size > SIZE_MAX / 4 || buffer_reserve(bytes, (size_t)size) != STATUS_OK)
    return STATUS_NOMEM;
  n = read_at(j->fd, bytes->bytes, (size_t)size, at);
  if (n < 0)
    return STATUS_SYSTEM;
  bytes->size = (size_t)n;
  return bytes->size == size ? STATUS_OK : STATUS_FORMAT;
}

/* Results are mostly wanted in the order in which they came. */
static size_t read_ahead(const struct journal *j, uint64_t at) {
  int near = at >= j->view_at && at <= j->view_at + j->view_size + READ_LITTLE;
  return near ? READ_AHEAD : READ_LITTLE;
}

enum status journal_read(struct journal *j, uint64_t at, struct buffer *body) {
  const unsigned char *bytes;
  unsigned char head[HEAD];
  struct digester d;
  struct journal_record r;
  enum status status;
  body->size = 0;
  if (at > j->end || j->end - at < HEAD)
    return STATUS_FORMAT;
  if ((status = look(j, at, HEAD, read_ahead(j, at), &bytes)) != STATUS_OK ||
      (status = journal_head_read(bytes, at, &r)) != STATUS_OK)
    return status;
  if (r.size > j->end - at - HEAD)
    return STATUS_FORMAT;
  memcpy(head, bytes, HEAD);
  if (r.size > READ_AHEAD)
    status = read_large(j, at + HEAD, r.size, body);
  else if ((status = look(j, at + HEAD, (size_t)r.size, READ_AHEAD, &bytes)) == STATUS_OK)
    status = buffer_append(body, bytes, (size_t)r.size);
  if (status != STATUS_OK)
    return status;
  journal_head_begin_sum(&d, at, head);
  digest_add(&d, body->bytes, body->size);
  return journal_head_sum_is(&d, head + SUMMED) ? STATUS_OK : STATUS_FORMAT;
}

/* -- writing ------------------------------------------------------------------- */

/* What is pending is written or dropped, and the file ends with a whole record. */
static void write_pending(struct journal *j) {
  if (j->error == 0 && write_at(j->fd, j->pending.bytes, j->pending.size, j->end) != STATUS_OK) {
    j->error = errno;
    if (ftruncate(j->fd, (off_t)j->end) != 0)
      errno = j->error; /* then the next run cuts it off */
  }
  if (j->error == 0)
    j->end += j->pending.size;
  buffer_reset(&j->pending, PENDING_MOST);
}

enum status journal_add(struct journal *j, uint32_t kind, const struct digest *digest, const void *body,
                        size_t size) {
  unsigned char head[HEAD];
  uint64_t at;
  if (j->end == 0 && j->pending.size == 0 && buffer_append(&j->pending, title, TITLE_SIZE) != STATUS_OK)
    return STATUS_NOMEM;
  if (size > SIZE_MAX / 4 || buffer_reserve(&j->pending, HEAD + size) != STATUS_OK)
    return STATUS_NOMEM;
  at = j->end + j->pending.size;
  journal_head_write(head, at, kind, digest, body, size);
  buffer_append(&j->pending, head, HEAD);
  buffer_append(&j->pending, body, size);
  if (j->pending.size > PENDING_MOST)
    write_pending(j);
  return STATUS_OK;
}

enum status journal_flush(struct journal *j) {
  if (j->pending.size > 0)
    write_pending(j);
  errno = j->error;
  return j->error == 0 ? STATUS_OK : STATUS_SYSTEM;
}

enum status journal_restart(struct journal *j) {
  j->pending.size = j->view_size = 0;
  if (ftruncate(j->fd, 0) != 0)
    return STATUS_SYSTEM;
  j->end = 0;
  return STATUS_OK;
}
