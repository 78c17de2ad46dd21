#include "workerd/job.h"

#include "workerd/expire.h"

/* Bounds of one slice. */
#define CLOSE_SCAN_MAX 1024
#define CLOSE_DROP_MAX 128
#define END_LEASES_MAX 64

uint32_t
job_next_free(const struct shard *shard)
{
	for (uint32_t i = 0; i < JOB_REQUEST_MAX; i++) {
		if (shard->root->jobs[i].kind == JOB_NONE)
			return i;
	}
	return NIL;
}

static void
job_take(struct shard *shard, uint32_t idx, enum job_kind kind, uint64_t subject)
{
	struct job *job = &shard->root->jobs[idx];

	assert(idx < JOB_MAX);
	assert(kind != JOB_NONE);
	assert(job->kind == JOB_NONE);
	txn_set(&shard->txn, &job->kind, kind);
	txn_set(&shard->txn, &job->subject, subject);
	txn_set(&shard->txn, &job->cursor, 0);
	txn_set(&shard->txn, &job->done_count, 0);
	txn_set(&shard->txn, &job->request_id, 0);
	txn_set(&shard->txn, &shard->root->job_count, shard->root->job_count + 1);
}

static void
job_release(struct shard *shard, struct job *job)
{
	assert(job->kind != JOB_NONE);
	assert(shard->root->job_count > 0);

	txn_set(&shard->txn, &job->kind, JOB_NONE);
	txn_set(&shard->txn, &shard->root->job_count, shard->root->job_count - 1);
}

static struct job *
job_of_queue(const struct shard *shard, uint32_t queue_idx)
{
	for (uint32_t i = 0; i < JOB_REQUEST_MAX; i++) {
		struct job *job = &shard->root->jobs[i];

		if (job->kind != JOB_NONE && job->subject == queue_idx)
			return job;
	}
	return NULL;
}

void
job_begin(struct shard *shard, enum job_kind kind, uint32_t queue_idx)
{
	assert(job_of_queue(shard, queue_idx) == NULL);

	job_take(shard, job_next_free(shard), kind, queue_idx);
}

void
job_end_of_queue(struct shard *shard, uint32_t queue_idx)
{
	struct job *job = job_of_queue(shard, queue_idx);

	assert(job != NULL);
	job_release(shard, job);
}

void
job_set_requester(struct worker *worker, uint32_t queue_idx, struct addressee requester)
{
	struct shard *shard = &worker->shard;
	struct job *job = job_of_queue(shard, queue_idx);

	assert(job != NULL);
	assert(job->kind == JOB_PURGE);
	txn_set(&shard->txn, &job->request_id, requester.id);
	txn_set(&shard->txn, &job->front, requester.front);
	txn_set(&shard->txn, &job->front_epoch, front_of(worker, requester.front)->epoch);
}

void
job_begin_close_front(struct shard *shard, uint32_t front)
{
	struct shard_front *root = &shard->root->fronts[front];

	assert(front < shard->geometry.fronts);
	assert(root->state == FRONT_OPEN);
	txn_set(&shard->txn, &root->state, FRONT_CLOSING);
	job_take(shard, JOB_FRONT(front), JOB_CLOSE_FRONT, front);
}

void
job_begin_end_leases(struct shard *shard, uint64_t generation)
{
	job_take(shard, JOB_LEASES, JOB_END_LEASES, generation);
}

/* Drop some waiters of a front that is closing; at the end the front is closed. */
static bool
close_front_slice(struct worker *worker, struct job *job)
{
	struct shard *shard = &worker->shard;
	struct shard_front *root = front_of(worker, (uint32_t)job->subject);
	uint32_t per_front = shard->geometry.waiters_per_front, cursor = (uint32_t)job->cursor, dropped = 0;

	assert(job->kind == JOB_CLOSE_FRONT);
	assert(root->state == FRONT_CLOSING);
	uint32_t end = cursor + CLOSE_SCAN_MAX < per_front ? cursor + CLOSE_SCAN_MAX : per_front;

	for (; cursor < end && dropped < CLOSE_DROP_MAX && root->waiter_count > 0; cursor++) {
		uint32_t idx = (uint32_t)job->subject * per_front + cursor;

		if (waiter_at(shard, idx)->is_parked) {
			waiter_leave(shard, idx);
			dropped++;
		}
	}
	txn_set(&shard->txn, &job->cursor, cursor);
	if (root->waiter_count == 0) {
		txn_set(&shard->txn, &root->state, FRONT_CLOSED);
		job_release(shard, job);
	}
	assert(root->waiter_count == 0 || cursor < per_front);
	worker_commit(worker);
	return true;
}

/*
 * End the oldest lease of a queue if it was given before the cold start.  Leases are listed in the order they were given, so
 * the first newer one ends the work on a queue.  False without room.
 */
static bool
end_lease_of_queue(struct worker *worker, struct job *job)
{
	struct shard *shard = &worker->shard;
	const struct queue *queue = queue_at(shard, (uint32_t)job->cursor);
	uint32_t oldest = queue->state == QUEUE_LIVE ? queue->lists[MSG_LEASED].head : NIL;

	if (oldest != NIL && msg_at(shard, oldest)->token >> 48 != (job->subject & 0xffff))
		return expire_lease(worker, oldest);
	txn_set(&shard->txn, &job->cursor, job->cursor + 1);
	worker_commit(worker);
	return true;
}

static bool
end_leases_slice(struct worker *worker, struct job *job)
{
	struct shard *shard = &worker->shard;

	assert(job->kind == JOB_END_LEASES);
	assert(job->subject != 0);
	for (unsigned i = 0; i < END_LEASES_MAX && job->cursor < shard->root->queues_high; i++) {
		if (!end_lease_of_queue(worker, job))
			return false;
	}
	if (job->cursor >= shard->root->queues_high) {
		job_release(shard, job);
		worker_commit(worker);
	}
	return true;
}

static bool
job_slice(struct worker *worker, struct job *job)
{
	switch ((enum job_kind)job->kind) {
	case JOB_PURGE:
		return purge_slice(worker, job);
	case JOB_DELETE:
		return delete_slice(worker, job);
	case JOB_CLOSE_FRONT:
		return close_front_slice(worker, job);
	case JOB_END_LEASES:
		return end_leases_slice(worker, job);
	case JOB_NONE:
		break;
	}
	assert(!"S5: a job of no kind");
	return false;
}

bool
job_run(struct worker *worker)
{
	struct shard_root *root = worker->shard.root;

	if (root->job_count == 0)
		return false;
	for (uint32_t tried = 0; tried < JOB_MAX; tried++) {
		uint32_t idx = (root->job_next + tried) % JOB_MAX;

		if (root->jobs[idx].kind == JOB_NONE || !job_slice(worker, &root->jobs[idx]))
			continue;
		store_relaxed(&root->job_next, (idx + 1) % JOB_MAX);
		return true;
	}
	return false; /* all of them wait for room */
}
