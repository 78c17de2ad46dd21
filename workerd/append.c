#include "workerd/append.h"

#include <string.h>

#include "shm/atomic.h"

uint64_t
append_room(struct worker *worker, uint64_t wanted_bytes)
{
	uint64_t tail = worker->shard.root->stream_tail;

	assert(wanted_bytes <= worker->stream.size_bytes);
	uint64_t used = tail - worker->durable_lsn;

	if (used > worker->stream.size_bytes || worker->stream.size_bytes - used < wanted_bytes) {
		/* persistd has copied what lies below.  Pairs with its store_release of the durable LSN. */
		worker->durable_lsn = load_acquire(&worker->durable.shared->shard[worker->index].lsn);
		/* While persistd reads the journal it may not have said where it stands: then there is no room. */
		used = tail - worker->durable_lsn;
	}
	return used > worker->stream.size_bytes ? 0 : worker->stream.size_bytes - used;
}

bool
append_fits(struct worker *worker, uint64_t bytes)
{
	if (append_room(worker, bytes) >= bytes)
		return true;
	worker->is_blocked = true;
	return false;
}

void *
append_begin(struct worker *worker, enum record_type type, uint32_t bytes_max)
{
	uint64_t lsn = worker->shard.root->stream_tail;
	struct stream_shared *shared = worker->stream.shared;
	struct record *record = (struct record *)stream_at(&worker->stream, lsn);

	assert(lsn >= LSN_FIRST && lsn % 8 == 0);
	assert(bytes_max >= sizeof(*record));
	assert(append_room(worker, bytes_max) >= bytes_max);
	if (load_relaxed(&shared->reserve) < lsn + bytes_max)
		store_relaxed(&shared->reserve, lsn + bytes_max);
	/* A reader that copies a byte we are about to write sees the cursor that disowns it.  Pairs with stream_copy(). */
	fence_release();
	*record = (struct record){ .type = (uint16_t)type, .lsn = lsn, .time_ms = worker_now(worker) };
	return record;
}

void
append_end(struct worker *worker, void *record, uint32_t bytes, uint16_t flags)
{
	struct record *header = record;
	struct shard *shard = &worker->shard;

	assert(bytes % 8 == 0);
	assert(bytes >= sizeof(*header));
	assert(header->lsn == shard->root->stream_tail);
	assert(header->lsn + bytes <= worker->stream.shared->reserve);
	header->bytes = bytes;
	header->flags = flags;
	txn_set(&shard->txn, &shard->root->stream_tail, header->lsn + bytes);
}
