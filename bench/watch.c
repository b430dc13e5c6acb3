/* watch.c - runs one program of the benches under a limit of time and memory, and says what it used.

   usage: watch SECONDS COMMAND [ARGUMENT...]

   The command gets a session of its own, so that all it started can be found and ended. Its output passes through;
   then one line is added:
     watch wall=S cpu=S peak_kb=N rss_kb=N processes=N left=N end=exit:0|exit:N|signal:N|limit|memory
   peak_kb    what the machine had less of at the worst moment (MemAvailable: kernel stacks and page tables count too)
   rss_kb     the sum of the processes' resident pages at the worst moment (pages they share count once for each)
   processes  the most that were seen at once
   left       processes of the session that were still there when the command had ended */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct sample {
  long rss_kb;
  int processes;
};

static volatile sig_atomic_t stopped; /* Ctrl-C: the session is not in our process group, so pass it on */

static void on_stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void pause_for(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

/* Reads a small file of /proc; an empty string when it is gone. */
static void slurp(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  size_t got = 0;
  if (file != NULL) {
    got = fread(text, 1, size - 1, file);
    fclose(file);
  }
  text[got] = '\0';
}

static long meminfo_kb(const char *field) {
  char text[4096];
  const char *at;
  slurp("/proc/meminfo", text, sizeof text);
  at = strstr(text, field);
  return at != NULL ? atol(at + strlen(field)) : 0;
}

/* The session of a process, and whether it is more than a zombie; 0 when it is gone. */
static long session_of(const char *pid) {
  char path[64], text[512];
  const char *at;
  char state;
  long session;
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  slurp(path, text, sizeof text);
  at = strrchr(text, ')'); /* the name may hold anything */
  if (at == NULL || sscanf(at + 1, " %c %*d %*d %ld", &state, &session) != 2 || state == 'Z')
    return 0;
  return session;
}

static long resident_kb(const char *pid) {
  char path[64], text[128];
  long pages = 0;
  snprintf(path, sizeof path, "/proc/%.20s/statm", pid);
  slurp(path, text, sizeof text);
  if (sscanf(text, "%*d %ld", &pages) != 1)
    return 0;
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Visits every process of the session: adds up, and sends signal_number unless it is 0. */
static struct sample session_scan(pid_t session, int signal_number) {
  struct sample sum = {0, 0};
  DIR *folder = opendir("/proc");
  struct dirent *entry;
  if (folder == NULL)
    return sum;
  while ((entry = readdir(folder)) != NULL) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || session_of(entry->d_name) != session)
      continue;
    sum.processes++;
    if (signal_number != 0)
      kill((pid_t)atol(entry->d_name), signal_number);
    else
      sum.rss_kb += resident_kb(entry->d_name);
  }
  closedir(folder);
  return sum;
}

/* Processes may start others while they are ended: scan until none is left. Returns how many there were. */
static int session_kill(pid_t session) {
  int first = session_scan(session, SIGKILL).processes;
  int round;
  for (round = 0; round < 100 && session_scan(session, SIGKILL).processes > 0; round++)
    pause_for(0.01);
  return first;
}

static pid_t start(char **command) {
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    execvp(command[0], command);
    fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
    _exit(127);
  }
  return pid;
}

struct peak {
  long available_kb, rss_kb;
  int processes;
};

static void peak_note(struct peak *peak, pid_t session) {
  struct sample s = session_scan(session, 0);
  long available = meminfo_kb("MemAvailable:");
  if (s.rss_kb > peak->rss_kb)
    peak->rss_kb = s.rss_kb;
  if (s.processes > peak->processes)
    peak->processes = s.processes;
  if (available < peak->available_kb)
    peak->available_kb = available;
}

/* Waits for the end of the command, or makes it: returns why, or NULL when it ended by itself with *status. */
static const char *supervise(pid_t pid, double deadline, struct peak *peak, int *status) {
  long floor_kb = meminfo_kb("MemTotal:") / 12; /* below that the machine itself is at risk */
  for (;;) {
    double began = now(), pause;
    if (waitpid(pid, status, WNOHANG) == pid)
      return NULL;
    peak_note(peak, pid);
    if (stopped || began > deadline || peak->available_kb < floor_kb) {
      session_kill(pid);
      waitpid(pid, status, 0);
      return stopped ? "interrupted" : began > deadline ? "limit" : "memory";
    }
    pause = 20 * (now() - began); /* so that watching costs at most a twentieth of one core */
    pause_for(pause < 0.01 ? 0.01 : pause > 0.5 ? 0.5 : pause);
  }
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_stop};
  struct peak peak = {0};
  struct rusage used;
  const char *why;
  double began = now();
  long available;
  int status = 0, left;
  pid_t pid;
  if (argc < 3 || atof(argv[1]) <= 0) {
    fprintf(stderr, "usage: watch SECONDS COMMAND [ARGUMENT...]\n");
    return 2;
  }
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  available = peak.available_kb = meminfo_kb("MemAvailable:");
  if ((pid = start(argv + 2)) < 0) {
    perror("watch: fork");
    return 2;
  }
  why = supervise(pid, began + atof(argv[1]), &peak, &status);
  left = session_kill(pid);
  getrusage(RUSAGE_CHILDREN, &used);
  printf("watch wall=%.6f cpu=%.6f peak_kb=%ld rss_kb=%ld processes=%d left=%d end=", now() - began,
         (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
             (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6,
         available - peak.available_kb, peak.rss_kb, peak.processes, left);
  if (why != NULL)
    printf("%s\n", why);
  else if (WIFSIGNALED(status))
    printf("signal:%d\n", WTERMSIG(status));
  else
    printf("exit:%d\n", WEXITSTATUS(status));
  return stopped ? 130 : 0;
}
