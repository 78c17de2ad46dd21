#include "persistd/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "persistd/disk.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/store_file.h"

#define LOCK_WAIT_MS 5000

void
store_uuid_text(const uint8_t uuid[16], char text[33])
{
	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

/* What will not go away by itself, and what may: then the supervisor tries again. */
static int
exit_code(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case EINVAL: /* what it says makes no sense */
		return EXIT_CONFIG;
	default:
		return EXIT_JOURNAL;
	}
}

/* --- DIR/store --- */

/* 0, or an exit code. */
static int
identity_open(struct store *store, const uint8_t *uuid, uint32_t shards)
{
	struct store_file file;
	char hex[33];

	errno = 0;
	int result = shards != 0 ? store_file_load_or_create_at(store->dir_fd, store->directory, shards, &file)
	                         : store_file_load_at(store->dir_fd, store->directory, &file);
	if (result != 0) {
		if (errno == ENOENT)
			diag(DIAG_ERROR, "%s holds no store", store->directory);
		return exit_code(errno);
	}
	memcpy(store->uuid, file.uuid, sizeof(store->uuid));
	store->shards = file.shards;
	store->version = file.version;
	if (uuid != NULL && memcmp(uuid, store->uuid, 16) != 0) {
		store_uuid_text(store->uuid, hex);
		diag(DIAG_ERROR, "%s holds store %s, which is not the one in shared memory; stop the broker of that instance first",
		    store->directory, hex);
		return EXIT_CONFIG;
	}
	if (shards != 0 && shards != store->shards) {
		diag(DIAG_ERROR, "%s was made with worker.shards = %" PRIu32 ", and queues cannot move to others; set it so",
		    store->directory, store->shards);
		return EXIT_CONFIG;
	}
	return 0;
}

/* --- DIR/lock --- */

static int
lock_byte(struct store *store, enum store_lock_byte byte)
{
	int (*take)(int, uint64_t) = byte == LOCK_BYTE_BACKUP ? disk_lock_shared : disk_lock;
	struct timespec pause = { .tv_nsec = 10000000 };

	for (unsigned waited_ms = 0; take(store->lock_fd, byte) != 0; waited_ms += 10) {
		if (errno != EAGAIN || waited_ms >= LOCK_WAIT_MS) {
			diag_errno("cannot lock %s/lock; another broker, or chasqui check or backup, works on this directory", store->directory);
			return EXIT_LOCKED;
		}
		(void)nanosleep(&pause, NULL); /* too early is only one more look */
	}
	return 0;
}

static int
lock_take(struct store *store, enum store_lock lock)
{
	if (lock == STORE_LOCK_NONE)
		return 0;
	store->lock_fd = openat(store->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0) {
		diag_errno("cannot open %s/lock", store->directory);
		return exit_code(errno);
	}
	if (lock == STORE_LOCK_BACKUP)
		return lock_byte(store, LOCK_BYTE_BACKUP);
	if (lock == STORE_LOCK_ALL && lock_byte(store, LOCK_BYTE_SUPERVISOR) != 0)
		return EXIT_LOCKED;
	return lock_byte(store, LOCK_BYTE_PERSISTD);
}

bool
store_trim_begin(struct store *store)
{
	return store->lock_fd < 0 || disk_lock(store->lock_fd, LOCK_BYTE_BACKUP) == 0;
}

void
store_trim_end(struct store *store)
{
	if (store->lock_fd >= 0)
		disk_unlock(store->lock_fd, LOCK_BYTE_BACKUP);
}

/* --- DIR/journal/current --- */

static bool
current_is_whole(const struct store *store, const struct current_file *current)
{
	return current->hash == hash_bytes((const char *)current + 8, sizeof(*current) - 8) &&
	    current->magic == CURRENT_MAGIC && current->version == FORMAT_VERSION &&
	    memcmp(current->store_uuid, store->uuid, 16) == 0 && current->floor >= 1 &&
	    current->highest + 1 >= current->floor;
}

static int
current_read(struct store *store)
{
	int fd = disk_open_read(store->journal_fd, "current", DISK_READ_THROUGH);

	store->has_current = false;
	if (fd >= 0) {
		int64_t bytes = disk_read(fd, &store->current, sizeof(store->current), 0);

		disk_close_fd(fd);
		if (bytes < 0)
			goto fail;
		store->has_current = bytes == sizeof(store->current) && current_is_whole(store, &store->current);
	} else if (errno != ENOENT) {
		goto fail;
	}
	if (!store->has_current)
		store->current = (struct current_file){ .floor = 1, .highest = 0 };
	return 0;

fail:
	diag_errno("cannot read %s/journal/current", store->directory);
	return -1;
}

void
store_seal_current(struct store *store)
{
	struct current_file *current = &store->current;

	current->magic = CURRENT_MAGIC;
	current->version = FORMAT_VERSION;
	memcpy(current->store_uuid, store->uuid, 16);
	current->hash = hash_bytes((const char *)current + 8, sizeof(*current) - 8);
	assert(current_is_whole(store, current));
}

int
store_save_current(struct store *store)
{
	store_seal_current(store);
	if (disk_replace(store->journal_fd, "current", &store->current, sizeof(store->current)) != 0) {
		diag_errno("cannot write %s/journal/current", store->directory);
		return -1;
	}
	store->has_current = true;
	return 0;
}

/* --- the whole --- */

int
store_open_at(struct store *store, int dir_fd, const char *directory, const uint8_t *uuid, uint32_t shards,
    enum store_lock lock)
{
	int code;

	*store = (struct store){ .dir_fd = dir_fd, .journal_fd = -1, .lock_fd = -1 };
	snprintf(store->directory, sizeof(store->directory), "%s", directory);
	if ((code = lock_take(store, lock)) != 0)
		goto fail;
	if ((code = identity_open(store, uuid, shards)) != 0)
		goto fail;
	store->journal_fd = disk_open_dir(store->dir_fd, "journal", shards != 0);
	if (store->journal_fd < 0) {
		diag_errno("cannot open %s/journal", directory);
		code = exit_code(errno);
		goto fail;
	}
	if (current_read(store) != 0) {
		code = EXIT_JOURNAL;
		goto fail;
	}
	return 0;

fail:
	store_close(store);
	return code;
}

int
store_open(struct store *store, const char *directory, const uint8_t *uuid, uint32_t shards, enum store_lock lock)
{
	int dir_fd = disk_open_dir(AT_FDCWD, directory, shards != 0);

	if (dir_fd < 0) {
		*store = (struct store){ .dir_fd = -1, .journal_fd = -1, .lock_fd = -1 };
		diag_errno("cannot open the data directory %s; set data.directory to one that this user may write", directory);
		return exit_code(errno);
	}
	return store_open_at(store, dir_fd, directory, uuid, shards, lock);
}

void
store_close(struct store *store)
{
	disk_close_fd(store->journal_fd);
	disk_close_fd(store->dir_fd);
	disk_close_fd(store->lock_fd); /* gives the lock back */
	store->journal_fd = store->dir_fd = store->lock_fd = -1;
}
