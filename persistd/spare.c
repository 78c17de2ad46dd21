#include "persistd/spare.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/diag.h"

#define RETRY_NS 1000000000ull
/*
 * So many zeros at most lie in the drive's cache when a client comes after a pause: its commit, which flushes that, waits for
 * all of them.
 */
#define UNSYNCED_BYTES (4ull << 20)
/* How often to look what the file system has left; and for how long to make no more than must be when it had nothing. */
#define LOOK_NS 1000000000ull
#define SHORT_NS 60000000000ull

static const struct disk_tag tag = { .user = DISK_SPARE };

int
spares_open(struct spares *spares, struct store *store, struct disk *disk, const struct spare_options *options)
{
	assert(options->spare_segments >= 1 && options->spare_segments <= SPARE_MAX);
	assert(options->segment_bytes >= SEGMENT_BYTES_MIN && options->segment_bytes % BLOCK_BYTES == 0);

	*spares = (struct spares){ .store = store, .disk = disk, .options = *options, .current_fd = -1,
		.next = { .fd = -1 }, .making = { .fd = -1 }, .floor = store->current.floor, .target = options->spare_segments };
	spares->zeros = disk_memory(PACE_SLICE_BYTES_MAX);
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
	disk_close_fd(spares->next.fd);
	disk_close_fd(spares->making.fd);
	disk_close_fd(spares->current_fd);
	spares_let_go(spares);
	disk_memory_free(spares->zeros, PACE_SLICE_BYTES_MAX);
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

/* Into the pool again, under the name that it has: whether it has the new one, too, whoever opens it finds out. */
static void
number_back(struct spares *spares)
{
	assert(spares->count < SPARE_POOL_MAX);

	disk_close_fd(spares->next.fd);
	spares->next.fd = -1;
	memmove(spares->pool + 1, spares->pool, spares->count * sizeof(spares->pool[0]));
	spares->pool[0] = spares->numbering;
	spares->count++;
}

/* What is under way can be begun again where it stands: nothing is lost. */
static bool
can_go_on(enum spare_state state)
{
	return state == SPARE_NUMBERING || state == SPARE_DIRECTORY || state >= SPARE_CURRENT_WRITING;
}

/* It has to be there: all others are only made ahead. */
static bool
is_needed(const struct spares *spares)
{
	return spares->is_starter || spares->count < spares->options.spare_segments;
}

static void
forget_half_made(struct spares *spares)
{
	disk_close_fd(spares->making.fd);
	(void)disk_unlink(spares->store->journal_fd, MAKING_NAME); /* gives its space back; the next start removes it too */
	spares->making.fd = -1;
}

/* No space: try again later. */
static int
trouble(struct spares *spares, int error, const char *what, uint64_t now_ns)
{
	enum spare_state state = spares->state;

	errno = error;
	if (error != ENOSPC && error != EDQUOT)
		return broken(spares, what);
	spares->state = SPARE_IDLE;
	/* Whoever has taken the rest may need what we have, too. */
	spares->target = spares->options.spare_segments;
	spares->looked_ns = now_ns + SHORT_NS;
	if (!can_go_on(state) && !is_needed(spares)) {
		forget_half_made(spares);
		return 0;
	}
	if (!spares->is_full)
		diag_errno("cannot %s in %s/journal; free space, publishes are refused when the reserve is used", what,
		    spares->store->directory);
	spares->is_full = true;
	spares->retry_ns = now_ns + RETRY_NS;
	if (!can_go_on(state)) {
		forget_half_made(spares);
		return 0;
	}
	if (state == SPARE_NUMBERING)
		number_back(spares);
	disk_close_fd(spares->current_fd);
	spares->current_fd = -1;
	spares->again = state < SPARE_CURRENT_WRITING ? state : SPARE_CURRENT_WRITING;
	return 0;
}

/* What was begun again has ended well; but not with fewer spares than `count`. */
static void
found_space(struct spares *spares, uint32_t count)
{
	if (!spares->is_full || spares->count < count)
		return;
	diag(DIAG_INFO, "there is space for the journal again");
	spares->is_full = false;
}

/* Nobody needs what is left: the next start removes it. */
static int
not_dropped(struct spares *spares, int error)
{
	errno = error;
	diag_errno("cannot remove %s/journal/%s", spares->store->directory, spares->from);
	spares->state = SPARE_IDLE;
	return 0;
}

/* --- making a file of zeros --- */

static void
make_begin(struct spares *spares, bool is_starter, uint64_t now_ns)
{
	bool is_direct;

	spares->is_starter = is_starter;
	spares->filled_bytes = spares->synced_bytes = 0;
	spares->making = (struct segment_file){ .bytes = is_starter ? SEGMENT_BYTES_MIN : spares->options.segment_bytes };
	spares->making.fd = disk_create(spares->store->journal_fd, MAKING_NAME, spares->options.direct, &is_direct);
	if (spares->making.fd < 0) {
		(void)trouble(spares, errno, "make a segment", now_ns); /* said; state tells */
		return;
	}
	spares->state = SPARE_ALLOCATING;
	disk_queue_allocate(spares->disk, tag, spares->making.fd, spares->making.bytes);
}

/* Nanoseconds until the half-made file may get another slice. */
static uint64_t
fill_due_ns(const struct spares *spares, uint64_t now_ns)
{
	const struct pace *pace = &spares->pace;
	uint32_t slice = pace_slice_bytes(pace, spares->options.segment_bytes, now_ns);

	if (!is_needed(spares))
		return pace_quiet_in_ns(pace, now_ns);
	return pace_due_ns(pace, spares_room_bytes(spares), spares->making.bytes - spares->filled_bytes, slice, now_ns);
}

static void
fill_slice(struct spares *spares, uint64_t now_ns)
{
	uint64_t left = spares->making.bytes - spares->filled_bytes;
	uint32_t slice = pace_slice_bytes(&spares->pace, spares->options.segment_bytes, now_ns);

	spares->state = SPARE_FILLING;
	spares->pace.sliced_ns = now_ns;
	disk_queue_write(spares->disk, tag, spares->making.fd, spares->zeros, left < slice ? (uint32_t)left : slice,
	    spares->filled_bytes);
}

/* A short write of zeros loses nothing: the rest is written next, and says why if it cannot. */
static void
fill_end(struct spares *spares, int32_t result, uint64_t now_ns)
{
	bool is_alone = pace_quiet_in_ns(&spares->pace, now_ns) == 0;

	spares->filled_bytes += (uint64_t)result;
	spares->state = SPARE_IDLE;
	/* Where clients commit, that brings the zeros to the disk in small portions. */
	if (spares->filled_bytes < spares->making.bytes &&
	    (!is_alone || spares->filled_bytes - spares->synced_bytes < UNSYNCED_BYTES))
		return;
	spares->synced_bytes = spares->filled_bytes;
	spares->state = SPARE_SYNCING;
	disk_queue_sync(spares->disk, tag, spares->making.fd);
}

/* Complete: from now on a successor may use it.  No sync of the directory: after a reboot none is used. */
static void
make_name(struct spares *spares)
{
	snprintf(spares->from, sizeof(spares->from), "%s", MAKING_NAME);
	if (spares->is_starter) {
		snprintf(spares->to, sizeof(spares->to), "%s", STARTER_READY);
	} else {
		spares->entering = (struct spare_file){ .serial = ++spares->serial };
		spare_name(spares->to, &spares->entering);
	}
	spares->state = SPARE_NAMING;
	disk_queue_rename(spares->disk, tag, spares->store->journal_fd, spares->from, spares->to);
}

/* One more in the pool. */
static void
enter(struct spares *spares)
{
	assert(spares->count < SPARE_POOL_MAX);

	spares->pool[spares->count++] = spares->entering;
	spares->state = SPARE_IDLE;
}

static void
make_end(struct spares *spares)
{
	disk_close_fd(spares->making.fd);
	spares->making.fd = -1;
	spares->state = SPARE_IDLE;
	if (spares->is_starter)
		spares->has_starter = true;
	else
		enter(spares);
	/* Room for a starter is not yet room for a segment. */
	found_space(spares, spares->is_starter ? spares->options.spare_segments : 1);
}

/* What is short, the journal's own needs first.  True if an operation was begun. */
static bool
make_step(struct spares *spares, uint64_t now_ns)
{
	/* Once only behind `next`: clients who use up each as it comes would keep it away, and a full disk then all successors. */
	bool needs_starter = !spares->has_starter && (spares->next.fd >= 0 || spares->was_taken);
	bool is_short = spares->count < spares->options.spare_segments;

	if (spares->is_full && now_ns < spares->retry_ns)
		return false;
	if (spares->making.fd >= 0) {
		if (fill_due_ns(spares, now_ns) > 0)
			return false;
		fill_slice(spares, now_ns);
		return true;
	}
	if (!needs_starter && !is_short && (spares->count >= spares->target || pace_quiet_in_ns(&spares->pace, now_ns) > 0))
		return false;
	make_begin(spares, needs_starter, now_ns);
	return true;
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

static void
remove_begin(struct spares *spares, const struct spare_file *file)
{
	spare_name(spares->from, file);
	spares->state = SPARE_REMOVING;
	disk_queue_unlink(spares->disk, tag, spares->store->journal_fd, spares->from);
}

/* Files that nobody may use, and those that are too many: others need the room.  True if an operation was begun. */
static bool
remove_step(struct spares *spares, uint64_t now_ns)
{
	int64_t free_bytes;

	if (spares->old_count > 0) {
		remove_begin(spares, &spares->old[--spares->old_count]);
		return true;
	}
	if (spares->options.ready_bytes > 0 && now_ns >= spares->looked_ns) {
		spares->looked_ns = now_ns + LOOK_NS;
		if ((free_bytes = disk_free_bytes(spares->store->journal_fd)) >= 0)
			spares_aim(spares, (uint64_t)free_bytes);
	}
	if (spares->count <= spares_count_max(spares))
		return false;
	remove_begin(spares, &spares->pool[--spares->count]);
	return true;
}

/* --- giving it its number --- */

static void
number_sync(struct spares *spares)
{
	spares->state = SPARE_DIRECTORY;
	disk_queue_sync(spares->disk, tag, spares->store->journal_fd);
}

static void
number_begin(struct spares *spares)
{
	bool is_direct;

	/* The oldest first: it has been complete for longest. */
	spares->numbering = spares->pool[0];
	spares->count--;
	memmove(spares->pool, spares->pool + 1, spares->count * sizeof(spares->pool[0]));
	spare_name(spares->from, &spares->numbering);
	spares->next = (struct segment_file){ .number = spares->store->current.highest + 1, .bytes = spares->options.segment_bytes };
	spares->next.fd = disk_open_write(spares->store->journal_fd, spares->from, spares->options.direct, &is_direct);
	if (spares->next.fd < 0) {
		diag_errno("cannot open %s/journal/%s, another is taken", spares->store->directory, spares->from);
		return;
	}
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

static void
begin_again(struct spares *spares, uint64_t now_ns)
{
	enum spare_state again = spares->again;

	spares->again = SPARE_IDLE;
	if (again == SPARE_NUMBERING)
		number_begin(spares);
	else if (again == SPARE_DIRECTORY)
		number_sync(spares);
	else
		(void)current_begin(spares, now_ns); /* trouble() has set the state */
}

bool
spares_step(struct spares *spares, uint64_t now_ns)
{
	pace_look(&spares->pace, now_ns);
	if (spares->state != SPARE_IDLE)
		return false;
	if (spares->again != SPARE_IDLE && now_ns >= spares->retry_ns) {
		begin_again(spares, now_ns);
		return true;
	}
	if (spares->next.fd < 0 && spares->count > 0 && spares->again == SPARE_IDLE) {
		number_begin(spares);
		return true;
	}
	if (spares->wants_current && spares->again == SPARE_IDLE) {
		(void)current_begin(spares, now_ns); /* trouble() has set the state */
		return true;
	}
	if (spares->discard_count > 0) {
		free_begin(spares);
		return true;
	}
	return make_step(spares, now_ns) || remove_step(spares, now_ns);
}

/* The operation of this state went well: begin the next. */
static int
advance(struct spares *spares, int32_t result, uint64_t now_ns)
{
	switch (spares->state) {
	case SPARE_ALLOCATING:
		spares->state = SPARE_IDLE;
		return 0;
	case SPARE_FILLING:
		fill_end(spares, result, now_ns);
		return 0;
	case SPARE_SYNCING:
		spares->state = SPARE_IDLE;
		if (spares->filled_bytes == spares->making.bytes)
			make_name(spares);
		return 0;
	case SPARE_NAMING:
		make_end(spares);
		return 0;
	case SPARE_FREEING:
		free_end(spares);
		return 0;
	case SPARE_NUMBERING:
		number_sync(spares);
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
		disk_queue_sync(spares->disk, tag, spares->store->journal_fd);
		return 0;
	case SPARE_RECYCLING:
		enter(spares);
		return 0;
	case SPARE_REMOVING:
		spares->retry_ns = now_ns; /* there is space now */
		spares->state = SPARE_IDLE;
		return 0;
	case SPARE_CURRENT_DIRECTORY:
		spares->has_next = spares->next.fd >= 0;
		spares->floor = spares->current->floor;
		spares->state = SPARE_IDLE;
		found_space(spares, spares->options.spare_segments);
		return 0;
	case SPARE_IDLE:
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

bool
spares_is_writing_current(const struct spares *spares)
{
	return spares->state >= SPARE_CURRENT_WRITING && spares->state != SPARE_BROKEN;
}

uint64_t
spares_due_ns(const struct spares *spares, uint64_t now_ns)
{
	bool is_short = spares->count < spares->options.spare_segments || !spares->has_starter;
	uint64_t retry_in_ns = spares->retry_ns > now_ns ? spares->retry_ns - now_ns : 0;

	if (spares->state != SPARE_IDLE)
		return UINT64_MAX;
	if (spares->again != SPARE_IDLE || (spares->is_full && is_short))
		return retry_in_ns;
	if (spares->making.fd >= 0)
		return fill_due_ns(spares, now_ns);
	return spares->count < spares->target && !spares->is_full ? pace_quiet_in_ns(&spares->pace, now_ns) : UINT64_MAX;
}

void
spares_write_current(struct spares *spares)
{
	spares->wants_current = true;
}

bool
spares_drop(struct spares *spares, uint64_t number, uint64_t bytes, bool is_ours)
{
	bool has_room = spares->count < spares_count_max(spares);
	int journal_fd = spares->store->journal_fd;

	assert(number < spares->floor);

	bool is_waited_for = spares->wants_current || (spares->next.fd < 0 && spares->count > 0);

	/* If what clients wait for found no space, this may make some. */
	if (spares->state != SPARE_IDLE || (is_waited_for && spares->again == SPARE_IDLE))
		return false;
	segment_name(spares->from, number);
	if (!is_ours || !has_room || bytes != spares->options.segment_bytes) {
		spares->state = SPARE_REMOVING;
		disk_queue_unlink(spares->disk, tag, journal_fd, spares->from);
		return true;
	}
	spares->entering = (struct spare_file){ .serial = ++spares->serial, .was_used = true };
	spare_name(spares->to, &spares->entering);
	spares->state = SPARE_RECYCLING;
	disk_queue_rename(spares->disk, tag, journal_fd, spares->from, spares->to);
	return true;
}
