/*
 * grant: rights that somebody was given on a queue, in the queue's own shard, so that they are made and end with it.  A user who
 * is gone leaves his grants behind: they give nothing, for his uid does not come again; workerd/grants.c ends them when
 * their room is needed.
 *
 * Invariants (shard_check):
 *  G1  each slot below grants.high is in exactly one list: its queue's, which is not FREE, or the free list
 *  G2  a used one is found by queue and uid, and gives something (rights within RIGHTS_ALL, not 0; uid not 0)
 */
#ifndef SHM_STATE_GRANT_H
#define SHM_STATE_GRANT_H

#include <stdint.h>

#include "shm/frame.h"
#include "shm/state/list.h"

struct grant {
	uint64_t uid;
	uint32_t queue_idx;
	uint32_t rights;       /* enum right, or'ed; 0: the slot is free */
	struct link link;      /* in its queue's grants, or in the free list */
	uint32_t hash_next;
	uint32_t reserved;
};
_Static_assert(sizeof(struct grant) == 32, "grant slot: layout");

struct shard;

/* NIL: there is none. */
uint32_t grant_find(const struct shard *shard, uint32_t queue_idx, uint64_t uid);

/* The slot that the next new grant takes, or NIL: the table is full. */
uint32_t grant_next_free(const struct shard *shard);

/* What grant_find() or, for a new one, grant_next_free() said.  rights 0: it ends. */
void grant_set(struct shard *shard, uint32_t idx, const struct grant_entry *entry, uint32_t queue_idx);

/* Slot idx, which is used, can be found from here on: where the table was loaded from images. */
void grant_index_add(struct shard *shard, uint32_t idx);

/* All grants of a queue end. */
void grants_free(struct shard *shard, uint32_t queue_idx);

/* What a caller who is neither the owner nor an admin may do. */
uint32_t grant_rights(const struct shard *shard, uint32_t queue_idx, uint64_t uid);

#endif
