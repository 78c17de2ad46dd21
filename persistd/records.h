/*
 * records: what a batch holds, record by record: for check and for backups.
 */
#ifndef PERSISTD_RECORDS_H
#define PERSISTD_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/format.h"

/* Added up over batches. */
struct records {
	uint64_t records;
	uint64_t messages;
	uint64_t copies;       /* of messages, further forward */
	uint64_t bad_messages; /* that do not match their checksum: they will not be delivered */
	uint64_t generation;   /* the highest that a record names */

	/* Told of each bad message; NULL: nobody. */
	void (*bad)(void *context, uint32_t shard, uint64_t lsn);
	void *context;
};

/* All records of a batch that is whole, payload included.  False where bytes are no record. */
bool records_add(struct records *records, const struct batch_header *header);

#endif
