#include "frontd/peers.h"

#include "frontd/frontd.h"
#include "shm/atomic.h"
#include "shm/record.h"

/* What a publish of one message needs at most, and what it has to leave for others (workerd/append.h). */
static bool
is_crowded(const struct stream *stream, uint64_t used_bytes)
{
	uint64_t wanted_bytes = stream->size_bytes / 4 + RECORD_PUBLISHED_BYTES + ATTRIBUTES_BYTES_MAX + BODY_BYTES_MAX;

	return used_bytes > stream->size_bytes || stream->size_bytes - used_bytes < wanted_bytes;
}

static void
stream_refresh(struct frontd *frontd, uint32_t shard)
{
	struct peers_stream *seen = &frontd->peers.streams[shard];
	const struct stream *stream = &frontd->streams[shard];
	uint64_t durable_lsn = load_acquire(&frontd->durable.shared->shard[shard].lsn);
	/* Read after the other: it may have grown meanwhile, but it is not behind. */
	uint64_t tail = load_acquire(&stream->shared->tail);

	if (tail <= durable_lsn)
		seen->waiting_since_ns = 0;
	else if (seen->waiting_since_ns == 0 || durable_lsn != seen->durable_lsn)
		seen->waiting_since_ns = frontd->now_ns;
	seen->durable_lsn = durable_lsn;
	if (tail <= durable_lsn || !is_crowded(stream, tail - durable_lsn))
		seen->crowded_since_ns = 0;
	else if (seen->crowded_since_ns == 0)
		seen->crowded_since_ns = frontd->now_ns;
}

uint64_t
peers_undurable_bytes(const struct frontd *frontd, uint32_t shard)
{
	/* In the order of stream_refresh(), for the same reason. */
	uint64_t durable_lsn = load_acquire(&frontd->durable.shared->shard[shard].lsn);
	uint64_t tail = load_acquire(&frontd->streams[shard].shared->tail);

	return tail > durable_lsn ? tail - durable_lsn : 0;
}

void
peers_refresh(struct frontd *frontd)
{
	struct peers *peers = &frontd->peers;
	enum slot_state state;
	uint64_t epoch;

	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		registry_slot(&frontd->role->registry, SLOT_WORKER(w), &state, &epoch);
		if (state == SLOT_LIVE)
			peers->down_since_ns[w] = 0;
		else if (peers->down_since_ns[w] == 0)
			peers->down_since_ns[w] = frontd->now_ns;
		stream_refresh(frontd, w);
	}
	if (load_acquire(&frontd->durable.shared->journal_state) != JOURNAL_STARTING)
		peers->starting_since_ns = 0;
	else if (peers->starting_since_ns == 0)
		peers->starting_since_ns = frontd->now_ns;
}

bool
peers_is_down(const struct frontd *frontd, uint32_t shard)
{
	return frontd->peers.down_since_ns[shard] != 0;
}

static bool
has_lasted(const struct frontd *frontd, uint64_t since_ns, uint64_t ns)
{
	return since_ns != 0 && frontd->now_ns - since_ns > ns;
}

static bool
has_waited(const struct frontd *frontd, uint64_t since_ns)
{
	return has_lasted(frontd, since_ns, PEERS_PATIENCE_NS);
}

/* Does this operation need the disk before its client hears of it, and room on it? */
static bool
op_grows(enum op op)
{
	return op == OP_PUBLISH || op == OP_QUEUE_PUT || op == OP_QUEUE_PATCH;
}

enum outcome
peers_shard_refusal(const struct frontd *frontd, uint32_t shard)
{
	return has_waited(frontd, frontd->peers.down_since_ns[shard]) ? OUTCOME_RECOVERING : OUTCOME_OK;
}

enum outcome
peers_refusal(const struct frontd *frontd, enum op op)
{
	if (frontd->is_draining)
		return OUTCOME_SHUTTING_DOWN;
	if (!op_grows(op))
		return OUTCOME_OK;
	switch (load_acquire(&frontd->durable.shared->journal_state)) {
	case JOURNAL_FAILED:
		return OUTCOME_JOURNAL_FAILED;
	case JOURNAL_DISK_FULL:
		return OUTCOME_DISK_FULL;
	case JOURNAL_STARTING:
		/* A persistd that was killed is back in a moment; until then answers are held, as for a dead worker. */
		return has_waited(frontd, frontd->peers.starting_since_ns) ? OUTCOME_JOURNAL_FAILED : OUTCOME_OK;
	default:
		return OUTCOME_OK;
	}
}

const char *
peers_unready(const struct frontd *frontd, enum outcome *outcome)
{
	if (frontd->is_draining) {
		*outcome = OUTCOME_SHUTTING_DOWN;
		return "the broker is stopping";
	}
	switch (load_acquire(&frontd->durable.shared->journal_state)) {
	case JOURNAL_FAILED:
		*outcome = OUTCOME_JOURNAL_FAILED;
		return "a write to the journal failed";
	case JOURNAL_DISK_FULL:
		*outcome = OUTCOME_DISK_FULL;
		return "the disk of the journal is full";
	case JOURNAL_STARTING:
		*outcome = OUTCOME_JOURNAL_FAILED;
		return "the journal is being opened";
	default:
		break;
	}
	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		const struct stats_shared *worker = frontd->role->peer[SLOT_WORKER(w)].shared;

		if (peers_is_down(frontd, w)) {
			*outcome = OUTCOME_RECOVERING;
			return "a shard is coming back";
		}
		if (worker != NULL && load_relaxed(&worker->messages_used) >= frontd->role->geometry.shard.messages) {
			*outcome = OUTCOME_SHARD_FULL;
			return "a shard's table of messages is full";
		}
		if (has_lasted(frontd, frontd->peers.streams[w].crowded_since_ns, PEERS_CROWDED_NS)) {
			*outcome = OUTCOME_BUSY;
			return "a shard's ring of records is full: persistd hangs, or the disk is too slow";
		}
		if (has_waited(frontd, frontd->peers.streams[w].waiting_since_ns)) {
			*outcome = OUTCOME_BUSY;
			return "nothing becomes durable: persistd hangs, or the disk does";
		}
	}
	return NULL;
}

bool
peers_closed_us(const struct frontd *frontd)
{
	const struct role *role = frontd->role;

	for (uint32_t slot = SLOT_WORKER(0); slot <= SLOT_PERSIST; slot++) {
		const struct stats_shared *peer = role->peer[slot].shared;

		if (peer != NULL && load_acquire(&peer->closed_epoch[role->index]) >= role->epoch)
			return true;
	}
	return false;
}
