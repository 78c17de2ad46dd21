/*
 * load: the tables of a shard from a snapshot, at a cold start: a formatted shard that is REPLAYING, the records of one
 * complete snapshot in their order (stream.h: REPLAY_SNAPSHOT), before anything else is replayed.
 *
 * Slots are written plainly: a worker that dies in between formats again.  What comes was checked by persistd for being what a
 * worker wrote; here it is checked for being a shard.
 */
#ifndef WORKERD_LOAD_H
#define WORKERD_LOAD_H

#include "workerd/worker.h"

/* Empty the shard's map of images, as replay_begin() empties the shard. */
void load_begin(struct worker *worker);

enum load {
	LOAD_GOES_ON,
	LOAD_DONE,      /* the shard is as it was at the snapshot's SNAPSHOT_BEGUN, whose LSN is *lsn */
	LOAD_WRONG,     /* a diag said what: this snapshot is no shard */
};

/* The next record, of which so many bytes are there. */
enum load load_record(struct worker *worker, const struct record *record, uint64_t bytes, uint64_t *lsn);

/* Between the first record and the last: nothing else may be replayed now. */
bool load_is_under_way(const struct worker *worker);

#endif
