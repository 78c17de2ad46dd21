#include "tests/harness/reaper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/deadline.h"

enum { LOG_TAIL_BYTES = 6000, KILL_MS = 5000 };
enum { TELL_ALL_WELL = -1 };

unsigned
reaper_regions(const char *instance, bool remove)
{
	DIR *directory = opendir("/dev/shm");
	struct dirent *entry;
	char begin[80], path[300];
	unsigned count = 0;

	if (directory == NULL)
		return 0;
	snprintf(begin, sizeof(begin), "chasqui.%s.", instance);
	while ((entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, begin, strlen(begin)) != 0)
			continue;
		count++;
		snprintf(path, sizeof(path), "/dev/shm/%s", entry->d_name);
		if (remove)
			(void)unlink(path); /* gone already: somebody else's clean stop */
	}
	closedir(directory);
	return count;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static void
show_log(const char *directory)
{
	char path[300], tail[LOG_TAIL_BYTES];
	FILE *log;
	size_t n;

	snprintf(path, sizeof(path), "%s/log", directory);
	log = fopen(path, "re");
	if (log == NULL)
		return;
	(void)fseek(log, -LOG_TAIL_BYTES, SEEK_END); /* a shorter one is shown whole */
	n = fread(tail, 1, sizeof(tail), log);
	fprintf(stderr, "--- the test did not end well; the broker's log ends with:\n%.*s---\n", (int)n, tail);
	fclose(log);
}

static void
kill_group(pid_t supervisor)
{
	uint64_t deadline_ms = deadline_in(KILL_MS);

	while (kill(-supervisor, SIGKILL) == 0 && deadline_pause(deadline_ms))
		;
}

/* A process that waits for a frozen file system cannot be killed. */
static void
thaw(const char *mount)
{
	int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)ioctl(fd, FITHAW, 0); /* EINVAL where nothing is frozen, as mostly */
	close(fd);
}

static void __attribute__((noreturn))
reap(int fd, const char *instance, const char *directory)
{
	char mount[300];
	pid_t supervisor = 0, told;
	bool all_well = false;

	while (read(fd, &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		if (told == TELL_ALL_WELL)
			all_well = true;
		else
			supervisor = told;
	}
	if (!all_well)
		show_log(directory);
	snprintf(mount, sizeof(mount), "%s/data", directory);
	thaw(mount);
	if (supervisor > 0)
		kill_group(supervisor);
	(void)reaper_regions(instance, true);           /* how many does not matter */
	(void)umount2(mount, MNT_DETACH);               /* volume.h mounts there; most tests do not */
	if (!all_well && getenv("CHASQUI_TEST_KEEP") != NULL) {
		fprintf(stderr, "kept for you: %s\n", directory);
		_exit(0);
	}
	(void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* nobody left to tell */
	_exit(0);
}

int
reaper_start(const char *instance, const char *directory, pid_t *pid)
{
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC) != 0)
		return -1;
	*pid = fork();
	if (*pid == 0) {
		close(pipe_fd[1]);
		(void)setsid(); /* a child just forked leads no group, so it cannot fail */
		(void)signal(SIGINT, SIG_IGN);
		reap(pipe_fd[0], instance, directory);
	}
	close(pipe_fd[0]);
	if (*pid < 0) {
		close(pipe_fd[1]);
		return -1;
	}
	return pipe_fd[1];
}

void
reaper_tell(int reaper_fd, pid_t supervisor)
{
	if (write(reaper_fd, &supervisor, sizeof(supervisor)) != (ssize_t)sizeof(supervisor))
		abort(); /* a pipe takes so few bytes at once; the reaper was killed */
}

void
reaper_finish(int reaper_fd, pid_t pid)
{
	reaper_tell(reaper_fd, TELL_ALL_WELL);
	close(reaper_fd);
	(void)waitpid(pid, NULL, 0); /* started by another process when a fixture frees it: then it is not ours to wait for */
}
