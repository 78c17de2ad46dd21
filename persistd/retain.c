#include "persistd/retain.h"

#include <assert.h>
#include <inttypes.h>

#include "persistd/announce.h"
#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/stats.h"

#define LOOK_NS 100000000ull
#define MINUTE_NS 60000000000ull

/* What snapshots take of what is written: growth of so many times their size makes room for one. */
#define COST_FACTOR 3u

/* Within data.snapshot_bytes: so much growth is worth a snapshot after a minute. */
#define GROWTH_MIN SEGMENT_BYTES_MIN

void
retain_init(struct retain *retain)
{
	assert(retain->snapshot_bytes > 0 && retain->segment_bytes > 0);

	snapshots_init(&retain->snapshots, retain->role->geometry.workers);
}

void
retain_free(struct retain *retain)
{
	snapshots_free(&retain->snapshots);
}

static uint64_t
count_asked(const struct retain *retain)
{
	const struct role *role = retain->role;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < role->geometry.fronts; i++)
		sum += load_relaxed(&role->peer[SLOT_FRONT(i)].shared->snapshots_asked);
	return sum;
}

void
retain_open(struct retain *retain, uint64_t now_ns)
{
	retain->seen = retain->journal->durable;
	retain->looked_ns = now_ns;
	retain->admins_asked = count_asked(retain);
	for (uint32_t s = 0; s < retain->snapshots.shards; s++)
		retain->asked_ns[s] = now_ns;
}

void
retain_batch(struct retain *retain, const struct flight *flight)
{
	const struct batch_header *header = flight->batch.header;

	snapshots_place(&retain->snapshots, header, flight->segment, retain->seen.lsn);
	/* Of one that began before what is being read behind our back, images would be missing: let it have all or none. */
	if (!retain->snapshots.is_behind && !snapshots_read(&retain->snapshots, header, flight->batch.payload))
		assert(!"gather let only records through");
	journal_position_add(&retain->seen, header, flight->segment);
}

/* --- asking --- */

static uint64_t
at_least(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

/* Bytes of segments that could go if the newer snapshots were the older ones. */
static uint64_t
gain(const struct retain *retain)
{
	uint64_t now = snapshots_floor(&retain->snapshots, false), then = snapshots_floor(&retain->snapshots, true);

	if (now == 0 && retain->snapshots.mark_count > 0)
		now = retain->snapshots.marks[0].segment;
	return then > now ? (then - now) * retain->segment_bytes : 0;
}

static bool
is_due(const struct retain *retain, uint32_t shard, uint64_t now_ns)
{
	const struct snapshots *snapshots = &retain->snapshots;
	uint64_t growth = snapshots->bytes - snapshots->shard[shard].newer.begun_bytes;
	uint64_t cost = COST_FACTOR * snapshots_cost(snapshots);
	bool is_full = retain->journal->backend->ops->is_full(retain->journal->backend);

	/* The reserve is for clients, and for a snapshot only if that is small. */
	if (is_full && cost > retain->segment_bytes)
		return false;
	if (growth >= at_least(retain->snapshot_bytes, cost) || (retain->wanted >> shard & 1) != 0)
		return true;
	if (now_ns - retain->asked_ns[shard] < MINUTE_NS)
		return false;
	return growth >= at_least(GROWTH_MIN, cost) || gain(retain) >= at_least(2 * retain->segment_bytes, cost);
}

static int
ask(struct retain *retain, uint32_t shard, uint64_t now_ns)
{
	struct stream_shared *shared = retain->streams[shard].shared;

	retain->is_asked = true;
	retain->shard = shard;
	retain->wanted &= ~(1ull << shard);
	retain->before_lsn = retain->snapshots.shard[shard].newer.begun_lsn;
	retain->images = 0;
	retain->moved_ns = retain->asked_ns[shard] = now_ns;
	/* Pairs with the worker's load: it says nothing but that there is one more. */
	store_release(&shared->snapshot_wanted, load_relaxed(&shared->snapshot_wanted) + 1);
	return (int)SLOT_WORKER(shard);
}

/* The one that was asked for: is it there, or given up?  Else it is waited for. */
static void
follow(struct retain *retain, uint64_t now_ns)
{
	const struct shard_snapshots *shard = &retain->snapshots.shard[retain->shard];

	if (shard->newer.begun_lsn != retain->before_lsn) {
		diag(DIAG_INFO, "shard %" PRIu32 ": snapshot at LSN %" PRIu64 ", %" PRIu64 " images, %" PRIu64 " bytes", retain->shard,
		    shard->newer.begun_lsn, shard->newer.images, shard->newer.bytes);
		retain->is_asked = false;
		return;
	}
	if (shard->running.images != retain->images) {
		retain->images = shard->running.images;
		retain->moved_ns = now_ns;
	}
	if (now_ns - retain->moved_ns < MINUTE_NS)
		return;
	diag(DIAG_WARNING, "shard %" PRIu32 " was asked for a snapshot and did not end one; it is asked again", retain->shard);
	retain->is_asked = false;
	retain->given_up++;
}

/* The next shard that is due, beginning behind the last one.  As retain_step(). */
static int
ask_next(struct retain *retain, uint64_t now_ns)
{
	uint32_t shards = retain->snapshots.shards;

	if (retain->snapshots.is_behind || retain->snapshots.is_blind || role_is_draining(retain->role))
		return -1;
	for (uint32_t i = 1; i <= shards; i++) {
		uint32_t shard = (retain->shard + i) % shards;

		if (is_due(retain, shard, now_ns))
			return ask(retain, shard, now_ns);
	}
	return -1;
}

/* Admins want one of each shard. */
static void
hear_admins(struct retain *retain)
{
	uint64_t asked = count_asked(retain);

	if (asked == retain->admins_asked)
		return;
	retain->admins_asked = asked;
	for (uint32_t s = 0; s < retain->snapshots.shards; s++)
		retain->wanted |= 1ull << s;
}

/* --- dropping --- */

static void
drop(struct retain *retain)
{
	const struct snapshots *snapshots = &retain->snapshots;
	struct backend *backend = retain->journal->backend;
	uint64_t floor = snapshots_floor(snapshots, false);

	if (floor != 0)
		backend->ops->trim(backend, floor, retain->journal->durable.index);
}

static void
tell_newest(const struct retain *retain)
{
	for (uint32_t s = 0; s < retain->snapshots.shards && retain->durable != NULL; s++) {
		const struct journal_snapshot *newest = snapshots_newest(&retain->snapshots, s);

		if (newest != NULL)
			announce_snapshot(retain->durable, s, newest);
	}
}

static void
tell(const struct retain *retain)
{
	const struct snapshots *snapshots = &retain->snapshots;
	const struct backend *backend = retain->journal->backend;
	struct stats_shared *stats = retain->role->stats.shared;

	store_relaxed(&stats->snapshots, snapshots->completed);
	store_relaxed(&stats->snapshots_lost, snapshots->given_up + retain->given_up);
	store_relaxed(&stats->segments_dropped, backend->segments_dropped);
	store_relaxed(&stats->segments_kept, backend->segments_kept);
	store_relaxed(&stats->ready_bytes, backend->ready_bytes);
	store_relaxed(&stats->ready_wanted_bytes, backend->ready_wanted_bytes);
	store_relaxed(&stats->live_bytes, snapshots_live_bytes(snapshots));
}

int
retain_step(struct retain *retain, uint64_t now_ns)
{
	int slot = -1;

	if (retain->completed == retain->snapshots.completed && now_ns - retain->looked_ns < LOOK_NS &&
	    retain->snapshots.bytes - retain->looked_bytes < retain->snapshot_bytes / 4)
		return -1;
	retain->looked_ns = now_ns;
	retain->looked_bytes = retain->snapshots.bytes;
	retain->completed = retain->snapshots.completed;
	hear_admins(retain);
	if (retain->is_asked)
		follow(retain, now_ns);
	if (!retain->is_asked)
		slot = ask_next(retain, now_ns);
	drop(retain);
	tell(retain);
	tell_newest(retain);
	return slot;
}
