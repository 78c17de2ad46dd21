/*
 * owners: what each user has in this shard: the queues he owns and the bytes in them.  Kept in shard->usage, which others see
 * (shm/usage.h), while queues and messages come and go; counted anew when a worker starts.  It follows from the tables, so it
 * is in no transaction: within the life of a process every transaction is committed.
 *
 * Invariant (a worker's own; not of the shard, which knows no usage):
 *  U1  for each user, queues is the number of LIVE queues that he owns and stored_bytes the sum of `bytes` of all that he owns
 */
#ifndef SHM_STATE_OWNERS_H
#define SHM_STATE_OWNERS_H

#include "shm/state/shard.h"

/* Add all that is there to a cleared usage. */
void owners_count(const struct shard *shard, struct usage *usage);

/* NULL, or that shard->usage is not what owners_count() would make (U1). */
const char *owners_check(const struct shard *shard);

/* A queue came to be, or its name is gone, or it passes to another owner: its count and, when it passes, its bytes. */
void owners_add_queue(const struct shard *shard, const struct queue *queue);
void owners_remove_queue(const struct shard *shard, const struct queue *queue);
void owners_pass_queue(const struct shard *shard, const struct queue *queue, uint64_t owner);

/* So many bytes more in this queue; less: the negative.  Two comparisons where nobody owns it or nobody counts. */
static inline void
owners_add_bytes(const struct shard *shard, const struct queue *queue, uint64_t bytes)
{
	if (queue->owner != 0 && shard->usage != NULL)
		usage_add_bytes(shard->usage, queue->owner, bytes);
}

#endif
