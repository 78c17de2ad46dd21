#include "persistd/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ZERO_BYTES (1u << 20)
#define HUGE_BYTES ((size_t)2 << 20)

int
disk_open_dir(int dir_fd, const char *name, bool is_wanted)
{
	if (is_wanted && mkdirat(dir_fd, name, 0700) == 0) {
		/* Only this level's name is new: the parent is synced so that what is put below cannot lose its way. */
		char parent[PATH_MAX];

		snprintf(parent, sizeof(parent), "%s/..", name);
		int fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -1;
		int result = fsync(fd);
		close(fd);
		if (result != 0)
			return -1;
	} else if (is_wanted && errno != EEXIST) {
		return -1;
	}
	return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
disk_create(int dir_fd, const char *name, enum disk_direct wanted, bool *is_direct)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;

	if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
		return -1;
	if (wanted != DISK_DIRECT_OFF) {
		int fd = openat(dir_fd, name, flags | O_DIRECT, 0600);

		*is_direct = true;
		if (fd >= 0 || errno != EINVAL || wanted == DISK_DIRECT_ON)
			return fd;
		/* tmpfs before 6.6 and some overlays refuse, after they made the file. */
		(void)unlinkat(dir_fd, name, 0);
	}
	*is_direct = false;
	return openat(dir_fd, name, flags, 0600);
}

int
disk_open_write(int dir_fd, const char *name, enum disk_direct wanted, bool *is_direct)
{
	*is_direct = wanted != DISK_DIRECT_OFF;
	if (*is_direct) {
		int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_DIRECT);

		if (fd >= 0 || errno != EINVAL || wanted == DISK_DIRECT_ON)
			return fd;
		*is_direct = false;
	}
	return openat(dir_fd, name, O_RDWR | O_CLOEXEC);
}

int
disk_open_read(int dir_fd, const char *name, enum disk_read_hint hint)
{
	static const int advice[] = { [DISK_READ_THROUGH] = POSIX_FADV_SEQUENTIAL, [DISK_READ_EXACT] = POSIX_FADV_RANDOM };
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, advice[hint]); /* only a hint */
	return fd;
}

int
disk_open_read_direct(int dir_fd, const char *name)
{
	return openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_DIRECT);
}

void
disk_close_fd(int fd)
{
	/* Every write was synced, or its failure was reported, before: close has nothing to say. */
	if (fd >= 0)
		(void)close(fd);
}

int64_t
disk_size(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? (int64_t)status.st_size : -1;
}

int64_t
disk_free_bytes(int fd)
{
	struct statfs status;

	return fstatfs(fd, &status) == 0 ? (int64_t)status.f_bavail * status.f_bsize : -1;
}

int64_t
disk_read(int fd, void *to, size_t bytes, uint64_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

void
disk_read_ahead(int fd, uint64_t offset, uint64_t bytes)
{
	(void)posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED); /* only a hint */
}

int
disk_write(int fd, const void *from, size_t bytes, uint64_t offset)
{
	ssize_t n = pwrite(fd, from, bytes, (off_t)offset);

	if (n < 0)
		return -1;
	if ((size_t)n != bytes) {
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

int
disk_append(int fd, const void *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = write(fd, (const char *)from + done, bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

int64_t
disk_read_next(int fd, void *to, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = read(fd, (char *)to + done, bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int
disk_sync(int fd)
{
	return fsync(fd);
}

int
disk_rename(int dir_fd, const char *from, const char *to)
{
	return renameat(dir_fd, from, dir_fd, to);
}

int
disk_unlink(int dir_fd, const char *name)
{
	return unlinkat(dir_fd, name, 0);
}

int
disk_zero(int fd, uint64_t bytes)
{
	void *zeros = disk_memory(ZERO_BYTES);
	int result = -1;

	if (zeros == NULL) {
		errno = ENOMEM;
		return -1;
	}
	/* Refused by some file systems; then the writes below find out whether there is room. */
	if (fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP)
		goto out;
	for (uint64_t at = 0; at < bytes; at += ZERO_BYTES) {
		uint64_t slice = bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES;

		if (disk_write(fd, zeros, slice, at) != 0)
			goto out;
	}
	result = 0;
out:;
	int saved = errno;
	disk_memory_free(zeros, ZERO_BYTES);
	errno = saved;
	return result;
}

int
disk_replace(int dir_fd, const char *name, const void *from, size_t bytes)
{
	char temporary[NAME_MAX];
	bool is_direct;
	int saved;

	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	int fd = disk_create(dir_fd, temporary, DISK_DIRECT_OFF, &is_direct);
	if (fd < 0)
		return -1;
	if (disk_write(fd, from, bytes, 0) != 0 || fsync(fd) != 0) {
		saved = errno;
		close(fd);
		(void)unlinkat(dir_fd, temporary, 0); /* the next attempt unlinks it too */
		errno = saved;
		return -1;
	}
	close(fd);
	if (renameat(dir_fd, temporary, dir_fd, name) != 0)
		return -1;
	return fsync(dir_fd);
}

static int
set_lock(int fd, uint64_t byte, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES)
		errno = EAGAIN;
	return -1;
}

int
disk_lock(int fd, uint64_t byte)
{
	return set_lock(fd, byte, F_WRLCK);
}

int
disk_lock_shared(int fd, uint64_t byte)
{
	return set_lock(fd, byte, F_RDLCK);
}

void
disk_unlock(int fd, uint64_t byte)
{
	if (set_lock(fd, byte, F_UNLCK) != 0)
		assert(!"a lock of ours is given back");
}

/* What is mapped for `bytes`: whole huge pages where one would be half used. */
static size_t
mapped_bytes(size_t bytes)
{
	return bytes < HUGE_BYTES / 2 ? bytes : (bytes + HUGE_BYTES - 1) & ~(size_t)(HUGE_BYTES - 1);
}

static void
unmap(void *memory, size_t bytes)
{
	if (bytes > 0 && munmap(memory, bytes) != 0)
		assert(!"munmap of what disk_memory() mapped");
}

/*
 * Whole pages of our own: aligned for O_DIRECT, zero, and not touched until they are used.  A write from a huge page is one piece
 * for the block layer, not one for each 4 KiB.
 */
void *
disk_memory(size_t bytes)
{
	size_t mapped = mapped_bytes(bytes), spare = mapped % HUGE_BYTES == 0 ? HUGE_BYTES : 0;
	char *memory = mmap(NULL, mapped + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (spare == 0)
		return memory;
	size_t before = (HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES) % HUGE_BYTES;

	unmap(memory, before);
	unmap(memory + before + mapped, spare - before);
	(void)madvise(memory + before, mapped, MADV_HUGEPAGE); /* only a hint */
	return memory + before;
}

void
disk_memory_free(void *memory, size_t bytes)
{
	if (memory != NULL)
		unmap(memory, mapped_bytes(bytes));
}
