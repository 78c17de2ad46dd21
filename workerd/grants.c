/*
 * grants: who else has rights on a queue.  They live with the queue: made by whoever may manage it, gone when it is freed.
 *
 * A right that is taken away counts from the next request on; a receiver that waits is looked at again before anything is
 * given to it (receive.c).
 *
 * Grants of users who are gone give nothing and are left where they are, until somebody needs their room: a PUT that finds
 * the table full, or its queue's share of it, takes the place of one such.  Who is gone, region `directory` knows.
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
	uint32_t abandoned_idx; /* of one that ends to make room; NIL: none has to */
	bool is_same;
};

/* Slots of the table looked at for one request, so that it never stalls a shard: all, as shipped. */
#define GRANTS_LOOK_MAX 8192u

/*
 * True if its user is gone for good.  A uid was in the directory before anybody could be given a grant, and what the directory
 * shows never goes back: so one that is not there was removed.
 */
static bool
is_abandoned(const struct worker *worker, uint32_t idx)
{
	const struct grant *grant = grant_at(&worker->shard, idx);
	struct user_quotas unused;

	return grant->rights != 0 && queue_at(&worker->shard, grant->queue_idx)->state == QUEUE_LIVE &&
	    directory_quotas(&worker->directory, grant->uid, &unused) == DIRECTORY_NONE;
}

/* A grant that may end so that one more fits on this queue; or NIL. */
static uint32_t
find_abandoned(const struct worker *worker, uint32_t queue_idx)
{
	const struct queue *queue = queue_at(&worker->shard, queue_idx);
	uint32_t high = worker->shard.root->grants.high, idx;

	if (worker->directory.shared == NULL)
		return NIL;
	if (queue->grants.count >= QUEUE_GRANTS_MAX) {
		for (idx = queue->grants.head; idx != NIL && !is_abandoned(worker, idx);)
			idx = grant_at(&worker->shard, idx)->link.next;
		return idx;
	}
	/* From somewhere else as time goes by, but from there again if the transaction has to be made again. */
	uint64_t from = worker->shard.root->stream_tail / 8;

	for (uint32_t looked = 0; looked < high && looked < GRANTS_LOOK_MAX; looked++) {
		idx = (uint32_t)((from + looked) % high);
		if (is_abandoned(worker, idx))
			return idx;
	}
	return NIL;
}

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
grant_changed_record(struct worker *worker, const struct grant_change *change, uint16_t flags)
{
	struct grant_changed_record *record = append_begin(
	    worker, RECORD_GRANT_CHANGED, sizeof(*record));

	record->uid = change->entry.uid;
	record->queue_idx = change->queue_idx;
	record->grant_idx = change->grant_idx;
	record->rights = change->entry.rights;
	record->reserved = 0;
	append_end(worker, record, sizeof(*record), flags);
	grant_changed_apply(&worker->shard, &record->record);
}

/* First the one that makes room, if any, then what was asked for. */
static void
grant_change_make(struct worker *worker, struct grant_change *change)
{
	if (change->abandoned_idx != NIL) {
		const struct grant *grant = grant_at(&worker->shard, change->abandoned_idx);

		grant_changed_record(worker, &(struct grant_change){ .entry = { .uid = grant->uid },
			.queue_idx = grant->queue_idx, .grant_idx = change->abandoned_idx }, 0);
		change->grant_idx = grant_next_free(&worker->shard);
	}
	grant_changed_record(worker, change, RECORD_LAST);
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
	change.abandoned_idx = NIL;
	if (outcome == OUTCOME_OK)
		outcome = is_put ? grant_put_decide(&worker->shard, &wish, &change)
		    : grant_delete_decide(&worker->shard, &wish, &change);
	if (outcome == OUTCOME_TOO_MANY_GRANTS) {
		change.abandoned_idx = find_abandoned(worker, change.queue_idx);
		if (change.abandoned_idx != NIL)
			outcome = OUTCOME_CREATED;
	}
	/* To whoever repeats a DELETE, 404 says that it was done: not before that is on disk. */
	if (outcome == OUTCOME_NO_GRANT || outcome == OUTCOME_NO_QUEUE)
		return answer_outcome(
		    worker, request->from, outcome, worker->shard.root->stream_tail);
	if (outcome != OUTCOME_OK && outcome != OUTCOME_CREATED)
		return answer_refusal(worker, request, outcome);
	struct reply *reply = answer_begin(worker, request->from, sizeof(*reply));
	if (reply == NULL || !append_fits(worker, 2 * sizeof(struct grant_changed_record)))
		return SERVE_LATER;
	if (!change.is_same)
		grant_change_make(worker, &change);
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
