/*
 * Happy path: replay_begin(), replay_step() until REPLAY_DONE.
 * Failure modes: the worker dies: its successor finds REPLAYING and begins again; persistd dies: its epoch in the registry
 * changes, which is looked at after each look at the ring, so no frame of a successor is taken for one of the predecessor.
 */
#include "workerd/replay.h"

#include <inttypes.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/job.h"
#include "workerd/load.h"
#include "workerd/people.h"

static uint64_t
persist_epoch(const struct worker *worker)
{
	enum slot_state state;
	uint64_t epoch = 0;

	if (worker->role != NULL)
		registry_slot(&worker->role->registry, SLOT_PERSIST, &state, &epoch);
	return epoch;
}

static void
persist_wake(struct worker *worker)
{
	if (worker->role == NULL)
		return;
	park_fence();
	if (park_wake(&worker->role->waker[SLOT_PERSIST]))
		stat_add(&worker->stats->worker_wakes, 1);
}

void
replay_begin(struct worker *worker)
{
	struct stream_shared *shared = worker->stream.shared;
	uint64_t wanted = load_relaxed(&shared->replay_wanted) + 1;

	shard_format(&worker->shard, 0);
	load_begin(worker);
	worker->replay = (struct replay){ .wanted = wanted == 0 ? 1 : wanted, .persist_epoch = persist_epoch(worker) };
	store_relaxed(&worker->stats->progress, 0);
	/* A new number voids whatever is being sent.  Pairs with persistd's load_acquire. */
	store_release(&shared->replay_wanted, worker->replay.wanted);
	persist_wake(worker);
}

static void
replay_again(struct worker *worker, const char *why)
{
	diag(DIAG_INFO, "shard %u: %s; the journal is asked for anew", worker->index, why);
	replay_begin(worker);
}

/* The wheel keeps up with the records' time as far as it can without firing: timers end by records here. */
static void
wheel_follow(struct worker *worker)
{
	struct shard *shard = &worker->shard;
	uint32_t idx;

	while (wheel_step(&shard->message_wheel, worker_now(worker), &idx) == WHEEL_MOVED)
		txn_commit(&shard->txn);
}

void
replay_record(struct worker *worker, const struct record *record)
{
	struct shard *shard = &worker->shard;

	assert(shard->shared->state == SHARD_REPLAYING);
	assert(!txn_is_open(&shard->txn));
	if (record->time_ms > shard->root->now_ms)
		store_relaxed(&shard->root->now_ms, record->time_ms);
	wheel_follow(worker);
	record_apply(shard, record);
	txn_commit(&shard->txn);
}

void
restarted_apply(struct shard *shard, const struct record *record)
{
	const struct restarted_record *restarted = (const struct restarted_record *)record;

	assert(restarted->generation != 0);
	/* 16 bits of it go into the tokens: after 65536 cold starts they come again, long after the last old receipt. */
	txn_set(&shard->txn, &shard->root->lease_counter, restarted->generation << 48 | 1);
}

void
replay_finish(struct worker *worker, const struct replay_end *end)
{
	struct shard *shard = &worker->shard;
	struct stream_shared *shared = worker->stream.shared;

	assert(end->lsn >= LSN_FIRST && end->lsn % 8 == 0);
	assert(end->generation != 0);
	assert(shard->shared->state == SHARD_REPLAYING);
	assert(!txn_is_open(&shard->txn));
	/* The stream ring does not hold what lies before: a reader is told that it has been overwritten. */
	store_relaxed(&shared->reserve, end->lsn + worker->stream.size_bytes);
	worker->durable_lsn = load_acquire(&worker->durable.shared->shard[worker->index].lsn);
	txn_set(&shard->txn, &shard->root->stream_tail, end->lsn);

	struct restarted_record *record = append_begin(worker, RECORD_RESTARTED, sizeof(*record));
	record->generation = end->generation;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	restarted_apply(shard, &record->record);
	if (!end->is_clean)
		job_begin_end_leases(shard, end->generation);
	txn_set(&shard->txn, &shard->shared->state, SHARD_READY);
	worker_commit(worker);
	people_changed_all(worker);
}

enum replay_frame { FRAME_APPLIED, FRAME_WAS_LAST, FRAME_IS_EARLY, FRAME_IS_NONSENSE, FRAME_IS_WRONG };

/* persistd has said how far the journal reaches, so that there is room to go on behind it. */
static bool
replay_can_finish(const struct worker *worker, const struct replay_end *end)
{
	uint64_t durable = load_acquire(&worker->durable.shared->shard[worker->index].lsn);

	return durable <= end->lsn && end->lsn - durable < worker->stream.size_bytes / 2;
}

/* A piece of a snapshot, before any record. */
static enum replay_frame
snapshot_frame(struct worker *worker, const struct frame_header *header, const struct record *record)
{
	uint64_t begun_lsn = worker->snapshot.begun_lsn;

	if (worker->replay.last_lsn != 0 || worker->snapshot.has_image == NULL)
		return FRAME_IS_NONSENSE;
	stat_add(&worker->stats->progress, 1);
	const char *wrong = load_record(worker, record, header->bytes - sizeof(*header), &worker->replay.last_lsn);
	if (wrong == NULL)
		return FRAME_APPLIED;
	diag(DIAG_ERROR, "shard %u cannot be loaded from the snapshot at LSN %" PRIu64 ": %s", worker->index, begun_lsn, wrong);
	return FRAME_IS_WRONG;
}

static enum replay_frame
replay_frame(struct worker *worker, const struct frame_header *header, const void *frame)
{
	const struct record *record = (const struct record *)((const struct frame_header *)frame + 1);

	if (header->op == REPLAY_SNAPSHOT)
		return snapshot_frame(worker, header, record);
	if (load_is_under_way(worker))
		return FRAME_IS_NONSENSE;
	if (header->op == REPLAY_END && header->bytes >= sizeof(struct replay_end)) {
		if (!replay_can_finish(worker, frame))
			return FRAME_IS_EARLY;
		replay_finish(worker, frame);
		return FRAME_WAS_LAST;
	}
	if (header->op != REPLAY_RECORD || header->bytes < sizeof(*header) + sizeof(*record) ||
	    record->lsn <= worker->replay.last_lsn)
		return FRAME_IS_NONSENSE;
	worker->replay.last_lsn = record->lsn;
	replay_record(worker, record);
	stat_add(&worker->stats->progress, 1);
	return FRAME_APPLIED;
}

/* The frames are sent for our request by the persistd we asked. */
static bool
replay_is_served(const struct worker *worker)
{
	return load_acquire(&worker->stream.shared->replay_serving) == worker->replay.wanted &&
	    persist_epoch(worker) == worker->replay.persist_epoch;
}

static enum replay_step
replay_drain(struct worker *worker, uint32_t frames_max)
{
	struct ring *ring = &worker->replay.ring;
	enum replay_step result = REPLAY_WAITS;
	struct frame_header header;
	const void *frame;

	for (uint32_t n = 0; n < frames_max && result != REPLAY_DONE; n++) {
		enum ring_peek peek = ring_peek(ring, REPLAY_FRAME_BYTES_MAX, &header, &frame);

		if (peek == RING_EMPTY)
			break;
		/* After the look at the tail: a successor of our persistd stored its epoch before it wrote frames. */
		if (!replay_is_served(worker) || peek == RING_LIES) {
			replay_again(worker, "persistd was restarted during the replay");
			return REPLAY_WAITS;
		}
		enum replay_frame what = replay_frame(worker, &header, frame);
		if (what == FRAME_IS_NONSENSE) {
			replay_again(worker, "the replay ring holds no record");
			return REPLAY_WAITS;
		}
		if (what == FRAME_IS_WRONG)
			return REPLAY_CORRUPT;
		if (what == FRAME_IS_EARLY)
			break;
		ring_skip(ring, header.bytes);
		result = what == FRAME_WAS_LAST ? REPLAY_DONE : REPLAY_PROGRESS;
	}
	if (result != REPLAY_WAITS) {
		ring_drop(ring);
		persist_wake(worker);
	}
	return result;
}

enum replay_step
replay_step(struct worker *worker, uint32_t frames_max)
{
	struct replay *replay = &worker->replay;
	struct stream *stream = &worker->stream;

	assert(replay->wanted != 0);
	if (persist_epoch(worker) != replay->persist_epoch) {
		replay_again(worker, "persistd was restarted");
		return REPLAY_WAITS;
	}
	if (!replay->is_serving) {
		/* The ring's cursors were set to zero before.  Pairs with persistd's store_release of replay_serving. */
		if (load_acquire(&stream->shared->replay_serving) != replay->wanted)
			return REPLAY_WAITS;
		ring_init(&replay->ring, &stream->shared->replay, stream->replay_bytes, stream->replay_size_bytes);
		replay->is_serving = true;
	}
	return replay_drain(worker, frames_max);
}
