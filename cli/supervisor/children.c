#include "cli/supervisor/children.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/cpus.h"
#include "shm/diag.h"

#define EXIT_NO_PROGRAM 127 /* as shells say it */

int
child_keep_fd(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN);

	if (kept < 0 && errno == EINVAL)
		errno = EMFILE; /* KEPT_FD_MIN is beyond the limit */
	if (kept < 0)
		diag_errno("cannot keep descriptor %d; raise the limit of open files (ulimit -n)", fd);
	close(fd);
	return kept;
}

static void
child_signals(bool ends_on_term)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (!ends_on_term)
		(void)signal(SIGTERM, SIG_IGN);
}

static int
child_descriptors(const struct descriptor *descriptors, unsigned count)
{
	int null_fd = open("/dev/null", O_RDONLY);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return -1;
	/* Whatever we were started with, and all of our own; then those that are meant, which dup2() leaves open. */
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		assert(descriptors[i].from >= KEPT_FD_MIN && descriptors[i].to < KEPT_FD_MIN);
		if (dup2(descriptors[i].from, descriptors[i].to) < 0)
			return -1;
	}
	return 0;
}

/* It serves all the same where it may not be bound: in a cpuset that shrank, under a seccomp profile. */
static void
child_bind(const struct child_command *command)
{
	char text[64];

	if (command->cpus == NULL || CPU_COUNT(command->cpus) == 0 ||
	    sched_setaffinity(0, sizeof(*command->cpus), command->cpus) == 0)
		return;
	cpus_format(command->cpus, text, sizeof(text));
	diag(DIAG_WARNING, "cannot bind %s to CPU %s: %s; it runs where the kernel likes", command->argv[0], text, strerror(errno));
}

/* The child's side of the fork. */
static void __attribute__((noreturn))
child_run(pid_t parent, const struct child_command *command)
{
	child_signals(command->ends_on_term);
	child_bind(command);
	/* Also role_start() does it, for exec of a set-user-id program would undo it; here no moment is left open. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(EXIT_NO_PROGRAM);
	if (child_descriptors(command->descriptors, command->descriptor_count) != 0) {
		diag_errno("cannot prepare the descriptors of %s", command->program);
		_exit(EXIT_NO_PROGRAM);
	}
	execv(command->program, command->argv);
	diag_errno("cannot run %s; install it beside chasqui or in ../lib/chasqui", command->program);
	_exit(EXIT_NO_PROGRAM);
}

int
child_start(struct child *child, const struct child_command *command)
{
	pid_t parent = getpid();

	child->pid = fork();
	if (child->pid == 0)
		child_run(parent, command);
	if (child->pid < 0) {
		diag_errno("cannot fork for %s; raise the limit of processes", command->program);
		child->pid = 0;
		return -1;
	}
	/* It is our child and not waited for, so the number means it and no other. */
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0) {
		diag_errno("cannot watch %s; %s", command->program, errno == ENOSYS ? "pidfd_open needs Linux 5.3" :
		    "raise the limit of open files (ulimit -n)");
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
		child->pid = 0;
		return -1;
	}
	return 0;
}

bool
child_reap(struct child *child, int *wait_status)
{
	pid_t pid;

	if (child->pid == 0)
		return false;
	do
		pid = waitpid(child->pid, wait_status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	assert(pid == child->pid);
	close(child->pidfd);
	*child = (struct child){ .pid = 0, .pidfd = -1 };
	return true;
}

int
child_program(char path[PATH_MAX], const char *name)
{
	static const char *const places[] = { "", "../lib/chasqui/" };
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0) {
		diag_errno("cannot read /proc/self/exe; is /proc mounted?");
		return -1;
	}
	self[n] = '\0';
	strrchr(self, '/')[1] = '\0';
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, PATH_MAX, "%s%s%s", self, places[i], name);
		if (access(path, X_OK) == 0)
			return 0;
	}
	diag(DIAG_ERROR, "%s is neither in %s nor in %s../lib/chasqui; install all programs of chasqui together", name, self, self);
	return -1;
}
