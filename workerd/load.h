/*
 * load: the tables of a shard from a snapshot, at a cold start: a formatted shard that is
 * REPLAYING, the records of one complete snapshot in their order (stream.h: REPLAY_SNAPSHOT),
 * before anything else is replayed.
 *
 * Slots are written plainly: a worker that dies in between formats again.  What comes was checked
 * by persistd for being what a worker wrote; here it is checked for being a shard.
 */
#ifndef WORKERD_LOAD_H
#define WORKERD_LOAD_H

#include "workerd/worker.h"

/* Empty the shard's map of images, as replay_begin() empties the shard. */
void load_begin(struct worker *worker);

/*
 * The next record, of which so many bytes are there.  NULL: it was good; *done_lsn is then 0, or,
 * where the shard is now as it was at the snapshot's SNAPSHOT_BEGUN, that record's LSN.  Else the
 * text of what is wrong: this snapshot is no shard.
 */
const char *load_record(
    struct worker *worker, const struct record *record, uint64_t bytes, uint64_t *done_lsn);

/* Between the first record and the last: nothing else may be replayed now. */
bool load_is_under_way(const struct worker *worker);

#endif
