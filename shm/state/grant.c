#include "shm/state/grant.h"

#include "shm/hash.h"
#include "shm/state/shard.h"

static uint64_t
grant_hash(uint32_t queue_idx, uint64_t uid)
{
	const uint64_t key[] = { queue_idx, uid };

	return hash_bytes(key, sizeof(key));
}

uint32_t
grant_find(const struct shard *shard, uint32_t queue_idx, uint64_t uid)
{
	uint32_t idx = *index_bucket(&shard->grant_index, grant_hash(queue_idx, uid));

	while (idx != NIL &&
	    (grant_at(shard, idx)->uid != uid || grant_at(shard, idx)->queue_idx != queue_idx))
		idx = *index_next(&shard->grant_index, idx);
	return idx;
}

uint32_t
grant_next_free(const struct shard *shard)
{
	return table_next_free(&shard->root->grants, shard->geometry.grants);
}

void
grant_index_add(struct shard *shard, uint32_t idx)
{
	const struct grant *grant = grant_at(shard, idx);

	assert(grant->rights != 0);
	index_add(&shard->txn, &shard->grant_index, grant_hash(grant->queue_idx, grant->uid), idx);
}

static void
grant_take(struct shard *shard, uint32_t idx, const struct grant_entry *entry, uint32_t queue_idx)
{
	struct grant *grant = grant_at(shard, idx);

	table_take(&shard->txn, &shard->grant_links, &shard->root->grants, idx);
	/* Not plainly, though it was free: maybe since this very transaction, which may be rolled back. */
	txn_set(&shard->txn, &grant->uid, entry->uid);
	txn_set(&shard->txn, &grant->queue_idx, queue_idx);
	txn_set(&shard->txn, &grant->rights, entry->rights);
	list_append(&shard->txn, &shard->grant_links, &queue_at(shard, queue_idx)->grants, idx);
	grant_index_add(shard, idx);
}

static void
grant_free(struct shard *shard, uint32_t idx)
{
	struct grant *grant = grant_at(shard, idx);

	assert(grant->rights != 0);
	index_remove(
	    &shard->txn, &shard->grant_index, grant_hash(grant->queue_idx, grant->uid), idx);
	list_remove(
	    &shard->txn, &shard->grant_links, &queue_at(shard, grant->queue_idx)->grants, idx);
	txn_set(&shard->txn, &grant->rights, 0);
	table_give(&shard->txn, &shard->grant_links, &shard->root->grants, idx);
}

void
grant_set(struct shard *shard, uint32_t idx, const struct grant_entry *entry, uint32_t queue_idx)
{
	uint32_t present = grant_find(shard, queue_idx, entry->uid);

	assert(entry->uid != 0 && entry->rights <= RIGHTS_ALL);
	assert(queue_at(shard, queue_idx)->state == QUEUE_LIVE);
	if (present == NIL) {
		assert(entry->rights != 0 &&
		    queue_at(shard, queue_idx)->grants.count < QUEUE_GRANTS_MAX);
		grant_take(shard, idx, entry, queue_idx);
		return;
	}
	assert(present == idx);
	if (entry->rights == 0)
		grant_free(shard, idx);
	else
		txn_set(&shard->txn, &grant_at(shard, idx)->rights, entry->rights);
}

void
grants_free(struct shard *shard, uint32_t queue_idx)
{
	const struct queue *queue = queue_at(shard, queue_idx);

	_Static_assert(
	    QUEUE_GRANTS_MAX * 16 < UNDO_MAX, "the grants of a queue end in one transaction");
	while (queue->grants.count > 0)
		grant_free(shard, queue->grants.head);
}

uint32_t
grant_rights(const struct shard *shard, uint32_t queue_idx, uint64_t uid)
{
	uint32_t idx;

	if (uid == 0 || queue_at(shard, queue_idx)->grants.count == 0)
		return 0;
	idx = grant_find(shard, queue_idx, uid);
	return idx == NIL ? 0 : grant_at(shard, idx)->rights;
}
