#include "persistd/announce.h"

#include <assert.h>
#include <string.h>

#include "shm/atomic.h"

bool
announce_read(const struct durable_shared *durable, struct journal_position *position)
{
	const struct durable_point *point = &durable->point[load_relaxed(&durable->point_now) & 1];

	if (load_acquire(&durable->persist_epoch) == 0)
		return false;
	*position = (struct journal_position){ .index = point->index, .hash = point->hash, .segment = point->segment };
	memcpy(position->lsn, point->lsn, sizeof(position->lsn));
	return true;
}

void
announce_position(struct durable_shared *durable, const struct journal_position *position, uint32_t shards)
{
	uint64_t other = (load_relaxed(&durable->point_now) & 1) ^ 1;
	struct durable_point *point = &durable->point[other];

	point->index = position->index;
	point->hash = position->hash;
	point->segment = position->segment;
	memcpy(point->lsn, position->lsn, sizeof(point->lsn));
	compiler_barrier(); /* the point is whole before it is the one in use */
	store_relaxed(&durable->point_now, other);
	compiler_barrier(); /* it is in use before anybody can have seen an LSN of it */

	store_relaxed(&durable->batch_index, position->index);
	store_relaxed(&durable->batch_hash, position->hash);
	store_relaxed(&durable->segment, position->segment);
	for (uint32_t s = 0; s < shards; s++) {
		assert(position->lsn[s] >= load_relaxed(&durable->shard[s].lsn));
		/* The batch is on stable storage.  Pairs with frontd's load_acquire before it lets an answer leave, and with
		 * the worker's before it overwrites the stream. */
		store_release(&durable->shard[s].lsn, position->lsn[s]);
	}
}

void
announce_open(struct durable_shared *durable, uint64_t epoch, uint64_t segment)
{
	store_relaxed(&durable->segment, segment);
	/* The point is valid.  Pairs with announce_read(). */
	store_release(&durable->persist_epoch, epoch);
}

void
announce_snapshot(struct durable_shared *durable, uint32_t shard, const struct journal_snapshot *snapshot)
{
	struct durable_lsn *announced = &durable->shard[shard];

	if (load_relaxed(&announced->snapshot_lsn) == snapshot->begun_lsn)
		return;
	store_relaxed(&announced->snapshot_lsn, 0);
	fence_release(); /* whoever sees one of the next two sees that they belong to no LSN.  Pairs with durable_snapshot() */
	store_relaxed(&announced->snapshot_ms, snapshot->begun_ms);
	store_relaxed(&announced->snapshot_bytes, snapshot->bytes);
	/* Both are written.  Pairs with durable_snapshot(). */
	store_release(&announced->snapshot_lsn, snapshot->begun_lsn);
}

void
announce_state(struct durable_shared *durable, enum journal_state state)
{
	if (load_relaxed(&durable->journal_state) != (uint32_t)state)
		store_release(&durable->journal_state, (uint32_t)state);
}
