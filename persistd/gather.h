/*
 * gather: the new bytes of all shards' streams -> one batch.  Whole transactions only, at most batch_bytes of them unless one
 * alone is larger; no waiting for more: a batch is what came in while the last one flew.
 */
#ifndef PERSISTD_GATHER_H
#define PERSISTD_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/journal_position.h"
#include "shm/stream.h"

struct gather {
	const struct stream *streams; /* one for each shard, mapped */
	uint32_t shards;
	uint32_t batch_bytes;
	uint32_t first;               /* shard to begin with: the one that came off worst */
};

/* Is anybody waiting for records beyond `position`? */
bool gather_is_wanted(const struct gather *gather, const struct journal_position *position);

/* Are there so many bytes beyond `position`, over all shards? */
bool gather_has_bytes(const struct gather *gather, const struct journal_position *position, uint64_t bytes);

/* Does any shard have bytes beyond `position`? */
bool gather_has_news(const struct gather *gather, const struct journal_position *position);

/*
 * Fill an empty batch with what lies beyond `position`.  False if there is nothing.  Dies, after a diag, of a stream that
 * holds no records: that is a worker's bug, and must not get onto the disk.
 */
bool gather_fill(struct gather *gather, struct batch *batch, const struct journal_position *position);

#endif
