/* cpus.h - how many CPUs this process may use.
   Level 0: nothing. Any thread may call both functions. */
#ifndef FAST_MAP_CPUS_H
#define FAST_MAP_CPUS_H

/* The CPUs of the calling thread's affinity mask, or fewer when a cgroup's quota allows fewer. At least 1; never
   fails. About a microsecond: the quota is read again only when a second has passed. */
int cpus_usable(void);

/* The CPUs that the cgroups of this process allow, rounded up; INT_MAX when they set no limit. Reads
   proc/self/cgroup and sys/fs/cgroup below `root` ("" is the machine's own). */
int cpus_quota(const char *root);

#endif
