#include "persistd/spare.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/diag.h"

/*
 * While segments are used up fast, large slices: the end of each costs a kernel thread a change of the file's map (250 MB of zeros
 * took 75 ms of CPU in slices of 256 KiB and 15 ms in these).  While one lasts for long, small ones: a commit that comes in between
 * waits for a slice, half a millisecond for a large one and hardly at all for a small one.
 */
#define SLICE_BYTES_MAX (1u << 20)
#define SLICE_BYTES_MIN (64u << 10)
#define LASTS_LONG_NS 1000000000ull
#define RETRY_NS 1000000000ull

static const struct disk_tag tag = { .user = DISK_SPARE };

void
spare_name(char name[SPARE_NAME_BYTES], uint64_t serial)
{
	snprintf(name, SPARE_NAME_BYTES, "spare.%" PRIu64, serial);
}

/* Of a file that waits for its number: by its name a successor knows whether it is one of zeros. */
static void
pool_name(char name[SPARE_NAME_BYTES], const struct segment_file *file)
{
	if (file->was_used)
		snprintf(name, SPARE_NAME_BYTES, USED_PREFIX "%" PRIu64, file->serial);
	else
		spare_name(name, file->serial);
}

int
spares_open(struct spares *spares, struct store *store, struct disk *disk, const struct spare_options *options)
{
	assert(options->spare_segments >= 1 && options->spare_segments <= SPARE_MAX);
	assert(options->segment_bytes >= SEGMENT_BYTES_MIN && options->segment_bytes % BLOCK_BYTES == 0);

	*spares = (struct spares){ .store = store, .disk = disk, .options = *options, .current_fd = -1,
		.next = { .fd = -1 }, .making = { .fd = -1 }, .floor = store->current.floor };
	spares->zeros = disk_memory(SLICE_BYTES_MAX);
	spares->current = disk_memory(BLOCK_BYTES);
	if (spares->zeros == NULL || spares->current == NULL) {
		diag_errno("no memory for spare segments");
		return -1;
	}
	return 0;
}

void
spares_close(struct spares *spares)
{
	for (uint32_t i = 0; i < spares->count; i++)
		disk_close_fd(spares->pool[i].fd);
	if (spares->has_next)
		disk_close_fd(spares->next.fd);
	disk_close_fd(spares->making.fd);
	disk_close_fd(spares->current_fd);
	spares_make_room(spares);
	disk_memory_free(spares->zeros, SLICE_BYTES_MAX);
	disk_memory_free(spares->current, BLOCK_BYTES);
	*spares = (struct spares){ .current_fd = -1, .next = { .fd = -1 }, .making = { .fd = -1 } };
}

/* --- trouble --- */

static int
broken(struct spares *spares, const char *what)
{
	diag_errno("cannot %s in %s/journal; the disk or its file system is failing", what, spares->store->directory);
	spares->state = SPARE_BROKEN;
	return -1;
}

/* No space: forget the half-made file, and try again later. */
static int
trouble(struct spares *spares, int error, const char *what, uint64_t now_ns)
{
	errno = error;
	if (error != ENOSPC && error != EDQUOT)
		return broken(spares, what);
	if (!spares->is_full)
		diag_errno("cannot %s in %s/journal; free space, publishes are refused when the reserve is used", what,
		    spares->store->directory);
	spares->is_full = true;
	spares->retry_ns = now_ns + RETRY_NS;
	if (spares->state >= SPARE_CURRENT_WAITING) {
		disk_close_fd(spares->current_fd);
		spares->current_fd = -1;
		spares->state = SPARE_CURRENT_WAITING;
		return 0;
	}
	disk_close_fd(spares->making.fd);
	(void)disk_unlink(spares->store->journal_fd, MAKING_NAME); /* gives its space back; the next start removes it too */
	spares->making.fd = -1;
	spares->state = SPARE_IDLE;
	return 0;
}

/* Nobody needs what is left: the next start removes it. */
static int
not_dropped(struct spares *spares, int error)
{
	errno = error;
	diag_errno("cannot remove %s/journal/%s", spares->store->directory, spares->from);
	disk_close_fd(spares->making.fd);
	spares->making.fd = -1;
	spares->state = SPARE_IDLE;
	return 0;
}

/* --- making a file of zeros --- */

static bool
make_begin(struct spares *spares, bool is_starter, uint64_t now_ns)
{
	bool is_direct;

	spares->is_starter = is_starter;
	spares->making = (struct segment_file){ .bytes = is_starter ? SEGMENT_BYTES_MIN : spares->options.segment_bytes };
	spares->making.fd = disk_create(spares->store->journal_fd, MAKING_NAME, spares->options.direct, &is_direct);
	if (spares->making.fd < 0) {
		(void)trouble(spares, errno, "make a segment", now_ns); /* spares_step() has said it; state tells */
		return true;
	}
	spares->state = SPARE_ALLOCATING;
	disk_queue_allocate(spares->disk, tag, spares->making.fd, spares->making.bytes);
	return true;
}

static void
fill_slice(struct spares *spares, uint64_t now_ns)
{
	uint64_t left = spares->making.bytes - spares->filled_bytes;
	bool lasts_long = spares->lasted_ns >= LASTS_LONG_NS || now_ns - spares->taken_ns >= LASTS_LONG_NS;
	uint32_t slice = lasts_long ? SLICE_BYTES_MIN : SLICE_BYTES_MAX;

	spares->state = SPARE_FILLING;
	disk_queue_write(spares->disk, tag, spares->making.fd, spares->zeros, left < slice ? (uint32_t)left : slice,
	    spares->filled_bytes);
}

/* Complete: from now on a successor may use it.  No sync of the directory: after a reboot none is used. */
static void
make_name(struct spares *spares)
{
	snprintf(spares->from, sizeof(spares->from), "%s", MAKING_NAME);
	if (spares->is_starter) {
		snprintf(spares->to, sizeof(spares->to), "%s", STARTER_READY);
	} else {
		spares->making.serial = ++spares->serial;
		spare_name(spares->to, spares->making.serial);
	}
	spares->state = SPARE_NAMING;
	disk_queue_rename(spares->disk, tag, spares->store->journal_fd, spares->from, spares->to);
}

static void
make_end(struct spares *spares)
{
	if (spares->is_starter) {
		spares->has_starter = true;
		disk_close_fd(spares->making.fd);
	} else {
		assert(spares->count < SPARE_MAX + SPARE_RECYCLED);
		spares->pool[spares->count++] = spares->making;
	}
	spares->making.fd = -1;
	spares->state = SPARE_IDLE;
	/* Room for a starter is not yet room for a segment. */
	if (!spares->is_full || spares->count < (spares->is_starter ? spares->options.spare_segments : 1))
		return;
	diag(DIAG_INFO, "there is space for the journal again");
	spares->is_full = false;
}

/* --- giving blocks back --- */

static void
free_begin(struct spares *spares)
{
	const struct discard *last = &spares->discards[spares->discard_count - 1];

	spares->state = SPARE_FREEING;
	disk_queue_punch(spares->disk, tag, last->fd, last->bytes);
}

static void
free_end(struct spares *spares)
{
	disk_close_fd(spares->discards[--spares->discard_count].fd);
	spares->state = SPARE_IDLE;
}

/* --- giving it its number --- */

static void
number_begin(struct spares *spares)
{
	/* The oldest first: it has been complete for longest. */
	spares->next = spares->pool[0];
	spares->count--;
	memmove(spares->pool, spares->pool + 1, spares->count * sizeof(spares->pool[0]));
	spares->next.number = spares->store->current.highest + 1;
	pool_name(spares->from, &spares->next);
	segment_name(spares->to, spares->next.number);
	spares->state = SPARE_NUMBERING;
	disk_queue_rename(spares->disk, tag, spares->store->journal_fd, spares->from, spares->to);
}

static int
current_begin(struct spares *spares, uint64_t now_ns)
{
	bool is_direct;

	spares->state = SPARE_CURRENT_WRITING;
	if (spares->next.fd >= 0)
		spares->store->current.highest = spares->next.number;
	spares->wants_current = false;
	store_seal_current(spares->store);
	*spares->current = spares->store->current;
	spares->current_fd = disk_create(spares->store->journal_fd, "current.tmp", DISK_DIRECT_OFF, &is_direct);
	if (spares->current_fd < 0)
		return trouble(spares, errno, "write current", now_ns);
	disk_queue_write(spares->disk, tag, spares->current_fd, spares->current, sizeof(*spares->current), 0);
	return 0;
}

static void
current_rename(struct spares *spares)
{
	disk_close_fd(spares->current_fd);
	spares->current_fd = -1;
	snprintf(spares->from, sizeof(spares->from), "current.tmp");
	snprintf(spares->to, sizeof(spares->to), "current");
	spares->state = SPARE_CURRENT_RENAMING;
	disk_queue_rename(spares->disk, tag, spares->store->journal_fd, spares->from, spares->to);
}

/* --- the machine --- */

/* How long the last segment lasted, to the next turn.  The first one begins when we do. */
static void
note_taken(struct spares *spares, uint64_t now_ns)
{
	if (spares->taken_ns != 0 && !spares->was_taken)
		return;
	spares->lasted_ns = spares->was_taken ? now_ns - spares->taken_ns : 0;
	spares->taken_ns = now_ns;
	spares->was_taken = false;
}

bool
spares_step(struct spares *spares, uint64_t now_ns)
{
	note_taken(spares, now_ns);
	if (spares->state == SPARE_CURRENT_WAITING && now_ns >= spares->retry_ns) {
		(void)current_begin(spares, now_ns); /* trouble() has set the state */
		return true;
	}
	if (spares->state != SPARE_IDLE)
		return false;
	if (!spares->has_next && spares->count > 0) {
		number_begin(spares);
		return true;
	}
	if (spares->wants_current) {
		(void)current_begin(spares, now_ns); /* trouble() has set the state */
		return true;
	}
	if (spares->discard_count > 0) {
		free_begin(spares);
		return true;
	}
	if (spares->is_full && now_ns < spares->retry_ns)
		return false;
	/* The journal's own needs first. */
	if (spares->has_next && !spares->has_starter)
		return make_begin(spares, true, now_ns);
	return spares->count < spares->options.spare_segments && make_begin(spares, false, now_ns);
}

/* The operation of this state went well: begin the next. */
static int
advance(struct spares *spares, int32_t result, uint64_t now_ns)
{
	struct store *store = spares->store;

	switch (spares->state) {
	case SPARE_ALLOCATING:
		spares->filled_bytes = 0;
		fill_slice(spares, now_ns);
		return 0;
	case SPARE_FILLING:
		/* A short write of zeros loses nothing: the rest is written next, and says why if it cannot. */
		spares->filled_bytes += (uint64_t)result;
		if (spares->filled_bytes < spares->making.bytes) {
			fill_slice(spares, now_ns);
			return 0;
		}
		spares->state = SPARE_SYNCING;
		disk_queue_sync(spares->disk, tag, spares->making.fd);
		return 0;
	case SPARE_SYNCING:
		make_name(spares);
		return 0;
	case SPARE_NAMING:
		make_end(spares);
		return 0;
	case SPARE_FREEING:
		free_end(spares);
		return 0;
	case SPARE_NUMBERING:
		spares->state = SPARE_DIRECTORY;
		disk_queue_sync(spares->disk, tag, store->journal_fd);
		return 0;
	case SPARE_DIRECTORY:
		return current_begin(spares, now_ns);
	case SPARE_CURRENT_WRITING:
		if (result != (int32_t)sizeof(*spares->current))
			return trouble(spares, ENOSPC, "write current", now_ns);
		spares->state = SPARE_CURRENT_SYNCING;
		disk_queue_sync(spares->disk, tag, spares->current_fd);
		return 0;
	case SPARE_CURRENT_SYNCING:
		current_rename(spares);
		return 0;
	case SPARE_CURRENT_RENAMING:
		spares->state = SPARE_CURRENT_DIRECTORY;
		disk_queue_sync(spares->disk, tag, store->journal_fd);
		return 0;
	case SPARE_RECYCLING:
		make_end(spares);
		return 0;
	case SPARE_REMOVING:
		spares->retry_ns = now_ns; /* there is space now */
		spares->state = SPARE_IDLE;
		return 0;
	case SPARE_CURRENT_DIRECTORY:
		spares->has_next = spares->next.fd >= 0;
		spares->floor = spares->current->floor;
		spares->state = SPARE_IDLE;
		return 0;
	case SPARE_IDLE:
	case SPARE_CURRENT_WAITING:
	case SPARE_BROKEN:
		break;
	}
	assert(!"a completion nobody waits for");
	return -1;
}

int
spares_completed(struct spares *spares, int32_t result, uint64_t now_ns)
{
	static const char *const doing[] = { [SPARE_ALLOCATING] = "reserve space for a segment",
		[SPARE_FILLING] = "zero-fill a segment", [SPARE_SYNCING] = "sync a segment",
		[SPARE_NAMING] = "rename a segment", [SPARE_NUMBERING] = "rename a segment",
		[SPARE_DIRECTORY] = "sync the directory", [SPARE_CURRENT_WRITING] = "write current",
		[SPARE_CURRENT_SYNCING] = "sync current", [SPARE_CURRENT_RENAMING] = "rename current",
		[SPARE_CURRENT_DIRECTORY] = "sync the directory", [SPARE_BROKEN] = "work" };

	if (spares->state == SPARE_ALLOCATING && result == -EOPNOTSUPP)
		result = 0; /* then writing the zeros finds out whether there is space */
	if (result < 0 && (spares->state == SPARE_RECYCLING || spares->state == SPARE_REMOVING))
		return not_dropped(spares, -result);
	if (spares->state == SPARE_FILLING && result == 0)
		result = -ENOSPC;
	if (spares->state == SPARE_FREEING)
		result = 0; /* closing it gives them back too */
	if (result < 0)
		return trouble(spares, -result, doing[spares->state], now_ns);
	return advance(spares, result, now_ns);
}

/* --- asked by others --- */

bool
spares_take(struct spares *spares, struct segment_file *file)
{
	if (!spares->has_next)
		return false;
	*file = spares->next;
	spares->next.fd = -1;
	spares->has_next = false;
	spares->was_taken = true;
	return true;
}

uint64_t
spares_room_bytes(const struct spares *spares)
{
	uint64_t bytes = spares->next.fd >= 0 ? spares->next.bytes : 0; /* ready, or on its way to it */

	for (uint32_t i = 0; i < spares->count; i++)
		bytes += spares->pool[i].bytes;
	return bytes;
}

bool
spares_is_disk_full(const struct spares *spares)
{
	return spares->is_full && spares->count + (spares->has_next ? 1 : 0) <= 1;
}

bool
spares_is_writing_current(const struct spares *spares)
{
	return spares->state > SPARE_CURRENT_WAITING && spares->state != SPARE_BROKEN;
}

uint64_t
spares_due_ns(const struct spares *spares, uint64_t now_ns)
{
	bool is_wanting = spares->count < spares->options.spare_segments || !spares->has_starter;
	bool is_waiting = spares->state == SPARE_CURRENT_WAITING ||
	    (spares->state == SPARE_IDLE && spares->is_full && is_wanting);

	if (!is_waiting)
		return UINT64_MAX;
	return spares->retry_ns > now_ns ? spares->retry_ns - now_ns : 0;
}

void
spares_write_current(struct spares *spares)
{
	spares->wants_current = true;
}

bool
spares_drop(struct spares *spares, uint64_t number, uint64_t bytes, bool is_ours)
{
	bool has_room = spares->count < spares->options.spare_segments + SPARE_RECYCLED;
	int journal_fd = spares->store->journal_fd;
	bool is_direct;

	assert(number < spares->floor);

	if (spares->state != SPARE_IDLE || spares->wants_current || (!spares->has_next && spares->count > 0))
		return false;
	segment_name(spares->from, number);
	spares->making.fd = -1;
	if (is_ours && has_room && bytes == spares->options.segment_bytes)
		spares->making.fd = disk_open_write(journal_fd, spares->from, spares->options.direct, &is_direct);
	if (spares->making.fd < 0) {
		spares->state = SPARE_REMOVING;
		disk_queue_unlink(spares->disk, tag, journal_fd, spares->from);
		return true;
	}
	spares->is_starter = false;
	spares->making = (struct segment_file){ .fd = spares->making.fd, .serial = ++spares->serial, .bytes = bytes,
		.was_used = true };
	pool_name(spares->to, &spares->making);
	spares->state = SPARE_RECYCLING;
	disk_queue_rename(spares->disk, tag, journal_fd, spares->from, spares->to);
	return true;
}
