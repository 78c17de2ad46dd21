/*
 * segment: see segment.h.
 *
 * Happy path: segments_begin_epoch() once, then segments_write() for each batch.
 * A crash inside segments_begin_epoch() leaves the old segments that count as they were, and a complete new one from the
 * rename on; `current` is lowered to what must exist before anything is removed, and raised when the new one is there (F6).
 *
 * A persistd whose predecessor was killed finds a starter prepared: it writes the header, and renames the file over the segment that
 * the dead one had prepared for itself, so that `current` is right before and after and is written once.  Clients wait
 * meanwhile.  Without one, and after a reboot, the starter is made here; on a full disk the room for it is that of the reserve, so what
 * does not count goes first.
 */
#include "persistd/segment.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/diag.h"
#include "shm/hash.h"

#define STARTER_ALIGN (1ull << 20)
#define COMMIT_LOOK_MS 100

int
segments_open(struct segments *segments, struct store *store, struct disk *disk, struct catalog *catalog,
    const struct spare_options *options)
{
	*segments = (struct segments){ .store = store, .disk = disk, .catalog = catalog, .active = { .fd = -1 },
		.retired_fd = -1 };
	return spares_open(&segments->spares, store, disk, options);
}

void
segments_close(struct segments *segments)
{
	disk_close_fd(segments->active.fd);
	disk_close_fd(segments->retired_fd);
	segments->active.fd = segments->retired_fd = -1;
	spares_close(&segments->spares);
}

static void
header_seal(const struct segments *segments, struct segment_header *header)
{
	header->magic = SEGMENT_MAGIC;
	header->version = FORMAT_VERSION;
	memcpy(header->store_uuid, segments->store->uuid, sizeof(header->store_uuid));
	header->epoch = segments->epoch;
	header->hash = hash_bytes((const char *)header + 8, sizeof(*header) - 8);
}

/* --- an epoch begins --- */

/* What lies beyond the last segment that counts: prepared but unused, or void.  The highest goes first. */
static int
remove_beyond(struct segments *segments, uint64_t last_segment)
{
	struct catalog *catalog = segments->catalog;
	char name[SEGMENT_NAME_BYTES];

	for (uint32_t i = catalog->count; i > 0 && catalog->entries[i - 1].number > last_segment; i--) {
		segment_name(name, catalog->entries[i - 1].number);
		spares_hold(&segments->spares, name);
		if (disk_unlink(segments->store->journal_fd, name) != 0) {
			diag_errno("cannot remove %s/journal/%s", segments->store->directory, name);
			return -1;
		}
	}
	catalog_cut(catalog, last_segment + 1);
	return 0;
}

/* Read a pending batch back into `batch`, as it was when it was verified. */
static int
pending_read(const struct segments *segments, const struct loader_pending *pending, struct batch *batch)
{
	const struct batch_range *ranges = batch_ranges(&pending->header);
	uint64_t at = pending->offset + pending->header.header_bytes;
	char name[SEGMENT_NAME_BYTES];

	segment_name(name, pending->segment);
	int fd = disk_open_read(segments->store->journal_fd, name, DISK_READ_THROUGH);
	if (fd < 0)
		goto fail;
	batch_reset(batch);
	for (uint32_t i = 0; i < pending->header.ranges; i++) {
		if (disk_read(fd, batch_end(batch), ranges[i].bytes, at) != (int64_t)ranges[i].bytes)
			goto fail;
		batch_add(batch, ranges[i].shard, ranges[i].lsn, ranges[i].bytes);
		at += ranges[i].bytes;
	}
	disk_close_fd(fd);
	if (hash_bytes(batch->payload, batch->header->payload_bytes) != pending->header.payload_hash) {
		diag(DIAG_ERROR, "%s/journal/%s changed while it was read", segments->store->directory, name);
		return -1;
	}
	return 0;

fail:
	diag_errno("cannot read batch %" PRIu64 " of %s/journal/%s again", pending->header.index, segments->store->directory, name);
	disk_close_fd(fd);
	return -1;
}

/* Where the batch lies now.  -1 without memory. */
static int
pending_index(const struct epoch_start *start, const struct batch *batch, const struct segment_file *active)
{
	if ((batch->header->flags & BATCH_COPY) != 0)
		return start->copies == NULL ? 0 : copies_add(start->copies, batch->header, active->number, active->used_bytes);
	return start->index == NULL ? 0 : lsn_index_add(start->index, batch->header, active->number, active->used_bytes);
}

/* Write the pending batches behind the header, in the new chain. */
static int
pending_rewrite(struct segments *segments, const struct epoch_start *start, struct batch *batch,
    struct journal_position *position)
{
	struct segment_file *active = &segments->active;

	for (uint32_t i = 0; i < start->pending_count; i++) {
		const struct loader_pending *pending = &start->pending[i];
		struct batch_place place = { .store_uuid = segments->store->uuid, .epoch = start->epoch,
			.index = position->index + 1, .durable_index = start->continues_index, .previous_hash = position->hash,
			.time_ms = pending->header.time_ms, .flags = pending->header.flags };

		assert(pending->header.index == place.index);
		if (pending_read(segments, pending, batch) != 0)
			return -1;
		(void)batch_seal(batch, &place); /* its hash is in the header */
		if (disk_write(active->fd, batch->header, batch->header->total_bytes, active->used_bytes) != 0) {
			diag_errno("cannot write %s/journal/" STARTER_TAKEN, segments->store->directory);
			return -1;
		}
		if (pending_index(start, batch, active) != 0)
			return -1;
		journal_position_add(position, batch->header, active->number);
		active->used_bytes += batch->header->total_bytes;
	}
	return 0;
}

static void
header_make(struct segments *segments, const struct epoch_start *start, struct segment_header *header)
{
	*header = (struct segment_header){ .number = segments->active.number, .continues_index = start->continues_index,
		.continues_hash = start->continues_hash, .durable_index = start->continues_index,
		.segment_bytes = segments->active.bytes, .time_ms = start->time_ms };
	header_seal(segments, header);
}

static void
say_epoch(const struct segments *segments, bool is_direct)
{
	diag(DIAG_INFO, "journal of %s: epoch %" PRIu64 ", segment %" PRIu64 ", %s", segments->store->directory, segments->epoch,
	    segments->active.number, is_direct ? "O_DIRECT" : "buffered (this file system refuses O_DIRECT, or data.direct = off)");
}

/* Write a block to stable storage, and wait for it.  Nothing else is under way. */
static int
commit_block(struct segments *segments, const void *block)
{
	struct disk_completion completion;

	disk_queue_commit(segments->disk, (struct disk_tag){ .user = DISK_COMMIT }, segments->active.fd, block, BLOCK_BYTES, 0);
	while (!disk_reap(segments->disk, &completion))
		disk_park(segments->disk, -1, COMMIT_LOOK_MS);
	if (completion.result == (int32_t)BLOCK_BYTES)
		return 0;
	errno = completion.result < 0 ? -completion.result : ENOSPC;
	return -1;
}

/*
 * The file that a predecessor has prepared.  Its name is taken from it first: when we are killed, our write may still land in it
 * and nobody may use it any more.  False when there is none that fits.
 */
static bool
starter_take(struct segments *segments, uint64_t number)
{
	int journal_fd = segments->store->journal_fd;
	struct segment_file *active = &segments->active;
	bool is_direct;

	if (disk_rename(journal_fd, STARTER_READY, STARTER_TAKEN) != 0)
		return false;
	*active = (struct segment_file){ .number = number, .bytes = SEGMENT_BYTES_MIN, .used_bytes = BLOCK_BYTES };
	active->fd = disk_open_write(journal_fd, STARTER_TAKEN, segments->spares.options.direct, &is_direct);
	if (active->fd >= 0 && disk_size(active->fd) == (int64_t)active->bytes) {
		say_epoch(segments, is_direct);
		return true;
	}
	disk_close_fd(active->fd);
	active->fd = -1;
	return false;
}

static int
starter_begin(struct segments *segments, const struct epoch_start *start, struct segment_header *header)
{
	char *block = disk_memory(BLOCK_BYTES);

	if (block == NULL) {
		diag_errno("no memory for the header of a segment");
		return -1;
	}
	header_make(segments, start, header);
	memcpy(block, header, sizeof(*header));
	int result = commit_block(segments, block);
	if (result != 0)
		diag_errno("cannot write %s/journal/" STARTER_TAKEN, segments->store->directory);
	disk_memory_free(block, BLOCK_BYTES);
	return result;
}

/* What begins an epoch is small, but holds the pending batches. */
static uint64_t
starter_bytes(const struct epoch_start *start)
{
	uint64_t bytes = SEGMENT_BYTES_MIN;

	for (uint32_t i = 0; i < start->pending_count; i++)
		bytes += start->pending[i].header.total_bytes;
	return (bytes + STARTER_ALIGN - 1) & ~(STARTER_ALIGN - 1);
}

/* The segment under its temporary name: zeros, header, pending batches, synced. */
static int
starter_make(struct segments *segments, const struct epoch_start *start, struct journal_position *position,
    struct segment_header *header)
{
	struct segment_file *active = &segments->active;
	struct batch batch;
	bool is_direct;
	int result = -1;

	*active = (struct segment_file){ .number = start->last_segment + 1, .bytes = starter_bytes(start), .used_bytes = BLOCK_BYTES };
	active->fd = disk_create(segments->store->journal_fd, STARTER_TAKEN, segments->spares.options.direct, &is_direct);
	if (active->fd < 0) {
		diag_errno("cannot make %s/journal/" STARTER_TAKEN, segments->store->directory);
		return -1;
	}
	say_epoch(segments, is_direct);
	if (batch_init(&batch, segments->store->shards) != 0) {
		diag_errno("no memory for a batch");
		return -1;
	}
	header_make(segments, start, header);
	/* The block before the batch is there for this. */
	memset(batch.memory, 0, BLOCK_BYTES);
	memcpy(batch.memory, header, sizeof(*header));
	if (disk_zero(active->fd, active->bytes) != 0 || disk_write(active->fd, batch.memory, BLOCK_BYTES, 0) != 0) {
		diag_errno("cannot make a segment of %" PRIu64 " bytes in %s/journal; free space in the data directory",
		    active->bytes, segments->store->directory);
		goto out;
	}
	if (pending_rewrite(segments, start, &batch, position) != 0)
		goto out;
	if (disk_sync(active->fd) != 0) {
		diag_errno("cannot sync %s/journal/" STARTER_TAKEN, segments->store->directory);
		goto out;
	}
	result = 0;
out:
	batch_release(&batch);
	return result;
}

/* A starter is there: of what lies beyond only its own number stays, until it is renamed over it. */
static int
begin_prepared(struct segments *segments, const struct epoch_start *start, struct segment_header *header)
{
	struct store *store = segments->store;
	uint64_t number = segments->active.number;

	if (store->current.highest > number) {
		store->current.highest = number;
		if (store_save_current(store) != 0)
			return -1;
	}
	if (remove_beyond(segments, number) != 0)
		return -1;
	return starter_begin(segments, start, header);
}

static int
begin_anew(struct segments *segments, const struct epoch_start *start, struct journal_position *position,
    struct segment_header *header)
{
	struct store *store = segments->store;

	store->current.epoch = start->epoch;
	store->current.highest = start->last_segment;
	store->current.durable_index = start->continues_index;
	store->current.generation += start->is_cold ? 1 : 0;
	if (store_save_current(store) != 0)
		return -1;
	if (remove_beyond(segments, start->last_segment) != 0)
		return -1;
	/* What is on its way out takes long to go: only where its room is needed it is waited for. */
	int64_t free_bytes = disk_free_bytes(store->journal_fd);
	if (free_bytes < 2 * (int64_t)starter_bytes(start))
		(void)spares_make_room(&segments->spares);
	if (starter_make(segments, start, position, header) == 0)
		return 0;
	/* A quota is not seen in what is free. */
	if (position->index != start->continues_index || !spares_make_room(&segments->spares))
		return -1;
	disk_close_fd(segments->active.fd);
	return starter_make(segments, start, position, header);
}

int
segments_begin_epoch(struct segments *segments, const struct epoch_start *start, struct journal_position *position)
{
	struct store *store = segments->store;
	uint64_t number = start->last_segment + 1;
	struct segment_header header;
	char name[SEGMENT_NAME_BYTES];

	assert(start->epoch > store->current.epoch);
	assert(position->index == start->continues_index);
	assert(start->is_cold || start->pending_count == 0);

	segments->epoch = start->epoch;
	if (spares_inherit(&segments->spares, start->is_cold) != 0)
		return -1;
	bool is_prepared = !start->is_cold && starter_take(segments, number);
	if ((is_prepared ? begin_prepared(segments, start, &header) : begin_anew(segments, start, position, &header)) != 0)
		return -1;
	segment_name(name, number);
	if (catalog_find(segments->catalog, number) != NULL)
		spares_hold(&segments->spares, name);
	if (disk_rename(store->journal_fd, STARTER_TAKEN, name) != 0 || disk_sync(store->journal_fd) != 0) {
		diag_errno("cannot rename %s/journal/" STARTER_TAKEN " to %s", store->directory, name);
		return -1;
	}
	catalog_cut(segments->catalog, number);
	store->current.epoch = start->epoch;
	store->current.highest = number;
	store->current.durable_index = position->index;
	segments->opened++;
	if (store_save_current(store) != 0)
		return -1;
	return catalog_append(segments->catalog, &header);
}

/* --- batches --- */

/* Go on in the segment that has been prepared; its header travels in the block before the batch (F5). */
static bool
change_over(struct segments *segments, struct batch *batch)
{
	struct segment_file next;

	if (!spares_take(&segments->spares, &next))
		return false;
	struct segment_header header = { .number = next.number, .continues_index = batch->header->index - 1,
		.continues_hash = batch->header->previous_hash, .durable_index = batch->header->durable_index,
		.segment_bytes = next.bytes, .time_ms = batch->header->time_ms };

	header_seal(segments, &header);
	memset(batch->memory, 0, BLOCK_BYTES);
	memcpy(batch->memory, &header, sizeof(header));
	/* A write that is queued and not submitted yet needs the old descriptor; by the next change-over it is long done. */
	disk_close_fd(segments->retired_fd);
	segments->retired_fd = segments->active.fd;
	segments->active = next;
	segments->opened++;
	if (catalog_append(segments->catalog, &header) != 0)
		abort(); /* no memory: half changed over nothing can go on; the successor begins an epoch */
	return true;
}

bool
segments_write(struct segments *segments, struct batch *batch, struct disk_tag tag)
{
	struct segment_file *active = &segments->active;
	uint32_t bytes = batch->header->total_bytes;
	const char *from = (const char *)batch->header;

	assert(batch->header->epoch == segments->epoch);
	/* For whenever current is written next. */
	if (segments->store->current.durable_index < batch->header->durable_index)
		segments->store->current.durable_index = batch->header->durable_index;
	if (active->used_bytes + bytes > active->bytes) {
		if (!change_over(segments, batch))
			return false;
		assert(active->used_bytes == 0);
		from = batch->memory;
		bytes += BLOCK_BYTES;
	}
	assert(active->used_bytes % BLOCK_BYTES == 0 && bytes % BLOCK_BYTES == 0);
	batch->queued_bytes = bytes;
	disk_queue_commit(segments->disk, tag, active->fd, from, bytes, active->used_bytes);
	active->used_bytes += bytes;
	spares_commit(&segments->spares, active, bytes);
	return true;
}
