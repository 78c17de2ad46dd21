/*
 * table: slots of one kind that are taken and given back: which are free (a list, and all above the high-water mark), and an
 * index of chains through the used ones.  For users, credentials and grants; messages and queues, which came first and have
 * more to say about their free slots, do it by themselves.
 */
#ifndef SHM_STATE_TABLE_H
#define SHM_STATE_TABLE_H

#include "shm/state/list.h"

/* In the shard's root. */
struct table {
	struct list free;
	uint32_t high;         /* slots ever used */
	uint32_t reserved;
};

/* Chains of slots with the same hash.  Private memory but for what it points at. */
struct table_index {
	uint32_t *buckets;     /* NIL: empty */
	uint32_t bucket_count; /* a power of two */
	uint32_t slot_count;
	char *first;           /* the word `next` of slot 0 */
	size_t stride_bytes;
};

static inline uint32_t
table_used(const struct table *table)
{
	return table->high - table->free.count;
}

/* The slot that the next table_take() takes, or NIL when all are used. */
static inline uint32_t
table_next_free(const struct table *table, uint32_t slot_count)
{
	if (table->free.count > 0)
		return table->free.head;
	return table->high < slot_count ? table->high : NIL;
}

static inline void
table_take(struct txn *txn, const struct link_table *links, struct table *table, uint32_t idx)
{
	assert(idx == table_next_free(table, links->slot_count));

	if (idx == table->high)
		txn_set(txn, &table->high, idx + 1);
	else
		list_remove(txn, links, &table->free, idx);
}

static inline void
table_give(struct txn *txn, const struct link_table *links, struct table *table, uint32_t idx)
{
	assert(idx < table->high);

	list_append(txn, links, &table->free, idx);
}

static inline uint32_t *
index_bucket(const struct table_index *index, uint64_t hash)
{
	return &index->buckets[hash & (index->bucket_count - 1)];
}

static inline uint32_t *
index_next(const struct table_index *index, uint32_t idx)
{
	assert(idx < index->slot_count);

	return (uint32_t *)(void *)(index->first + (size_t)idx * index->stride_bytes);
}

static inline void
index_add(struct txn *txn, const struct table_index *index, uint64_t hash, uint32_t idx)
{
	uint32_t *bucket = index_bucket(index, hash);

	assert(*bucket != idx);
	txn_set(txn, index_next(index, idx), *bucket);
	txn_set(txn, bucket, idx);
}

static inline void
index_remove(struct txn *txn, const struct table_index *index, uint64_t hash, uint32_t idx)
{
	uint32_t *link = index_bucket(index, hash);

	while (*link != idx) {
		assert(*link != NIL);
		link = index_next(index, *link);
	}
	txn_set(txn, link, *index_next(index, idx));
}

#endif
