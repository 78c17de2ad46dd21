/*
 * Happy path: worker_main() attaches, comes up (recover, replay), then turns: worker_turn() while there is work,
 * worker_sleep() when there is none.
 * Failure modes: an assertion ends the process and the successor undoes what was open; no room in a ring leaves the request
 * where it is and shortens the sleep.
 */
#include "workerd/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"
#include "shm/clock.h"
#include "shm/diag.h"
#include "workerd/dispatch.h"
#include "workerd/expire.h"
#include "workerd/fronts.h"
#include "workerd/job.h"
#include "workerd/quota.h"
#include "workerd/people.h"
#include "workerd/receive.h"
#include "workerd/recover.h"
#include "workerd/replay.h"
#include "workerd/sandbox.h"
#include "workerd/snapshot.h"

#define MS_NS 1000000ull
/* How long to sleep while something waits for room, which nobody signals. */
#define BLOCKED_NS (1 * MS_NS)
#define REPLAY_WAIT_NS (5 * MS_NS)
#define REPLAY_FRAMES_MAX 256

void
worker_init(struct worker *worker, uint32_t index, uint64_t random_seed)
{
	memset(worker, 0, sizeof(*worker));
	worker->index = index;
	worker->random = random_seed != 0 ? random_seed : 1;
	worker->answered = NIL;
}

static inline void
commit(struct worker *worker)
{
	uint32_t front = worker->answered;

	assert(worker->shard.shared->state == SHARD_READY);
	txn_commit(&worker->shard.txn);
	if (front == NIL)
		return;
	worker->fronts[front].reply.tail = front_of(worker, front)->reply_tail;
	worker->answered = NIL;
}

/* Apart, so that a commit saves no registers for a call that it mostly does not make: 8 instructions a publish. */
static __attribute__((noinline)) void
commit_imaging(struct worker *worker)
{
	snapshot_before_commit(worker);
	commit(worker);
}

void
worker_commit(struct worker *worker)
{
	if (worker->is_imaging)
		commit_imaging(worker);
	else
		commit(worker);
}

/* --- one turn --- */

/* Frames of one front, up to the bounds of a turn. */
static bool
front_drain(struct worker *worker, uint32_t front)
{
	struct worker_front *mine = &worker->fronts[front];
	enum dispatch dispatch = mine->is_attached && !mine->is_broken ? DISPATCH_SERVED : DISPATCH_BROKEN;
	uint64_t bytes = 0;
	unsigned frames = 0;

	while (dispatch == DISPATCH_SERVED && frames < TURN_FRAMES_MAX && bytes < TURN_FRAME_BYTES_MAX) {
		dispatch = dispatch_one(worker, front, &bytes);
		frames += dispatch == DISPATCH_SERVED;
	}
	if (dispatch == DISPATCH_BROKEN || (dispatch == DISPATCH_EMPTY && mine->is_leaving)) {
		front_close(worker, front);
		return true;
	}
	return frames > 0;
}

static bool
fronts_drain(struct worker *worker)
{
	uint32_t count = worker->shard.geometry.fronts;
	bool is_busy = false;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t front = (worker->front_first + i) % count;

		if (front_of(worker, front)->state == FRONT_OPEN)
			is_busy |= front_drain(worker, front);
	}
	assert(!txn_is_open(&worker->shard.txn));
	worker->front_first = count > 0 ? (worker->front_first + 1) % count : 0;
	return is_busy;
}

static bool
repeat(struct worker *worker, bool (*step)(struct worker *), unsigned times_max)
{
	unsigned times = 0;

	while (times < times_max && step(worker))
		times++;
	return times > 0;
}

bool
worker_turn(struct worker *worker, uint64_t now_ms)
{
	struct shard_root *root = worker->shard.root;
	bool is_busy;

	assert(!txn_is_open(&worker->shard.txn));
	assert(worker->shard.shared->state == SHARD_READY);
	if (now_ms > root->now_ms)
		store_relaxed(&root->now_ms, now_ms);
	worker->is_blocked = false;
	is_busy = fronts_poll(worker);
	is_busy |= fronts_drain(worker);
	is_busy |= repeat(worker, expire_step, TURN_TIMERS_MAX);
	is_busy |= bootstrap_step(worker);
	is_busy |= repeat(worker, credentials_sweep, TURN_SWEEPS_MAX);
	is_busy |= job_run(worker);
	is_busy |= receive_serve_waiters(worker, TURN_SERVES_MAX);
	if (snapshot_is_due(worker))
		is_busy |= snapshot_step(worker);
	worker_mirror(worker);
	stat_add(&worker->stats->worker_turns, 1);
	return is_busy;
}

uint64_t
worker_next_ms(const struct worker *worker)
{
	const struct shard_root *root = worker->shard.root;
	uint64_t message_ms = wheel_next_ms(&root->message_wheel), waiter_ms = wheel_next_ms(&root->waiter_wheel);

	return message_ms < waiter_ms ? message_ms : waiter_ms;
}

bool
worker_has_requests(struct worker *worker)
{
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++) {
		struct worker_front *mine = &worker->fronts[front];

		if (front_of(worker, front)->state != FRONT_OPEN || !mine->is_attached || mine->is_broken)
			continue;
		/* Pairs with ring_post(); ordered after park_begin() by its fence. */
		if (load_acquire(&mine->request.shared->tail) != mine->request.head)
			return true;
	}
	return false;
}

/* --- mirrors --- */

static void
mirror_gauges(struct worker *worker)
{
	const struct shard_root *root = worker->shard.root;
	uint64_t waiters = root->waiter_wheel.count;

	store_relaxed(&worker->stats->messages_used, root->messages_high - root->messages_free.count);
	store_relaxed(&worker->stats->queues_used, root->queues_high - root->queues_free.count);
	store_relaxed(&worker->stats->waiters_used, waiters);
	store_relaxed(&worker->stats->grants_used, table_used(&root->grants));
}

/* True if the front has replies to be woken for. */
static bool
mirror_front(struct worker *worker, uint32_t front)
{
	struct worker_front *mine = &worker->fronts[front];
	const struct shard_front *root = front_of(worker, front);
	bool has_replies = mine->has_replies;

	if (!mine->is_attached)
		return false;
	assert(mine->request.head == root->request_head);
	assert(mine->reply.tail == root->reply_tail);
	/* The replies first: who sees that a request was consumed sees also what was answered before it. */
	if (has_replies)
		ring_mirror_tail(&mine->reply, root->reply_tail);
	if (mine->has_requests)
		ring_mirror_head(&mine->request, root->request_head);
	mine->has_requests = false;
	mine->has_replies = false;
	return has_replies;
}

static void
wake(struct worker *worker, uint32_t slot)
{
	struct waker *waker = &worker->role->waker[slot];

	if (waker->word != NULL && park_wake(waker))
		stat_add(&worker->stats->worker_wakes, 1);
}

/*
 * A reply that may leave only when its records are durable is of no use to a frontd before: persistd, which makes them so,
 * wakes it then (PARK_AWAITS_DURABLE, which a frontd sets while anything it asked for may change the shard).  So one wake
 * a batch is saved, and a frontd that sleeps is woken once.  Had the records become durable between the mirror of the tail
 * and park_fence(), nobody would: then, and for replies that wait for nothing, we do.
 */
static void
wake_front(struct worker *worker, uint32_t front)
{
	/* After park_fence(): what persistd announces later than this it tells a frontd that sees our replies. */
	uint64_t durable_lsn = load_acquire(&worker->durable.shared->shard[worker->index].lsn);

	if (worker->fronts[front].reply_lsn_min <= durable_lsn)
		wake(worker, SLOT_FRONT(front));
}

void
worker_mirror(struct worker *worker)
{
	const struct shard_root *root = worker->shard.root;
	bool is_longer = root->stream_tail != worker->mirrored_tail, is_wanted = worker->wanted_lsn > worker->mirrored_wanted;
	uint32_t answered = 0; /* a bit for each front */

	assert(!txn_is_open(&worker->shard.txn));
	_Static_assert(FRONT_MAX <= 32, "a bit for each front");
	people_mirror(worker); /* before the answers: who hears of a change finds it */
	if (is_wanted) {
		store_relaxed(&worker->stream.shared->wanted, worker->wanted_lsn);
		worker->mirrored_wanted = worker->wanted_lsn;
	}
	if (is_longer || is_wanted) {
		assert(root->stream_tail >= worker->mirrored_tail);
		/* The records below are whole.  Pairs with persistd's and stream_copy()'s load_acquire. */
		store_release(&worker->stream.shared->tail, root->stream_tail);
		worker->mirrored_tail = root->stream_tail;
	}
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++)
		answered |= (uint32_t)mirror_front(worker, front) << front;
	if (!is_longer && !is_wanted && answered == 0)
		return;
	mirror_gauges(worker);
	if (worker->role == NULL)
		return;
	park_fence();
	if (is_wanted || root->stream_tail - worker->told_tail >= STREAM_LAZY_BYTES) {
		worker->told_tail = root->stream_tail;
		wake(worker, SLOT_PERSIST);
	}
	for (; answered != 0; answered &= answered - 1)
		wake_front(worker, (uint32_t)__builtin_ctz(answered));
}

/* --- the process --- */

/* Broker time at a now_ns(), as this shard goes by it. */
static uint64_t
broker_ms(const struct worker *worker, uint64_t at_ns)
{
	return clock_ms(at_ns, worker->role->registry.shared->clock_offset_ns) + worker->ahead_ms;
}

/*
 * Time may not go back, but neither may it stand still: a machine that came up with its clock behind the last record (no
 * battery, a wrong date before) would else end no lease, no delay and no wait until the clock has caught up.
 */
static void
worker_set_clock(struct worker *worker)
{
	uint64_t now_ms = broker_ms(worker, now_ns()), last_ms = worker_now(worker);

	assert(worker->ahead_ms == 0);
	if (last_ms <= now_ms)
		return;
	worker->ahead_ms = last_ms - now_ms;
	diag(DIAG_WARNING, "shard %u: the clock is %llu s behind the last record; its time goes on from there",
	    worker->index, (unsigned long long)(worker->ahead_ms / 1000));
}

/* One syscall a sleep: the eventfd is watched edge-triggered and never read. */
static void
sleep_ns(struct worker *worker, int epoll_fd, uint64_t ns)
{
	struct timespec timeout = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
	struct epoll_event event;

	stat_add(&worker->stats->worker_parks, 1);
	if (epoll_pwait2(epoll_fd, &event, 1, &timeout, NULL) < 0 && errno != EINTR)
		diag_errno("cannot sleep");
}

static uint64_t
sleep_allowed_ns(const struct worker *worker)
{
	uint64_t due_ms = worker_next_ms(worker), now_ms = broker_ms(worker, now_ns());
	uint64_t ms = due_ms <= now_ms ? 0 : due_ms - now_ms;

	/* What is due and cannot be done for want of room is no reason to spin. */
	if (worker->is_blocked || (worker->is_imaging && ms > 0))
		return BLOCKED_NS;
	return (ms < PARK_MS_MAX ? ms : PARK_MS_MAX) * MS_NS;
}

static void
worker_sleep(struct worker *worker, int epoll_fd)
{
	uint64_t ns = sleep_allowed_ns(worker);

	if (ns == 0)
		return;
	park_begin(&worker->stats->parked, false);
	/* A request that is left for want of room is no reason to stay awake. */
	if (worker->is_blocked || (!worker_has_requests(worker) && !fronts_have_news(worker)))
		sleep_ns(worker, epoll_fd, ns);
	park_end(&worker->stats->parked);
}

static void
worker_pause(struct worker *worker, int epoll_fd, uint64_t ns)
{
	park_begin(&worker->stats->parked, false);
	sleep_ns(worker, epoll_fd, ns);
	park_end(&worker->stats->parked);
	store_relaxed(&worker->stats->heartbeat_ns, now_ns());
}

/* Build the shard from the journal.  0, or the exit code of a worker that cannot. */
static int
worker_start_cold(struct worker *worker, int epoll_fd)
{
	uint64_t began_ns = now_ns();
	enum replay_step step;

	while (load_relaxed(&worker->shard.shared->state) == SHARD_CORRUPT && !recover_may_reload(worker) &&
	    !load_relaxed(&worker->stop)) {
		fronts_disown(worker);
		worker_pause(worker, epoll_fd, REPLAY_WAIT_NS);
	}
	store_relaxed(&worker->stats->phase, PHASE_REPLAY);
	replay_begin(worker);
	while ((step = replay_step(worker, REPLAY_FRAMES_MAX)) != REPLAY_DONE && !load_relaxed(&worker->stop)) {
		if (step == REPLAY_CORRUPT)
			return EX_DATAERR;
		fronts_disown(worker);
		if (step == REPLAY_WAITS)
			worker_pause(worker, epoll_fd, REPLAY_WAIT_NS);
	}
	diag(DIAG_INFO, "shard %u: %llu records replayed in %llu ms, %u messages", worker->index,
	    (unsigned long long)worker->stats->progress, (unsigned long long)((now_ns() - began_ns) / MS_NS),
	    worker->shard.root->messages_high - worker->shard.root->messages_free.count);
	return 0;
}

/* True if it serves from here on; false if the shard is damaged. */
static bool
worker_start_warm(struct worker *worker)
{
	const struct slot *slot = &worker->role->registry.shared->slot[worker->role->slot];
	uint64_t died_ns = load_relaxed(&slot->died_ns);

	store_relaxed(&worker->stats->phase, PHASE_RECOVERY);
	if (!recover_warm(worker, load_relaxed(&slot->last_signal)))
		return false;
	fronts_resume(worker);
	if (died_ns != 0 && died_ns < now_ns())
		histogram_add(&worker->stats->service_pause, now_ns() - died_ns);
	return true;
}

/* 0, or an exit code. */
static int
worker_start(struct worker *worker, int epoll_fd)
{
	bool is_warm = load_relaxed(&worker->shard.shared->state) == SHARD_READY && worker_start_warm(worker);

	if (!is_warm) {
		if (load_relaxed(&worker->shard.shared->state) == SHARD_CORRUPT)
			store_relaxed(&worker->stats->phase, PHASE_CORRUPT);
		int code = worker_start_cold(worker, epoll_fd);

		if (code != 0)
			return code;
	}
	if (load_relaxed(&worker->shard.shared->state) != SHARD_READY)
		return 0; /* stopped before the journal was read */
	worker_set_clock(worker);
	quota_recount(worker);
	worker->durable_lsn = load_acquire(&worker->durable.shared->shard[worker->index].lsn);
	/* A predecessor may have died before it showed or signalled what it had committed, and who waits for that is not known. */
	worker->wanted_lsn = worker->shard.root->stream_tail;
	worker_mirror(worker);
	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		if (worker->role->waker[slot].word != NULL)
			park_poke(worker->role->waker[slot].event_fd);
	}
	return 0;
}

/* A clean stop: all fronts are closed, no work is left, everything is on disk. */
static bool
worker_is_drained(const struct worker *worker)
{
	return role_is_draining(worker->role) && fronts_are_closed(worker) && worker->shard.root->job_count == 0 &&
	    load_acquire(&worker->durable.shared->shard[worker->index].lsn) == worker->shard.root->stream_tail;
}

static void
worker_loop(struct worker *worker, int epoll_fd)
{
	while (!load_relaxed(&worker->stop)) {
		uint64_t turn_ns = now_ns();

		store_relaxed(&worker->stats->heartbeat_ns, turn_ns);
		if (worker_turn(worker, broker_ms(worker, turn_ns)))
			continue;
		if (role_is_draining(worker->role)) {
			store_relaxed(&worker->stats->phase, worker_is_drained(worker) ? PHASE_DRAINED : PHASE_SERVING);
			worker->is_blocked = true; /* nobody signals the end of the last write */
		}
		worker_sleep(worker, epoll_fd);
	}
}

/* Memory that is paid for as it is used: with a snapshot, or a cold start that begins with one. */
static int
attach_snapshot(struct worker *worker)
{
	size_t bytes = snapshot_memory_bytes(&worker->shard.geometry);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		diag_errno("no memory for snapshots (%zu bytes)", bytes);
		return -1;
	}
	snapshot_init(worker, memory);
	return 0;
}

static void
detach_snapshot(struct worker *worker)
{
	if (worker->snapshot.has_image != NULL)
		munmap(worker->snapshot.has_image, snapshot_memory_bytes(&worker->shard.geometry));
}

static int
worker_attach(struct worker *worker, struct role *role)
{
	const struct geometry *geometry = &role->geometry;

	worker->role = role;
	worker->stats = role->stats.shared;
	const struct shard_geometry shard = shard_geometry_of(geometry, role->index);

	if (shard_attach(&worker->shard, role->instance, role->index, &shard, &role->store,
	        REGION_READ_WRITE) != 0) {
		diag_errno("cannot attach shared memory shard.%u", role->index);
		return -1;
	}
	if (stream_attach(&worker->stream, role->instance, role->index, &geometry->stream, &role->store,
	        STREAM_WORKER) != 0) {
		diag_errno("cannot attach shared memory stream.%u", role->index);
		return -1;
	}
	if (durable_attach(&worker->durable, role->instance, geometry->workers, &role->store, REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shared memory durable");
		return -1;
	}
	if (directory_attach(&worker->directory, role->instance, &geometry->shard, &role->store,
	        role->index == 0 ? REGION_READ_WRITE : REGION_READ_ONLY) != 0) {
		diag_errno("cannot attach shared memory directory");
		return -1;
	}
	if (quota_attach(worker) != 0)
		return -1;
	role_close_regions(role);
	return attach_snapshot(worker);
}

static void
worker_detach(struct worker *worker)
{
	for (uint32_t front = 0; front < FRONT_MAX; front++)
		front_detach(&worker->fronts[front].front);
	detach_snapshot(worker);
	quota_detach(worker);
	directory_detach(&worker->directory);
	durable_detach(&worker->durable);
	stream_detach(&worker->stream);
	shard_detach(&worker->shard);
}

int
worker_main(struct worker *worker, struct role *role)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll_fd, code = EX_SOFTWARE;

	worker_init(worker, role->index, now_ns());
	if (worker_attach(worker, role) != 0)
		goto detach;
	role_step_over(role, "regions");
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, role->event_fd[role->slot], &event) != 0) {
		diag_errno("cannot watch this worker's eventfd");
		code = EX_OSERR;
		goto close;
	}
	if (worker_enter_sandbox(role) != 0) {
		code = EX_CONFIG;
		goto close;
	}
	role_step_over(role, "sandbox");
	code = worker_start(worker, epoll_fd);
	role_step_over(role, "shard");
	if (code == 0 && !load_relaxed(&worker->stop)) {
		role_is_ready(role);
		worker_loop(worker, epoll_fd);
	}

close:
	if (epoll_fd >= 0)
		(void)close(epoll_fd); /* nothing was written to it */
detach:
	worker_detach(worker);
	return code;
}
