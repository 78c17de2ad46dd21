/*
 * batch: what one journal write holds: a header in the chain, and whole transactions of one or more shards; or copies of records
 * (BATCH_COPY).
 *
 *   batch_reset() -> batch_add() for each shard -> batch_seal() -> on disk -> batch_header_is_whole(), batch_payload_is_whole()
 *
 * Its memory begins with one block for a segment header, so that the first batch of a segment and that header are one write.
 */
#ifndef PERSISTD_BATCH_H
#define PERSISTD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persistd/format.h"

#define BATCH_MEMORY_BYTES (BLOCK_BYTES + BLOCK_ALIGN(BATCH_BYTES_MAX))

struct batch {
	char *memory;                  /* BATCH_MEMORY_BYTES, private and aligned */
	struct batch_header *header;   /* one block into it */
	struct batch_range *ranges;    /* header->ranges of them, one for each shard at most */
	char *payload;
	uint32_t queued_bytes;         /* how many the backend writes for it: what its completion has to say */
};

/* For up to `shards` ranges.  Memory is taken once, touched when used.  0, or -1 without memory. */
int batch_init(struct batch *batch, uint32_t shards);
void batch_release(struct batch *batch);

/* Empty it. */
void batch_reset(struct batch *batch);

/* Where the next payload bytes go, and how many fit. */
char *batch_end(const struct batch *batch);
uint32_t batch_room(const struct batch *batch);

/* Claim `bytes` (multiple of 8, > 0) that stand at batch_end() as those of `shard` from `lsn` on. */
void batch_add(struct batch *batch, uint32_t shard, uint64_t lsn, uint32_t bytes);

static inline bool
batch_is_empty(const struct batch *batch)
{
	return batch->header->ranges == 0;
}

/* What a header says beside its ranges. */
struct batch_place {
	const uint8_t *store_uuid;
	uint64_t epoch;
	uint64_t index;
	uint64_t durable_index;
	uint64_t previous_hash;
	uint64_t time_ms;
	uint16_t flags;
};

/* Complete header, padding and hashes.  Returns the batch's hash. */
uint64_t batch_seal(struct batch *batch, const struct batch_place *place);

/*
 * Make a whole batch, payload behind it, one of another store, epoch and chain; index, flags, time and payload stay.  Returns
 * its new hash.
 */
uint64_t batch_adopt(struct batch_header *header, const uint8_t store_uuid[16], uint64_t epoch, uint64_t previous_hash);

/* The ranges behind a header that is whole. */
static inline const struct batch_range *
batch_ranges(const struct batch_header *header)
{
	return (const struct batch_range *)(header + 1);
}

/*
 * True if bytes[0 .. available) begin with a batch header of this store whose hash holds and whose sizes and ranges agree
 * with each other.  The payload need not be there.  Takes any bytes.
 */
bool batch_header_is_whole(const void *bytes, size_t available, const uint8_t store_uuid[16]);

/* True if the payload behind a whole header, all of it in memory, is the one that was sealed. */
bool batch_payload_is_whole(const struct batch_header *header);

/*
 * Size of the record at the beginning of bytes[0 .. available) if it can be one of this lsn: length, type, flags, and the
 * lengths inside a PUBLISHED agree; else 0.  Takes any bytes.
 */
uint32_t batch_record_bytes(const void *bytes, uint64_t available, uint64_t lsn);

/*
 * True if the payload of a whole header of a batch of copies, all of it in memory, holds what F11 says; the stream of shard s stands
 * at below[s] (0: not known).  Takes any bytes.
 */
bool batch_copies_are_sound(const struct batch_header *header, const uint64_t below[WORKER_MAX]);

/*
 * The longest run of whole transactions in bytes[0 .. available), which begin with the record of `lsn`; if `is_first_only`
 * just one.  0 if not even one is whole.  *is_sound: false where bytes are no record at all.
 */
uint64_t batch_transactions(const char *bytes, uint64_t available, uint64_t lsn, bool is_first_only, bool *is_sound);

#endif
