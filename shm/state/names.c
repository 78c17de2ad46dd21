#include "shm/state/names.h"

#include <string.h>

#include "shm/hash.h"
#include "shm/state/shard.h"

static uint32_t *
names_bucket(const struct shard *shard, const struct queue_name *name)
{
	uint64_t hash = hash_bytes(name->text, name->bytes);

	/* The low bits chose the shard (hash_shard), so the high ones choose the bucket. */
	return &shard->name_buckets[hash >> 32 & (shard->name_bucket_count - 1)];
}

static bool
name_equals(const struct queue_name *a, const struct queue_name *b)
{
	return a->bytes == b->bytes && memcmp(a->text, b->text, a->bytes) == 0;
}

uint32_t
names_find(const struct shard *shard, const struct queue_name *name)
{
	assert(name->bytes <= NAME_MAX_BYTES);

	uint32_t idx = *names_bucket(shard, name);
	while (idx != NIL && !name_equals(&queue_at(shard, idx)->name, name))
		idx = queue_at(shard, idx)->hash_next;
	return idx;
}

void
names_add(struct shard *shard, uint32_t queue_idx)
{
	struct queue *queue = queue_at(shard, queue_idx);
	uint32_t *bucket = names_bucket(shard, &queue->name);

	assert(*bucket != queue_idx);
	txn_set(&shard->txn, &queue->hash_next, *bucket);
	txn_set(&shard->txn, bucket, queue_idx);
}

void
names_remove(struct shard *shard, uint32_t queue_idx)
{
	struct queue *queue = queue_at(shard, queue_idx);
	uint32_t *link = names_bucket(shard, &queue->name);

	while (*link != queue_idx) {
		assert(*link != NIL);
		link = &queue_at(shard, *link)->hash_next;
	}
	txn_set(&shard->txn, link, queue->hash_next);
}

static bool
name_byte_is_valid(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	    c == '-';
}

bool
name_is_valid(const struct queue_name *name)
{
	if (name->bytes == 0 || name->bytes > NAME_MAX_BYTES || name->text[0] == '.')
		return false;
	for (unsigned i = 0; i < sizeof(name->text); i++) {
		if (i < name->bytes ? !name_byte_is_valid((unsigned char)name->text[i]) : name->text[i] != 0)
			return false;
	}
	return true;
}
