/*
 * apply: make a record true.  The same functions serve a live request, whose record was just written, and a replay.  They
 * look at the record and the state, never at the clock, at chance or at a frame, and cannot refuse: what decide let pass and
 * what the journal's checksums let pass is so.
 */
#ifndef WORKERD_APPLY_H
#define WORKERD_APPLY_H

#include "shm/record.h"
#include "shm/state/shard.h"

/* Within the open transaction; the caller commits. */
void record_apply(struct shard *shard, const struct record *record);

#define X(name, value, lower) void lower##_apply(struct shard *shard, const struct record *record);
#include "shm/records.def"
#undef X

#endif
