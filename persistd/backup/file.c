/*
 * file: see file.h.
 *
 * Happy path: backup_write_begin(), backup_write_batch() for each, backup_write_end(); the same
 * with read. Writer and reader step over each piece by the same chain_*() functions, so what one
 * writes the other accepts.
 */
#include "persistd/backup/file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "persistd/batch.h"
#include "persistd/disk.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/record.h"
#include "shm/store_file.h"

/*
 * What goes out at a time, at most: enough for a disk. With a rate it is less, so that no pause is
 * longer than 1 / PAUSES s.
 */
#define SLICE_BYTES (1u << 20)
#define PAUSES 8
#define READ_BYTES BLOCK_ALIGN(BATCH_BYTES_MAX)

void
backup_made_text(const struct backup_header *header, char text[32])
{
	time_t seconds = (time_t)(header->made_ms / 1000);
	struct tm utc;

	if (gmtime_r(&seconds, &utc) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		snprintf(text, 32, "unknown");
}

/* --- the chain --- */

static uint64_t
hash_of(const void *piece)
{
	return hash_bytes((const char *)piece + 8, sizeof(struct backup_header) - 8);
}
_Static_assert(sizeof(struct backup_header) == sizeof(struct backup_end), "hash_of() is for both");

static void
chain_add_bytes(struct backup_chain *chain, const void *piece, uint64_t bytes)
{
	uint64_t pair[2] = { chain->end.digest, hash_bytes(piece, bytes) };

	chain->end.digest = hash_bytes(pair, sizeof(pair));
	chain->end.bytes += bytes;
}

/* `block` is what begins with the header. */
static void
chain_begin(struct backup_chain *chain, const char block[BLOCK_BYTES])
{
	*chain = (struct backup_chain){ 0 };
	memcpy(&chain->header, block, sizeof(chain->header));
	chain->end.last_index = chain->header.continues_index;
	chain->end.last_hash = chain->header.continues_hash;
	for (uint32_t s = 0; s < WORKER_MAX && chain->header.continues_index == 0; s++)
		chain->lsn[s] = LSN_FIRST;
	chain_add_bytes(chain, block, BLOCK_BYTES);
}

/* F8 and F11.  The payload is in memory. */
static bool
ranges_follow(const struct backup_chain *chain, const struct batch_header *batch)
{
	const struct batch_range *ranges = batch_ranges(batch);
	bool is_copy = (batch->flags & BATCH_COPY) != 0;

	for (uint32_t i = 0; i < batch->ranges; i++) {
		if (ranges[i].shard >= chain->header.shards)
			return false;
		uint64_t expected = chain->lsn[ranges[i].shard];
		if (!is_copy && expected != 0 && ranges[i].lsn != expected)
			return false;
	}
	return !is_copy || batch_copies_are_sound(batch, chain->lsn);
}

/* B1.  NULL, or what is wrong with it. */
static const char *
chain_add_batch(struct backup_chain *chain, const struct batch_header *batch)
{
	const struct batch_range *ranges = batch_ranges(batch);

	if (batch->index != chain->end.last_index + 1 ||
	    batch->previous_hash != chain->end.last_hash)
		return "a batch is not the one that follows the one before it";
	if (!ranges_follow(chain, batch))
		return "a batch does not continue the streams of its shards";
	if (!records_add(&chain->records, batch))
		return "a batch is whole but holds no records";
	for (uint32_t i = 0; i < batch->ranges && (batch->flags & BATCH_COPY) == 0; i++)
		chain->lsn[ranges[i].shard] = ranges[i].lsn + ranges[i].bytes;
	chain->end.batches++;
	chain->end.last_index = batch->index;
	chain->end.last_hash = batch->hash;
	chain->end.last_ms = batch->time_ms;
	chain_add_bytes(chain, batch, batch->total_bytes);
	return NULL;
}

static void
chain_end(struct backup_chain *chain)
{
	chain->end.magic = BACKUP_END_MAGIC;
	chain->end.hash = hash_of(&chain->end);
}

/* --- writing --- */

void
backup_keep_rate(uint64_t begun_ns, uint64_t bytes, uint64_t bytes_per_second)
{
	if (bytes_per_second == 0)
		return;
	double seconds = (double)bytes / (double)bytes_per_second;
	uint64_t due_ns = begun_ns + (uint64_t)(seconds * 1e9), now = now_ns();

	if (due_ns <= now)
		return;
	struct timespec pause = { .tv_sec = (time_t)((due_ns - now) / 1000000000),
		.tv_nsec = (long)((due_ns - now) % 1000000000) };
	(void)nanosleep(&pause, NULL); /* too early only makes the next pause longer */
}

static int
flush(struct backup_writer *writer)
{
	if (disk_append(writer->fd, writer->buffer, writer->buffered_bytes) != 0) {
		diag_errno("cannot write the backup behind its first %llu bytes",
		    (unsigned long long)writer->written_bytes);
		return -1;
	}
	writer->written_bytes += writer->buffered_bytes;
	writer->buffered_bytes = 0;
	backup_keep_rate(writer->begun_ns, writer->written_bytes, writer->bytes_per_second);
	return 0;
}

static size_t
slice_bytes(uint64_t bytes_per_second)
{
	uint64_t bytes = bytes_per_second / PAUSES & ~(uint64_t)(BLOCK_BYTES - 1);

	if (bytes_per_second == 0 || bytes > SLICE_BYTES)
		return SLICE_BYTES;
	return bytes != 0 ? bytes : BLOCK_BYTES;
}

static int
put(struct backup_writer *writer, const void *piece, size_t bytes)
{
	const char *from = piece;

	assert(bytes % BLOCK_BYTES == 0);
	while (bytes > 0) {
		size_t room = writer->slice_bytes - writer->buffered_bytes, count;

		count = bytes < room ? bytes : room;

		memcpy(writer->buffer + writer->buffered_bytes, from, count);
		writer->buffered_bytes += count;
		from += count;
		bytes -= count;
		if (writer->buffered_bytes == writer->slice_bytes && flush(writer) != 0)
			return -1;
	}
	return 0;
}

int
backup_write_begin(struct backup_writer *writer, int fd, const struct backup_header *header,
    uint64_t bytes_per_second)
{
	struct backup_header sealed = *header;
	char block[BLOCK_BYTES] = { 0 };

	*writer = (struct backup_writer){ .fd = fd, .bytes_per_second = bytes_per_second,
		.slice_bytes = slice_bytes(bytes_per_second), .begun_ns = now_ns() };
	writer->buffer = disk_memory(SLICE_BYTES);
	if (writer->buffer == NULL) {
		diag_errno("no memory to write a backup");
		return -1;
	}
	sealed.magic = BACKUP_MAGIC;
	sealed.version = BACKUP_VERSION;
	sealed.hash = hash_of(&sealed);
	memcpy(block, &sealed, sizeof(sealed));
	chain_begin(&writer->chain, block);
	return put(writer, block, sizeof(block));
}

int
backup_write_batch(struct backup_writer *writer, const struct batch_header *batch)
{
	const char *reason = chain_add_batch(&writer->chain, batch);

	if (reason != NULL) {
		diag(DIAG_ERROR, "batch %llu: %s", (unsigned long long)batch->index, reason);
		return -1;
	}
	return put(writer, batch, batch->total_bytes);
}

int
backup_write_end(struct backup_writer *writer)
{
	char block[BLOCK_BYTES] = { 0 };

	chain_end(&writer->chain);
	memcpy(block, &writer->chain.end, sizeof(writer->chain.end));
	return put(writer, block, sizeof(block)) == 0 ? flush(writer) : -1;
}

void
backup_write_close(struct backup_writer *writer)
{
	disk_memory_free(writer->buffer, SLICE_BYTES);
	writer->buffer = NULL;
}

/* --- reading --- */

static enum backup_step
damaged(struct backup_reader *reader, const char *reason)
{
	reader->reason = reason;
	return BACKUP_DAMAGED;
}

/* All of `bytes`, at buffer + offset. */
static enum backup_step
take(struct backup_reader *reader, uint64_t offset, uint64_t bytes)
{
	int64_t n = disk_read_next(reader->fd, reader->buffer + offset, bytes);

	if (n < 0)
		return BACKUP_FAILED;
	return (uint64_t)n == bytes ? BACKUP_BATCH : damaged(reader, "it is cut off here");
}

static bool
is_zero(const char *bytes, size_t count)
{
	return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

enum backup_step
backup_read_begin(struct backup_reader *reader, int fd)
{
	struct backup_header header;

	*reader = (struct backup_reader){ .fd = fd, .buffer = disk_memory(READ_BYTES) };
	if (reader->buffer == NULL)
		return BACKUP_FAILED;
	enum backup_step step = take(reader, 0, BLOCK_BYTES);
	if (step != BACKUP_BATCH)
		return step;
	memcpy(&header, reader->buffer, sizeof(header));
	if (header.magic != BACKUP_MAGIC)
		return damaged(reader, "it does not begin as a backup");
	if (header.hash != hash_of(&header))
		return damaged(reader, "its header does not match its checksum");
	if (header.version != BACKUP_VERSION || !store_file_is_known(header.store_version))
		return damaged(reader,
		    "it is of a newer version than this program; use the one it was made with");
	if (header.shards < 1 || header.shards > WORKER_MAX || header.floor < 1)
		return damaged(reader, "its header makes no sense");
	chain_begin(&reader->chain, reader->buffer);
	return BACKUP_BATCH;
}

/* What lies in the first block of the buffer is no batch. */
static enum backup_step
take_end(struct backup_reader *reader)
{
	struct backup_end end;
	int64_t more;

	memcpy(&end, reader->buffer, sizeof(end));
	if (end.magic != BACKUP_END_MAGIC)
		return damaged(reader, "there is neither a whole batch header nor the end");
	chain_end(&reader->chain);
	if (memcmp(&end, &reader->chain.end, sizeof(end)) != 0)
		return damaged(reader, "what was read is not what its end says was written");
	if (!is_zero(reader->buffer + sizeof(end), BLOCK_BYTES - sizeof(end)))
		return damaged(reader, "there is something behind its end");
	more = disk_read_next(reader->fd, reader->buffer, 1);
	if (more < 0)
		return BACKUP_FAILED;
	return more == 0 ? BACKUP_END : damaged(reader, "there is something behind its end");
}

enum backup_step
backup_read_next(struct backup_reader *reader)
{
	enum backup_step step = take(reader, 0, BLOCK_BYTES);

	if (step != BACKUP_BATCH)
		return step;
	reader->batch = (struct batch_header *)reader->buffer;
	if (!batch_header_is_whole(reader->batch, BLOCK_BYTES, reader->chain.header.store_uuid))
		return take_end(reader);
	step = take(reader, BLOCK_BYTES, reader->batch->total_bytes - BLOCK_BYTES);
	if (step != BACKUP_BATCH)
		return step;
	if (!batch_payload_is_whole(reader->batch))
		return damaged(reader, "the payload of a batch does not match its checksum");
	const char *reason = chain_add_batch(&reader->chain, reader->batch);
	return reason == NULL ? BACKUP_BATCH : damaged(reader, reason);
}

void
backup_read_close(struct backup_reader *reader)
{
	disk_memory_free(reader->buffer, READ_BYTES);
	reader->buffer = NULL;
}
