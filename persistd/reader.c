/*
 * reader: see reader.h.
 *
 *   happy path: header of the segment, batch, batch, ..., the last one a later segment says it continues after, next segment
 *   the end:    a place where the next batch is not: zeros, a recycled batch, a torn one, a void one of an older epoch
 */
#include "persistd/reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "persistd/disk.h"
#include "shm/diag.h"

static void
begin_at(struct reader *reader, uint32_t entry)
{
	const struct segment_entry *found = &reader->catalog->entries[entry];

	reader->entry = entry;
	reader->index = found->header.continues_index;
	reader->hash = found->header.continues_hash;
	reader->segment = found->number;
	reader->offset = BLOCK_BYTES;
}

int
reader_open(struct reader *reader, const struct store *store, const struct catalog *catalog, bool verifies_payload)
{
	*reader = (struct reader){ .store = store, .catalog = catalog, .verifies_payload = verifies_payload,
		.stop_index = UINT64_MAX, .fd = -1, .segment = store->current.floor };
	reader->buffer = disk_memory(READER_BUFFER_BYTES);
	if (reader->buffer == NULL) {
		diag_errno("no memory to read the journal");
		return -1;
	}
	if (catalog->count > 0 && catalog->entries[0].is_begun)
		begin_at(reader, 0);
	return 0;
}

void
reader_begin_at(struct reader *reader, uint64_t segment)
{
	const struct segment_entry *entry = catalog_find(reader->catalog, segment);

	assert(entry != NULL && entry->is_begun);
	begin_at(reader, (uint32_t)(entry - reader->catalog->entries));
}

void
reader_close(struct reader *reader)
{
	disk_close_fd(reader->fd);
	disk_memory_free(reader->buffer, READER_BUFFER_BYTES);
	*reader = (struct reader){ .fd = -1 };
}

static enum reader_step
missing(struct reader *reader, const char *reason)
{
	reader->reason = reason;
	return READER_MISSING;
}

static enum reader_step
failed(const struct reader *reader)
{
	diag_errno("cannot read %s/journal/" SEGMENT_NAME_FORMAT " at offset %" PRIu64, reader->store->directory,
	    reader->segment, reader->offset);
	return READER_FAILED;
}

static uint64_t
current_limit(struct reader *reader)
{
	if (reader->limit_count != reader->catalog->count) {
		reader->limit = catalog_limit(reader->catalog, reader->entry);
		reader->limit_count = reader->catalog->count;
	}
	return reader->limit;
}

/* Go to the segment that continues after the batch read last.  False if there is none. */
static bool
enter_next_segment(struct reader *reader)
{
	const struct catalog *catalog = reader->catalog;

	for (uint32_t i = reader->entry + 1; i < catalog->count; i++) {
		const struct segment_header *header = &catalog->entries[i].header;

		if (!catalog->entries[i].is_begun || header->continues_index != reader->index)
			continue;
		reader->segment = catalog->entries[i].number;
		if (header->continues_hash != reader->hash) {
			reader->offset = 0;
			return false;
		}
		reader->entry = i;
		reader->limit_count = 0;
		reader->offset = BLOCK_BYTES;
		reader->buffer_bytes = 0;
		disk_close_fd(reader->fd);
		reader->fd = -1;
		return true;
	}
	return false;
}

int
reader_open_segment(const struct reader *reader, const struct segment_entry *entry, bool *is_direct)
{
	char name[SEGMENT_NAME_BYTES];
	int fd = -1;

	segment_name(name, entry->number);
	/* A file that was cut off within a block ends where a direct read cannot go on. */
	if (reader->direct_bytes != 0 && entry->file_bytes % BLOCK_BYTES == 0)
		fd = disk_open_read_direct(reader->store->journal_fd, name);
	*is_direct = fd >= 0;
	return fd >= 0 ? fd : disk_open_read(reader->store->journal_fd, name, DISK_READ_THROUGH);
}

uint32_t
reader_slice_bytes(const struct reader *reader, bool is_direct)
{
	assert(reader->direct_bytes <= READER_DIRECT_BYTES_MAX);
	assert(reader->direct_bytes % BLOCK_BYTES == 0);
	return is_direct ? reader->direct_bytes : READER_SLICE_BYTES;
}

static int
open_segment(struct reader *reader)
{
	if (reader->fd < 0)
		reader->fd = reader_open_segment(reader, &reader->catalog->entries[reader->entry], &reader->is_direct);
	return reader->fd >= 0 ? 0 : -1;
}

/* Have `bytes` at reader->offset in the buffer, or as many as the file has.  How many, or -1 with errno. */
static int64_t
have(struct reader *reader, uint64_t bytes)
{
	uint64_t buffered = reader->buffer_offset + reader->buffer_bytes;

	assert(bytes <= READER_BUFFER_BYTES);
	if (reader->buffer_bytes == 0 || reader->offset < reader->buffer_offset || reader->offset + bytes > buffered) {
		uint32_t slice = reader_slice_bytes(reader, reader->is_direct);
		uint64_t wanted = bytes > slice ? bytes : slice;
		int64_t n = disk_read(reader->fd, reader->buffer, wanted, reader->offset);

		if (n < 0)
			return -1;
		reader->buffer_offset = reader->offset;
		reader->buffer_bytes = (uint64_t)n;
		reader->buffer_stop = reader->stop_index;
		if (!reader->is_direct)
			disk_read_ahead(reader->fd, reader->offset + (uint64_t)n, 2 * READER_SLICE_BYTES);
		buffered = reader->buffer_offset + reader->buffer_bytes;
	}
	return (int64_t)(buffered > reader->offset ? buffered - reader->offset : 0);
}

/* The batch at reader->offset if it is the next of the chain.  NULL and a reason if not; *is_failed on a read error. */
static const struct batch_header *
look(struct reader *reader, bool *is_failed)
{
	const struct segment_entry *entry = &reader->catalog->entries[reader->entry];
	int64_t available = have(reader, BLOCK_BYTES);

	if (available < 0)
		goto fail;
	const struct batch_header *header =
	    (const struct batch_header *)(reader->buffer + (reader->offset - reader->buffer_offset));
	if (!batch_header_is_whole(header, (size_t)available, reader->store->uuid)) {
		reader->reason = "there is no whole batch header";
		return NULL;
	}
	/* F1, F2, and F4: an old batch in a recycled segment, or one that a newer epoch made void. */
	if (header->index != reader->index + 1 || header->previous_hash != reader->hash ||
	    header->epoch != entry->header.epoch) {
		reader->reason = "there is a batch, but not the next one";
		return NULL;
	}
	available = have(reader, header->total_bytes);
	if (available < 0)
		goto fail;
	header = (const struct batch_header *)(reader->buffer + (reader->offset - reader->buffer_offset));
	if ((uint64_t)available < header->total_bytes) {
		reader->reason = "the file ends within a batch";
		return NULL;
	}
	if (reader->verifies_payload && !batch_payload_is_whole(header)) {
		reader->reason = "the payload of the batch does not match its checksum";
		return NULL;
	}
	return header;

fail:
	*is_failed = true;
	return NULL;
}

enum reader_step
reader_next(struct reader *reader)
{
	bool is_failed = false;

	reader->header = NULL;
	if (reader->index >= reader->stop_index)
		return READER_STOP;
	if (reader->catalog->count == 0 || !reader->catalog->entries[0].is_begun)
		return missing(reader, "no segment is begun");
	/* More than once where an epoch began and wrote nothing that the next one did not write again. */
	while (reader->index >= current_limit(reader)) {
		if (!enter_next_segment(reader))
			return missing(reader, "the next segment continues after another batch");
	}
	if (open_segment(reader) != 0)
		return failed(reader);

	/* What was read ahead of a stop may be older than the batch that has been written there since. */
	if (reader->index >= reader->buffer_stop)
		reader->buffer_bytes = 0;
	const struct batch_header *header = look(reader, &is_failed);
	if (is_failed)
		return failed(reader);
	if (header == NULL)
		return READER_MISSING;

	reader->header = header;
	reader->header_offset = reader->offset;
	reader->header_segment = reader->segment;
	reader->index = header->index;
	reader->hash = header->hash;
	reader->offset += header->total_bytes;
	return READER_BATCH;
}
