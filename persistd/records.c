#include "persistd/records.h"

#include <string.h>

#include "persistd/batch.h"
#include "shm/hash.h"
#include "shm/record.h"

static void
add_published(struct records *records, const char *bytes, const struct batch_range *range,
    uint64_t lsn)
{
	struct published_record record;

	memcpy(&record, bytes, sizeof(record));
	size_t payload_bytes = (size_t)record.attributes_bytes + record.body_bytes;
	if (record.payload_hash == hash_bytes(bytes + RECORD_PUBLISHED_BYTES, payload_bytes))
		return;
	records->bad_messages++;
	if (records->bad != NULL)
		records->bad(records->context, range->shard, lsn);
}

/* Copies name their LSNs themselves. */
static bool
add_copies(struct records *records, const char *bytes, const struct batch_range *range)
{
	for (uint32_t at = 0; at < range->bytes;) {
		const struct record *record = (const struct record *)(bytes + at);
		uint64_t left = range->bytes - at, lsn = left < sizeof(*record) ? 0 : record->lsn;
		uint32_t size = batch_record_bytes(record, left, lsn);

		if (size == 0 || record->type != RECORD_PUBLISHED)
			return false;
		add_published(records, bytes + at, range, lsn);
		records->copies++;
		at += size;
	}
	return true;
}

static bool
add_range(struct records *records, const char *bytes, const struct batch_range *range)
{
	for (uint32_t at = 0; at < range->bytes;) {
		uint32_t size = batch_record_bytes(bytes + at, range->bytes - at, range->lsn + at);
		struct restarted_record record;

		if (size == 0)
			return false;
		memcpy(&record, bytes + at, size < sizeof(record) ? size : sizeof(record));
		if (record.record.type == RECORD_PUBLISHED) {
			records->messages++;
			add_published(records, bytes + at, range, range->lsn + at);
		}
		if (record.record.type == RECORD_RESTARTED && size >= sizeof(record) &&
		    record.generation > records->generation)
			records->generation = record.generation;
		records->records++;
		at += size;
	}
	return true;
}

bool
records_add(struct records *records, const struct batch_header *header)
{
	const struct batch_range *ranges = batch_ranges(header);
	const char *bytes = (const char *)header + header->header_bytes;

	for (uint32_t i = 0; i < header->ranges; i++) {
		bool is_copy = (header->flags & BATCH_COPY) != 0;

		if (!(is_copy ? add_copies : add_range)(records, bytes, &ranges[i]))
			return false;
		bytes += ranges[i].bytes;
	}
	return true;
}
