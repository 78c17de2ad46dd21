/*
 * io_wrap: stands between persistd and the kernel, in test programs only: they are linked with --wrap (tests/fault/rules.mk)
 * around the same libpersistd.a that the release has.  Each call on the data directory is counted, fails when the plan says
 * so, and is written down when it is recording; see io_log.h.
 *
 * A call that fails has taken place in part, in a way that the seed decides, as it may on a real disk: an EIO does not say
 * that nothing was written.
 */
#include "tests/harness/io_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistd/announce.h"
#include "persistd/disk.h"
#include "shm/hash.h"

int __real_open(const char *path, int flags, ...);
int __real_openat(int dir_fd, const char *name, int flags, ...);
int __real_mkdirat(int dir_fd, const char *name, mode_t mode);
ssize_t __real_pread(int fd, void *to, size_t bytes, off_t offset);
ssize_t __real_pwrite(int fd, const void *from, size_t bytes, off_t offset);
ssize_t __real_write(int fd, const void *from, size_t bytes);
int __real_fsync(int fd);
int __real_fstat(int fd, struct stat *status);
int __real_fallocate(int fd, int mode, off_t offset, off_t bytes);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *name, int flags);
void __real_disk_queue_commit(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset);
void __real_disk_queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset);
void __real_disk_queue_read(struct disk *disk, struct disk_tag tag, int fd, void *to, uint32_t bytes, uint64_t offset);
void __real_disk_queue_allocate(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes);
void __real_disk_queue_sync(struct disk *disk, struct disk_tag tag, int fd);
void __real_disk_queue_rename(struct disk *disk, struct disk_tag tag, int dir_fd, const char *from, const char *to);
void __real_disk_queue_unlink(struct disk *disk, struct disk_tag tag, int dir_fd, const char *name);
bool __real_disk_reap(struct disk *disk, struct disk_completion *completion);
void __real_announce_position(struct durable_shared *durable, const struct journal_position *position, uint32_t shards);

/* Of an operation on the ring: what its completion is going to say. */
struct pending {
	uint64_t token;        /* 0: not written down */
	bool is_failing;
	bool is_read;          /* nothing of it is written down */
	int32_t result;
};

enum { TAG_NUMBERS = 64, USERS = DISK_WINDOW + 1 };

static struct {
	struct io_shared *io;
	const struct io_hook *hook;
	bool has_looked;
	struct pending pending[USERS][TAG_NUMBERS];
	char nothing[8];
} wrap;

/* --- the data directory --- */

static uint64_t
file_add(struct io_shared *io, uint64_t ino, const char *name)
{
	if (io->files + 1 >= IO_FILES_MAX)
		abort();
	io->file_ino[++io->files] = ino;
	snprintf(io->file_name[io->files], sizeof(io->file_name[0]), "%s", name);
	return io->files;
}

/* The newest file of that inode; 0: not one of the data directory. */
static uint64_t
file_of(const struct io_shared *io, int fd)
{
	struct stat status;

	if (fd < 0 || __real_fstat(fd, &status) != 0)
		return 0;
	for (uint64_t id = io->files; id > 0; id--) {
		if (io->file_ino[id] == status.st_ino)
			return id;
	}
	return 0;
}

/* The bytes of a file that are not zero. */
static void
list_bytes(struct io_shared *io, const char *path, uint64_t file, uint64_t length)
{
	static char bytes[65536];
	int fd = __real_open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	for (uint64_t at = 0; at < length; at += sizeof(bytes)) {
		struct io_record record = { .op = IO_WRITE, .file = file, .offset = at, .result = 1 };
		ssize_t n = __real_pread(fd, bytes, sizeof(bytes), (off_t)at);

		if (n <= 0)
			abort();
		record.length = (uint64_t)n;
		if (bytes[0] != 0 || memcmp(bytes, bytes + 1, (size_t)n - 1) != 0)
			io_log_append(io, &record, bytes);
	}
	close(fd);
}

static void
note(struct io_shared *io, struct io_record *record)
{
	if (io->is_recording)
		io_log_append(io, record, NULL);
}

/* What is there when the recording begins counts as being on stable storage.  Without a recording it only gets its number. */
static void
list_directory(struct io_shared *io, const char *path, uint64_t dir)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		struct io_record record = { .op = IO_EXISTS, .dir = dir };
		char below[600];
		struct stat status;

		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.' || stat(below, &status) != 0)
			continue;
		if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
			continue;
		snprintf(record.name, sizeof(record.name), "%.39s", entry->d_name);
		record.file = file_add(io, status.st_ino, record.name);
		if (S_ISDIR(status.st_mode)) {
			record.op = IO_MKDIR;
			record.result = 1;
			note(io, &record);
			list_directory(io, below, record.file);
			continue;
		}
		record.length = (uint64_t)status.st_size;
		record.is_zero = 1;
		note(io, &record);
		if (io->is_recording)
			list_bytes(io, below, record.file, record.length);
	}
	if (directory != NULL)
		closedir(directory);
}

void
io_wrap_use(struct io_shared *io)
{
	struct stat status;

	wrap.io = io;
	wrap.has_looked = true;
	memset(wrap.pending, 0, sizeof(wrap.pending));
	if (io == NULL || io->files > 0)
		return;
	if (stat(io->root, &status) != 0)
		abort(); /* the test makes it */
	(void)file_add(io, status.st_ino, "/");
	list_directory(io, io->root, 1);
}

static struct io_shared *
shared(void)
{
	const char *path;

	if (!wrap.has_looked) {
		wrap.has_looked = true;
		path = getenv("CHASQUI_TEST_IO");
		if (path != NULL) {
			struct io_shared *io = io_log_map(path);

			if (io == NULL)
				abort();
			io_wrap_use(io);
		}
	}
	return wrap.io;
}

/* --- the plan --- */

static uint64_t
chance(uint64_t salt)
{
	uint64_t from[3] = { wrap.io->seed, wrap.io->calls, salt };

	return hash_bytes(from, sizeof(from));
}

/* Count the call.  True if it has to fail; then errno says how, 0: by being short. */
static bool
fails(enum io_op op, const char *name)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, EROFS, EINTR, EAGAIN, 0 };
	struct io_shared *io = wrap.io;

	io->calls++;
	if (io->nth == 0 || io->calls < io->nth || io->calls >= io->nth + io->times)
		return false;
	if (io->only_op != IO_NONE && io->only_op != op)
		return false;
	if (io->failed++ == 0) {
		io->failed_op = op;
		snprintf(io->failed_name, sizeof(io->failed_name), "%s", name);
	}
	errno = errors[io->fault];
	if (errno == 0 && op != IO_READ && op != IO_WRITE)
		errno = EIO;
	return true;
}

/* Of a write that fails, how much gets to the disk: nothing, all of it, or some blocks. */
static uint32_t
part_of(uint32_t bytes)
{
	switch (chance(1) % 4) {
	case 0:
		return 0;
	case 1:
		return errno != 0 ? bytes : bytes / 2 & ~4095u;
	default:
		return bytes == 0 ? 0 : (uint32_t)(chance(2) % bytes) & ~4095u;
	}
}

/* --- writing down --- */

static uint64_t
begin(struct io_record record, const void *data)
{
	struct io_shared *io = wrap.io;

	record.token = ++io->token;
	if (io->is_recording)
		io_log_append(io, &record, data);
	return record.token;
}

static void
end(uint64_t token, int64_t result)
{
	struct io_record record = { .op = IO_END, .token = token, .result = result };

	if (wrap.io->is_recording)
		io_log_append(wrap.io, &record, NULL);
}

static void
put_names(struct io_record *record, const char *name, const char *to)
{
	snprintf(record->name, sizeof(record->name), "%s", name);
	snprintf(record->to, sizeof(record->to), "%s", to);
}

static const char *
name_of(uint64_t file)
{
	return wrap.io->file_name[file];
}

/* --- opening --- */

/* The directory of the data directory that holds `name`; 0: somewhere else.  *last is the name in it. */
static uint64_t
dir_of(int dir_fd, const char *name, const char **last)
{
	struct io_shared *io = wrap.io;
	size_t root_bytes = strlen(io->root);

	*last = name;
	if (dir_fd != AT_FDCWD)
		return file_of(io, dir_fd);
	if (strncmp(name, io->root, root_bytes) != 0 || name[root_bytes] != '/' || strchr(name + root_bytes + 1, '/') != NULL)
		return 0;
	*last = name + root_bytes + 1;
	return 1;
}

static int
wrapped_open(int dir_fd, const char *name, int flags, mode_t mode)
{
	const char *last;
	uint64_t dir = shared() != NULL ? dir_of(dir_fd, name, &last) : 0;
	struct stat status;

	if (dir == 0)
		return __real_openat(dir_fd, name, flags, mode);
	bool is_new = (flags & O_CREAT) != 0 && fstatat(dir_fd, name, &status, 0) != 0;
	if (fails(is_new ? IO_CREATE : IO_OPEN, last))
		return -1;
	int fd = __real_openat(dir_fd, name, flags, mode);
	if (fd < 0 || __real_fstat(fd, &status) != 0)
		return fd;
	if (is_new) {
		struct io_record record = { .op = IO_CREATE, .dir = dir, .file = file_add(wrap.io, status.st_ino, last) };

		put_names(&record, last, "");
		end(begin(record, NULL), 0);
	} else if ((flags & O_TRUNC) != 0) {
		end(begin((struct io_record){ .op = IO_TRUNCATE, .file = file_of(wrap.io, fd) }, NULL), 0);
	}
	return fd;
}

int
__wrap_open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return wrapped_open(AT_FDCWD, path, flags, mode);
}

int
__wrap_openat(int dir_fd, const char *name, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return wrapped_open(dir_fd, name, flags, mode);
}

int
__wrap_mkdirat(int dir_fd, const char *name, mode_t mode)
{
	const char *last;
	uint64_t dir = shared() != NULL ? dir_of(dir_fd, name, &last) : 0;
	struct stat status;

	if (dir == 0)
		return __real_mkdirat(dir_fd, name, mode);
	if (fails(IO_MKDIR, last))
		return -1;
	int result = __real_mkdirat(dir_fd, name, mode);
	if (result == 0 && fstatat(dir_fd, name, &status, 0) == 0) {
		struct io_record record = { .op = IO_MKDIR, .dir = dir, .file = file_add(wrap.io, status.st_ino, last) };

		put_names(&record, last, "");
		end(begin(record, NULL), 0);
	}
	return result;
}

/* --- reading --- */

ssize_t
__wrap_pread(int fd, void *to, size_t bytes, off_t offset)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file != 0 && fails(IO_READ, name_of(file))) {
		if (errno != 0)
			return -1;
		bytes = bytes > 1 ? bytes / 2 : bytes;
	}
	return __real_pread(fd, to, bytes, offset);
}

int
__wrap_fstat(int fd, struct stat *status)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file != 0 && fails(IO_STAT, name_of(file)))
		return -1;
	return __real_fstat(fd, status);
}

/* --- writing --- */

static ssize_t
wrapped_write(int fd, const void *from, size_t bytes, off_t offset)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file == 0)
		return offset < 0 ? __real_write(fd, from, bytes) : __real_pwrite(fd, from, bytes, offset);
	bool is_failing = fails(IO_WRITE, name_of(file));
	int error = errno;
	size_t really = is_failing ? part_of((uint32_t)bytes) : bytes;
	struct io_record record = { .op = IO_WRITE, .file = file, .length = bytes,
		.offset = (uint64_t)(offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset) };
	uint64_t token = begin(record, from);
	ssize_t result = offset < 0 ? __real_write(fd, from, really) : __real_pwrite(fd, from, really, offset);

	if (is_failing && error != 0) {
		errno = error;
		result = -1;
	}
	/* A short one is left open: what of it is there nobody knows. */
	if (result == (ssize_t)bytes)
		end(token, result);
	return result;
}

ssize_t
__wrap_pwrite(int fd, const void *from, size_t bytes, off_t offset)
{
	return wrapped_write(fd, from, bytes, offset);
}

ssize_t
__wrap_write(int fd, const void *from, size_t bytes)
{
	return wrapped_write(fd, from, bytes, -1);
}

int
__wrap_fsync(int fd)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file == 0)
		return __real_fsync(fd);
	if (fails(IO_SYNC, name_of(file)))
		return -1;
	uint64_t token = begin((struct io_record){ .op = IO_SYNC, .file = file }, NULL);
	int result = __real_fsync(fd);
	if (result == 0)
		end(token, 0);
	return result;
}

int
__wrap_fallocate(int fd, int mode, off_t offset, off_t bytes)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file == 0)
		return __real_fallocate(fd, mode, offset, bytes);
	if (fails(IO_ALLOCATE, name_of(file)))
		return -1;
	uint64_t token = begin((struct io_record){ .op = IO_ALLOCATE, .file = file, .length = (uint64_t)bytes }, NULL);
	int result = __real_fallocate(fd, mode, offset, bytes);
	if (result == 0)
		end(token, 0);
	return result;
}

int
__wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	uint64_t dir = shared() != NULL ? file_of(wrap.io, from_fd) : 0;
	struct io_record record = { .op = IO_RENAME, .dir = dir };

	if (dir == 0)
		return __real_renameat(from_fd, from, to_fd, to);
	if (fails(IO_RENAME, to)) {
		int error = errno;

		if (chance(3) % 2 == 0)
			(void)__real_renameat(from_fd, from, to_fd, to); /* it said that it failed */
		errno = error;
		return -1;
	}
	put_names(&record, from, to);
	uint64_t token = begin(record, NULL);
	int result = __real_renameat(from_fd, from, to_fd, to);
	if (result == 0)
		end(token, 0);
	return result;
}

int
__wrap_unlinkat(int dir_fd, const char *name, int flags)
{
	uint64_t dir = shared() != NULL ? file_of(wrap.io, dir_fd) : 0;
	struct io_record record = { .op = IO_UNLINK, .dir = dir };

	if (dir == 0)
		return __real_unlinkat(dir_fd, name, flags);
	if (fails(IO_UNLINK, name))
		return -1;
	put_names(&record, name, "");
	int result = __real_unlinkat(dir_fd, name, flags);
	if (result == 0)
		end(begin(record, NULL), 0);
	return result;
}

/* --- on the ring --- */

static struct pending *
pending_of(struct disk_tag tag)
{
	if (tag.number >= TAG_NUMBERS || wrap.pending[tag.user][tag.number].token != 0)
		abort(); /* two of one tag under way */
	return &wrap.pending[tag.user][tag.number];
}

/* Count it; *really is how much is to be done of it.  True: queue a read of nothing in its place. */
static bool
ring_fails(enum io_op op, uint64_t file, struct disk_tag tag, uint32_t *really)
{
	struct pending *pending = pending_of(tag);

	pending->is_failing = fails(op, name_of(file));
	if (!pending->is_failing)
		return false;
	uint32_t bytes = *really;
	*really = op == IO_WRITE ? part_of(bytes) : bytes / 2;
	pending->result = errno != 0 ? -errno : (int32_t)*really;
	return true;
}

void
io_wrap_hook(const struct io_hook *hook)
{
	wrap.hook = hook;
}

/* What a unit test wants of it. */
static void
ring_ask(enum io_op op, struct disk_tag tag, uint32_t *really)
{
	struct pending *pending = pending_of(tag);

	pending->result = wrap.hook != NULL && wrap.hook->inject != NULL ?
	    wrap.hook->inject(wrap.hook->context, op, tag, really) : 0;
	pending->is_failing = pending->result != 0;
}

static void
ring_begin(struct disk_tag tag, struct io_record record, const void *data)
{
	pending_of(tag)->token = begin(record, data);
}

static void
queue_nothing(struct disk *disk, struct disk_tag tag, int fd)
{
	__real_disk_queue_read(disk, tag, fd, wrap.nothing, 0, 0);
}

static void
wrapped_queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset,
    bool is_dsync)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file != 0) {
		struct io_record record = { .op = IO_WRITE, .file = file, .offset = offset, .length = bytes, .is_dsync = is_dsync };

		(void)ring_fails(IO_WRITE, file, tag, &bytes); /* its part is written */
		ring_begin(tag, record, from);
	} else {
		ring_ask(IO_WRITE, tag, &bytes);
	}
	if (is_dsync)
		__real_disk_queue_commit(disk, tag, fd, from, bytes, offset);
	else
		__real_disk_queue_write(disk, tag, fd, from, bytes, offset);
}

void
__wrap_disk_queue_commit(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset)
{
	wrapped_queue_write(disk, tag, fd, from, bytes, offset, true);
}

void
__wrap_disk_queue_write(struct disk *disk, struct disk_tag tag, int fd, const void *from, uint32_t bytes, uint64_t offset)
{
	wrapped_queue_write(disk, tag, fd, from, bytes, offset, false);
}

void
__wrap_disk_queue_read(struct disk *disk, struct disk_tag tag, int fd, void *to, uint32_t bytes, uint64_t offset)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;

	if (file != 0) {
		(void)ring_fails(IO_READ, file, tag, &bytes);
		struct pending *pending = pending_of(tag);

		pending->is_read = true;
		pending->token = ++wrap.io->token;
	} else {
		ring_ask(IO_READ, tag, &bytes);
	}
	__real_disk_queue_read(disk, tag, fd, to, bytes, offset);
}

void
__wrap_disk_queue_allocate(struct disk *disk, struct disk_tag tag, int fd, uint64_t bytes)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;
	uint32_t ignored = 0;

	if (file != 0) {
		bool is_failing = ring_fails(IO_ALLOCATE, file, tag, &ignored);

		ring_begin(tag, (struct io_record){ .op = IO_ALLOCATE, .file = file, .length = bytes }, NULL);
		if (is_failing) {
			queue_nothing(disk, tag, fd);
			return;
		}
	} else {
		ring_ask(IO_ALLOCATE, tag, &ignored);
	}
	__real_disk_queue_allocate(disk, tag, fd, bytes);
}

void
__wrap_disk_queue_sync(struct disk *disk, struct disk_tag tag, int fd)
{
	uint64_t file = shared() != NULL ? file_of(wrap.io, fd) : 0;
	uint32_t ignored = 0;

	if (file != 0) {
		bool is_failing = ring_fails(IO_SYNC, file, tag, &ignored);

		ring_begin(tag, (struct io_record){ .op = IO_SYNC, .file = file }, NULL);
		if (is_failing) {
			queue_nothing(disk, tag, fd);
			return;
		}
	} else {
		ring_ask(IO_SYNC, tag, &ignored);
	}
	__real_disk_queue_sync(disk, tag, fd);
}

void
__wrap_disk_queue_rename(struct disk *disk, struct disk_tag tag, int dir_fd, const char *from, const char *to)
{
	uint64_t dir = shared() != NULL ? file_of(wrap.io, dir_fd) : 0;
	struct io_record record = { .op = IO_RENAME, .dir = dir };
	uint32_t ignored = 0, is_done = 1;

	if (dir != 0) {
		bool is_failing = ring_fails(IO_RENAME, dir, tag, &ignored);

		put_names(&record, from, to);
		ring_begin(tag, record, NULL);
		if (is_failing && chance(3) % 2 == 0) {
			queue_nothing(disk, tag, dir_fd);
			return;
		}
	} else {
		ring_ask(IO_RENAME, tag, &is_done);
		if (is_done == 0) {
			queue_nothing(disk, tag, dir_fd);
			return;
		}
	}
	__real_disk_queue_rename(disk, tag, dir_fd, from, to);
}

void
__wrap_disk_queue_unlink(struct disk *disk, struct disk_tag tag, int dir_fd, const char *name)
{
	uint64_t dir = shared() != NULL ? file_of(wrap.io, dir_fd) : 0;
	struct io_record record = { .op = IO_UNLINK, .dir = dir };
	uint32_t ignored = 0;

	if (dir != 0) {
		bool is_failing = ring_fails(IO_UNLINK, dir, tag, &ignored);

		put_names(&record, name, "");
		ring_begin(tag, record, NULL);
		if (is_failing && chance(3) % 2 == 0) {
			queue_nothing(disk, tag, dir_fd);
			return;
		}
	} else {
		ring_ask(IO_UNLINK, tag, &ignored);
	}
	__real_disk_queue_unlink(disk, tag, dir_fd, name);
}

bool
__wrap_disk_reap(struct disk *disk, struct disk_completion *completion)
{
	if (!__real_disk_reap(disk, completion))
		return false;
	struct pending *pending = &wrap.pending[completion->tag.user][completion->tag.number % TAG_NUMBERS];
	if (pending->is_failing)
		completion->result = pending->result;
	else if (pending->token != 0 && !pending->is_read)
		end(pending->token, completion->result);
	*pending = (struct pending){ 0 };
	return true;
}

/* Answers may leave from here on. */
void
__wrap_announce_position(struct durable_shared *durable, const struct journal_position *position, uint32_t shards)
{
	if (shared() != NULL && wrap.io->is_recording) {
		struct io_record record = { .op = IO_ANNOUNCE, .length = sizeof(*position) };

		io_log_append(wrap.io, &record, position);
	}
	__real_announce_position(durable, position, shards);
}
