/*
 * Happy path: each table is walked once through its lists, and the counts have to add up: since neighbours' links agree and
 * every slot says which list it is in, no slot can be in two lists, so the sum of the counts is the number of slots.
 * Failure modes: a damaged shard must not lead the walk astray, so every index is checked before it is followed.
 */
#include "shm/state/check.h"

#include "shm/state/check_people.h"
#include "shm/state/names.h"

/* A walk over a list that may be damaged. */
struct walk {
	const struct link_table *table;
	const struct list *list;
	uint32_t slots_high; /* indices at or above are not in use */
	uint32_t at;         /* the present slot, NIL at the end */
	uint32_t prev;
	uint32_t walked;
	bool is_broken;
};

static void
walk_look(struct walk *walk)
{
	if (walk->at == NIL) {
		walk->is_broken = walk->walked != walk->list->count || walk->list->tail != walk->prev;
		return;
	}
	if (walk->at >= walk->slots_high || ++walk->walked > walk->list->count ||
	    link_at(walk->table, walk->at)->prev != walk->prev) {
		walk->is_broken = true;
		walk->at = NIL;
	}
}

static struct walk
walk_begin(const struct link_table *table, const struct list *list, uint32_t slots_high)
{
	struct walk walk = { .table = table, .list = list, .slots_high = slots_high, .at = list->head, .prev = NIL };

	walk_look(&walk);
	return walk;
}

static void
walk_next(struct walk *walk)
{
	walk->prev = walk->at;
	walk->at = link_at(walk->table, walk->at)->next;
	walk_look(walk);
}

static const char *
check_root(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint32_t jobs = 0;

	if (shard->shared->undo.count != 0)
		return "S1: a transaction is open";
	if (root->next_seq == 0 || root->lease_counter == 0)
		return "S2: next_seq or lease_counter is 0";
	if (root->stream_tail % 8 != 0)
		return "S2: stream_tail is not a multiple of 8";
	if (root->stream_tail == 0 && shard->shared->state == SHARD_READY)
		return "S2: a READY shard has no stream_tail";
	if (root->messages_high > shard->geometry.messages || root->queues_high > shard->geometry.queues)
		return "S3: a high-water mark is beyond its table";
	for (unsigned i = 0; i < JOB_MAX; i++)
		jobs += root->jobs[i].kind != JOB_NONE;
	if (jobs != root->job_count)
		return "S5: job_count is wrong";
	return NULL;
}

static const char *
check_mirrors(const struct shard *shard, const struct shard_mirrors *mirrors)
{
	if (mirrors->stream_tail > shard->root->stream_tail)
		return "S4: the stream's tail was shown before it was committed";
	for (unsigned i = 0; i < FRONT_MAX; i++) {
		const struct shard_front *front = &shard->root->fronts[i];

		if (front->state != FRONT_OPEN)
			continue;
		if (mirrors->request_head[i] > front->request_head)
			return "S4: a request head was shown before it was committed";
		if (mirrors->reply_tail[i] > front->reply_tail)
			return "S4: a reply tail was shown before it was committed";
	}
	return NULL;
}

static const char *
check_message(const struct shard *shard, const struct msg *msg, uint32_t queue_idx, enum msg_state state)
{
	bool wants_timer = state == MSG_LEASED || state == MSG_DELAYED;

	if (msg->state != state || msg->queue_idx != queue_idx)
		return "M1: a message is in a list that is not its own";
	if ((msg->timer.bucket != 0) != wants_timer)
		return "M3: a message's timer does not fit its state";
	if (msg->seq >= shard->root->next_seq || msg->lsn >= shard->root->stream_tail || msg->lsn == 0)
		return "M4: a message's seq or lsn is not below the shard's";
	if (state == MSG_LEASED && (msg->token == 0 || msg->token > shard->root->lease_counter))
		return "M5: a lease has a token that was never given";
	if (msg->flags & MSG_ACKED)
		return "M5: a used slot is a tombstone";
	return NULL;
}

static const char *
check_queue_messages(const struct shard *shard, uint32_t queue_idx, uint64_t *used)
{
	const struct queue *queue = &shard->queues[queue_idx];
	uint64_t bytes = 0;

	for (unsigned state = MSG_READY; state < MSG_STATE_COUNT; state++) {
		struct walk walk = walk_begin(&shard->msg_links, &queue->lists[state], shard->root->messages_high);

		for (; walk.at != NIL; walk_next(&walk)) {
			const struct msg *msg = &shard->msgs[walk.at];
			const char *wrong = check_message(shard, msg, queue_idx, (enum msg_state)state);

			if (wrong != NULL)
				return wrong;
			bytes += (uint64_t)msg->attributes_bytes + msg->body_bytes;
		}
		if (walk.is_broken)
			return "M2: a list of messages is broken";
		*used += queue->lists[state].count;
	}
	return bytes == queue->bytes ? NULL : "Q2: a queue's bytes are not the sum of its messages";
}

static const char *
check_queue_waiters(const struct shard *shard, uint32_t queue_idx, uint64_t *parked)
{
	struct walk walk = walk_begin(&shard->waiter_links, &shard->queues[queue_idx].waiters, shard->waiter_count);

	for (; walk.at != NIL; walk_next(&walk)) {
		const struct waiter *waiter = &shard->waiters[walk.at];

		if (!waiter->is_parked || waiter->queue_idx != queue_idx || waiter->timer.bucket == 0)
			return "V1: a waiter's slot does not fit the list it is in";
	}
	if (walk.is_broken)
		return "V1: a list of waiters is broken";
	*parked += shard->queues[queue_idx].waiters.count;
	return NULL;
}

static bool
queue_has_job(const struct shard *shard, uint32_t queue_idx)
{
	unsigned jobs = 0;

	for (unsigned i = 0; i < JOB_REQUEST_MAX; i++) {
		const struct job *job = &shard->root->jobs[i];

		jobs += job->kind != JOB_NONE && job->subject == queue_idx;
	}
	return jobs == 1;
}

static const char *
check_live_queue(const struct shard *shard, uint32_t queue_idx)
{
	const struct queue *queue = &shard->queues[queue_idx];

	if (names_find(shard, &queue->name) != queue_idx)
		return "Q1: a queue is not found by its name";
	if (queue->waiters.count > 0 && queue->lists[MSG_READY].count > 0 && queue_lease_room(queue) > 0 &&
	    !(queue->purge_states & PURGE_READY) && !queue->to_serve)
		return "Q3: somebody waits for what is there, and is not served";
	return NULL;
}

static const char *
check_queue(const struct shard *shard, uint32_t queue_idx, uint64_t *used, uint64_t *parked)
{
	const struct queue *queue = &shard->queues[queue_idx];
	const char *wrong = NULL;

	if (queue->state == QUEUE_FREE)
		return NULL; /* Q6 by the sums: nobody counts what it holds */
	if (queue->state > QUEUE_DELETING)
		return "Q7: a queue has no state";
	if ((queue->purge_states != 0 || queue->state == QUEUE_DELETING) && !queue_has_job(shard, queue_idx))
		return "Q5: no job works on a queue that is purged or deleted";
	if (queue->state == QUEUE_LIVE)
		wrong = check_live_queue(shard, queue_idx);
	if (wrong == NULL)
		wrong = check_queue_messages(shard, queue_idx, used);
	if (wrong == NULL)
		wrong = check_queue_waiters(shard, queue_idx, parked);
	return wrong;
}

/* Chains of the hash table: only LIVE queues, within bounds, no longer than there are queues. */
static const char *
check_names(const struct shard *shard)
{
	uint64_t found = 0, live = 0;

	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++)
		live += shard->queues[idx].state == QUEUE_LIVE;
	for (uint32_t bucket = 0; bucket < shard->name_bucket_count; bucket++) {
		for (uint32_t idx = shard->name_buckets[bucket]; idx != NIL; idx = shard->queues[idx].hash_next) {
			if (idx >= shard->root->queues_high || ++found > live)
				return "Q1: a chain of names leads astray";
			if (shard->queues[idx].state != QUEUE_LIVE)
				return "Q1: a queue that is gone is still found by its name";
		}
	}
	return found == live ? NULL : "Q1: a live queue is in no chain of names";
}

static const char *
check_free_lists(const struct shard *shard, uint64_t *used_messages, uint64_t *used_queues)
{
	const struct shard_root *root = shard->root;
	struct walk walk = walk_begin(&shard->msg_links, &root->messages_free, root->messages_high);

	for (; walk.at != NIL; walk_next(&walk)) {
		if (shard->msgs[walk.at].state != MSG_FREE || shard->msgs[walk.at].timer.bucket != 0)
			return "S3: a used message is in the free list";
	}
	if (walk.is_broken)
		return "S3: the free list of messages is broken";
	*used_messages += root->messages_free.count;

	walk = walk_begin(&shard->queue_links, &root->queues_free, root->queues_high);
	for (; walk.at != NIL; walk_next(&walk)) {
		if (shard->queues[walk.at].state != QUEUE_FREE)
			return "S3: a used queue is in the free list";
	}
	if (walk.is_broken)
		return "S3: the free list of queues is broken";
	*used_queues += root->queues_free.count;
	return NULL;
}

static const char *
check_serve_list(const struct shard *shard)
{
	struct walk walk = walk_begin(&shard->queue_links, &shard->root->serve, shard->root->queues_high);
	uint32_t marked = 0;

	for (; walk.at != NIL; walk_next(&walk)) {
		if (shard->queues[walk.at].state != QUEUE_LIVE || !shard->queues[walk.at].to_serve)
			return "Q4: a queue on the serve list is not marked so";
	}
	if (walk.is_broken)
		return "Q4: the serve list is broken";
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++)
		marked += shard->queues[idx].state != QUEUE_FREE && shard->queues[idx].to_serve;
	return marked == shard->root->serve.count ? NULL : "Q4: a queue is marked to be served and not on the list";
}

static const char *
check_waiter_counts(const struct shard *shard, uint64_t parked)
{
	uint64_t total = 0;

	for (uint32_t front = 0; front < shard->geometry.fronts; front++) {
		uint32_t per_front = shard->geometry.waiters_per_front, count = 0;

		for (uint32_t slot = 0; slot < per_front; slot++) {
			const struct waiter *waiter = &shard->waiters[front * per_front + slot];

			count += waiter->is_parked;
			if (!waiter->is_parked && waiter->timer.bucket != 0)
				return "V1: a free waiter has a timer";
		}
		if (count != shard->root->fronts[front].waiter_count)
			return "V2: a front's waiter_count is wrong";
		if (count != 0 && shard->root->fronts[front].state == FRONT_CLOSED)
			return "V2: a closed front has waiters";
		total += count;
	}
	return total == parked ? NULL : "V1: a parked waiter is in no queue";
}

static const char *
check_tables(const struct shard *shard)
{
	uint64_t used_messages = 0, used_queues = 0, parked = 0;
	const char *wrong;

	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		wrong = check_queue(shard, idx, &used_messages, &parked);
		if (wrong != NULL)
			return wrong;
		used_queues += shard->queues[idx].state != QUEUE_FREE;
	}
	wrong = check_free_lists(shard, &used_messages, &used_queues);
	if (wrong != NULL)
		return wrong;
	if (used_messages != shard->root->messages_high)
		return "M1: a message slot is in no list";
	if (used_queues != shard->root->queues_high)
		return "Q7: a queue slot is neither used nor in the free list";
	return check_waiter_counts(shard, parked);
}

const char *
shard_check(const struct shard *shard, const struct shard_mirrors *mirrors)
{
	const char *wrong = check_root(shard);

	if (wrong == NULL && mirrors != NULL)
		wrong = check_mirrors(shard, mirrors);
	if (wrong == NULL)
		wrong = check_names(shard);
	if (wrong == NULL)
		wrong = check_tables(shard);
	if (wrong == NULL)
		wrong = check_serve_list(shard);
	if (wrong == NULL)
		wrong = check_people(shard);
	if (wrong == NULL)
		wrong = wheel_check(&shard->message_wheel);
	if (wrong == NULL)
		wrong = wheel_check(&shard->waiter_wheel);
	return wrong;
}
