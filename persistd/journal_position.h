/*
 * journal_position: a place between two batches: everything up to it, and nothing behind it.
 */
#ifndef PERSISTD_JOURNAL_POSITION_H
#define PERSISTD_JOURNAL_POSITION_H

#include <stdint.h>

#include "persistd/batch.h"

struct journal_position {
	uint64_t index;            /* of the last batch, 0 before the first */
	uint64_t hash;             /* its hash */
	uint64_t segment;          /* the number of its segment, current.floor - 1 before the first */
	uint64_t lsn[WORKER_MAX];  /* where each shard's stream goes on; LSN_FIRST before the first */
};

/* Step over a batch. */
static inline void
journal_position_add(struct journal_position *position, const struct batch_header *header, uint64_t segment)
{
	const struct batch_range *ranges = batch_ranges(header);

	position->index = header->index;
	position->hash = header->hash;
	position->segment = segment;
	if ((header->flags & BATCH_COPY) != 0)
		return; /* what it holds was there before */
	for (uint32_t i = 0; i < header->ranges; i++)
		position->lsn[ranges[i].shard] = ranges[i].lsn + ranges[i].bytes;
}

/* Step back over the last batch, as far as the streams go. */
static inline void
journal_position_back(struct journal_position *position, const struct batch_header *header)
{
	const struct batch_range *ranges = batch_ranges(header);

	if ((header->flags & BATCH_COPY) != 0)
		return;
	for (uint32_t i = 0; i < header->ranges; i++)
		position->lsn[ranges[i].shard] = ranges[i].lsn;
}

#endif
