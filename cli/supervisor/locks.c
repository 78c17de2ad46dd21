/*
 * Happy path: locks_instance(), locks_directory(), then locks_slot() for every child.
 * Failure modes: a live broker holds byte 0: refused, with its pid, which it wrote into the file.  A killed one is still
 * being taken apart by the kernel: waited for, as long as it takes within a limit.
 */
#include "cli/supervisor/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/limits.h"

#define MS 1000000ull
/* A supervisor that was killed a moment ago may hold its lock still: it has little to take apart. */
#define OWNER_WAIT_NS (500 * MS)
/* Its children have more: memory, connections, direct writes that are under way. */
#define CHILDREN_WAIT_NS (30000 * MS)
#define CHILDREN_QUIET_NS (1000 * MS)

static void
instance_path(char path[PATH_MAX], const char *instance)
{
	snprintf(path, PATH_MAX, "/dev/shm/chasqui.%s.lock", instance);
}

static void
pause_ms(unsigned ms)
{
	struct timespec pause = { .tv_nsec = (long)(ms * MS) };

	(void)nanosleep(&pause, NULL); /* too early is only one more look */
}

static struct flock
bytes_lock(off_t first, off_t count)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = count };
}

/* The file was not replaced between open and lock (a clean stop removes it). */
static bool
is_still_named(int fd, const char *path)
{
	struct stat held, named;

	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

/* The pid that the owner wrote into the file; 0 when it did not get so far. */
static int
owner_pid(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return atoi(text);
}

static int
open_lock_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		diag_errno("cannot open the lock file %s; does it belong to another user?", path);
	return fd;
}

static int
take_first_byte(const char *path, const char *what, int *fd)
{
	uint64_t deadline_ns = now_ns() + OWNER_WAIT_NS;
	struct flock lock = bytes_lock(0, 1);

	for (;;) {
		*fd = open_lock_file(path);
		if (*fd < 0)
			return errno == EACCES || errno == EPERM ? EX_NOPERM : EX_CANTCREAT;
		if (fcntl(*fd, F_OFD_SETLK, &lock) == 0) {
			if (is_still_named(*fd, path))
				return 0;
		} else if (errno != EAGAIN && errno != EACCES) {
			diag_errno("cannot lock %s; use a file system that has locks", path);
			close(*fd);
			return EX_OSERR;
		} else if (now_ns() >= deadline_ns) {
			diag(DIAG_ERROR, "%s is already running, pid %d; stop it first (chasqui down), or choose another %s",
			    what, owner_pid(*fd), strchr(what, '/') != NULL ? "data.directory" : "instance.name");
			close(*fd);
			return EX_UNAVAILABLE;
		}
		close(*fd);
		pause_ms(10);
	}
}

/* Wait until nobody else holds any of these bytes. */
static int
wait_bytes_free(int fd, off_t first, off_t count, const char *what)
{
	uint64_t begin_ns = now_ns();
	bool has_spoken = false;

	for (;;) {
		struct flock lock = bytes_lock(first, count);

		if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK)
			return 0;
		if (now_ns() - begin_ns > CHILDREN_WAIT_NS) {
			diag(DIAG_ERROR, "%s: processes of an earlier run do not end; end them (pgrep -af chasqui-) and try again",
			    what);
			return EX_UNAVAILABLE;
		}
		if (!has_spoken && now_ns() - begin_ns > CHILDREN_QUIET_NS) {
			diag(DIAG_INFO, "%s: waiting for the processes of an earlier run to end", what);
			has_spoken = true;
		}
		pause_ms(5);
	}
}

static int
write_pid(int fd)
{
	char text[32];
	int count = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)count, 0) != count) {
		diag_errno("cannot write the lock file; free space in the data directory and in /dev/shm");
		return EX_CANTCREAT;
	}
	return 0;
}

static int
take(const char *path, const char *what, off_t others, int *fd)
{
	int code = take_first_byte(path, what, fd);

	if (code != 0)
		return code;
	code = write_pid(*fd);
	if (code == 0)
		code = wait_bytes_free(*fd, 1, others, what);
	if (code != 0)
		close(*fd);
	return code;
}

int
locks_instance(const char *instance, int *fd)
{
	char path[PATH_MAX], what[INSTANCE_MAX_BYTES + 32];

	instance_path(path, instance);
	snprintf(what, sizeof(what), "instance %s", instance);
	return take(path, what, SLOT_MAX, fd);
}

int
locks_directory(const char *directory, int *fd)
{
	char path[PATH_MAX], what[PATH_MAX];

	snprintf(path, sizeof(path), "%s/lock", directory);
	snprintf(what, sizeof(what), "a broker on %s/", directory);
	int code = take(path, what, 1, fd);
	if (code != 0)
		return code;
	/* Not byte 2: a backup may go on reading while a broker that was killed starts again. */
	code = wait_bytes_free(*fd, 3, 0, what); /* to the end of all bytes */
	if (code != 0)
		close(*fd);
	return code;
}

int
locks_slot(const char *instance, uint32_t slot)
{
	struct flock lock = bytes_lock(1 + (off_t)slot, 1);
	char path[PATH_MAX];
	int fd;

	instance_path(path, instance);
	fd = open_lock_file(path);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		diag_errno("cannot lock byte %u of %s: a process of this slot lives still", 1 + slot, path);
		close(fd);
		return -1;
	}
	return fd;
}

int
locks_open_directory(const char *directory)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/lock", directory);
	return open_lock_file(path);
}

void
locks_remove(const char *instance)
{
	char path[PATH_MAX];

	instance_path(path, instance);
	(void)unlink(path); /* when it stays, it only stays */
}
