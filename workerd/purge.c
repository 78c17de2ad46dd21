/*
 * purge: remove the messages of a queue, in slices.
 *
 * Happy path: PURGE_BEGUN marks the queue, so that a receive sees nothing of what is covered; slices go over the table of
 * messages once, since a message changes its lists while we work but never its slot; REMOVED records say what went;
 * PURGE_ENDED takes the mark away and the requester is answered with the count.  A deleted queue's messages are taken from the
 * heads of its lists instead: all of them go.
 * Failure modes: no room in stream or reply ring: the slice is tried again later; the requester's frontd has died: nobody is
 * answered.
 */
#include "shm/atomic.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"
#include "workerd/job.h"
#include "workerd/receive.h"

/* Bounds of one slice: looking at a slot costs a cache line, removing a message about 30 words of undo log. */
#define PURGE_SCAN_MAX 1024
#define REMOVE_MAX 64

/* --- PURGE --- */

static enum outcome
purge_decide(const struct shard *shard, const struct purge_request *wish, uint32_t queue_idx)
{
	const uint32_t states = PURGE_READY | PURGE_DELAYED | PURGE_DEAD | PURGE_LEASED;

	if (wish->states == 0 || (wish->states & ~states) != 0)
		return OUTCOME_BAD_REQUEST;
	if (queue_at(shard, queue_idx)->purge_states != 0 || job_next_free(shard) == NIL)
		return OUTCOME_BUSY; /* one purge of a queue at a time */
	return OUTCOME_OK;
}

enum served
purge_serve(struct worker *worker, const struct request *request)
{
	struct purge_request wish;
	uint64_t offset = 0;
	uint32_t idx;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish.queue, RIGHT_MANAGE, &idx);
	if (outcome == OUTCOME_OK)
		outcome = purge_decide(&worker->shard, &wish, idx);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);
	if (!append_fits(worker, sizeof(struct purge_begun_record)))
		return SERVE_LATER;

	struct purge_begun_record *record = append_begin(worker, RECORD_PURGE_BEGUN, sizeof(*record));
	record->older_than_ms = wish.older_than_ms;
	record->seq_below = worker->shard.root->next_seq;
	record->queue_idx = idx;
	record->states = wish.states;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	purge_begun_apply(&worker->shard, &record->record);
	job_set_requester(worker, idx, request->from);
	return SERVED; /* answered by the job's end */
}

void
purge_begun_apply(struct shard *shard, const struct record *record)
{
	const struct purge_begun_record *begun = (const struct purge_begun_record *)record;
	struct queue *queue = queue_at(shard, begun->queue_idx);

	assert(begun->states != 0);
	assert(queue->state == QUEUE_LIVE && queue->purge_states == 0);
	assert(begun->seq_below <= shard->root->next_seq);
	txn_set(&shard->txn, &queue->purge_states, begun->states);
	txn_set(&shard->txn, &queue->purge_seq_below, begun->seq_below);
	txn_set(&shard->txn, &queue->purge_older_than_ms, begun->older_than_ms);
	if (begun->states & PURGE_READY)
		queue_unoffer(shard, begun->queue_idx);
	job_begin(shard, JOB_PURGE, begun->queue_idx);
}

void
purge_ended_apply(struct shard *shard, const struct record *record)
{
	const struct queue_idx_record *ended = (const struct queue_idx_record *)record;
	struct queue *queue = queue_at(shard, ended->queue_idx);

	assert(queue->purge_states != 0);
	txn_set(&shard->txn, &queue->purge_states, 0);
	job_end_of_queue(shard, ended->queue_idx);
	queue_offer(shard, ended->queue_idx);
}

/* --- REMOVED --- */

void
removed_apply(struct shard *shard, const struct record *record)
{
	const struct settled_record *removed = (const struct settled_record *)record;
	struct queue *queue = queue_at(shard, removed->queue_idx);

	assert(removed->count > 0 && removed->count <= REMOVE_MAX);
	for (uint32_t i = 0; i < removed->count; i++) {
		assert(msg_at(shard, removed->items[i].msg_idx)->seq == removed->items[i].seq);
		assert(msg_at(shard, removed->items[i].msg_idx)->queue_idx == removed->queue_idx);
		msg_free(shard, removed->items[i].msg_idx, 0);
	}
	txn_set(&shard->txn, &queue->totals.removed, queue->totals.removed + removed->count);
	queue_offer(shard, removed->queue_idx); /* a lease that is gone makes room under max_in_flight */
}

static uint32_t
removed_record_bytes(uint32_t count)
{
	return (uint32_t)(sizeof(struct settled_record) + count * sizeof(struct settled_item));
}

static struct settled_record *
removed_begin(struct worker *worker, uint32_t queue_idx)
{
	struct settled_record *record = append_begin(worker, RECORD_REMOVED, removed_record_bytes(REMOVE_MAX));

	record->queue_idx = queue_idx;
	record->count = 0;
	return record;
}

static void
removed_add(const struct shard *shard, struct settled_record *record, uint32_t msg_idx)
{
	assert(record->count < REMOVE_MAX);
	assert(msg_at(shard, msg_idx)->state != MSG_FREE);

	record->items[record->count++] =
	    (struct settled_item){ .seq = msg_at(shard, msg_idx)->seq, .msg_idx = msg_idx };
}

/* Apply what was gathered, if anything was. */
static void
removed_end(struct worker *worker, struct settled_record *record, struct job *job)
{
	struct shard *shard = &worker->shard;

	if (record->count == 0)
		return;
	append_end(worker, record, removed_record_bytes(record->count), RECORD_LAST);
	removed_apply(shard, &record->record);
	txn_set(&shard->txn, &job->done_count, job->done_count + record->count);
}

/* --- slices --- */

/* A record that names only a queue, and its effect, in the open transaction. */
static void
queue_idx_record(struct worker *worker, enum record_type type, uint32_t queue_idx)
{
	struct queue_idx_record *record = append_begin(worker, type, sizeof(*record));

	record->queue_idx = queue_idx;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	record_apply(&worker->shard, &record->record);
}

/* Whom the end of a purge is told; nobody, if it was asked by an earlier incarnation of its frontd. */
static struct addressee
job_requester(struct worker *worker, const struct job *job)
{
	const struct shard_front *front = front_of(worker, job->front);
	bool is_there = job->request_id != 0 && front->state == FRONT_OPEN && front->epoch == job->front_epoch;

	return (struct addressee){ .id = is_there ? job->request_id : 0, .front = job->front };
}

static bool
purge_finish(struct worker *worker, struct job *job)
{
	struct addressee requester = job_requester(worker, job);
	uint32_t queue_idx = (uint32_t)job->subject;
	struct purge_reply *reply = answer_begin(worker, requester, sizeof(*reply));

	if (reply == NULL || !append_fits(worker, sizeof(struct queue_idx_record)))
		return false;
	reply->removed = job->done_count;
	queue_idx_record(worker, RECORD_PURGE_ENDED, queue_idx);
	if (requester.id != 0)
		answer_end(worker, requester, &(struct answer){ .reply = &reply->reply, .bytes = sizeof(*reply),
			.outcome = OUTCOME_OK, .lsn = answer_lsn(worker, queue_at(&worker->shard, queue_idx)) });
	worker_commit(worker);
	return true;
}

bool
purge_slice(struct worker *worker, struct job *job)
{
	struct shard *shard = &worker->shard;
	uint32_t queue_idx = (uint32_t)job->subject, high = shard->root->messages_high;
	const struct queue *queue = queue_at(shard, queue_idx);
	uint64_t cursor = job->cursor;

	assert(job->kind == JOB_PURGE);
	assert(queue->state == QUEUE_LIVE && queue->purge_states != 0);
	if (cursor >= high)
		return purge_finish(worker, job);
	if (!append_fits(worker, removed_record_bytes(REMOVE_MAX)))
		return false;
	struct settled_record *record = removed_begin(worker, queue_idx);
	uint64_t end = cursor + PURGE_SCAN_MAX < high ? cursor + PURGE_SCAN_MAX : high;
	for (; cursor < end && record->count < REMOVE_MAX; cursor++) {
		const struct msg *msg = msg_at(shard, (uint32_t)cursor);

		if (msg->state != MSG_FREE && msg->queue_idx == queue_idx && queue_purges(queue, msg))
			removed_add(shard, record, (uint32_t)cursor);
	}
	removed_end(worker, record, job);
	txn_set(&shard->txn, &job->cursor, cursor);
	worker_commit(worker);
	return true;
}

/* Gather from the heads of the queue's lists. */
static void
delete_gather(const struct shard *shard, const struct queue *queue, struct settled_record *record)
{
	for (unsigned state = MSG_READY; state < MSG_STATE_COUNT; state++) {
		uint32_t at = queue->lists[state].head;

		for (; at != NIL && record->count < REMOVE_MAX; at = msg_at(shard, at)->link.next)
			removed_add(shard, record, at);
	}
}

bool
delete_slice(struct worker *worker, struct job *job)
{
	struct shard *shard = &worker->shard;
	uint32_t queue_idx = (uint32_t)job->subject;
	const struct queue *queue = queue_at(shard, queue_idx);
	bool has_waiters = queue->waiters.count > 0;

	assert(job->kind == JOB_DELETE);
	assert(queue->state == QUEUE_DELETING);
	if (has_waiters && receive_dismiss(worker, queue->waiters.head, OUTCOME_NO_QUEUE)) {
		worker_commit(worker);
		return true;
	}
	/* A frontd that takes no replies keeps the slot of the queue for a while, but not the room of its messages. */
	bool has_messages = queue_message_count(queue) > 0;
	if ((has_waiters && !has_messages) || !append_fits(worker, removed_record_bytes(REMOVE_MAX)))
		return false;
	if (has_messages) {
		struct settled_record *record = removed_begin(worker, queue_idx);

		delete_gather(shard, queue, record);
		removed_end(worker, record, job);
	} else {
		queue_idx_record(worker, RECORD_QUEUE_FREED, queue_idx);
	}
	worker_commit(worker);
	return true;
}
