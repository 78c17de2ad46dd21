/*
 * settle: acknowledge, extend or give back leased messages, up to 1000 of one queue in a request.
 *
 * Happy path: for each receipt x_decide() says whether the lease stands and fills an item of the record, and the item is
 * applied at once, so that the same receipt twice in one request meets what the first did.
 * Failure modes: a receipt of another queue, of an ended or foreign lease: LEASE_EXPIRED for that one, the others go on.  A
 * message acknowledged before, while its slot was not taken again (a tombstone): OK once more.
 */
#include "shm/atomic.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/backoff.h"
#include "workerd/dispatch.h"

/* One settle request under way. */
struct settle {
	const struct settle_request *wish;
	struct settled_record *record; /* its items so far */
	uint32_t queue_idx;            /* NIL: the queue is gone, and all its leases with it */
};

/* The leased message of a receipt, or NULL: the lease does not stand (any more). */
static const struct msg *
lease_of(const struct worker *worker, const struct settle *settle, const struct receipt *receipt)
{
	const struct shard *shard = &worker->shard;

	if (receipt->msg_idx >= shard->root->messages_high || receipt->token == 0)
		return NULL;
	const struct msg *msg = msg_at(shard, receipt->msg_idx);
	if (msg->state != MSG_LEASED || msg->token != receipt->token || msg->queue_idx != settle->queue_idx)
		return NULL;
	/* Its time is over though its timer has not been served yet: for the client it has ended. */
	return msg->timer.due_ms > worker_now(worker) ? msg : NULL;
}

/* Of a queue that has gone since nothing is known but that the receipt was good. */
static bool
is_tombstone_of(const struct worker *worker, const struct settle *settle, const struct receipt *receipt)
{
	const struct shard *shard = &worker->shard;

	if (receipt->msg_idx >= shard->root->messages_high || receipt->token == 0)
		return false;
	const struct msg *msg = msg_at(shard, receipt->msg_idx);
	return msg->state == MSG_FREE && (msg->flags & MSG_ACKED) && msg->token == receipt->token &&
	    (settle->queue_idx == NIL || msg->queue_idx == settle->queue_idx);
}

/* --- ACK --- */

static enum outcome
ack_decide(const struct worker *worker, const struct settle *settle, const struct receipt *receipt,
    struct settled_item *item)
{
	const struct msg *msg = lease_of(worker, settle, receipt);

	if (msg == NULL)
		return OUTCOME_LEASE_EXPIRED;
	*item = (struct settled_item){ .seq = msg->seq, .msg_idx = receipt->msg_idx };
	return OUTCOME_OK;
}

static void
ack_item_apply(struct shard *shard, const struct record *record, const struct settled_item *item)
{
	struct queue *queue = queue_at(shard, msg_at(shard, item->msg_idx)->queue_idx);

	(void)record; /* an acknowledgement has no time */
	assert(msg_at(shard, item->msg_idx)->seq == item->seq);
	assert(msg_at(shard, item->msg_idx)->state == MSG_LEASED);
	msg_free(shard, item->msg_idx, MSG_ACKED);
	txn_set(&shard->txn, &queue->totals.acked, queue->totals.acked + 1);
}

/* --- EXTEND --- */

static enum outcome
extend_decide(const struct worker *worker, const struct settle *settle, const struct receipt *receipt,
    struct settled_item *item)
{
	const struct msg *msg = lease_of(worker, settle, receipt);

	if (msg == NULL)
		return OUTCOME_LEASE_EXPIRED;
	uint64_t lease_ms = settle->wish->lease_ms;
	if (lease_ms == LEASE_DEFAULT)
		lease_ms = queue_at(&worker->shard, settle->queue_idx)->config.lease_ms;
	*item = (struct settled_item){ .seq = msg->seq, .msg_idx = receipt->msg_idx,
		.when_ms = worker_now(worker) + lease_ms };
	return OUTCOME_OK;
}

static void
extend_item_apply(struct shard *shard, const struct record *record, const struct settled_item *item)
{
	assert(msg_at(shard, item->msg_idx)->seq == item->seq);
	assert(msg_at(shard, item->msg_idx)->state == MSG_LEASED);
	assert(item->when_ms >= record->time_ms);
	msg_extend(shard, item->msg_idx, item->when_ms);
}

/* --- NACK --- */

static enum outcome
nack_decide(struct worker *worker, const struct settle *settle, const struct receipt *receipt, struct settled_item *item)
{
	const struct msg *msg = lease_of(worker, settle, receipt);

	if (msg == NULL)
		return OUTCOME_LEASE_EXPIRED;
	const struct queue_config *config = &queue_at(&worker->shard, settle->queue_idx)->config;
	bool is_failure = settle->wish->mode == NACK_FAIL;
	uint64_t delay_ms = settle->wish->lease_ms;

	assert(msg->fail_count < UINT32_MAX);
	*item = (struct settled_item){ .seq = msg->seq, .msg_idx = receipt->msg_idx, .counts_failure = is_failure,
		.cause = is_failure ? RELEASE_FAIL : RELEASE_NACK };
	if (is_failure && msg->fail_count + 1 >= config->max_deliveries) {
		item->to_state = MSG_DEAD;
		return OUTCOME_OK;
	}
	if (delay_ms == DELAY_DEFAULT)
		delay_ms = is_failure ? backoff_delay_ms(config, msg->fail_count + 1, &worker->random) : 0;
	item->to_state = delay_ms == 0 ? MSG_READY : MSG_DELAYED;
	item->when_ms = delay_ms == 0 ? 0 : worker_now(worker) + delay_ms;
	return OUTCOME_OK;
}

static void
release_item_apply(struct shard *shard, const struct record *record, const struct settled_item *item)
{
	struct msg *msg = msg_at(shard, item->msg_idx);
	struct queue *queue = queue_at(shard, msg->queue_idx);

	assert(msg->seq == item->seq);
	assert(item->to_state == MSG_READY || item->to_state == MSG_DELAYED || item->to_state == MSG_DEAD);
	assert((item->to_state == MSG_DELAYED) == (item->when_ms != 0));
	assert(item->cause <= RELEASE_DUE);
	if (item->counts_failure)
		txn_set(&shard->txn, &msg->fail_count, msg->fail_count + 1);
	msg_move(shard, item->msg_idx, &(struct msg_change){ .state = (enum msg_state)item->to_state,
		.due_ms = item->when_ms, .time_ms = record->time_ms });
	if (item->cause == RELEASE_NACK)
		txn_set(&shard->txn, &queue->totals.released, queue->totals.released + 1);
	else if (item->cause == RELEASE_FAIL)
		txn_set(&shard->txn, &queue->totals.failed, queue->totals.failed + 1);
	else if (item->cause == RELEASE_EXPIRED)
		txn_set(&shard->txn, &queue->totals.expired, queue->totals.expired + 1);
}

/* --- the records --- */

typedef void (*item_apply)(struct shard *, const struct record *, const struct settled_item *);

static void
settled_apply(struct shard *shard, const struct record *record, item_apply apply)
{
	const struct settled_record *settled = (const struct settled_record *)record;

	assert(settled->count > 0 && settled->count <= SETTLE_BATCH_MAX);
	for (uint32_t i = 0; i < settled->count; i++)
		apply(shard, record, &settled->items[i]);
	queue_offer(shard, settled->queue_idx);
}

void
acked_apply(struct shard *shard, const struct record *record)
{
	settled_apply(shard, record, ack_item_apply);
}

void
extended_apply(struct shard *shard, const struct record *record)
{
	settled_apply(shard, record, extend_item_apply);
}

void
released_apply(struct shard *shard, const struct record *record)
{
	settled_apply(shard, record, release_item_apply);
}

/* --- the requests --- */

static uint32_t
settled_record_bytes(uint32_t count)
{
	return (uint32_t)(sizeof(struct settled_record) + count * sizeof(struct settled_item));
}

static enum outcome
settle_decide(struct worker *worker, enum op op, const struct settle *settle, const struct receipt *receipt,
    struct settled_item *item)
{
	if (settle->queue_idx == NIL)
		return OUTCOME_LEASE_EXPIRED;
	if (op == OP_ACK)
		return ack_decide(worker, settle, receipt, item);
	return op == OP_EXTEND ? extend_decide(worker, settle, receipt, item) : nack_decide(worker, settle, receipt, item);
}

static struct settled
settle_one(struct worker *worker, enum op op, struct settle *settle, const struct receipt *receipt)
{
	static const item_apply applies[OP_COUNT] = { [OP_ACK] = ack_item_apply, [OP_EXTEND] = extend_item_apply,
		[OP_NACK] = release_item_apply };
	struct settled_record *record = settle->record;
	struct settled_item *item = &record->items[record->count];

	assert(record->count < SETTLE_BATCH_MAX);
	assert(applies[op] != NULL);
	/* Where no queue is to be seen, guessed receipts must not tell what others acknowledged: only admins hear of those. */
	bool may_look = settle->queue_idx != NIL ||
	    (settle->wish->queue.caller.flags & CALLER_ADMIN);
	if (op == OP_ACK && may_look && is_tombstone_of(worker, settle, receipt))
		return (struct settled){ .outcome = OUTCOME_OK };
	enum outcome outcome = settle_decide(worker, op, settle, receipt, item);
	if (outcome != OUTCOME_OK)
		return (struct settled){ .outcome = outcome };
	applies[op](&worker->shard, &record->record, item);
	record->count++;
	return (struct settled){ .outcome = OUTCOME_OK, .lease_ends_ms = op == OP_EXTEND ? item->when_ms : 0 };
}

static enum outcome
settle_check(const struct request *request, const struct settle_request *wish)
{
	uint64_t limit_ms = request->header.op == OP_EXTEND ? LEASE_MS_MAX : DELAY_MS_MAX;

	if (wish->count == 0 || wish->count > SETTLE_BATCH_MAX || wish->mode > NACK_FAIL)
		return OUTCOME_BAD_REQUEST;
	if (request->header.bytes < sizeof(*wish) + wish->count * sizeof(struct receipt))
		return OUTCOME_BAD_REQUEST;
	if (request->header.op != OP_ACK && wish->lease_ms != LEASE_DEFAULT && wish->lease_ms > limit_ms)
		return OUTCOME_BAD_FIELD;
	return OUTCOME_OK;
}

/* All receipts of the frame; the record's items are applied as they come. */
static void
settle_all(struct worker *worker, const struct request *request, struct settle *settle, struct settle_reply *reply)
{
	uint64_t offset = sizeof(struct settle_request);
	uint32_t count = settle->wish->count;

	for (uint32_t i = 0; i < count; i++) {
		struct receipt receipt;
		bool is_whole = request_read(request, &offset, &receipt, sizeof(receipt));

		assert(is_whole);
		(void)is_whole;
		reply->settled[i] = settle_one(worker, (enum op)request->header.op, settle, &receipt);
	}
	reply->count = count;
	reply->reserved = 0; /* the ring holds what an earlier reply left there */
}

static enum served
settle_serve(struct worker *worker, const struct request *request, enum record_type type, uint64_t *counter)
{
	struct settle_request wish;
	struct settle settle = { .wish = &wish, .queue_idx = NIL };
	uint64_t offset = 0;

	if (!request_read(request, &offset, &wish, sizeof(wish)))
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = settle_check(request, &wish);
	if (outcome == OUTCOME_OK)
		outcome = request_queue(worker, &wish.queue, RIGHT_CONSUME, &settle.queue_idx);
	if (outcome != OUTCOME_OK && outcome != OUTCOME_NO_QUEUE)
		return answer_refusal(worker, request, outcome);
	if (outcome == OUTCOME_NO_QUEUE)
		settle.queue_idx = NIL; /* it may be there, and not his: to him there is none */

	uint32_t bytes = sizeof(struct settle_reply) + wish.count * (uint32_t)sizeof(struct settled);
	struct settle_reply *reply = answer_begin(worker, request->from, bytes);
	if (reply == NULL || !append_fits(worker, settled_record_bytes(wish.count)))
		return SERVE_LATER;
	settle.record = append_begin(worker, type, settled_record_bytes(wish.count));
	settle.record->queue_idx = settle.queue_idx;
	settle.record->count = 0;
	settle_all(worker, request, &settle, reply);
	assert(settle.record->count <= wish.count);
	if (settle.record->count > 0) {
		append_end(worker, settle.record, settled_record_bytes(settle.record->count), RECORD_LAST);
		queue_offer(&worker->shard, settle.queue_idx);
	}
	if (counter != NULL)
		stat_add(counter, settle.record->count);
	/* Of a queue that is gone one may still hear that a message was acknowledged: not before that is on disk. */
	uint64_t lsn = settle.queue_idx == NIL ? worker->shard.root->stream_tail
	    : answer_lsn(worker, queue_at(&worker->shard, settle.queue_idx));
	answer_end(worker, request->from, &(struct answer){ .reply = &reply->reply, .bytes = bytes, .outcome = OUTCOME_OK,
		.lsn = lsn });
	return SERVED;
}

enum served
ack_serve(struct worker *worker, const struct request *request)
{
	return settle_serve(worker, request, RECORD_ACKED, &worker->stats->acked);
}

enum served
extend_serve(struct worker *worker, const struct request *request)
{
	return settle_serve(worker, request, RECORD_EXTENDED, NULL);
}

enum served
nack_serve(struct worker *worker, const struct request *request)
{
	return settle_serve(worker, request, RECORD_RELEASED, &worker->stats->nacked);
}
