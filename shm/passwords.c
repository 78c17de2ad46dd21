#include "shm/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Neither can be cut short under the other's hands. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int
make_file(const char *name, size_t bytes, int *fd, int *reading_fd)
{
	char path[32];

	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, (off_t)bytes) != 0 || fcntl(*fd, F_ADD_SEALS, SEALS) != 0)
		return -1;
	/*
	 * By /proc anybody who holds it for reading could open it for writing, if he might write to
	 * the file.
	 */
	if (fchmod(*fd, 0400) != 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	*reading_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *reading_fd < 0 ? -1 : 0;
}

int
passwords_make(struct password_files *files, uint64_t cost)
{
	*files = (struct password_files){ -1, -1, -1, -1 };
	if (make_file("chasqui.asks", sizeof(struct password_asks), &files->asks_fd,
		&files->asks_reading_fd) == 0 &&
	    make_file("chasqui.answers", sizeof(struct password_answers), &files->answers_fd,
		&files->answers_reading_fd) == 0 &&
	    pwrite(files->asks_fd, &cost, sizeof(cost), offsetof(struct password_asks, cost)) ==
		sizeof(cost))
		return 0;
	int error = errno;
	passwords_close(files);
	errno = error;
	return -1;
}

static void
close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
passwords_close(struct password_files *files)
{
	close_one(&files->asks_fd);
	close_one(&files->asks_reading_fd);
	close_one(&files->answers_fd);
	close_one(&files->answers_reading_fd);
}

static void *
map(int fd, size_t bytes, int protection)
{
	struct stat status;
	void *base;

	if (fstat(fd, &status) != 0)
		return NULL;
	if (status.st_size != (off_t)bytes) {
		errno = EINVAL;
		return NULL;
	}
	base = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	return base == MAP_FAILED ? NULL : base;
}

struct password_asks *
passwords_map_asks(int fd, int protection)
{
	return map(fd, sizeof(struct password_asks), protection);
}

struct password_answers *
passwords_map_answers(int fd, int protection)
{
	return map(fd, sizeof(struct password_answers), protection);
}

void
passwords_unmap(const struct password_asks *asks, const struct password_answers *answers)
{
	if (asks != NULL)
		munmap((void *)asks, sizeof(*asks));
	if (answers != NULL)
		munmap((void *)answers, sizeof(*answers));
}
