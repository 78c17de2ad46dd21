/*
 * Whatever stands on the disk: batch headers, payloads and records are opened from arbitrary bytes without reading beyond them,
 * and what is accepted is consistent.  Since random bytes never match a checksum, the first byte of the input says what is made
 * right before it is opened: 1 the header's hash, 2 the payload's hash, 4 sizes and magic.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "persistd/batch.h"
#include "shm/hash.h"
#include "shm/record.h"

static const uint8_t uuid[16] = "0123456789abcde";

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void
make_right(struct batch_header *header, size_t count, unsigned what)
{
	if ((what & 4) != 0) {
		header->magic = BATCH_MAGIC;
		header->version = FORMAT_VERSION;
		memcpy(header->store_uuid, uuid, sizeof(uuid));
		header->total_bytes = (uint32_t)BLOCK_ALIGN((uint64_t)header->header_bytes + header->payload_bytes);
	}
	if ((what & 2) != 0 && header->header_bytes <= count && header->payload_bytes <= count - header->header_bytes)
		header->payload_hash = hash_bytes((const char *)header + header->header_bytes, header->payload_bytes);
	if ((what & 1) != 0 && header->header_bytes <= count && header->header_bytes > 8)
		header->hash = hash_bytes((const char *)header + 8, header->header_bytes - 8);
}

/* As replay and check walk a range. */
static void
walk(const char *bytes, uint64_t available, uint64_t lsn)
{
	bool is_sound;
	uint64_t whole = batch_transactions(bytes, available, lsn, false, &is_sound), at = 0;

	assert(whole <= available);
	assert(batch_transactions(bytes, available, lsn, true, &is_sound) <= whole);
	while (at < available) {
		uint32_t size = batch_record_bytes(bytes + at, available - at, lsn + at);

		if (size == 0)
			break;
		assert(size <= available - at && size % 8 == 0 && size >= sizeof(struct record));
		at += size;
	}
	assert(at >= whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	if (count < 1)
		return 0;
	/* Exactly as large as the input, aligned as a reader's buffer is. */
	size_t available = count - 1;
	char *copy = malloc(available > 0 ? available : 1);
	struct batch_header *header = (struct batch_header *)copy;

	if (copy == NULL)
		return 0;
	memcpy(copy, bytes + 1, available);
	if (available >= sizeof(*header))
		make_right(header, available, bytes[0]);
	walk(copy, available & ~(size_t)7, LSN_FIRST);
	if (batch_header_is_whole(copy, available, uuid)) {
		const struct batch_range *ranges = batch_ranges(header);
		uint64_t at = header->header_bytes;

		if (header->header_bytes + (uint64_t)header->payload_bytes <= available)
			(void)batch_payload_is_whole(header);
		for (uint32_t i = 0; i < header->ranges; i++) {
			assert(ranges[i].shard < WORKER_MAX);
			if (at + ranges[i].bytes <= available)
				walk(copy + at, ranges[i].bytes, ranges[i].lsn);
			at += ranges[i].bytes;
		}
		assert(at == header->header_bytes + (uint64_t)header->payload_bytes);
	}
	free(copy);
	return 0;
}
