#include "config.h"
#include "shell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptor.h"
#include "dispositions.h"

extern char **environ;

/* What it inherits but descriptors: signals. 0, or an error number. */
static int start(pid_t *pid, const char *text, const posix_spawn_file_actions_t *actions) {
  char *const arguments[] = {(char *)"sh", (char *)"-c", (char *)text, NULL};
  posix_spawnattr_t attributes;
  int error = posix_spawnattr_init(&attributes);
  if (error != 0)
    return error;
  posix_spawnattr_setsigdefault(&attributes, dispositions_default());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  error = posix_spawn(pid, "/bin/sh", actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  return error;
}

/* Its standard input or output is the descriptor. 0, or an error number. */
static int start_at_pipe(pid_t *pid, const char *text, int descriptor, int standard) {
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return error;
  error = posix_spawn_file_actions_adddup2(&actions, descriptor, standard);
  if (error == 0)
    error = start(pid, text, &actions);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

pid_t shell_open(const char *text, int is_input, FILE **f) {
  int ends[2], error;
  pid_t pid = -1;
  if (pipe2(ends, O_CLOEXEC) != 0 || descriptor_own_pair(ends) != 0)
    return -1;
  *f = fdopen(ends[is_input], is_input ? "w" : "r");
  error = *f == NULL ? errno
                     : start_at_pipe(&pid, text, ends[!is_input], is_input ? STDIN_FILENO : STDOUT_FILENO);
  close(ends[!is_input]);
  if (error == 0)
    return pid;
  if (*f != NULL)
    fclose(*f);
  else
    close(ends[is_input]);
  errno = error;
  return -1;
}

/* Its wait status, or -1 and errno. */
static int wait_for(pid_t pid) {
  int status;
  pid_t ended;
  do
    ended = waitpid(pid, &status, 0);
  while (ended < 0 && errno == EINTR);
  return ended < 0 ? -1 : status;
}

int shell_close(pid_t pid, FILE *f) {
  fclose(f);
  return wait_for(pid);
}

int shell_run(const char *text) {
  pid_t pid;
  int error = start(&pid, text, NULL);
  if (error == 0)
    return wait_for(pid);
  errno = error;
  return -1;
}

/* Those that one of its threads has started. */
static void kill_children(pid_t pid, const char *thread) {
  char path[64];
  int child;
  FILE *list;
  snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid, thread);
  list = fopen(path, "re");
  while (list != NULL && fscanf(list, "%d", &child) == 1)
    shell_kill(child);
  if (list != NULL)
    fclose(list);
}

void shell_kill(pid_t pid) {
  char path[64];
  struct dirent *thread;
  DIR *threads;
  kill(pid,
       SIGSTOP); /* until its children are known it shall neither start more of them nor let go of them */
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  threads = opendir(path);
  while (threads != NULL && (thread = readdir(threads)) != NULL)
    if (*thread->d_name != '.')
      kill_children(pid, thread->d_name);
  if (threads != NULL)
    closedir(threads);
  kill(pid, SIGKILL);
}
