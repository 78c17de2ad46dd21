/*
 * spare_inherit: the half of spare.h that deals with what a predecessor has left.
 */
#include "persistd/spare.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shm/diag.h"

void
spares_hold(struct spares *spares, const char *name)
{
	bool is_direct;
	int fd;

	/* `chasqui check` has no ring, and can wait. */
	if (spares->disk == NULL || spares->discard_count == DISCARDS_MAX)
		return;
	fd = disk_open_write(spares->store->journal_fd, name, DISK_DIRECT_OFF, &is_direct);
	int64_t bytes = fd >= 0 ? disk_size(fd) : 0;
	if (bytes > 0)
		spares->discards[spares->discard_count++] = (struct discard){ .fd = fd, .bytes = (uint64_t)bytes };
	else
		disk_close_fd(fd);
}

void
spares_let_go(struct spares *spares)
{
	while (spares->discard_count > 0)
		disk_close_fd(spares->discards[--spares->discard_count].fd);
}

bool
spares_make_room(struct spares *spares)
{
	bool had_some = spares->discard_count + spares->old_count > 0;
	char name[SPARE_NAME_BYTES];

	spares_let_go(spares);
	while (spares->old_count > 0) {
		spare_name(name, &spares->old[--spares->old_count]);
		if (disk_unlink(spares->store->journal_fd, name) != 0)
			diag_errno("cannot remove %s/journal/%s", spares->store->directory, name);
	}
	return had_some;
}

/* A name that spare_name() gives. */
static bool
read_name(const char *name, struct spare_file *file)
{
	char again[SPARE_NAME_BYTES];

	file->was_used = strncmp(name, USED_PREFIX, strlen(USED_PREFIX)) == 0;
	if (sscanf(name, file->was_used ? USED_PREFIX "%" SCNu64 : SPARE_PREFIX "%" SCNu64, &file->serial) != 1)
		return false;
	spare_name(again, file);
	return strcmp(name, again) == 0;
}

static bool
has_our_size(const struct spares *spares, const char *name)
{
	int fd = disk_open_read(spares->store->journal_fd, name, DISK_READ_EXACT);
	bool has = fd >= 0 && disk_size(fd) == (int64_t)spares->options.segment_bytes;

	disk_close_fd(fd);
	return has;
}

/*
 * A spare goes into the pool, or is removed in the background when that may not be.  Its serial counts, so that no other
 * gets its name.  False: it is none.
 */
static bool
adopt(struct spares *spares, const char *name, bool is_cold)
{
	struct spare_file file;

	if (!read_name(name, &file))
		return false;
	if (spares->serial < file.serial)
		spares->serial = file.serial;
	if (!is_cold && spares->count < spares_count_max(spares) && has_our_size(spares, name)) {
		spares->pool[spares->count++] = file;
		return true;
	}
	/* `chasqui check` has no background. */
	if (spares->disk == NULL || spares->old_count == SPARE_POOL_MAX)
		return false;
	spares->old[spares->old_count++] = file;
	return true;
}

static void
discard(struct spares *spares, const char *name)
{
	uint32_t held = spares->discard_count;

	spares_hold(spares, name);
	if (disk_unlink(spares->store->journal_fd, name) == 0)
		return;
	diag_errno("cannot remove %s/journal/%s", spares->store->directory, name);
	if (spares->discard_count > held) /* it keeps its name, and its blocks */
		disk_close_fd(spares->discards[--spares->discard_count].fd);
}

/* What a predecessor had not finished, or wrote into, or dropped and did not come to remove. */
static bool
is_left_over(const struct store *store, const char *name)
{
	uint64_t number = segment_number(name);

	return strcmp(name, MAKING_NAME) == 0 || strcmp(name, STARTER_TAKEN) == 0 ||
	    strncmp(name, SPARE_PREFIX, strlen(SPARE_PREFIX)) == 0 ||
	    strncmp(name, USED_PREFIX, strlen(USED_PREFIX)) == 0 || (number != 0 && number < store->current.floor);
}

int
spares_inherit(struct spares *spares, bool is_cold)
{
	const struct store *store = spares->store;
	int fd = openat(store->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *found;

	if (directory == NULL) {
		diag_errno("cannot list %s/journal", store->directory);
		disk_close_fd(fd);
		return -1;
	}
	/* Before anybody has looked how much room there is: all that may be ours at all. */
	spares_aim(spares, UINT64_MAX / 2);
	while ((found = readdir(directory)) != NULL) {
		const char *name = found->d_name;

		if (adopt(spares, name, is_cold))
			continue;
		if (is_left_over(store, name) || (is_cold && strcmp(name, STARTER_READY) == 0))
			discard(spares, name);
	}
	spares->target = spares->options.spare_segments;
	closedir(directory);
	return 0;
}
