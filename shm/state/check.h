/*
 * check: is this shard whole?  O(slots ever used).  Works on any consistent view: the worker's own after a rollback, a
 * stopped worker's, a copy of a region.
 */
#ifndef SHM_STATE_CHECK_H
#define SHM_STATE_CHECK_H

#include "shm/state/shard.h"

/* The cursors as others see them.  Fronts that are not mapped: 0. */
struct shard_mirrors {
	uint64_t stream_tail;
	uint64_t request_head[FRONT_MAX];
	uint64_t reply_tail[FRONT_MAX];
};

/*
 * NULL if every invariant holds, else the text of the first one that does not: its number (see shard.h, message.h, queue.h,
 * waiter.h, wheel.h, user.h,
 * credential.h, grant.h) and what it says.  `mirrors` may be NULL: S4 is not checked then.  Does not assert, does not write.
 */
const char *shard_check(const struct shard *shard, const struct shard_mirrors *mirrors);

#endif
