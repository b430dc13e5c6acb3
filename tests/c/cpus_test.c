/* cpus_test.c - the CPU count from affinity and from cgroup files in a scratch folder. */
#include "config.h"
#include "cpus.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

static int count, failed;

static void check_at(int line, int ok, const char *sentence) {
  count++;
  failed += !ok;
  printf("%sok %d - %s\n", ok ? "" : "not ", count, sentence);
  if (!ok)
    printf("# at line %d\n", line);
}

#define check(ok, sentence) check_at(__LINE__, (ok), (sentence))

#if defined(__linux__)

static char root[PATH_MAX];

static void run(const char *format, const char *folder) {
  char command[2 * PATH_MAX];
  snprintf(command, sizeof command, format, folder);
  if (system(command) != 0) {
    printf("Bail out! %s failed\n", command);
    exit(1);
  }
}

static void fresh_root(void) {
  const char *tmp = getenv("TMPDIR");
  snprintf(root, sizeof root, "%s/fast_map_cpus_XXXXXX", tmp == NULL ? "/tmp" : tmp);
  if (mkdtemp(root) == NULL) {
    printf("Bail out! no scratch folder\n");
    exit(1);
  }
}

/* Writes root/name, and the folders above it. */
static void put(const char *name, const char *text) {
  char path[2 * PATH_MAX];
  FILE *file;
  snprintf(path, sizeof path, "%s/%s", root, name);
  for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
    *slash = '\0';
    mkdir(path, 0777);
  }
  file = fopen(path, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    printf("Bail out! cannot write %s\n", path);
    exit(1);
  }
}

static void clean(void) {
  run("rm -rf '%s'", root);
  fresh_root();
}

static void test_v2(void) {
  check(cpus_quota(root) == INT_MAX, "a machine without cgroups sets no limit");
  put("proc/self/cgroup", "0::/user.slice/job\n");
  check(cpus_quota(root) == INT_MAX, "a cgroup without a cpu.max sets no limit");
  put("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  check(cpus_quota(root) == INT_MAX, "max sets no limit");
  put("sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
  check(cpus_quota(root) == 3, "a quota of two and a half CPUs counts as three");
  put("sys/fs/cgroup/user.slice/cpu.max", "200000 100000\n");
  check(cpus_quota(root) == 2, "the quota of a parent group counts too");
  put("sys/fs/cgroup/cpu.max", "1000 100000\n");
  check(cpus_quota(root) == 1, "a hundredth of a CPU counts as one");
  clean();
}

static void test_container(void) {
  put("proc/self/cgroup", "0::/docker/0123\n");
  put("sys/fs/cgroup/cpu.max", "400000 100000\n");
  check(cpus_quota(root) == 4, "a group whose folder is not mounted is asked at the mount");
  put("proc/self/cgroup", "0::/../../job\n");
  check(cpus_quota(root) == 4, "a group outside of the namespace is asked at the mount");
  put("proc/self/cgroup", "0::/\n");
  check(cpus_quota(root) == 4, "the root group is asked");
  clean();
}

static void test_v1(void) {
  put("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/a/b\n1:name=systemd:/x\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  check(cpus_quota(root) == INT_MAX, "a version 1 quota of -1 sets no limit");
  put("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "150000\n");
  check(cpus_quota(root) == 2, "a version 1 quota of one and a half CPUs counts as two");
  put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
  put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
  check(cpus_quota(root) == 1, "a version 1 parent group counts too");
  clean();
  put("proc/self/cgroup", "4:cpuacct,cpu:/a\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "500000\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  check(cpus_quota(root) == 5, "a controller mounted under another name is found as cpu");
  clean();
  put("proc/self/cgroup", "4:cpuset:/a\n3:cpuacct:/a\n");
  put("sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us", "100000\n");
  put("sys/fs/cgroup/cpuset/a/cpu.cfs_period_us", "100000\n");
  check(cpus_quota(root) == INT_MAX, "other controllers whose names begin with cpu are not asked");
  clean();
}

static void test_hybrid(void) {
  put("proc/self/cgroup", "1:cpu:/a\n0::/b\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "600000\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  check(cpus_quota(root) == 6, "a machine with both versions obeys version 1");
  put("sys/fs/cgroup/unified/b/cpu.max", "300000 100000\n");
  check(cpus_quota(root) == 3, "a machine with both versions obeys version 2");
  clean();
}

static void test_broken_files(void) {
  static const char *const lists[] = {
      "", "\n", "0", "0:", "0::", "0::\n", "::::\n", "0::job\n", ":cpu:\n", "\n\n0::/a"};
  static const char *const quotas[] = {"",
                                       "max",
                                       "x y",
                                       "1",
                                       "0 0",
                                       "100000 0",
                                       "-5 100000",
                                       "100000 -1",
                                       "9223372036854775807 1",
                                       "9223372036854775807 100000"};
  int lists_ok = 1, quotas_ok = 1;
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    put("proc/self/cgroup", lists[i]);
    lists_ok &= cpus_quota(root) == INT_MAX;
  }
  put("proc/self/cgroup", "0::/a\n");
  for (size_t i = 0; i < sizeof quotas / sizeof *quotas; i++) {
    put("sys/fs/cgroup/a/cpu.max", quotas[i]);
    quotas_ok &= cpus_quota(root) == INT_MAX;
  }
  check(lists_ok, "a broken list of groups sets no limit");
  check(quotas_ok, "a broken or boundless quota sets no limit");
  clean();
}

static void test_long_names(void) {
  static char text[16384];
  size_t size = sizeof text - 1;
  memset(text, 'a', size);
  memcpy(text, "0::/", 4);
  for (size_t i = 4; i < size; i += 100)
    text[i] = '/';
  put("proc/self/cgroup", text);
  put("sys/fs/cgroup/cpu.max", "700000 100000\n");
  check(cpus_quota(root) == 7, "a group with a name too long for a path is asked at the mount");
  clean();
}

static void test_affinity(void) {
  cpu_set_t all, one;
  int before = cpus_usable(), narrow, allowed;
  sched_getaffinity(0, sizeof all, &all);
  allowed = CPU_COUNT(&all);
  check(before >= 1 && before <= allowed, "the count is between one and the CPUs of the affinity mask");
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &all)) {
      CPU_SET(cpu, &one);
      break;
    }
  sched_setaffinity(0, sizeof one, &one);
  narrow = cpus_usable();
  sched_setaffinity(0, sizeof all, &all);
  check(narrow == 1, "a mask of one CPU counts at once");
  check(cpus_usable() == before, "the mask given back counts at once");
}

#endif

/* worker thread */
static void *ask_often(void *unused) {
  int least = INT_MAX;
  (void)unused;
  for (int i = 0; i < 10000; i++) {
    int now = cpus_usable();
    least = now < least ? now : least;
  }
  return (void *)(long)least;
}

static void test_threads(void) {
  pthread_t threads[4];
  int ok = 1;
  for (int i = 0; i < 4; i++)
    pthread_create(&threads[i], NULL, ask_often, NULL);
  for (int i = 0; i < 4; i++) {
    void *least;
    pthread_join(threads[i], &least);
    ok &= (long)least >= 1;
  }
  check(ok, "threads may ask at the same time");
}

int main(void) {
#if defined(__linux__)
  fresh_root();
  test_v2();
  test_container();
  test_v1();
  test_hybrid();
  test_broken_files();
  test_long_names();
  test_affinity();
  run("rm -rf '%s'", root);
#endif
  test_threads();
  printf("1..%d\n", count);
  return failed > 0;
}
