/*
 * grants: who else has rights on a queue.  They live with the queue: made by whoever may manage it, gone when it is freed.
 *
 * A right that is taken away counts from the next request on; a receiver that waits is looked at again before anything is
 * given to it (receive.c).
 */
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"

/* What a PUT or DELETE comes to. */
struct grant_change {
	struct grant_entry entry;
	uint32_t queue_idx;
	uint32_t grant_idx;
	bool is_same;
};

static enum outcome
grant_put_decide(
    const struct shard *shard, const struct grant_request *wish, struct grant_change *change)
{
	uint32_t idx = grant_find(shard, change->queue_idx, wish->uid);

	if (wish->uid == 0 || wish->rights == 0 || wish->rights > RIGHTS_ALL)
		return OUTCOME_BAD_FIELD;
	change->entry = (struct grant_entry){ .uid = wish->uid, .rights = wish->rights };
	change->grant_idx = idx != NIL ? idx : grant_next_free(shard);
	change->is_same = idx != NIL && grant_at(shard, idx)->rights == wish->rights;
	if (idx != NIL)
		return OUTCOME_OK;
	if (change->grant_idx == NIL ||
	    queue_at(shard, change->queue_idx)->grants.count >= QUEUE_GRANTS_MAX)
		return OUTCOME_TOO_MANY_GRANTS;
	return OUTCOME_CREATED;
}

static enum outcome
grant_delete_decide(
    const struct shard *shard, const struct grant_request *wish, struct grant_change *change)
{
	uint32_t idx = grant_find(shard, change->queue_idx, wish->uid);

	change->entry = (struct grant_entry){ .uid = wish->uid };
	change->grant_idx = idx;
	change->is_same = false;
	return idx != NIL ? OUTCOME_OK : OUTCOME_NO_GRANT;
}

static void
grant_changed_record(struct worker *worker, const struct grant_change *change)
{
	struct grant_changed_record *record = append_begin(
	    worker, RECORD_GRANT_CHANGED, sizeof(*record));

	record->uid = change->entry.uid;
	record->queue_idx = change->queue_idx;
	record->grant_idx = change->grant_idx;
	record->rights = change->entry.rights;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	grant_changed_apply(&worker->shard, &record->record);
}

void
grant_changed_apply(struct shard *shard, const struct record *record)
{
	const struct grant_changed_record *changed = (const struct grant_changed_record *)record;

	grant_set(shard, changed->grant_idx,
	    &(struct grant_entry){ .uid = changed->uid, .rights = changed->rights },
	    changed->queue_idx);
}

static enum served
grant_serve(struct worker *worker, const struct request *request, bool is_put)
{
	struct grant_request wish;
	struct grant_change change;
	uint64_t offset = 0;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish.queue, RIGHT_MANAGE, &change.queue_idx);
	if (outcome == OUTCOME_OK)
		outcome = is_put ? grant_put_decide(&worker->shard, &wish, &change)
		    : grant_delete_decide(&worker->shard, &wish, &change);
	/* To whoever repeats a DELETE, 404 says that it was done: not before that is on disk. */
	if (outcome == OUTCOME_NO_GRANT || outcome == OUTCOME_NO_QUEUE)
		return answer_outcome(
		    worker, request->from, outcome, worker->shard.root->stream_tail);
	if (outcome != OUTCOME_OK && outcome != OUTCOME_CREATED)
		return answer_refusal(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, sizeof(struct grant_changed_record)))
		return SERVE_LATER;
	if (!change.is_same)
		grant_changed_record(worker, &change);
	answer_end(worker, request->from,
	    &(struct answer){ .reply = reply,
	        .bytes = sizeof(*reply),
	        .outcome = outcome,
	        .lsn = worker->shard.root->stream_tail });
	return SERVED;
}

enum served
grant_put_serve(struct worker *worker, const struct request *request)
{
	return grant_serve(worker, request, true);
}

enum served
grant_delete_serve(struct worker *worker, const struct request *request)
{
	return grant_serve(worker, request, false);
}

enum served
grant_list_serve(struct worker *worker, const struct request *request)
{
	const struct shard *shard = &worker->shard;
	struct queue_request wish;
	uint64_t offset = 0;
	uint32_t idx, count = 0;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish, RIGHT_MANAGE, &idx);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);
	const struct queue *queue = queue_at(shard, idx);
	uint32_t bytes = sizeof(struct grant_list_reply) +
	    queue->grants.count * (uint32_t)sizeof(struct grant_entry);
	struct grant_list_reply *reply = answer_begin(worker, request->from, bytes);
	if (reply == NULL)
		return SERVE_LATER;
	for (uint32_t at = queue->grants.head; at != NIL; at = grant_at(shard, at)->link.next)
		reply->grants[count++] = (struct grant_entry){ .uid = grant_at(shard, at)->uid,
			.rights = grant_at(shard, at)->rights };
	assert(count == queue->grants.count);
	reply->owner = queue->owner;
	reply->count = count;
	reply->reserved = 0;
	answer_end(worker, request->from,
	    &(struct answer){ .reply = &reply->reply, .bytes = bytes, .outcome = OUTCOME_OK });
	return SERVED;
}
