#include "shm/state/credential.h"

#include <string.h>

#include "shm/state/shard.h"

/* A SHA-256 is as good as any hash of it. */
static uint64_t
secret_hash(const uint8_t hash[CREDENTIAL_HASH_BYTES])
{
	uint64_t word;

	memcpy(&word, hash, sizeof(word));
	return word;
}

const struct credential *
credential_find(const struct shard *shard, const uint8_t hash[CREDENTIAL_HASH_BYTES])
{
	uint32_t idx = *index_bucket(&shard->credential_index, secret_hash(hash));

	for (; idx != NIL; idx = *index_next(&shard->credential_index, idx)) {
		if (memcmp(credential_at(shard, idx)->entry.config.hash, hash,
		        CREDENTIAL_HASH_BYTES) == 0)
			return credential_at(shard, idx);
	}
	return NULL;
}

const struct credential *
credential_of_id(const struct shard *shard, uint64_t id)
{
	uint32_t idx = CREDENTIAL_SLOT(id);

	if (id == 0 || idx >= shard->root->credentials.high)
		return NULL;
	const struct credential *credential = credential_at(shard, idx);
	return credential->is_used && credential->entry.id == id ? credential : NULL;
}

uint64_t
credential_next_id(const struct shard *shard)
{
	uint32_t idx = table_next_free(&shard->root->credentials, shard->geometry.credentials);

	_Static_assert(UINT64_MAX >> CREDENTIAL_SLOT_BITS > 1ull << 43, "numbers do not run out");
	return idx == NIL ? 0 : CREDENTIAL_ID(shard->root->credential_counter + 1, idx);
}

void
credential_index_add(struct shard *shard, uint32_t idx)
{
	const struct credential *credential = credential_at(shard, idx);

	assert(credential->is_used);
	index_add(&shard->txn, &shard->credential_index, secret_hash(credential->entry.config.hash), idx);
}

void
credential_take(struct shard *shard, const struct credential_entry *entry)
{
	uint32_t idx = CREDENTIAL_SLOT(entry->id);
	struct credential *credential = credential_at(shard, idx);

	assert(CREDENTIAL_NUMBER(entry->id) == shard->root->credential_counter + 1);
	assert(credential_config_is_valid(&entry->config));
	assert(credential_find(shard, entry->config.hash) == NULL);
	table_take(&shard->txn, &shard->credential_links, &shard->root->credentials, idx);
	credential->entry = *entry; /* plainly: of a free slot nothing has a meaning but its link */
	txn_set(&shard->txn, &credential->is_used, 1);
	txn_set(&shard->txn, &shard->root->credential_counter, CREDENTIAL_NUMBER(entry->id));
	credential_index_add(shard, idx);
}

void
credential_touch(struct shard *shard, uint64_t id, uint64_t used_ms)
{
	struct credential *credential = credential_at(shard, CREDENTIAL_SLOT(id));

	assert(credential->is_used && credential->entry.id == id);
	txn_set(&shard->txn, &credential->entry.last_used_ms, used_ms);
}

void
credential_free(struct shard *shard, uint64_t id)
{
	uint32_t idx = CREDENTIAL_SLOT(id);
	struct credential *credential = credential_at(shard, idx);

	assert(credential->is_used && credential->entry.id == id);
	index_remove(
	    &shard->txn, &shard->credential_index, secret_hash(credential->entry.config.hash), idx);
	txn_set(&shard->txn, &credential->is_used, 0);
	table_give(&shard->txn, &shard->credential_links, &shard->root->credentials, idx);
}
