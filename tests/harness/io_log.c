#include "tests/harness/io_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/atomic.h"

#define IO_MAGIC 0x6f69697571736163ull
#define FILE_BYTES (sizeof(struct io_shared) + IO_LOG_BYTES)

static struct io_shared *
map(int fd)
{
	struct io_shared *io = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	int saved = errno;

	close(fd);
	errno = saved;
	return io == MAP_FAILED ? NULL : io;
}

struct io_shared *
io_log_create(const char *path, const char *root)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)FILE_BYTES) != 0) {
		close(fd);
		return NULL;
	}
	struct io_shared *io = map(fd);
	if (io == NULL)
		return NULL;
	snprintf(io->root, sizeof(io->root), "%s", root);
	io->times = 1;
	io->magic = IO_MAGIC;
	return io;
}

struct io_shared *
io_log_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct io_shared *io = fd < 0 ? NULL : map(fd);

	if (io != NULL && io->magic != IO_MAGIC) {
		io_log_unmap(io);
		errno = EINVAL;
		return NULL;
	}
	return io;
}

void
io_log_unmap(struct io_shared *io)
{
	if (io != NULL && munmap(io, FILE_BYTES) != 0)
		abort();
}

static bool
is_zero(const char *bytes, uint64_t count)
{
	return count > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

void
io_log_append(struct io_shared *io, struct io_record *record, const void *data)
{
	uint64_t kept = data == NULL ? 0 : record->length;

	if (kept > 0 && is_zero(data, kept)) {
		record->is_zero = 1;
		kept = 0;
	}
	record->bytes = (uint32_t)((sizeof(*record) + kept + 7) & ~7ull);
	if (io->tail + record->bytes > IO_LOG_BYTES)
		abort(); /* a recording is meant to be some seconds */
	memcpy(io->log + io->tail, record, sizeof(*record));
	if (kept > 0) /* of calls without bytes there is no data at all */
		memcpy(io->log + io->tail + sizeof(*record), data, kept);
	/* The record is whole before the tail that reveals it.  Pairs with io_log_tail(). */
	store_release(&io->tail, io->tail + record->bytes);
}

uint64_t
io_log_tail(const struct io_shared *io)
{
	return load_acquire(&io->tail);
}

const char *
io_fault_name(enum io_fault fault)
{
	static const char *const names[] = { "EIO", "ENOSPC", "EDQUOT", "EROFS", "EINTR", "EAGAIN", "short" };

	return names[fault];
}

const char *
io_op_name(enum io_op op)
{
	static const char *const names[] = { "none", "exists", "create", "mkdir", "rename", "unlink", "write", "allocate",
		"truncate", "sync", "end", "announce", "open", "read", "stat" };

	return names[op];
}
