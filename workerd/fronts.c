/*
 * Happy path: fronts_poll() sees a new incarnation, maps its region, front_open() puts its epoch and zero cursors into the
 * root.
 * Failure modes: a frontd dies: what it posted is executed, a job drops its waiters, closed_epoch tells the supervisor.  Its
 * region is gone already (both of us died): there is nothing to execute.  A shard that was loaded anew meets a region whose
 * cursors have moved: what was executed is not known, so that incarnation is given up.
 */
#include "workerd/fronts.h"

#include <inttypes.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "workerd/job.h"

void
front_bind(struct worker *worker, uint32_t front, const struct front_rings *rings)
{
	struct worker_front *mine = &worker->fronts[front];
	const struct shard_front *root = front_of(worker, front);

	assert(front < worker->shard.geometry.fronts);
	assert(!mine->is_attached);
	assert(rings->reply_size_bytes >= REPLY_BYTES_MAX);
	ring_init(&mine->request, &rings->pair->request, rings->request_bytes, rings->request_size_bytes);
	ring_init(&mine->reply, &rings->pair->reply, rings->reply_bytes, rings->reply_size_bytes);
	/* The shared words are copies, which a hostile frontd may have changed; what counts is ours. */
	mine->request.head = root->request_head;
	mine->reply.tail = root->reply_tail;
	mine->is_attached = true;
	mine->is_leaving = false;
	mine->is_broken = false;
	mine->has_requests = true;
	mine->has_replies = true;
}

void
front_open(struct worker *worker, uint32_t front, uint64_t epoch)
{
	struct shard_front *root = front_of(worker, front);
	struct worker_front *mine = &worker->fronts[front];

	assert(root->state == FRONT_CLOSED);
	assert(root->waiter_count == 0);
	assert(epoch > root->epoch);
	assert(mine->is_attached);
	txn_set(&worker->shard.txn, &root->epoch, epoch);
	txn_set(&worker->shard.txn, &root->request_head, 0);
	txn_set(&worker->shard.txn, &root->reply_tail, 0);
	txn_set(&worker->shard.txn, &root->state, FRONT_OPEN);
	worker_commit(worker);
	mine->request.head = 0;
	mine->reply.tail = 0;
}

void
front_lies(struct worker *worker, uint32_t front, const char *what)
{
	worker->fronts[front].is_broken = true;
	stat_add(&worker->stats->frames_refused, 1);
	diag(DIAG_ERROR, "frontd %u %s: its front is closed and it has to be restarted", front, what);
}

void
front_close(struct worker *worker, uint32_t front)
{
	assert(front_of(worker, front)->state == FRONT_OPEN);

	job_begin_close_front(&worker->shard, front);
	worker_commit(worker);
}

static void
front_unbind(struct worker *worker, uint32_t front)
{
	struct worker_front *mine = &worker->fronts[front];
	uint64_t slot_word = mine->slot_word;

	front_detach(&mine->front);
	*mine = (struct worker_front){ .slot_word = slot_word };
}

/* It is CLOSED in the root: let go of the region and say so. */
static void
front_retire(struct worker *worker, uint32_t front)
{
	assert(front_of(worker, front)->state == FRONT_CLOSED);
	assert(front_of(worker, front)->waiter_count == 0);

	front_unbind(worker, front);
	/* We never look at that region again.  Pairs with the supervisor's load_acquire before it unlinks it. */
	store_release(&worker->stats->closed_epoch[front], front_of(worker, front)->epoch);
}

static int
front_map(struct worker *worker, uint32_t index, uint64_t epoch)
{
	const struct role *role = worker->role;
	struct front *front = &worker->fronts[index].front;

	role_take_regions(role);
	if (front_attach(front, role->instance, index, epoch, &role->geometry.front, &role->store, (int)worker->index) != 0)
		return -1;
	front_bind(worker, index, &(struct front_rings){
		.pair = &front->shared->worker[worker->index],
		.request_bytes = front->request_bytes[worker->index],
		.reply_bytes = front->reply_bytes[worker->index],
		.request_size_bytes = role->geometry.front.request_bytes,
		.reply_size_bytes = role->geometry.front.reply_bytes,
	});
	return 0;
}

/* Nothing of it was ever executed or answered by this shard. */
static bool
front_is_new(const struct worker_front *mine)
{
	return load_relaxed(&mine->request.shared->head) == 0 && load_relaxed(&mine->reply.shared->tail) == 0;
}

/* An incarnation that we cannot serve: closed without ever having been open. */
static void
front_skip(struct worker *worker, uint32_t front, uint64_t epoch)
{
	txn_set(&worker->shard.txn, &front_of(worker, front)->epoch, epoch);
	worker_commit(worker);
	front_retire(worker, front);
}

static void
front_welcome(struct worker *worker, uint32_t front, uint64_t epoch, bool is_alive)
{
	struct worker_front *mine = &worker->fronts[front];

	if (front_map(worker, front, epoch) != 0) {
		if (is_alive)
			diag_errno("cannot map front.%u.%" PRIu64 "; frontd %u is given up", front, epoch, front);
		front_skip(worker, front, epoch);
	} else if (!front_is_new(mine)) {
		diag(DIAG_WARNING, "frontd %u spoke to this shard before it was loaded anew; it has to be restarted", front);
		front_skip(worker, front, epoch);
	} else {
		front_open(worker, front, epoch);
		mine->is_leaving = !is_alive;
	}
}

static bool
front_poll(struct worker *worker, uint32_t front)
{
	struct worker_front *mine = &worker->fronts[front];
	const struct shard_front *root = front_of(worker, front);
	uint64_t word = load_relaxed(&worker->role->registry.shared->slot[SLOT_FRONT(front)].state_epoch);
	enum slot_state state;
	uint64_t epoch;

	if (root->state == FRONT_CLOSED && mine->is_attached)
		front_retire(worker, front);
	if (word == mine->slot_word || root->state == FRONT_CLOSING)
		return false;
	/* Acquire: the region of this epoch exists; of a dead one, all it posted is visible. */
	registry_slot(&worker->role->registry, SLOT_FRONT(front), &state, &epoch);
	bool is_alive = state == SLOT_STARTING || state == SLOT_LIVE;

	if (root->state == FRONT_OPEN) {
		bool was_leaving = mine->is_leaving;

		mine->is_leaving = !is_alive || epoch != root->epoch;
		if (mine->is_leaving)
			return !was_leaving; /* the word is looked at again when this front is closed */
	} else if (epoch > root->epoch) {
		front_welcome(worker, front, epoch, is_alive);
	} else {
		front_retire(worker, front); /* a predecessor may have died before it said so */
	}
	mine->slot_word = word;
	return true;
}

bool
fronts_poll(struct worker *worker)
{
	bool is_changed = false;

	for (uint32_t front = 0; worker->role != NULL && front < worker->shard.geometry.fronts; front++)
		is_changed |= front_poll(worker, front);
	return is_changed;
}

bool
fronts_have_news(const struct worker *worker)
{
	for (uint32_t front = 0; worker->role != NULL && front < worker->shard.geometry.fronts; front++) {
		if (load_relaxed(&worker->role->registry.shared->slot[SLOT_FRONT(front)].state_epoch) !=
		    worker->fronts[front].slot_word)
			return true;
	}
	return false;
}

void
fronts_disown(struct worker *worker)
{
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++) {
		enum slot_state state;
		uint64_t epoch;

		assert(!worker->fronts[front].is_attached);
		registry_slot(&worker->role->registry, SLOT_FRONT(front), &state, &epoch);
		/* Pairs with the supervisor's load_acquire; that we never looked at that region needs no ordering. */
		if (state == SLOT_DEAD && load_relaxed(&worker->stats->closed_epoch[front]) < epoch)
			store_release(&worker->stats->closed_epoch[front], epoch);
	}
}

void
fronts_resume(struct worker *worker)
{
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++) {
		const struct shard_front *root = front_of(worker, front);

		if (root->state != FRONT_OPEN)
			continue; /* CLOSING: the job that drops its waiters needs no ring */
		/* It may be gone: its frontd died together with us and another worker's word was enough. */
		if (front_map(worker, front, root->epoch) != 0)
			diag(DIAG_INFO, "front.%u.%" PRIu64 " is gone; its waiters are dropped", front, root->epoch);
	}
}

bool
fronts_are_closed(const struct worker *worker)
{
	for (uint32_t front = 0; front < worker->shard.geometry.fronts; front++) {
		if (worker->shard.root->fronts[front].state != FRONT_CLOSED)
			return false;
	}
	return true;
}
