#include "config.h"
#include "cpus.h"

#include <limits.h>
#include <unistd.h>

#if defined(__linux__)

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Reads the file into text, cut to what fits. The number of bytes, -1 when it cannot be read. */
static int read_file(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  size_t count;
  if (file == NULL)
    return -1;
  count = fread(text, 1, size - 1, file);
  fclose(file);
  text[count] = '\0';
  return (int)count;
}

static int cpus_of(long long quota, long long period) {
  if (quota <= 0 || period <= 0) /* -1 and 0 mean that nothing is limited */
    return INT_MAX;
  if (quota / period >= INT_MAX - 1)
    return INT_MAX;
  return (int)(quota / period + (quota % period > 0));
}

/* cgroup v2: `max 100000` or `150000 100000` */
static int quota_v2(const char *folder) {
  char path[PATH_MAX + 32], text[64];
  long long quota, period;
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  if (read_file(path, text, sizeof text) < 0 || sscanf(text, "%lld %lld", &quota, &period) != 2)
    return INT_MAX;
  return cpus_of(quota, period);
}

static long long number_in(const char *folder, const char *name) {
  char path[PATH_MAX + 32], text[64];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return read_file(path, text, sizeof text) < 0 ? -1 : strtoll(text, NULL, 10);
}

/* cgroup v1: two files; a quota of -1 limits nothing */
static int quota_v1(const char *folder) {
  long long quota = number_in(folder, "cpu.cfs_quota_us");
  return quota <= 0 ? INT_MAX : cpus_of(quota, number_in(folder, "cpu.cfs_period_us"));
}

/* The least quota from mount/group up to mount itself. A group that is not there (in a container, the host's path)
   is skipped, but not its parents. */
static int least_quota(const char *mount, const char *group, int (*quota)(const char *folder)) {
  char folder[PATH_MAX];
  size_t base = strlen(mount);
  int least = INT_MAX;
  if (*group != '/' || base + strlen(group) >= sizeof folder || strstr(group, "..") != NULL)
    group = ""; /* a group outside of this namespace: what is mounted is all that can be asked */
  snprintf(folder, sizeof folder, "%s%s", mount, group);
  for (;;) {
    char *slash;
    int here = quota(folder);
    least = here < least ? here : least;
    slash = strrchr(folder, '/');
    if (slash == NULL || slash < folder + base)
      return least;
    *slash = '\0';
  }
}

static int has_controller(const char *list, const char *name) {
  size_t size = strlen(name);
  for (; list != NULL; list = strchr(list, ',')) {
    list += *list == ',';
    if (strncmp(list, name, size) == 0 && (list[size] == ',' || list[size] == '\0'))
      return 1;
  }
  return 0;
}

/* One line of proc/self/cgroup: `0::/group` (v2) or `4:cpu,cpuacct:/group` (v1). */
static int quota_of_line(const char *root, char *line) {
  static const char *const unified[] = {"sys/fs/cgroup", "sys/fs/cgroup/unified"};
  char mount[PATH_MAX / 2];
  char *controllers = strchr(line, ':');
  char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
  int least = INT_MAX, here;
  if (group == NULL)
    return INT_MAX;
  *controllers++ = '\0';
  *group++ = '\0';
  if (*controllers == '\0') {
    for (int i = 0; i < 2; i++) {
      snprintf(mount, sizeof mount, "%s/%s", root, unified[i]);
      here = least_quota(mount, group, quota_v2);
      least = here < least ? here : least;
    }
  } else if (has_controller(controllers, "cpu")) {
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
    if (access(mount, X_OK) != 0)
      snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    least = least_quota(mount, group, quota_v1);
  }
  return least;
}

int cpus_quota(const char *root) {
  char path[PATH_MAX], text[8192];
  char *rest = NULL;
  int least = INT_MAX;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  if (read_file(path, text, sizeof text) < 0)
    return INT_MAX;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    int here = quota_of_line(root, line);
    least = here < least ? here : least;
  }
  return least;
}

/* The quota, at most a second old. */
static int recent_quota(void) {
  /* Any thread stores both, and any mix of two stores is a true answer: no order is needed. */
  static _Atomic int64_t read_at;
  static _Atomic int quota;
  struct timespec now;
  int64_t then = atomic_load_explicit(&read_at, memory_order_relaxed);
  int known = atomic_load_explicit(&quota, memory_order_relaxed);
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (known > 0 && now.tv_sec == then)
    return known;
  known = cpus_quota("");
  atomic_store_explicit(&quota, known, memory_order_relaxed);
  atomic_store_explicit(&read_at, (int64_t)now.tv_sec, memory_order_relaxed);
  return known;
}

/* The set is made as large as the kernel asks for: a machine may have more CPUs than a cpu_set_t. */
static int cpus_allowed(void) {
  for (int most = 1024; most <= 1 << 20; most *= 4) {
    cpu_set_t *set = CPU_ALLOC(most);
    size_t size = CPU_ALLOC_SIZE(most);
    int count = 0;
    if (set == NULL)
      return 0;
    if (sched_getaffinity(0, size, set) == 0)
      count = CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (count > 0)
      return count;
  }
  return 0;
}

#else

int cpus_quota(const char *root) {
  (void)root;
  return INT_MAX;
}

static int recent_quota(void) {
  return INT_MAX;
}

static int cpus_allowed(void) {
  return 0;
}

#endif

int cpus_usable(void) {
  int count = cpus_allowed();
  int quota = recent_quota();
  if (count <= 0) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    count = online < 1 ? 1 : online > INT_MAX ? INT_MAX : (int)online;
  }
  return quota < count ? quota : count;
}
