/*
 * user: the users of the broker, in shard 0; other shards have none.
 *
 * Invariants (shard_check):
 *  P1  each slot below users.high is used or in the free list, and not both
 *  P2  a used one is found by its name; the slot in its uid is its own, the number in it was given (<= user_counter)
 *  P3  its configuration is valid; of its credentials only those that were made can be void
 */
#ifndef SHM_STATE_USER_H
#define SHM_STATE_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/people.h"
#include "shm/state/list.h"

struct user {
	struct user_entry entry;
	struct link link;      /* in the free list */
	uint32_t hash_next;
	uint8_t is_used;
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct user) == 840, "user slot: layout");

struct shard;

/* NULL: there is none, or no more. */
const struct user *user_find(const struct shard *shard, const struct queue_name *name);
const struct user *user_of_uid(const struct shard *shard, uint64_t uid);

/* The uid that the next user_take() has to give, or 0 when the table is full. */
uint64_t user_next_uid(const struct shard *shard);

/* An enabled admin other than this one (0: any). */
bool user_is_admin_beside(const struct shard *shard, uint64_t uid);

void user_take(struct shard *shard, const struct user_entry *entry);

/* All but name and uid. */
void user_set(struct shard *shard, const struct user_entry *entry);
void user_free(struct shard *shard, uint64_t uid);

/* Slot idx, which is used, can be found from here on: where the table was loaded from images. */
void user_index_add(struct shard *shard, uint32_t idx);

#endif
