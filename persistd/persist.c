/*
 * persist: see persist.h.
 *
 * Failure modes: the journal is damaged: EXIT_CORRUPT before anything was written.  A write fails: journal_state FAILED,
 * everybody is told, EXIT_JOURNAL; the successor reads again.  The disk is full: journal_state DISK_FULL until a spare segment
 * could be made.  SIGKILL anywhere: the successor is warm and goes on from the announced position with a new segment.
 */
#include "persistd/persist.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "persistd/announce.h"
#include "persistd/backend_file.h"
#include "persistd/cleaner.h"
#include "persistd/fetch.h"
#include "persistd/gather.h"
#include "persistd/journal.h"
#include "persistd/replay.h"
#include "persistd/retain.h"
#include "persistd/sandbox.h"
#include "persistd/store.h"
#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "shm/sandbox/sandbox.h"

/* What waits for something that does not always wake us is looked at again so soon. */
#define BLOCKED_MS 1

/*
 * When nothing was written for so long, one empty batch says that the last ones were acknowledged.  Without it damage to them
 * could not be told from a torn tail at the next cold start, and would silently take acknowledged messages away.
 */
#define WITNESS_NS 50000000ull

/* So long records that nobody waits for may lie when they come while we are awake; PARK_MS_MAX more when we are not. */
#define LAZY_NS 10000000ull

struct persist {
	struct role *role;
	struct stats_shared *stats;
	struct store store;
	struct disk *disk;
	struct backend_file file;
	struct backend *backend;
	struct journal journal;
	struct durable durable;
	struct stream streams[WORKER_MAX];
	struct gather gather;
	struct fetches fetches;
	struct replays replays;
	struct retain retain;
	struct cleaner cleaner;
	bool is_clean_sent;        /* the marker of a clean stop is on its way or done, and nothing was written after it */
	bool wants_witness;        /* a batch was written that no later one knows to be durable */
	uint64_t written_ns;       /* when the last batch with new records was handed over */
	uint64_t copied_ns;        /* when the last one with copies was */
	uint64_t now_ns;
};

static uint64_t
broker_ms(const struct persist *persist)
{
	return clock_ms(persist->now_ns, persist->role->registry.shared->clock_offset_ns);
}

/* --- waking --- */

static void
wake(struct persist *persist, uint32_t slot, bool is_durable_only)
{
	struct waker *waker = &persist->role->waker[slot];

	if (is_durable_only ? park_wake_durable(waker) : park_wake(waker))
		stat_add(&persist->stats->persist_wakes, 1);
}

static void
wake_all(struct persist *persist)
{
	const struct geometry *geometry = &persist->role->geometry;

	park_fence();
	for (uint32_t i = 0; i < geometry->fronts; i++)
		wake(persist, SLOT_FRONT(i), false);
	for (uint32_t w = 0; w < geometry->workers; w++)
		wake(persist, SLOT_WORKER(w), false);
}

static void
wake_one(struct persist *persist, uint32_t slot)
{
	park_fence();
	wake(persist, slot, false);
}

/* --- durable --- */

static int
fail(struct persist *persist)
{
	announce_state(persist->durable.shared, JOURNAL_FAILED);
	wake_all(persist);
	return EXIT_JOURNAL;
}

static void
tell_state(struct persist *persist)
{
	enum journal_state state = persist->backend->ops->is_full(persist->backend) ? JOURNAL_DISK_FULL : JOURNAL_OK;

	if (load_relaxed(&persist->durable.shared->journal_state) == (uint32_t)state)
		return;
	announce_state(persist->durable.shared, state);
	wake_all(persist);
}

static void
count_batch(struct persist *persist, const struct flight *flight)
{
	const struct batch_header *header = flight->batch.header;

	stat_add(&persist->stats->batches, 1);
	stat_add(&persist->stats->batch_bytes, header->payload_bytes);
	stat_add(&persist->stats->journal_bytes, flight->batch.queued_bytes);
	histogram_add(&persist->stats->batch_size, header->payload_bytes);
	histogram_add(&persist->stats->write_time, flight->landed_ns - flight->pushed_ns);
	store_relaxed(&persist->stats->segments_opened, persist->backend->segments_opened);
}

/*
 * A worker whose ring was more than half full may have refused work or be waiting for room; others need not be woken for what
 * became durable.
 */
static void
wake_crowded_workers(struct persist *persist, const struct journal_position *before)
{
	for (uint32_t w = 0; w < persist->role->geometry.workers; w++) {
		uint64_t tail = load_relaxed(&persist->streams[w].shared->tail);

		if (tail > before->lsn[w] && tail - before->lsn[w] > persist->streams[w].size_bytes / 2)
			wake(persist, SLOT_WORKER(w), false);
	}
}

static bool
acknowledge(struct persist *persist)
{
	struct journal_position before = persist->journal.durable;
	const struct flight *flight;
	bool has_moved = false;

	while ((flight = journal_next_durable(&persist->journal)) != NULL) {
		count_batch(persist, flight);
		retain_batch(&persist->retain, flight);
		has_moved = true;
	}
	if (!has_moved)
		return false;
	announce_position(persist->durable.shared, &persist->journal.durable, persist->role->geometry.workers);
	park_fence();
	for (uint32_t i = 0; i < persist->role->geometry.fronts; i++)
		wake(persist, SLOT_FRONT(i), true);
	wake_crowded_workers(persist, &before);
	return true;
}

/* --- a turn --- */

/* 1: something completed; 0: nothing; -1: the journal failed. */
static int
reap(struct persist *persist)
{
	struct disk_completion completion;
	int result = 0;

	while (disk_reap(persist->disk, &completion)) {
		int one = 0;

		switch (completion.tag.user) {
		case DISK_COMMIT:
			one = journal_land(&persist->journal, completion.tag.number, completion.result, persist->now_ns);
			break;
		case DISK_SPARE:
			one = persist->backend->ops->completed(persist->backend, completion.result, persist->now_ns);
			break;
		case DISK_FETCH:
			persist->backend->ops->fetched(persist->backend, completion.tag.number);
			if (completion.tag.number == CLEANER_FETCH)
				cleaner_completed(&persist->cleaner, completion.result);
			else
				fetches_completed(&persist->fetches, completion.tag.number, completion.result);
			break;
		case DISK_WINDOW:
			persist->backend->ops->window_completed(persist->backend, completion.tag.number, completion.result);
			break;
		case DISK_WAKE:
			break;
		}
		if (one != 0)
			return -1;
		result = 1;
	}
	return result;
}

/* Records that nobody waits for ride along with others; alone they wait until there are many, or for a while. */
static bool
is_worth_a_batch(const struct persist *persist)
{
	const struct journal_position *sealed = &persist->journal.sealed;

	if (gather_is_wanted(&persist->gather, sealed))
		return true;
	if (!gather_has_news(&persist->gather, sealed))
		return false;
	return persist->now_ns - persist->written_ns >= LAZY_NS || role_is_draining(persist->role) ||
	    gather_has_bytes(&persist->gather, sealed, STREAM_LAZY_BYTES);
}

static bool
gather(struct persist *persist)
{
	bool has_moved = journal_push(&persist->journal, persist->now_ns);
	struct batch *batch;

	while (is_worth_a_batch(persist) && (batch = journal_free(&persist->journal)) != NULL) {
		if (!gather_fill(&persist->gather, batch, &persist->journal.sealed))
			break;
		journal_append(&persist->journal, broker_ms(persist), 0, persist->now_ns);
		persist->wants_witness = true;
		persist->written_ns = persist->now_ns;
		persist->is_clean_sent = false;
		has_moved = true;
	}
	return has_moved;
}

/*
 * Append copies of what is needed of old segments, if it is their turn; `is_first`: although clients
 * may have something, too.
 */
static bool
copy(struct persist *persist, bool is_first)
{
	struct batch *batch;
	bool has_waited;

	if (role_is_draining(persist->role) || !cleaner_is_due(&persist->cleaner, &has_waited))
		return false;
	if (is_first && !has_waited)
		return false;
	if ((batch = journal_free(&persist->journal)) == NULL)
		return false;
	cleaner_fill(&persist->cleaner, batch, persist->journal.sealed.index + 1);
	journal_append(&persist->journal, broker_ms(persist), BATCH_COPY, persist->now_ns);
	persist->wants_witness = true;
	persist->copied_ns = persist->now_ns;
	persist->is_clean_sent = false;
	return true;
}

/* Cold shards first. */
static bool
may_clean(const struct persist *persist)
{
	return !role_is_draining(persist->role) && !replays_are_running(&persist->replays);
}

static bool
witness(struct persist *persist)
{
	if (!persist->wants_witness || persist->now_ns - persist->written_ns < WITNESS_NS ||
	    persist->now_ns - persist->copied_ns < WITNESS_NS || !journal_is_idle(&persist->journal) || journal_free(&persist->journal) == NULL)
		return false;
	assert(!persist->is_clean_sent);
	journal_append(&persist->journal, broker_ms(persist), BATCH_WITNESS, persist->now_ns);
	persist->wants_witness = false;
	return true;
}

/* 1: something moved; 0: nothing to do; -1: the journal failed. */
static int
turn(struct persist *persist)
{
	persist->now_ns = now_ns();
	store_relaxed(&persist->stats->heartbeat_ns, persist->now_ns);
	int reaped = reap(persist);

	if (reaped < 0)
		return -1;
	bool has_moved = reaped > 0;
	has_moved |= acknowledge(persist);
	has_moved |= may_clean(persist) && cleaner_step(&persist->cleaner, persist->now_ns);
	has_moved |= copy(persist, true);
	has_moved |= gather(persist);
	has_moved |= copy(persist, false);
	has_moved |= witness(persist);
	has_moved |= fetches_attend(&persist->fetches);
	has_moved |= fetches_serve(&persist->fetches);
	has_moved |= replays_step(&persist->replays);
	int slot = retain_step(&persist->retain, persist->now_ns);
	if (slot >= 0)
		wake_one(persist, (uint32_t)slot);
	int stepped = persist->backend->ops->step(persist->backend, persist->now_ns);
	if (stepped < 0)
		return -1;
	tell_state(persist);
	return has_moved || stepped > 0 ? 1 : 0;
}

/* --- the end --- */

/* Nobody will write to a stream any more. */
static bool
is_quiet(const struct persist *persist)
{
	const struct role *role = persist->role;

	if (!role_is_draining(role))
		return false;
	for (uint32_t i = 0; i < role->geometry.fronts; i++) {
		enum slot_state state;
		uint64_t epoch;

		registry_slot(&role->registry, SLOT_FRONT(i), &state, &epoch);
		if (state == SLOT_STARTING || state == SLOT_LIVE)
			return false;
	}
	for (uint32_t w = 0; w < role->geometry.workers; w++) {
		/* What the worker wrote before it said so is visible.  Pairs with its store of phase after the last tail. */
		if (load_acquire(&role->peer[SLOT_WORKER(w)].shared->phase) != PHASE_DRAINED)
			return false;
	}
	return true;
}

/* True when the journal is closed.  The marker is a batch of its own, behind everything. */
static bool
close_cleanly(struct persist *persist)
{
	if (!is_quiet(persist) || !journal_is_idle(&persist->journal) ||
	    gather_has_news(&persist->gather, &persist->journal.sealed))
		return false;
	if (persist->is_clean_sent)
		return persist->backend->ops->seal(persist->backend, persist->journal.durable.index);
	if (journal_free(&persist->journal) != NULL) {
		journal_append(&persist->journal, broker_ms(persist), BATCH_CLEAN, persist->now_ns);
		persist->is_clean_sent = true;
		persist->wants_witness = false; /* it is one; and another behind it would take the mark away */
	}
	return false;
}

/* --- sleeping --- */

static uint32_t
park_ms(const struct persist *persist)
{
	uint64_t due_ns = persist->backend->ops->due_ns(persist->backend, persist->now_ns);

	if (fetches_are_blocked(&persist->fetches) || replays_are_blocked(&persist->replays) ||
	    role_is_draining(persist->role))
		return BLOCKED_MS;
	if (may_clean(persist) && due_ns > cleaner_due_ns(&persist->cleaner, persist->now_ns))
		due_ns = cleaner_due_ns(&persist->cleaner, persist->now_ns);
	if (persist->wants_witness && due_ns > WITNESS_NS)
		due_ns = WITNESS_NS;
	if (due_ns > LAZY_NS && gather_has_news(&persist->gather, &persist->journal.sealed))
		due_ns = LAZY_NS;
	if (due_ns / 1000000 >= PARK_MS_MAX)
		return PARK_MS_MAX;
	return (uint32_t)(due_ns / 1000000) + 1;
}

/* With all flights in use there is nothing to do about new records: then workers need not wake us for them. */
static bool
can_gather(struct persist *persist)
{
	return journal_free(&persist->journal) != NULL;
}

static bool
has_news(struct persist *persist)
{
	return (can_gather(persist) && is_worth_a_batch(persist)) ||
	    fetches_have_news(&persist->fetches) || replays_have_news(&persist->replays);
}

static void
park(struct persist *persist)
{
	/* Nothing under way: a batch waits for a segment that there is no space for, and fetches go on meanwhile. */
	bool is_open = can_gather(persist) || disk_pending(persist->disk) == 0;

	if (is_open)
		park_begin(&persist->stats->parked, false);
	if (!has_news(persist)) {
		stat_add(&persist->stats->persist_parks, 1);
		disk_park(persist->disk, persist->role->event_fd[persist->role->slot], park_ms(persist));
	} else {
		disk_submit(persist->disk);
	}
	if (is_open)
		park_end(&persist->stats->parked);
}

static int
serve(struct persist *persist)
{
	for (;;) {
		int moved = turn(persist);

		if (moved < 0)
			return fail(persist);
		if (close_cleanly(persist))
			break;
		/* One system call both submits and waits; only what cannot wait for it is submitted by itself. */
		if (moved > 0 && has_news(persist))
			disk_submit(persist->disk);
		else
			park(persist);
	}
	diag(DIAG_INFO, "journal closed cleanly after batch %" PRIu64, persist->journal.durable.index);
	store_release(&persist->stats->phase, PHASE_DRAINED);
	return 0;
}

/* --- the beginning --- */

static int
attach(struct persist *persist)
{
	const struct role *role = persist->role;

	if (durable_attach(&persist->durable, role->instance, role->geometry.workers, &role->store, REGION_READ_WRITE) != 0) {
		diag_errno("cannot attach shared memory durable");
		return -1;
	}
	for (uint32_t w = 0; w < role->geometry.workers; w++) {
		if (stream_attach(&persist->streams[w], role->instance, w, &role->geometry.stream, &role->store, STREAM_PERSIST) != 0) {
			diag_errno("cannot attach shared memory stream.%" PRIu32, w);
			return -1;
		}
	}
	role_close_regions(role);
	return 0;
}

static int
open_journal(struct persist *persist, const struct persist_options *options)
{
	struct spare_options spares = { .segment_bytes = options->segment_bytes, .spare_segments = options->spare_segments,
		.ready_bytes = options->ready_bytes, .direct = options->direct };
	struct durable_shared *shared = persist->durable.shared;
	struct journal_position warm;
	struct backend_open open = { .snapshots = &persist->retain.snapshots, .time_ms = broker_ms(persist), .epoch_min = load_relaxed(&shared->persist_epoch) + 1 };

	if (backend_file_init(&persist->file, &persist->store, persist->disk, &spares) != 0)
		return EXIT_CONFIG;
	persist->backend = &persist->file.backend;
	if (journal_init(&persist->journal, persist->backend, options->in_flight) != 0)
		return EXIT_CONFIG;
	persist->retain = (struct retain){ .role = persist->role, .journal = &persist->journal, .streams = persist->streams,
		.snapshot_bytes = options->snapshot_bytes, .segment_bytes = options->segment_bytes, .durable = shared };
	retain_init(&persist->retain);
	if (announce_read(shared, &warm))
		open.warm = &warm;
	store_relaxed(&persist->stats->phase, open.warm != NULL ? PHASE_RECOVERY : PHASE_REPLAY);
	int code = journal_open(&persist->journal, &open);
	if (code != 0)
		return code;
	announce_position(shared, &persist->journal.durable, persist->role->geometry.workers);
	announce_open(shared, persist->journal.epoch, persist->backend->segment);
	if (fetches_open(&persist->fetches, persist->role, persist->backend) != 0)
		return EXIT_CONFIG;
	retain_open(&persist->retain, persist->now_ns);
	if (cleaner_open(&persist->cleaner, persist->backend, &persist->journal, &persist->retain.snapshots,
	    persist->stats) != 0)
		return EXIT_CONFIG;
	replays_open(&persist->replays, persist->role, &persist->journal, &persist->retain.snapshots, persist->streams,
	    open.warm == NULL);
	persist->gather = (struct gather){ .streams = persist->streams, .shards = persist->role->geometry.workers,
		.batch_bytes = options->batch_bytes };
	diag(DIAG_INFO, "journal open (%s) after batch %" PRIu64 ", %" PRIu64 " rewritten", open.warm != NULL ? "warm" : "cold",
	    persist->journal.durable.index, persist->journal.opened.rewritten);
	return 0;
}

static int
begin(struct persist *persist, const struct persist_options *options)
{
	const struct role *role = persist->role;

	persist->now_ns = now_ns();
	if (attach(persist) != 0)
		return EXIT_JOURNAL;
	role_step_over(persist->role, "regions");
	persist->disk = disk_open(sandbox_wants_ring(persist->role));
	if (persist->disk == NULL ||
	    persist_enter_sandbox(persist->role, DATA_DIR_FD, disk_is_restricted(persist->disk)) != 0)
		return EXIT_CONFIG;
	role_step_over(persist->role, "sandbox");
	int code = role->is_handed
	    ? store_open_at(&persist->store, DATA_DIR_FD, options->directory, role->store.store_uuid, role->geometry.workers,
	          STORE_LOCK_PERSISTD)
	    : store_open(&persist->store, options->directory, role->store.store_uuid, role->geometry.workers, STORE_LOCK_PERSISTD);
	role_step_over(persist->role, "store");
	return code != 0 ? code : open_journal(persist, options);
}

static void
end(struct persist *persist)
{
	fetches_close(&persist->fetches);
	replays_close(&persist->replays);
	if (persist->backend != NULL)
		persist->backend->ops->close(persist->backend);
	disk_close(persist->disk); /* before the memory that it may still write from is given back */
	cleaner_close(&persist->cleaner);
	journal_close(&persist->journal);
	retain_free(&persist->retain);
	store_close(&persist->store);
	for (uint32_t w = 0; w < persist->role->geometry.workers; w++)
		stream_detach(&persist->streams[w]);
	durable_detach(&persist->durable);
}

int
persist_main(struct role *role, const struct persist_options *options)
{
	static struct persist persist; /* the process's one context: large, and in one place for a debugger */

	persist = (struct persist){ .role = role, .stats = role->stats.shared, .store = { .dir_fd = -1, .journal_fd = -1,
		.lock_fd = -1 } };
	int code = begin(&persist, options);

	role_step_over(role, "journal");
	if (code == 0) {
		role_is_ready(role);
		tell_state(&persist);
		wake_all(&persist);
		code = serve(&persist);
	} else if (persist.durable.shared != NULL) {
		announce_state(persist.durable.shared, code == EXIT_JOURNAL ? JOURNAL_FAILED : JOURNAL_STARTING);
	}
	end(&persist);
	return code;
}
