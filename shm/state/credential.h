/*
 * credential: tokens and sessions of all users, in shard 0.  A credential may outlive its user for a moment: it is worth
 * nothing then (credential_is_over), and is swept away (workerd/credentials).
 *
 * Invariants (shard_check):
 *  C1  each slot below credentials.high is used or in the free list, and not both
 *  C2  a used one is found by its hash; the slot in its id is its own, the number in it was given (<= credential_counter)
 *  C3  its configuration is valid
 */
#ifndef SHM_STATE_CREDENTIAL_H
#define SHM_STATE_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/people.h"
#include "shm/state/list.h"

struct credential {
	struct credential_entry entry;
	struct link link;      /* in the free list */
	uint32_t hash_next;
	uint8_t is_used;
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct credential) == 704, "credential slot: layout");

struct shard;

/* NULL: there is none, or no more. */
const struct credential *credential_find(const struct shard *shard, const uint8_t hash[CREDENTIAL_HASH_BYTES]);
const struct credential *credential_of_id(const struct shard *shard, uint64_t id);

/* The id that the next credential_take() has to give, or 0 when the table is full. */
uint64_t credential_next_id(const struct shard *shard);

void credential_take(struct shard *shard, const struct credential_entry *entry);
void credential_touch(struct shard *shard, uint64_t id, uint64_t used_ms);
void credential_free(struct shard *shard, uint64_t id);

/* Slot idx, which is used, can be found from here on: where the table was loaded from images. */
void credential_index_add(struct shard *shard, uint32_t idx);

#endif
