/*
 * loader: see loader.h.
 *
 * Happy path: loader_step() takes a batch from the reader and holds it in `pending` until a later batch says that it was
 * durable; then it goes into the index.  At the end pending holds what has to be rewritten.
 * Failure modes: a batch is missing (judge_end); a segment or its header is missing (check_segments); ranges do not fit (ranges_fit).
 */
#include "persistd/loader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "persistd/disk.h"
#include "shm/diag.h"
#include "shm/record.h"

int
loader_open(struct loader *loader, const struct store *store, const struct catalog *catalog, struct lsn_index *index,
    uint64_t stop_index)
{
	*loader = (struct loader){ .store = store, .catalog = catalog, .index = index };
	if (reader_open(&loader->reader, store, catalog, stop_index == LOADER_TO_THE_END) != 0)
		return -1;
	loader->reader.stop_index = stop_index;
	/* Nobody is served before the end of a cold start; a warm one goes on beside others, batch by batch. */
	if (stop_index == LOADER_TO_THE_END)
		loader->reader.direct_bytes = READER_DIRECT_BYTES_MAX;
	loader->position = (struct journal_position){ .index = loader->reader.index, .hash = loader->reader.hash,
		.segment = store->current.floor - 1 };
	loader->durable_index = loader->reader.index;
	loader->durable_hash = loader->reader.hash;
	/* Of a trimmed store the first batch of each shard says where its stream begins (F8). */
	for (uint32_t s = 0; s < store->shards && loader->reader.index == 0; s++)
		loader->position.lsn[s] = LSN_FIRST;
	return 0;
}

void
loader_close(struct loader *loader)
{
	reader_close(&loader->reader);
}

static enum loader_step
corrupt(struct loader *loader, uint64_t segment, uint64_t offset, uint64_t index, const char *text)
{
	struct loader_finding *finding = &loader->finding;

	finding->segment = segment;
	finding->offset = offset;
	finding->index = index;
	snprintf(finding->text, sizeof(finding->text),
	    "%s/journal/" SEGMENT_NAME_FORMAT " at offset %" PRIu64 " (batch %" PRIu64 "): %s", loader->store->directory, segment,
	    offset, index, text);
	return LOADER_CORRUPT;
}

/*
 * F5: the first segment of an epoch has its header before `current` says that it exists.  If that header is damaged, batches
 * that its epoch made void would be taken for the end of the journal.  Its number, or 0.
 */
static uint64_t
damaged_start(const struct loader *loader)
{
	const struct current_file *current = &loader->store->current;
	uint64_t number = 0;

	for (uint32_t i = 0; i < loader->catalog->count; i++) {
		const struct segment_entry *entry = &loader->catalog->entries[i];

		if (entry->is_begun && entry->header.epoch == current->epoch)
			return 0;
		if (!entry->is_begun && entry->number <= current->highest && number == 0)
			number = entry->number;
	}
	return number;
}

/* F5 and F6.  A store without segments and without `current` is new. */
static enum loader_step
check_segments(struct loader *loader)
{
	uint64_t number;

	if (!loader->store->has_current) {
		if (loader->catalog->count == 0)
			return LOADER_MORE;
		return corrupt(loader, loader->catalog->entries[0].number, 0, 0,
		    "journal/current is missing or damaged, so it is not known which segments there should be");
	}
	if (!catalog_is_complete(loader->catalog, &loader->store->current, &number))
		return corrupt(loader, number, 0, 0, "this segment has to exist and does not");
	number = damaged_start(loader);
	if (number != 0)
		return corrupt(loader, number, 0, 0, "the header of a segment that was written to is damaged");
	return LOADER_MORE;
}

/* --- the judgement of the end --- */

/* F3: whoever wrote this knew that batch `missing` was durable. */
static bool
is_evidence(const struct batch_header *header, uint64_t missing, uint64_t epoch)
{
	return header->index > missing && header->durable_index >= missing && header->epoch >= epoch;
}

/* Search one segment from `offset` on for evidence.  1: found, *at says where; 0: none; -1: the disk refused. */
static int
search_segment(const struct loader *loader, const struct segment_entry *entry, uint64_t offset, uint64_t missing,
    uint64_t epoch, uint64_t *at)
{
	char *buffer = loader->reader.buffer; /* the reader has come to its end */
	bool is_direct;
	int fd = reader_open_segment(&loader->reader, entry, &is_direct), found = 0;
	uint32_t slice = reader_slice_bytes(&loader->reader, is_direct);

	if (fd < 0)
		goto fail;
	for (;;) {
		int64_t bytes = disk_read(fd, buffer, slice, offset);

		if (bytes < 0)
			goto fail;
		for (int64_t i = 0; i + BLOCK_BYTES <= bytes && found == 0; i += BLOCK_BYTES) {
			const struct batch_header *header = (const struct batch_header *)(buffer + i);

			if (!batch_header_is_whole(header, BLOCK_BYTES, loader->store->uuid))
				continue;
			if (is_evidence(header, missing, epoch)) {
				*at = offset + (uint64_t)i;
				found = 1;
			}
		}
		if (found != 0 || bytes < (int64_t)slice)
			break;
		offset += (uint64_t)bytes;
	}
	disk_close_fd(fd);
	return found;

fail:
	diag_errno("cannot read %s/journal/" SEGMENT_NAME_FORMAT, loader->store->directory, entry->number);
	disk_close_fd(fd);
	return -1;
}

/* The epoch in which the missing batch was to be written. */
static uint64_t
epoch_at_end(const struct loader *loader)
{
	const struct segment_entry *entry = catalog_find(loader->catalog, loader->reader.segment);

	return entry != NULL && entry->is_begun ? entry->header.epoch : 0;
}

/* F7: no batch and no header knows better, but the length of a file or `current` does. */
static enum loader_step
judge_length(struct loader *loader, uint64_t missing)
{
	const struct reader *reader = &loader->reader;
	uint64_t known = loader->store->current.durable_index;
	char text[320];

	for (uint32_t i = 0; i < loader->catalog->count; i++) {
		const struct segment_entry *entry = &loader->catalog->entries[i];
		uint64_t made_bytes = entry->is_begun ? entry->header.segment_bytes : SEGMENT_BYTES_MIN;

		if (entry->number < reader->segment || entry->file_bytes >= made_bytes)
			continue;
		snprintf(text, sizeof(text), "the file is cut off: it had at least %" PRIu64 " bytes", made_bytes);
		return corrupt(loader, entry->number, entry->file_bytes, missing, text);
	}
	if (missing <= known) {
		snprintf(text, sizeof(text), "%s; journal/current says that batch %" PRIu64 " was acknowledged", reader->reason, known);
		return corrupt(loader, reader->segment, reader->offset, missing, text);
	}
	return LOADER_DONE;
}

static enum loader_step
judge_end(struct loader *loader)
{
	const struct reader *reader = &loader->reader;
	uint64_t missing = reader->index + 1, epoch = epoch_at_end(loader), segment = reader->segment, offset = reader->offset;
	const char *reason = reader->reason;
	char text[320];

	for (uint32_t i = 0; i < loader->catalog->count; i++) {
		const struct segment_entry *entry = &loader->catalog->entries[i];
		uint64_t from = entry->number == segment ? offset : 0, at = 0;

		if (entry->number < segment)
			continue;
		int found = 0;
		/* A header is evidence like a batch: it was written when durable_index was known, or continues after it. */
		if (entry->number > segment && entry->is_begun && entry->header.durable_index >= missing)
			found = 1;
		if (found == 0)
			found = search_segment(loader, entry, from, missing, epoch, &at);
		if (found < 0)
			return LOADER_FAILED;
		if (found == 0)
			continue;
		snprintf(text, sizeof(text), "%s; it was acknowledged, for what lies in " SEGMENT_NAME_FORMAT " at offset %" PRIu64
		    " was written after it%s", reason, entry->number, at,
		    entry->is_begun ? "" : " (the header of that segment is damaged too)");
		return corrupt(loader, segment, offset, missing, text);
	}
	return judge_length(loader, missing);
}

/* F9 */
static enum loader_step
judge_snapshots(struct loader *loader)
{
	uint64_t floor = loader->store->current.floor;
	char text[320];
	uint32_t shard;

	if (loader->snapshots == NULL || floor <= 1 || snapshots_are_complete(loader->snapshots, &shard))
		return LOADER_DONE;
	snprintf(text, sizeof(text), "the journal begins here, for older segments were dropped, and holds no complete snapshot of shard %"
	    PRIu32 " to begin with", shard);
	return corrupt(loader, floor, 0, loader->durable_index, text);
}

/* --- batches --- */

/* F8, F11, and that the shards are those of this store. */
static bool
ranges_fit(const struct loader *loader, const struct batch_header *header)
{
	const struct batch_range *ranges = batch_ranges(header);
	bool is_copy = (header->flags & BATCH_COPY) != 0;

	if (is_copy && !batch_copies_are_sound(header, loader->position.lsn))
		return false;
	for (uint32_t i = 0; i < header->ranges; i++) {
		if (ranges[i].shard >= loader->store->shards)
			return false;
		if (is_copy)
			continue;
		uint64_t expected = loader->position.lsn[ranges[i].shard];
		if (expected != 0 && ranges[i].lsn != expected)
			return false;
	}
	return true;
}

/* Those up to `durable_index` leave pending for the index. */
static int
settle_pending(struct loader *loader, uint64_t durable_index)
{
	uint32_t settled = 0;

	while (settled < loader->pending_count && loader->pending[settled].header.index <= durable_index) {
		const struct loader_pending *pending = &loader->pending[settled++];

		if (loader->index != NULL && (pending->header.flags & BATCH_COPY) == 0 &&
		    lsn_index_add(loader->index, &pending->header, pending->segment, pending->offset) != 0)
			return -1;
		loader->durable_index = pending->header.index;
		loader->durable_hash = pending->header.hash;
	}
	loader->pending_count -= settled;
	memmove(loader->pending, loader->pending + settled, loader->pending_count * sizeof(loader->pending[0]));
	return 0;
}

/* False where the payload is whole and holds no records.  One that is not whole takes its snapshot with it. */
static bool
note_snapshots(struct loader *loader)
{
	const struct reader *reader = &loader->reader;

	if (loader->snapshots == NULL)
		return true;
	snapshots_place(loader->snapshots, reader->header, reader->header_segment, loader->position.lsn);
	if (!reader->verifies_payload && !batch_payload_is_whole(reader->header))
		return true;
	return snapshots_read(loader->snapshots, reader->header, reader_payload(reader));
}

static enum loader_step
take_batch(struct loader *loader)
{
	const struct reader *reader = &loader->reader;
	const struct batch_header *header = reader->header;

	if (!ranges_fit(loader, header))
		return corrupt(loader, reader->header_segment, reader->header_offset, header->index,
		    "the batch does not continue the streams of its shards");
	if (!note_snapshots(loader))
		return corrupt(loader, reader->header_segment, reader->header_offset, header->index,
		    "the batch is whole but holds no records");
	if (settle_pending(loader, header->durable_index) != 0)
		return LOADER_FAILED;
	/* At once, for their records are in memory now.  One that is written again is added again, as the newer one that it is. */
	if (loader->copies != NULL && (header->flags & BATCH_COPY) != 0 &&
	    copies_add(loader->copies, header, reader->header_segment, reader->header_offset) != 0)
		return LOADER_FAILED;
	if (loader->pending_count == IN_FLIGHT_MAX)
		return corrupt(loader, reader->header_segment, reader->header_offset, header->index,
		    "the batch says that more batches were in flight than can be");
	struct loader_pending *pending = &loader->pending[loader->pending_count++];
	pending->segment = reader->header_segment;
	pending->offset = reader->header_offset;
	memcpy(pending->bytes, header, header->header_bytes);
	journal_position_add(&loader->position, header, reader->header_segment);
	loader->is_clean = (header->flags & BATCH_CLEAN) != 0;
	loader->batches++;
	return LOADER_MORE;
}

static enum loader_step
found_end(struct loader *loader)
{
	enum loader_step step = judge_end(loader);

	return step == LOADER_DONE ? judge_snapshots(loader) : step;
}

enum loader_step
loader_step(struct loader *loader)
{
	if (loader->batches == 0 && loader->reader.stop_index == LOADER_TO_THE_END && !loader->ignores_missing) {
		enum loader_step step = check_segments(loader);

		if (step != LOADER_MORE)
			return step;
	}
	switch (reader_next(&loader->reader)) {
	case READER_BATCH:
		return take_batch(loader);
	case READER_STOP:
		/* A warm start: all of these were acknowledged. */
		return settle_pending(loader, UINT64_MAX) == 0 ? LOADER_DONE : LOADER_FAILED;
	case READER_MISSING:
		if (loader->reader.stop_index == LOADER_TO_THE_END)
			return found_end(loader);
		return corrupt(loader, loader->reader.segment, loader->reader.offset, loader->reader.index + 1,
		    loader->reader.reason);
	case READER_FAILED:
		break;
	}
	return LOADER_FAILED;
}
