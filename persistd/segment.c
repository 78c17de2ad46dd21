/*
 * segment: see segment.h.
 *
 * Happy path: segments_begin_epoch() once, then segments_write() for each batch.
 * A crash inside segments_begin_epoch() leaves the old segments that count as they were, and a complete new one from the
 * rename on; `current` is lowered to what must exist before anything is removed, and raised when the new one is there (F6).
 * On a full disk the room for the new one is that of the reserve, so what does not count goes first.
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

#define STARTER_NAME "starter.tmp"
#define STARTER_ALIGN (1ull << 20)

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

/* Write the pending batches behind the header, in the new chain. */
static int
pending_rewrite(struct segments *segments, const struct epoch_start *start, struct batch *batch, struct lsn_index *index,
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
			diag_errno("cannot write %s/journal/" STARTER_NAME, segments->store->directory);
			return -1;
		}
		if (lsn_index_add(index, batch->header, active->number, active->used_bytes) != 0)
			return -1;
		journal_position_add(position, batch->header, active->number);
		active->used_bytes += batch->header->total_bytes;
	}
	return 0;
}

static int
header_write(struct segments *segments, const struct epoch_start *start, struct batch *batch, struct segment_header *header)
{
	*header = (struct segment_header){ .number = segments->active.number, .continues_index = start->continues_index,
		.continues_hash = start->continues_hash, .durable_index = start->continues_index,
		.segment_bytes = segments->active.bytes, .time_ms = start->time_ms };
	header_seal(segments, header);
	/* The block before the batch is there for this. */
	memset(batch->memory, 0, BLOCK_BYTES);
	memcpy(batch->memory, header, sizeof(*header));
	return disk_write(segments->active.fd, batch->memory, BLOCK_BYTES, 0);
}

/* The segment under its temporary name: zeros, header, pending batches, synced. */
static int
starter_make(struct segments *segments, const struct epoch_start *start, struct lsn_index *index,
    struct journal_position *position, struct segment_header *header)
{
	struct segment_file *active = &segments->active;
	struct batch batch;
	bool is_direct;
	int result = -1;

	*active = (struct segment_file){ .number = start->last_segment + 1, .bytes = SEGMENT_BYTES_MIN, .used_bytes = BLOCK_BYTES };
	for (uint32_t i = 0; i < start->pending_count; i++)
		active->bytes += start->pending[i].header.total_bytes;
	active->bytes = (active->bytes + STARTER_ALIGN - 1) & ~(STARTER_ALIGN - 1);
	active->fd = disk_create(segments->store->journal_fd, STARTER_NAME, segments->spares.options.direct, &is_direct);
	if (active->fd < 0) {
		diag_errno("cannot make %s/journal/" STARTER_NAME, segments->store->directory);
		return -1;
	}
	diag(DIAG_INFO, "journal of %s: epoch %" PRIu64 ", segment %" PRIu64 ", %s", segments->store->directory, start->epoch,
	    active->number, is_direct ? "O_DIRECT" : "buffered (this file system refuses O_DIRECT, or data.direct = off)");
	if (batch_init(&batch, segments->store->shards) != 0) {
		diag_errno("no memory for a batch");
		return -1;
	}
	if (disk_zero(active->fd, active->bytes) != 0 || header_write(segments, start, &batch, header) != 0) {
		diag_errno("cannot make a segment of %" PRIu64 " bytes in %s/journal; free space in the data directory",
		    active->bytes, segments->store->directory);
		goto out;
	}
	if (pending_rewrite(segments, start, &batch, index, position) != 0)
		goto out;
	if (disk_sync(active->fd) != 0) {
		diag_errno("cannot sync %s/journal/" STARTER_NAME, segments->store->directory);
		goto out;
	}
	result = 0;
out:
	batch_release(&batch);
	return result;
}

int
segments_begin_epoch(struct segments *segments, const struct epoch_start *start, struct lsn_index *index,
    struct journal_position *position)
{
	struct store *store = segments->store;
	struct segment_header header;
	char name[SEGMENT_NAME_BYTES];

	assert(start->epoch > store->current.epoch);
	assert(position->index == start->continues_index);

	segments->epoch = start->epoch;
	store->current.epoch = start->epoch;
	store->current.highest = start->last_segment;
	store->current.durable_index = start->continues_index;
	store->current.generation += start->is_cold ? 1 : 0;
	if (store_save_current(store) != 0)
		return -1;
	if (remove_beyond(segments, start->last_segment) != 0)
		return -1;
	if (starter_make(segments, start, index, position, &header) != 0)
		return -1;
	segment_name(name, segments->active.number);
	if (disk_rename(store->journal_fd, STARTER_NAME, name) != 0 || disk_sync(store->journal_fd) != 0) {
		diag_errno("cannot rename %s/journal/" STARTER_NAME " to %s", store->directory, name);
		return -1;
	}
	store->current.highest = segments->active.number;
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
	return true;
}
