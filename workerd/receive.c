/*
 * receive: lease messages, or wait for them.
 *
 * Happy path: receive_decide() picks from the head of the ready list; one LEASED record names them all; its apply moves them.
 * Nothing there and time to wait: the request is consumed and stands as a waiter; queue_offer() puts its queue on the serve
 * list as soon as something comes, and receive_serve_waiters() gives it to the oldest waiter.
 * Failure modes: no room in a waiter's reply ring: it goes to the end of its queue's waiters, so that it holds up nobody
 * else; its frontd has died: a job drops its waiters, and until then they are passed over by dismissing them.
 */
#include "workerd/receive.h"

#include "shm/atomic.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"

/* A waiter whose reply does not fit is tried again after this. */
#define POSTPONE_MS 20
/*
 * In a turn, of those whose frontd takes no answers: thousands of them may stand in front of one that can be served, and the
 * worker sleeps between two such turns.
 */
#define STEPS_BACK_MAX 64

/* What a receiver asks for. */
struct receive_wish {
	uint64_t lease_ms;
	uint32_t queue_idx;
	uint32_t max;
	uint32_t bytes_max;
};

/* Pick what would be leased, into worker->picks; returns how many.  Changes nothing else. */
static uint32_t
receive_decide(struct worker *worker, const struct receive_wish *wish)
{
	const struct shard *shard = &worker->shard;
	const struct queue *queue = queue_at(shard, wish->queue_idx);
	uint32_t room = queue_lease_room(queue), max = wish->max < room ? wish->max : room, count = 0;
	uint64_t bytes = 0;

	/* While ready messages are being purged nothing is given: what came later comes when the job is done. */
	if (queue->purge_states & PURGE_READY)
		return 0;
	for (uint32_t at = queue->lists[MSG_READY].head; at != NIL && count < max; at = msg_at(shard, at)->link.next) {
		const struct msg *msg = msg_at(shard, at);

		bytes += (uint64_t)msg->attributes_bytes + msg->body_bytes;
		if (count > 0 && bytes > wish->bytes_max)
			break;
		worker->picks[count++] = at;
	}
	assert(count <= RECEIVE_BATCH_MAX);
	return count;
}

static uint32_t
leased_record_bytes(uint32_t count)
{
	return (uint32_t)(sizeof(struct leased_record) + count * sizeof(struct leased_item));
}

static void
receive_count(struct worker *worker, uint32_t count)
{
	stat_add(&worker->stats->delivered, count);
	for (uint32_t i = 0; i < count; i++)
		histogram_add(&worker->stats->queue_wait,
		    worker_now(worker) - msg_at(&worker->shard, worker->picks[i])->since_ms);
}

/* Record and apply the lease of the first `count` picks.  The caller asked append_fits(). */
static const struct leased_record *
receive_lease(struct worker *worker, const struct receive_wish *wish, uint32_t count)
{
	const struct queue *queue = queue_at(&worker->shard, wish->queue_idx);
	uint64_t lease_ms = wish->lease_ms == LEASE_DEFAULT ? queue->config.lease_ms : wish->lease_ms;
	uint32_t bytes = leased_record_bytes(count);

	assert(count > 0 && count <= wish->max);
	assert(count <= queue_lease_room(queue));
	struct leased_record *record = append_begin(worker, RECORD_LEASED, bytes);

	record->first_token = worker->shard.root->lease_counter + 1;
	record->lease_ends_ms = worker_now(worker) + lease_ms;
	record->queue_idx = wish->queue_idx;
	record->count = count;
	for (uint32_t i = 0; i < count; i++)
		record->items[i] = (struct leased_item){ .seq = msg_at(&worker->shard, worker->picks[i])->seq,
			.msg_idx = worker->picks[i] };
	append_end(worker, record, bytes, RECORD_LAST);
	receive_count(worker, count);
	leased_apply(&worker->shard, &record->record);
	return record;
}

void
leased_apply(struct shard *shard, const struct record *record)
{
	const struct leased_record *leased = (const struct leased_record *)record;
	struct queue *queue = queue_at(shard, leased->queue_idx);

	assert(leased->count > 0 && leased->count <= RECEIVE_BATCH_MAX);
	assert(leased->first_token > shard->root->lease_counter);
	assert(leased->lease_ends_ms >= record->time_ms);
	for (uint32_t i = 0; i < leased->count; i++) {
		uint32_t idx = leased->items[i].msg_idx;
		struct msg *msg = msg_at(shard, idx);

		assert(msg->seq == leased->items[i].seq);
		assert(msg->queue_idx == leased->queue_idx);
		assert(msg->state == MSG_READY);
		msg_move(shard, idx, &(struct msg_change){ .state = MSG_LEASED, .due_ms = leased->lease_ends_ms,
			.time_ms = record->time_ms });
		txn_set(&shard->txn, &msg->token, leased->first_token + i);
		txn_set(&shard->txn, &msg->acquire_count, msg->acquire_count + 1);
		if (msg->first_delivered_ms == 0)
			txn_set(&shard->txn, &msg->first_delivered_ms, record->time_ms);
	}
	txn_set(&shard->txn, &shard->root->lease_counter, leased->first_token + leased->count - 1);
	txn_set(&shard->txn, &queue->totals.delivered, queue->totals.delivered + leased->count);
}

static uint32_t
receive_reply_bytes(uint32_t count)
{
	return (uint32_t)(sizeof(struct receive_reply) + count * sizeof(struct delivery));
}

static void
receive_answer(struct worker *worker, struct addressee to, struct receive_reply *reply, const struct leased_record *leased)
{
	assert(leased->count <= RECEIVE_BATCH_MAX);
	reply->count = leased->count;
	reply->shard = worker->index;
	for (uint32_t i = 0; i < leased->count; i++) {
		const struct msg *msg = msg_at(&worker->shard, leased->items[i].msg_idx);

		assert(msg->state == MSG_LEASED && msg->token == leased->first_token + i);
		reply->deliveries[i] = (struct delivery){
			.lsn = msg->lsn,
			.seq = msg->seq,
			.token = msg->token,
			.enqueued_ms = msg->enqueued_ms,
			.first_delivered_ms = msg->first_delivered_ms,
			.lease_ends_ms = leased->lease_ends_ms,
			.msg_idx = leased->items[i].msg_idx,
			.attributes_bytes = msg->attributes_bytes,
			.body_bytes = msg->body_bytes,
			.delivery_count = msg->fail_count + 1,
			.acquire_count = msg->acquire_count,
		};
	}
	/* A lease is not waited for: after a power cut the message comes back. */
	answer_end(worker, to, &(struct answer){ .reply = &reply->reply, .bytes = receive_reply_bytes(leased->count),
		.outcome = OUTCOME_OK, .lsn = 0 });
}

/* Lease the picks and answer.  SERVE_LATER if there is no room for record or reply. */
static enum served
receive_give(struct worker *worker, struct addressee to, const struct receive_wish *wish, uint32_t count)
{
	struct receive_reply *reply = answer_begin(worker, to, receive_reply_bytes(count));

	if (reply == NULL || !append_fits(worker, leased_record_bytes(count)))
		return SERVE_LATER;
	receive_answer(worker, to, reply, receive_lease(worker, wish, count));
	return SERVED;
}

/* --- RECEIVE --- */

static enum outcome
receive_check(const struct receive_request *wish)
{
	if (wish->max == 0 || wish->max > RECEIVE_BATCH_MAX || wish->wait_ms > WAIT_MS_MAX)
		return OUTCOME_BAD_REQUEST;
	if (wish->lease_ms != LEASE_DEFAULT && wish->lease_ms > LEASE_MS_MAX)
		return OUTCOME_BAD_FIELD;
	return OUTCOME_OK;
}

static enum served
receive_park(struct worker *worker, const struct request *request, const struct receive_request *wish, uint32_t queue_idx)
{
	const struct shard *shard = &worker->shard;
	uint32_t per_front = shard->geometry.waiters_per_front;

	if (wish->waiter_slot >= per_front)
		return answer_refusal(worker, request, OUTCOME_TOO_MANY_WAITERS);
	uint32_t idx = request->from.front * per_front + wish->waiter_slot;
	if (request->from.id == 0 || waiter_at(shard, idx)->is_parked)
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	waiter_park(&worker->shard, idx, &(struct waiter_birth){
		.request_id = request->from.id,
		.caller = wish->queue.caller,
		.lease_ms = wish->lease_ms,
		.due_ms = worker_now(worker) + wish->wait_ms,
		.queue_idx = queue_idx,
		.bytes_max = wish->bytes_max,
		.max = (uint16_t)wish->max,
	});
	return SERVED;
}

enum served
receive_serve(struct worker *worker, const struct request *request)
{
	struct receive_request wish;
	uint64_t offset = 0;
	uint32_t idx;

	/* Nobody is there to take what a dead frontd asked for. */
	if (worker->fronts[request->from.front].is_leaving)
		return SERVED;
	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = receive_check(&wish);
	if (outcome == OUTCOME_OK)
		outcome = request_queue(worker, &wish.queue, RIGHT_CONSUME, &idx);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);

	const struct queue *queue = queue_at(&worker->shard, idx);
	const struct receive_wish ask = { .lease_ms = wish.lease_ms, .queue_idx = idx, .max = wish.max,
		.bytes_max = wish.bytes_max };
	uint32_t count = receive_decide(worker, &ask);
	if (count > 0)
		return receive_give(worker, request->from, &ask, count);
	if (wish.wait_ms > 0)
		return receive_park(worker, request, &wish, idx);
	bool is_limited = queue->lists[MSG_READY].count > 0 && queue_lease_room(queue) == 0;
	return answer_refusal(worker, request, is_limited ? OUTCOME_IN_FLIGHT_LIMIT : OUTCOME_EMPTY);
}

enum served
receive_cancel_serve(struct worker *worker, const struct request *request)
{
	const struct shard *shard = &worker->shard;
	struct receive_cancel_request wish;
	uint64_t offset = 0;

	/* No reply, whatever comes of it: if the waiter is gone already, its answer is on the way. */
	if (!request_read(request, &offset, &wish, sizeof(wish)) || wish.waiter_slot >= shard->geometry.waiters_per_front) {
		stat_add(&worker->stats->frames_refused, 1);
		return SERVED;
	}
	uint32_t idx = request->from.front * shard->geometry.waiters_per_front + wish.waiter_slot;
	const struct waiter *waiter = waiter_at(shard, idx);
	if (waiter->is_parked && waiter->request_id == wish.header.id)
		waiter_leave(&worker->shard, idx);
	return SERVED;
}

/* --- those who wait --- */

static struct addressee
waiter_addressee(const struct shard *shard, uint32_t waiter_idx)
{
	return (struct addressee){ .id = waiter_at(shard, waiter_idx)->request_id,
		.front = waiter_idx / shard->geometry.waiters_per_front };
}

/* Nobody listens any more at the front of this waiter. */
static bool
waiter_is_orphan(const struct worker *worker, uint32_t waiter_idx)
{
	uint32_t idx = waiter_addressee(&worker->shard, waiter_idx).front;
	const struct worker_front *front = &worker->fronts[idx];

	return worker->shard.root->fronts[idx].state != FRONT_OPEN || !front->is_attached || front->is_leaving ||
	    front->is_broken;
}

/* His right may have been taken away, or the queue given to another, since he began to wait. */
static bool
waiter_may_receive(const struct shard *shard, uint32_t waiter_idx)
{
	const struct waiter *waiter = waiter_at(shard, waiter_idx);
	const struct caller caller = waiter_caller(waiter);

	return (queue_rights(shard, queue_at(shard, waiter->queue_idx), &caller) & RIGHT_CONSUME) !=
	    0;
}

/* To the end of its queue's waiters: it must not hold up those who can be answered. */
static void
waiter_step_back(struct shard *shard, uint32_t waiter_idx)
{
	struct queue *queue = queue_at(shard, waiter_at(shard, waiter_idx)->queue_idx);

	assert(waiter_at(shard, waiter_idx)->is_parked);
	list_remove(&shard->txn, &shard->waiter_links, &queue->waiters, waiter_idx);
	list_append(&shard->txn, &shard->waiter_links, &queue->waiters, waiter_idx);
}

/* After a waiter was served: its queue goes to the end of the serve list, if it can serve more. */
static void
queue_reoffer(struct shard *shard, uint32_t queue_idx)
{
	queue_unoffer(shard, queue_idx);
	queue_offer(shard, queue_idx);
}

/* How a look at the head of the serve list ended. */
enum look {
	LOOK_NOBODY,
	LOOK_SERVED,
	LOOK_STEPPED_BACK, /* its frontd takes no answers: others may */
	LOOK_NO_ROOM,      /* for the record: nobody can be served */
};

/* What was changed is to be committed, whatever comes of it. */
static enum look
waiter_serve(struct worker *worker, uint32_t queue_idx, uint32_t waiter_idx)
{
	struct shard *shard = &worker->shard;
	const struct waiter *waiter = waiter_at(shard, waiter_idx);
	const struct receive_wish wish = { .lease_ms = waiter_lease_ms(waiter),
		.queue_idx = queue_idx,
		.max = waiter->max,
		.bytes_max = waiter->bytes_max };
	uint32_t count = receive_decide(worker, &wish);

	assert(waiter->queue_idx == queue_idx);
	if (count == 0)
		return LOOK_SERVED; /* taken by a receive that did not have to wait: off the serve list */
	if (!append_fits(worker, leased_record_bytes(count)))
		return LOOK_NO_ROOM;
	if (receive_give(worker, waiter_addressee(shard, waiter_idx), &wish, count) == SERVE_LATER) {
		waiter_step_back(shard, waiter_idx);
		return LOOK_STEPPED_BACK;
	}
	waiter_leave(shard, waiter_idx);
	return LOOK_SERVED;
}

static enum look
waiter_turn_away(struct worker *worker, uint32_t waiter_idx)
{
	if (receive_dismiss(worker, waiter_idx, OUTCOME_EMPTY))
		return LOOK_SERVED;
	waiter_step_back(&worker->shard, waiter_idx);
	return LOOK_STEPPED_BACK;
}

/* The oldest waiter of the first queue on the serve list gets what it waits for, in a transaction of its own. */
static enum look
serve_first(struct worker *worker)
{
	struct shard *shard = &worker->shard;
	uint32_t queue_idx = shard->root->serve.head;
	enum look look = LOOK_SERVED;

	if (queue_idx == NIL)
		return LOOK_NOBODY;
	uint32_t waiter_idx = queue_at(shard, queue_idx)->waiters.head;
	assert(waiter_idx != NIL);
	assert(queue_at(shard, queue_idx)->state == QUEUE_LIVE);
	if (waiter_is_orphan(worker, waiter_idx))
		waiter_leave(shard, waiter_idx);
	else if (!waiter_may_receive(shard, waiter_idx))
		look = waiter_turn_away(worker, waiter_idx);
	else
		look = waiter_serve(worker, queue_idx, waiter_idx);
	queue_reoffer(shard, queue_idx);
	worker_commit(worker);
	return look;
}

bool
receive_serve_waiters(struct worker *worker, unsigned times_max)
{
	unsigned served = 0, stepped_back = 0;

	while (served < times_max && stepped_back < STEPS_BACK_MAX) {
		enum look look = serve_first(worker);

		if (look == LOOK_NOBODY || look == LOOK_NO_ROOM)
			break;
		served += look == LOOK_SERVED;
		stepped_back += look == LOOK_STEPPED_BACK;
	}
	return served > 0;
}

bool
receive_dismiss(struct worker *worker, uint32_t waiter_idx, enum outcome outcome)
{
	assert(waiter_at(&worker->shard, waiter_idx)->is_parked);

	if (!waiter_is_orphan(worker, waiter_idx) &&
	    answer_outcome(worker, waiter_addressee(&worker->shard, waiter_idx), outcome, 0) == SERVE_LATER)
		return false;
	waiter_leave(&worker->shard, waiter_idx);
	return true;
}

void
receive_end_wait(struct worker *worker, uint32_t waiter_idx)
{
	if (!receive_dismiss(worker, waiter_idx, OUTCOME_EMPTY))
		waiter_postpone(&worker->shard, waiter_idx, worker_now(worker) + POSTPONE_MS);
}
