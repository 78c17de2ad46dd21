/*
 * digest: one number for the state of a shard, to compare two of them.
 */
#ifndef SHM_STATE_DIGEST_H
#define SHM_STATE_DIGEST_H

#include "shm/state/shard.h"

/*
 * What a replay of the stream must reproduce: queues, messages with their slots and the order of every list, free lists
 * with their tombstones, sequence numbers, owners and grants, users and credentials.  Not: waiters, order in the wheels, serve list, fronts, cursors.
 */
uint64_t shard_digest(const struct shard *shard);

/* All of that, and waiters, fronts, jobs, serve list and stream tail: what a rollback must reproduce (stepper). */
uint64_t shard_digest_all(const struct shard *shard);

#endif
