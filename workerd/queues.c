/*
 * queues: create, change, look at and remove queues.
 *
 * Happy path of a change: x_serve() copies the request, x_decide() looks and fills a record, the record's apply makes it so,
 * the reply carries the record's LSN.
 * Failure modes: a name or a value out of bounds, a condition that does not hold, a full table: refused before anything is
 * written.  A queue that is removed goes in two steps: QUEUE_DELETING takes the name away at once, a job its messages.
 */
#include <string.h>

#include "shm/state/names.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"
#include "workerd/job.h"
#include "workerd/quota.h"

static struct queue_stats
queue_stats_of(const struct shard *shard, const struct queue *queue)
{
	const struct list *ready = &queue->lists[MSG_READY], *leased = &queue->lists[MSG_LEASED];

	return (struct queue_stats){
		.ready = ready->count,
		.delayed = queue->lists[MSG_DELAYED].count,
		.leased = leased->count,
		.dead = queue->lists[MSG_DEAD].count,
		.waiters = queue->waiters.count,
		.bytes = queue->bytes,
		.published = queue->totals.published,
		.delivered = queue->totals.delivered,
		.acked = queue->totals.acked,
		.expired = queue->totals.expired,
		.released = queue->totals.released,
		.failed = queue->totals.failed,
		.removed = queue->totals.removed,
		.oldest_ready_ms = ready->count > 0 ? msg_at(shard, ready->head)->enqueued_ms : 0,
		.oldest_lease_ms = leased->count > 0 ? msg_at(shard, leased->head)->since_ms : 0,
	};
}

static void
queue_entry_fill(const struct shard *shard, const struct queue *queue, const struct caller *caller,
    struct queue_entry *entry)
{
	entry->name = queue->name;
	entry->config = queue->config;
	entry->stats = queue_stats_of(shard, queue);
	entry->etag = queue->etag;
	entry->created_ms = queue->created_ms;
	entry->owner = queue->owner;
	entry->rights = queue_rights(shard, queue, caller);
	entry->grant_count = queue->grants.count;
}

/* Answer with the queue as it stands. */
static enum served
answer_queue(struct worker *worker, const struct request *request, struct queue_reply *reply, uint32_t queue_idx,
    const struct caller *caller, enum outcome outcome)
{
	bool is_change = request->header.op != OP_QUEUE_GET;

	reply->now_ms = worker_now(worker);
	queue_entry_fill(
	    &worker->shard, queue_at(&worker->shard, queue_idx), caller, &reply->queue);
	answer_end(worker, request->from, &(struct answer){ .reply = &reply->reply, .bytes = sizeof(*reply),
		.outcome = outcome, .lsn = is_change ? worker->shard.root->stream_tail : 0 });
	return SERVED;
}

/* --- QUEUE_PUT and QUEUE_PATCH --- */

/* What a PUT or PATCH comes to. */
struct queue_change {
	struct queue_config config;
	uint64_t owner;
	uint32_t queue_idx;
	bool is_new;
	bool is_same; /* nothing to write */
};

static bool
condition_holds(const struct queue_config_request *wish, const struct queue *queue)
{
	switch (wish->condition) {
	case CONDITION_IF_MATCH:
		return queue != NULL && queue->etag == wish->etag;
	case CONDITION_IF_ABSENT:
		return queue == NULL;
	default:
		return true;
	}
}

/*
 * A PATCH of what is not there, or not to be seen, is NO_QUEUE.  A PUT that may not be answers FORBIDDEN whether there is a queue
 * or not, so that nobody finds out names by trying to make them his.
 */
static enum outcome
queue_config_allowed(const struct shard *shard, const struct queue_config_request *wish,
    bool is_patch, const struct queue *queue)
{
	const struct caller *caller = &wish->queue.caller;
	uint32_t has = queue != NULL ? queue_rights(shard, queue, caller) : 0;

	if (is_patch && has == 0)
		return OUTCOME_NO_QUEUE;
	if (queue != NULL && !(has & RIGHT_MANAGE))
		return OUTCOME_FORBIDDEN;
	if (queue == NULL && !(caller->flags & (CALLER_ADMIN | CALLER_MAY_CREATE)))
		return OUTCOME_FORBIDDEN;
	if ((wish->fields & FIELD_OWNER) && !(caller->flags & CALLER_ADMIN))
		return OUTCOME_FORBIDDEN;
	return OUTCOME_OK;
}

/* Whose it is: who makes it, unless an admin says another; who has it keeps it. */
static uint64_t
owner_wanted(const struct queue_config_request *wish, const struct queue *queue)
{
	if (wish->fields & FIELD_OWNER)
		return wish->owner;
	return queue != NULL ? queue->owner : wish->queue.caller.uid;
}

static enum outcome
queue_config_decide(const struct shard *shard, const struct queue_config_request *wish, bool is_patch,
    struct queue_change *change)
{
	uint32_t idx = names_find(shard, &wish->queue.name);
	const struct queue *queue = idx == NIL ? NULL : queue_at(shard, idx);

	if (wish->condition > CONDITION_IF_ABSENT)
		return OUTCOME_BAD_REQUEST;
	enum outcome outcome = queue_config_allowed(shard, wish, is_patch, queue);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (!condition_holds(wish, queue))
		return OUTCOME_PRECONDITION_FAILED;
	change->config = is_patch ? queue->config : queue_config_default();
	queue_config_merge(&change->config, &wish->config, wish->fields);
	if (!queue_config_is_valid(&change->config))
		return OUTCOME_BAD_FIELD;
	assert(queue == NULL || queue->state == QUEUE_LIVE);
	change->is_new = queue == NULL;
	change->queue_idx = change->is_new ? queue_next_free(shard) : idx;
	if (change->queue_idx == NIL)
		return OUTCOME_TOO_MANY_QUEUES;
	change->owner = owner_wanted(wish, queue);
	change->is_same = queue != NULL && queue->owner == change->owner &&
	    memcmp(&queue->config, &change->config, sizeof(change->config)) == 0;
	return change->is_new ? OUTCOME_CREATED : OUTCOME_OK;
}

static void
queue_created_record(struct worker *worker, const struct queue_change *change, const struct queue_name *name)
{
	struct queue_created_record *record = append_begin(worker, RECORD_QUEUE_CREATED, sizeof(*record));

	assert(change->is_new && change->queue_idx != NIL);
	record->config = change->config;
	record->name = *name;
	record->etag = record->record.lsn;
	record->queue_idx = change->queue_idx;
	record->owner = change->owner;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	queue_created_apply(&worker->shard, &record->record);
}

/* Journals from before there were users have records that end where the owner would begin: such queues are nobody's. */
static uint64_t
queue_owner_of(const struct record *record, const uint64_t *owner)
{
	return (const char *)(owner + 1) <= (const char *)record + record->bytes ? *owner : 0;
}

void
queue_created_apply(struct shard *shard, const struct record *record)
{
	const struct queue_created_record *created = (const struct queue_created_record *)record;

	assert(queue_config_is_valid(&created->config));
	assert(created->etag == record->lsn);
	queue_take(shard, created->queue_idx,
	    &(struct queue_birth){ .name = &created->name,
	        .config = &created->config,
	        .etag = created->etag,
	        .owner = queue_owner_of(record, &created->owner),
	        .time_ms = record->time_ms });
}

static void
queue_changed_record(struct worker *worker, const struct queue_change *change)
{
	struct queue_changed_record *record = append_begin(worker, RECORD_QUEUE_CHANGED, sizeof(*record));

	assert(!change->is_new && !change->is_same);
	record->config = change->config;
	record->etag = record->record.lsn;
	record->queue_idx = change->queue_idx;
	record->owner = change->owner;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	queue_changed_apply(&worker->shard, &record->record);
}

void
queue_changed_apply(struct shard *shard, const struct record *record)
{
	const struct queue_changed_record *changed = (const struct queue_changed_record *)record;

	assert(queue_config_is_valid(&changed->config));
	assert(queue_at(shard, changed->queue_idx)->state == QUEUE_LIVE);
	queue_set_config(shard, queue_at(shard, changed->queue_idx), &changed->config, changed->etag);
	queue_set_owner(shard, queue_at(shard, changed->queue_idx), queue_owner_of(record, &changed->owner));
	queue_offer(shard, changed->queue_idx); /* max_in_flight may have grown */
}

static enum served
queue_config_serve(struct worker *worker, const struct request *request, bool is_patch)
{
	struct queue_config_request wish;
	struct queue_change change = { .is_new = false };
	uint64_t offset = 0;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_name(&wish.queue.name);
	if (outcome == OUTCOME_OK)
		outcome = queue_config_decide(&worker->shard, &wish, is_patch, &change);
	/* An owner who has all he may have is made no further one, whoever makes it; what is handed over to him he keeps. */
	if (outcome == OUTCOME_CREATED && quota_decide_queue(worker, change.owner) != OUTCOME_OK)
		outcome = OUTCOME_QUOTA_EXCEEDED;
	/* Who asks again whether his change was made is told no sooner than it is on disk. */
	if (outcome == OUTCOME_PRECONDITION_FAILED)
		return answer_outcome(worker, request->from, outcome, worker->shard.root->stream_tail);
	if (outcome != OUTCOME_OK && outcome != OUTCOME_CREATED)
		return answer_refusal(worker, request, outcome);

	struct queue_reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct queue_created_record)))
		return SERVE_LATER;
	if (change.is_new)
		queue_created_record(worker, &change, &wish.queue.name);
	else if (!change.is_same)
		queue_changed_record(worker, &change);
	return answer_queue(worker, request, reply, change.queue_idx, &wish.queue.caller, outcome);
}

enum served
queue_put_serve(struct worker *worker, const struct request *request)
{
	return queue_config_serve(worker, request, false);
}

enum served
queue_patch_serve(struct worker *worker, const struct request *request)
{
	return queue_config_serve(worker, request, true);
}

/* --- QUEUE_GET and QUEUE_LIST --- */

enum served
queue_get_serve(struct worker *worker, const struct request *request)
{
	struct queue_request wish;
	uint64_t offset = 0;
	uint32_t idx;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish, RIGHT_BROWSE, &idx);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);
	struct queue_reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL)
		return SERVE_LATER;
	return answer_queue(worker, request, reply, idx, &wish.caller, OUTCOME_OK);
}

static bool
queue_is_listed(const struct queue *queue, const struct queue_name *prefix)
{
	return queue->state == QUEUE_LIVE && queue->name.bytes >= prefix->bytes &&
	    memcmp(queue->name.text, prefix->text, prefix->bytes) == 0;
}

/* One page: from slot from_idx on, in the order of slots, at most QUEUE_LIST_SCAN_MAX of them looked at. */
static void
queue_list_fill(const struct shard *shard, const struct queue_list_request *wish, struct queue_list_reply *reply)
{
	uint32_t high = shard->root->queues_high, idx = wish->from_idx;
	uint32_t end = idx < high && high - idx > QUEUE_LIST_SCAN_MAX ? idx + QUEUE_LIST_SCAN_MAX : high;

	assert(wish->limit >= 1 && wish->limit <= QUEUE_LIST_PAGE_MAX);
	reply->count = 0;
	for (; idx < end && reply->count < wish->limit; idx++) {
		const struct queue *queue = queue_at(shard, idx);

		if (queue_is_listed(queue, &wish->prefix) &&
		    (queue_rights(shard, queue, &wish->caller) & RIGHT_BROWSE))
			queue_entry_fill(
			    shard, queue, &wish->caller, &reply->queues[reply->count++]);
	}
	reply->next_idx = idx < high ? idx : UINT32_MAX;
}

enum served
queue_list_serve(struct worker *worker, const struct request *request)
{
	struct queue_list_request wish;
	uint64_t offset = 0;

	if (!request_read(request, &offset, &wish, sizeof(wish)) || wish.limit == 0 || wish.limit > QUEUE_LIST_PAGE_MAX ||
	    wish.prefix.bytes > NAME_MAX_BYTES)
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	struct queue_list_reply *reply =
	    answer_begin(worker, request->from, sizeof(*reply) + wish.limit * (uint32_t)sizeof(struct queue_entry));
	if (reply == NULL)
		return SERVE_LATER;
	reply->now_ms = worker_now(worker);
	queue_list_fill(&worker->shard, &wish, reply);
	answer_end(worker, request->from, &(struct answer){ .reply = &reply->reply,
		.bytes = sizeof(*reply) + reply->count * (uint32_t)sizeof(struct queue_entry), .outcome = OUTCOME_OK });
	return SERVED;
}

/* --- QUEUE_DELETE --- */

static enum outcome
queue_delete_decide(const struct shard *shard, uint32_t queue_idx)
{
	/* The purge's requester is still to be answered; or too much long work is under way. */
	if (queue_at(shard, queue_idx)->purge_states != 0 || job_next_free(shard) == NIL)
		return OUTCOME_BUSY;
	return OUTCOME_OK;
}

enum served
queue_delete_serve(struct worker *worker, const struct request *request)
{
	struct queue_request wish;
	uint64_t offset = 0;
	uint32_t idx;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish, RIGHT_MANAGE, &idx);
	if (outcome == OUTCOME_OK)
		outcome = queue_delete_decide(&worker->shard, idx);
	/* To whoever repeats a DELETE, 404 says that it was done: not before that is on disk. */
	if (outcome == OUTCOME_NO_QUEUE)
		return answer_outcome(worker, request->from, outcome, worker->shard.root->stream_tail);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct queue_idx_record)))
		return SERVE_LATER;

	struct queue_idx_record *record = append_begin(worker, RECORD_QUEUE_DELETING, sizeof(*record));
	record->queue_idx = idx;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	queue_deleting_apply(&worker->shard, &record->record);
	answer_end(worker, request->from, &(struct answer){ .reply = reply, .bytes = sizeof(*reply), .outcome = OUTCOME_OK,
		.lsn = worker->shard.root->stream_tail });
	return SERVED;
}

void
queue_deleting_apply(struct shard *shard, const struct record *record)
{
	const struct queue_idx_record *deleting = (const struct queue_idx_record *)record;

	assert(queue_at(shard, deleting->queue_idx)->purge_states == 0);
	queue_begin_delete(shard, deleting->queue_idx);
	job_begin(shard, JOB_DELETE, deleting->queue_idx);
}

void
queue_freed_apply(struct shard *shard, const struct record *record)
{
	const struct queue_idx_record *freed = (const struct queue_idx_record *)record;

	queue_free(shard, freed->queue_idx);
	job_end_of_queue(shard, freed->queue_idx);
}
