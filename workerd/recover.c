#include "workerd/recover.h"

#include <inttypes.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "workerd/fronts.h"
#include "workerd/guard.h"
#include "workerd/people.h"

void
recover_mirrors(const struct worker *worker, struct shard_mirrors *mirrors)
{
	*mirrors = (struct shard_mirrors){ .stream_tail = load_relaxed(&worker->stream.shared->tail) };
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++) {
		const struct worker_front *mine = &worker->fronts[front];

		if (!mine->is_attached)
			continue;
		mirrors->request_head[front] = load_relaxed(&mine->request.shared->head);
		mirrors->reply_tail[front] = load_relaxed(&mine->reply.shared->tail);
	}
}

static bool
recover_check(struct worker *worker)
{
	const struct shard_root *root = worker->shard.root;
	struct shard_mirrors mirrors;

	/* The cursors in a front are words that a hostile frontd can write: only the stream's is held against the shard. */
	recover_mirrors(worker, &mirrors);
	mirrors = (struct shard_mirrors){ .stream_tail = mirrors.stream_tail };
	if (root->messages_high > CHECK_SLOTS_MAX)
		return true;
	const char *wrong = shard_check(&worker->shard, &mirrors);
	if (wrong == NULL)
		return true;
	diag(DIAG_ERROR, "shard %u is damaged (%s); it is loaded anew from the journal", worker->index, wrong);
	return false;
}

/* Every entry names a word of this shard: txn_rollback() asserts it, and a damaged log must not be a crash loop. */
static bool
undo_is_sane(const struct shard *shard)
{
	const struct undo_log *log = &shard->shared->undo;

	if (log->count > UNDO_MAX)
		return false;
	for (uint64_t i = 0; i < log->count; i++) {
		uint64_t offset = log->entries[i].where >> 8, word_bytes = log->entries[i].where & 0xff;

		if (word_bytes != 1 && word_bytes != 2 && word_bytes != 4 && word_bytes != 8)
			return false;
		if (offset % word_bytes != 0 || offset > shard->size_bytes - word_bytes)
			return false;
	}
	return true;
}

bool
recover_warm(struct worker *worker, uint32_t last_signal)
{
	struct shard *shard = &worker->shard;
	uint64_t words = shard->shared->undo.count;

	assert(load_relaxed(&shard->shared->state) == SHARD_READY);
	if (!undo_is_sane(shard)) {
		diag(DIAG_ERROR, "shard %u: the undo log is damaged; it is loaded anew from the journal", worker->index);
		store_relaxed(&shard->shared->state, SHARD_CORRUPT);
		return false;
	}
	txn_rollback(&shard->txn);
	assert(!txn_is_open(&shard->txn));
	stat_add(&worker->stats->rollback_words, words);
	/* READY was a word of the open transaction: the replay was not finished (found by tests/step, script cold_start). */
	if (load_relaxed(&shard->shared->state) != SHARD_READY)
		return false;
	guard_recover(worker, last_signal);
	if (!recover_check(worker)) {
		store_relaxed(&shard->shared->state, SHARD_CORRUPT);
		return false;
	}
	people_changed_all(worker); /* what the predecessor had not shown yet is not known */
	stat_add(&worker->stats->recoveries, 1);
	return true;
}

bool
recover_may_reload(const struct worker *worker)
{
	/* Pairs with persistd's store_release: what is below is in the journal. */
	uint64_t durable = load_acquire(&worker->durable.shared->shard[worker->index].lsn);

	return durable >= load_relaxed(&worker->stream.shared->tail);
}
