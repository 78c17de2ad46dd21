/*
 * announce: what persistd tells the others in region `durable`, and what a successor reads there.
 */
#ifndef PERSISTD_ANNOUNCE_H
#define PERSISTD_ANNOUNCE_H

#include <stdbool.h>

#include "persistd/journal_position.h"
#include "persistd/snapshots.h"
#include "shm/durable.h"

/* Where the predecessor stood: all up to there is on stable storage.  False: nobody was there since the regions were made. */
bool announce_read(const struct durable_shared *durable, struct journal_position *position);

/*
 * Everything up to `position` is on stable storage: answers that waited for it may leave.  SIGKILL at any instruction leaves a
 * position that agrees with itself and is not behind any LSN that somebody may have seen.
 */
void announce_position(struct durable_shared *durable, const struct journal_position *position, uint32_t shards);

/* The journal is open in `epoch`: from now on a successor starts warm. */
void announce_open(struct durable_shared *durable, uint64_t epoch, uint64_t segment);

/* A newer snapshot of a shard is complete and durable.  SIGKILL between may leave none: the successor says it again. */
void announce_snapshot(struct durable_shared *durable, uint32_t shard, const struct journal_snapshot *snapshot);

void announce_state(struct durable_shared *durable, enum journal_state state);

#endif
