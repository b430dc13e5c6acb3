/* output_test.c - what a task prints: kept and shown again, marked line by line, and nonsense in its place. */
#include "config.h"
#include "output.h"

#include <string.h>
#include <unistd.h>

#include "check.h"

/* What is written to stdout and stderr until `printed`; the test's own lines go elsewhere meanwhile. */
static FILE *files[2];
static int saved[2];

static void catch (void) {
  int i;
  fflush(stdout);
  for (i = 0; i < 2; i++) {
    files[i] = tmpfile();
    saved[i] = dup(i + 1);
    dup2(fileno(files[i]), i + 1);
  }
}

static void release(char text[2][200]) {
  int i;
  fflush(stdout);
  for (i = 0; i < 2; i++) {
    size_t size;
    dup2(saved[i], i + 1);
    close(saved[i]);
    rewind(files[i]);
    size = fread(text[i], 1, 199, files[i]);
    text[i][size] = '\0';
    fclose(files[i]);
  }
}

static void put(struct output *o, FILE *f, const char *text) {
  output_write(o, f, text, strlen(text));
}

static void test_group(void) {
  struct output o = {.mode = OUTPUT_GROUP};
  struct buffer reply = {0};
  char text[2][200];
  const unsigned char *bytes;
  size_t size;
  int empty, right;
  catch ();
  put(&o, stdout, "one ");
  put(&o, stdout, "two\n");
  put(&o, stderr, "three\n");
  put(&o, stdout, "four");
  output_finish(&o);
  release(text);
  empty = text[0][0] == '\0' && text[1][0] == '\0';
  check(empty, "what is printed is kept");
  right = output_attach(&o, &reply) == STATUS_OK;
  check(right && reply.size == 8 + 3 * 9 + 18, "neighbours of one stream are one piece");
  buffer_append(&reply, "message", 7);
  output_reset(&o);
  bytes = reply.bytes;
  size = reply.size;
  catch ();
  right = output_show(NULL, &bytes, &size) == STATUS_OK;
  release(text);
  check(right && strcmp(text[0], "one two\nfour") == 0 && strcmp(text[1], "three\n") == 0,
        "and comes out where it belongs");
  check(size == 7 && memcmp(bytes, "message", 7) == 0, "behind it is the message");
  reply.size = 0;
  check(output_attach(&o, &reply) == STATUS_OK && reply.size == 8,
        "nothing is kept from one task to the next");
  buffer_release(&reply);
  output_release(&o);
}

static void test_much(void) {
  struct output o = {.mode = OUTPUT_GROUP};
  struct buffer reply = {0};
  static char block[1 << 20];
  size_t passed;
  FILE *file = tmpfile();
  int i, out;
  memset(block, 'x', sizeof block);
  fflush(stdout);
  out = dup(1);
  dup2(fileno(file), 1);
  for (i = 0; i < 20; i++)
    output_write(&o, stdout, block, sizeof block);
  output_finish(&o);
  passed = (size_t)lseek(1, 0, SEEK_END);
  dup2(out, 1);
  close(out);
  fclose(file);
  check(passed == 20 * sizeof block, "what is too much to be kept comes out at once, all of it");
  check(output_attach(&o, &reply) == STATUS_OK && reply.size == 8, "and not again");
  output_reset(&o);
  output_write(&o, stdout, "x", 1);
  check(o.kept.size == 10, "the next task's is kept again");
  buffer_release(&reply);
  output_release(&o);
}

static void test_tag(void) {
  struct output o = {.mode = OUTPUT_TAG};
  char text[2][200];
  catch ();
  output_label(&o, 0, "init");
  put(&o, stdout, "ready\n");
  output_label(&o, 12, NULL);
  put(&o, stdout, "a");
  put(&o, stderr, "e1\n\ne2");
  put(&o, stdout, "b\nc\nd");
  output_finish(&o);
  output_label(&o, 13, NULL);
  output_finish(&o);
  put(&o, stdout, "\n");
  output_finish(&o);
  release(text);
  check(strcmp(text[0], "[init] ready\n[12] ab\n[12] c\n[12] d\n[13] \n") == 0,
        "each line has its task, the last one an end");
  check(strcmp(text[1], "[12] e1\n[12] \n[12] e2\n") == 0, "on stderr too");
  output_release(&o);
}

static void test_line(void) {
  struct output o = {.mode = OUTPUT_LINE};
  struct buffer reply = {0};
  char text[2][200];
  FILE *file = tmpfile();
  catch ();
  output_label(&o, 1, NULL);
  put(&o, stdout, "a");
  put(NULL, stderr, "b");
  output_finish(&o);
  o.mode = OUTPUT_TAG;
  put(&o, file, "c");
  release(text);
  check(strcmp(text[0], "a") == 0 && strcmp(text[1], "b") == 0, "nothing is done to it otherwise");
  output_finish(&o);
  check(lseek(fileno(file), 0, SEEK_CUR) == 1, "nor to other files");
  o.mode = OUTPUT_LINE;
  check(output_attach(&o, &reply) == STATUS_OK && reply.size == 0, "nor to the reply");
  fclose(file);
  output_release(&o);
}

static void test_nonsense(uint64_t seed) {
  unsigned char bytes[64];
  char text[2][200];
  int i, ok = 1;
  catch ();
  for (i = 0; i < 20000; i++) {
    size_t n = (size_t)check_random(&seed, sizeof bytes), k, size = n;
    const unsigned char *at = bytes;
    for (k = 0; k < n; k++)
      bytes[k] = (unsigned char)(check_random(&seed, 3) ? check_random(&seed, 30) * (k % 8 == 0)
                                                        : check_random(&seed, 256));
    if (output_show(NULL, &at, &size) == STATUS_OK)
      ok &= at >= bytes && at + size == bytes + n;
    if (i % 100 == 0) {
      fflush(stdout);
      ok &= ftruncate(1, 0) == 0;
    }
  }
  release(text);
  check(ok, "nonsense is refused, or stays within its bytes");
}

int main(void) {
  test_group();
  test_much();
  test_tag();
  test_line();
  test_nonsense(check_seed(1));
  return check_end();
}
