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
spares_make_room(struct spares *spares)
{
	while (spares->discard_count > 0)
		disk_close_fd(spares->discards[--spares->discard_count].fd);
}

/* A complete spare of our size goes into the pool; its serial, so that no other gets its name. */
static bool
adopt(struct spares *spares, const char *name)
{
	struct segment_file file = { .bytes = spares->options.segment_bytes };
	char again[SPARE_NAME_BYTES];
	bool is_direct;

	if (sscanf(name, "spare.%" SCNu64, &file.serial) != 1 || spares->count >= spares->options.spare_segments)
		return false;
	spare_name(again, file.serial);
	if (strcmp(name, again) != 0)
		return false;
	file.fd = disk_open_write(spares->store->journal_fd, name, spares->options.direct, &is_direct);
	if (file.fd < 0 || disk_size(file.fd) != (int64_t)file.bytes) {
		disk_close_fd(file.fd);
		return false;
	}
	spares->pool[spares->count++] = file;
	if (spares->serial < file.serial)
		spares->serial = file.serial;
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
	while ((found = readdir(directory)) != NULL) {
		const char *name = found->d_name;
		bool is_spare = strncmp(name, "spare.", 6) == 0, is_starter = strcmp(name, STARTER_READY) == 0;

		if (!is_spare && !is_starter && !is_left_over(store, name))
			continue;
		if (is_cold || (!is_starter && !(is_spare && adopt(spares, name))))
			discard(spares, name);
	}
	closedir(directory);
	return 0;
}
