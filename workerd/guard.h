/*
 * guard: a request that crashes the worker twice is not tried a third time.  Which request is being executed stands in the
 * shard, outside the undo log; a successor that was preceded by a crash signal (not SIGKILL) counts it.
 */
#ifndef WORKERD_GUARD_H
#define WORKERD_GUARD_H

#include "shm/atomic.h"
#include "workerd/worker.h"

#define GUARD_CRASHES_MAX 2

/* The frame at the front's request head is being executed from here on. */
static inline void
guard_begin(struct worker *worker, uint32_t front)
{
	struct guard *guard = &worker->shard.shared->guard;
	const struct shard_front *root = &worker->shard.root->fronts[front];

	store_relaxed(&guard->front, front);
	store_relaxed(&guard->epoch, root->epoch);
	compiler_barrier(); /* position last: it says that the others are valid */
	store_relaxed(&guard->position, root->request_head + 1);
	compiler_barrier();
}

static inline void
guard_end(struct worker *worker)
{
	compiler_barrier();
	store_relaxed(&worker->shard.shared->guard.position, 0);
}

/* True if the frame at the front's request head crashed us GUARD_CRASHES_MAX times. */
bool guard_is_poison(const struct worker *worker, uint32_t front);

/* At a warm start, after the rollback: how did the predecessor die?  0: not by a signal. */
void guard_recover(struct worker *worker, uint32_t last_signal);

#endif
