#include "frontd/peers.h"

#include "frontd/frontd.h"
#include "shm/atomic.h"

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
	}
	registry_slot(&frontd->role->registry, SLOT_PERSIST, &state, &epoch);
	if (state == SLOT_LIVE && epoch != peers->persist_epoch) {
		peers->persist_changed = peers->persist_epoch != 0;
		peers->persist_epoch = epoch;
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
has_waited(const struct frontd *frontd, uint64_t since_ns)
{
	return since_ns != 0 && frontd->now_ns - since_ns > PEERS_PATIENCE_NS;
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
