/*
 * recover: how a worker comes to serve.
 *
 *   READY     warm: undo what was open, show the cursors, check, serve
 *   FRESH, REPLAYING  cold: format, replay the journal
 *   CORRUPT   (the check failed) wait until the journal has all that was shown, then as REPLAYING
 */
#ifndef WORKERD_RECOVER_H
#define WORKERD_RECOVER_H

#include "shm/state/check.h"
#include "workerd/worker.h"

/* Slots ever used up to which the whole shard is checked at a warm start: about 30 ms (bench). */
#define CHECK_SLOTS_MAX (1u << 18)

/*
 * Undo the open transaction of a READY shard, count a crash (last_signal, 0: none), check.  True: it is whole.  False: it
 * was marked CORRUPT, with a diag; or its replay was not finished, so it is REPLAYING.
 */
bool recover_warm(struct worker *worker, uint32_t last_signal);

/* The shared cursors as they stand, of all fronts that are attached. */
void recover_mirrors(const struct worker *worker, struct shard_mirrors *mirrors);

/* What has to be durable before a CORRUPT shard may be built anew from the journal. */
bool recover_may_reload(const struct worker *worker);

#endif
