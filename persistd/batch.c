#include "persistd/batch.h"

#include <assert.h>
#include <string.h>

#include "persistd/disk.h"
#include "shm/hash.h"
#include "shm/record.h"

int
batch_init(struct batch *batch, uint32_t shards)
{
	assert(shards >= 1 && shards <= WORKER_MAX);

	*batch = (struct batch){ .memory = disk_memory(BATCH_MEMORY_BYTES) };
	if (batch->memory == NULL)
		return -1;
	batch->header = (struct batch_header *)(batch->memory + BLOCK_BYTES);
	batch->ranges = (struct batch_range *)(batch->header + 1);
	batch->payload = (char *)(batch->ranges + shards);
	batch->header->header_bytes = (uint32_t)(batch->payload - (char *)batch->header);
	return 0;
}

void
batch_release(struct batch *batch)
{
	disk_memory_free(batch->memory, BATCH_MEMORY_BYTES);
	*batch = (struct batch){ 0 };
}

void
batch_reset(struct batch *batch)
{
	uint32_t header_bytes = batch->header->header_bytes;

	memset(batch->header, 0, header_bytes);
	batch->header->header_bytes = header_bytes;
}

char *
batch_end(const struct batch *batch)
{
	return batch->payload + batch->header->payload_bytes;
}

uint32_t
batch_room(const struct batch *batch)
{
	return BATCH_BYTES_MAX - batch->header->header_bytes - batch->header->payload_bytes;
}

void
batch_add(struct batch *batch, uint32_t shard, uint64_t lsn, uint32_t bytes)
{
	assert(bytes > 0 && bytes % 8 == 0);
	assert(bytes <= batch_room(batch));
	assert(lsn >= LSN_FIRST && lsn % 8 == 0);
	assert((char *)&batch->ranges[batch->header->ranges + 1] <= batch->payload);

	batch->ranges[batch->header->ranges++] = (struct batch_range){ .lsn = lsn, .bytes = bytes, .shard = shard };
	batch->header->payload_bytes += bytes;
}

/* Zeros behind the payload up to the end of the block; what an earlier, longer use left there must not reach the disk. */
static void
pad(struct batch *batch)
{
	uint32_t used = batch->header->header_bytes + batch->header->payload_bytes;

	memset((char *)batch->header + used, 0, batch->header->total_bytes - used);
}

uint64_t
batch_seal(struct batch *batch, const struct batch_place *place)
{
	struct batch_header *header = batch->header;

	assert(place->durable_index < place->index);
	assert(header->ranges > 0 || (place->flags & (BATCH_CLEAN | BATCH_WITNESS)) != 0);

	header->magic = BATCH_MAGIC;
	header->version = FORMAT_VERSION;
	header->flags = place->flags;
	memcpy(header->store_uuid, place->store_uuid, sizeof(header->store_uuid));
	header->epoch = place->epoch;
	header->index = place->index;
	header->durable_index = place->durable_index;
	header->time_ms = place->time_ms;
	header->previous_hash = place->previous_hash;
	header->payload_hash = hash_bytes(batch->payload, header->payload_bytes);
	header->total_bytes = (uint32_t)BLOCK_ALIGN(header->header_bytes + header->payload_bytes);
	pad(batch);
	header->hash = hash_bytes((const char *)header + 8, header->header_bytes - 8);
	assert(batch_header_is_whole(header, header->total_bytes, place->store_uuid));
	return header->hash;
}

uint64_t
batch_adopt(struct batch_header *header, const uint8_t store_uuid[16], uint64_t epoch, uint64_t previous_hash)
{
	memcpy(header->store_uuid, store_uuid, sizeof(header->store_uuid));
	header->epoch = epoch;
	header->previous_hash = previous_hash;
	header->hash = hash_bytes((const char *)header + 8, header->header_bytes - 8);
	assert(batch_header_is_whole(header, header->total_bytes, store_uuid));
	return header->hash;
}

/* The sizes of a header agree with each other, so that its hash can be computed. */
static bool
sizes_agree(const struct batch_header *header)
{
	if (header->ranges > WORKER_MAX || header->header_bytes % 8 != 0 || header->header_bytes > BATCH_HEADER_BYTES_MAX)
		return false;
	if (header->header_bytes < sizeof(*header) + header->ranges * sizeof(struct batch_range))
		return false;
	if (header->payload_bytes > BATCH_BYTES_MAX - header->header_bytes)
		return false;
	return header->total_bytes == BLOCK_ALIGN(header->header_bytes + header->payload_bytes);
}

/* Each shard once, nothing empty, nothing left over. */
static bool
ranges_agree(const struct batch_header *header)
{
	const struct batch_range *ranges = batch_ranges(header);
	uint64_t bytes = 0, seen = 0;

	for (uint32_t i = 0; i < header->ranges; i++) {
		if (ranges[i].shard >= WORKER_MAX || (seen >> ranges[i].shard & 1) != 0)
			return false;
		if (ranges[i].bytes == 0 || ranges[i].bytes % 8 != 0 || ranges[i].lsn % 8 != 0 || ranges[i].lsn < LSN_FIRST)
			return false;
		if (ranges[i].lsn + ranges[i].bytes < ranges[i].lsn)
			return false;
		seen |= 1ull << ranges[i].shard;
		bytes += ranges[i].bytes;
	}
	return bytes == header->payload_bytes;
}

bool
batch_header_is_whole(const void *bytes, size_t available, const uint8_t store_uuid[16])
{
	const struct batch_header *header = bytes;

	if (available < sizeof(*header) || header->magic != BATCH_MAGIC || header->version != FORMAT_VERSION)
		return false;
	if (memcmp(header->store_uuid, store_uuid, sizeof(header->store_uuid)) != 0)
		return false;
	if (!sizes_agree(header) || header->header_bytes > available)
		return false;
	if (header->hash != hash_bytes((const char *)header + 8, header->header_bytes - 8))
		return false;
	return ranges_agree(header) && header->durable_index < header->index;
}

bool
batch_payload_is_whole(const struct batch_header *header)
{
	return header->payload_hash == hash_bytes((const char *)header + header->header_bytes, header->payload_bytes);
}

uint32_t
batch_record_bytes(const void *bytes, uint64_t available, uint64_t lsn)
{
	struct published_record seen;

	if (available < sizeof(struct record))
		return 0;
	memcpy(&seen.record, bytes, sizeof(seen.record));
	if (seen.record.bytes < sizeof(struct record) || seen.record.bytes % 8 != 0 || seen.record.bytes > available)
		return 0;
	if (seen.record.lsn != lsn || (seen.record.flags & ~RECORD_LAST) != 0)
		return 0;
	if (seen.record.type == RECORD_NONE || seen.record.type >= RECORD_TYPE_COUNT)
		return 0;
	if (seen.record.type != RECORD_PUBLISHED)
		return seen.record.bytes;
	if (seen.record.bytes < RECORD_PUBLISHED_BYTES)
		return 0;
	memcpy(&seen, bytes, sizeof(seen));
	uint64_t payload = (uint64_t)seen.attributes_bytes + seen.body_bytes;
	return RECORD_PUBLISHED_BYTES + ((payload + 7) & ~7ull) == seen.record.bytes ? seen.record.bytes : 0;
}

/* The records of one range of copies. */
static bool
copies_agree(const struct batch_range *range, const char *bytes, uint64_t below)
{
	uint64_t lsn = range->lsn;
	struct record record;

	for (uint32_t at = 0; at < range->bytes; at += record.bytes) {
		if (range->bytes - at < sizeof(record))
			return false;
		memcpy(&record, bytes + at, sizeof(record));
		if (at == 0 ? record.lsn != lsn : record.lsn < lsn)
			return false;
		if (record.type != RECORD_PUBLISHED || batch_record_bytes(bytes + at, range->bytes - at, record.lsn) == 0)
			return false;
		lsn = record.lsn + record.bytes;
		if (lsn < record.lsn || record.lsn % 8 != 0 || (below != 0 && lsn > below))
			return false;
	}
	return true;
}

bool
batch_copies_are_sound(const struct batch_header *header, const uint64_t below[WORKER_MAX])
{
	const struct batch_range *ranges = batch_ranges(header);
	const char *bytes = (const char *)header + header->header_bytes;

	for (uint32_t i = 0; i < header->ranges; i++) {
		if (!copies_agree(&ranges[i], bytes, below[ranges[i].shard]))
			return false;
		bytes += ranges[i].bytes;
	}
	return header->ranges > 0;
}

uint64_t
batch_transactions(const char *bytes, uint64_t available, uint64_t lsn, bool is_first_only, bool *is_sound)
{
	uint64_t at = 0, whole = 0;
	struct record record;

	*is_sound = true;
	while (available - at >= sizeof(record)) {
		memcpy(&record, bytes + at, sizeof(record));
		/* Cut off in the middle: no judgement on it yet. */
		if (record.bytes > available - at && record.bytes <= TXN_RECORD_BYTES_MAX)
			break;
		uint32_t size = batch_record_bytes(bytes + at, available - at, lsn + at);
		if (size == 0) {
			*is_sound = false;
			break;
		}
		at += size;
		if ((record.flags & RECORD_LAST) != 0) {
			whole = at;
			if (is_first_only)
				break;
		}
	}
	return whole;
}
