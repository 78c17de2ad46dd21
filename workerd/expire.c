#include "workerd/expire.h"

#include "shm/atomic.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/receive.h"

/* A lease that ends by time counts a failed delivery, and the message is ready at once: backoff is for `fail`. */
static void
lease_end_decide(const struct shard *shard, const struct msg *msg, struct settled_item *item)
{
	const struct queue_config *config = &queue_at(shard, msg->queue_idx)->config;

	assert(msg->state == MSG_LEASED);
	*item = (struct settled_item){ .seq = msg->seq, .msg_idx = msg_idx_of(shard, msg), .counts_failure = 1,
		.cause = RELEASE_EXPIRED };
	item->to_state = msg->fail_count + 1 >= config->max_deliveries ? MSG_DEAD : MSG_READY;
}

static void
delay_end_decide(const struct shard *shard, const struct msg *msg, struct settled_item *item)
{
	assert(msg->state == MSG_DELAYED);
	assert(msg->timer.due_ms <= shard->root->now_ms);
	*item = (struct settled_item){ .seq = msg->seq, .msg_idx = msg_idx_of(shard, msg), .to_state = MSG_READY,
		.cause = RELEASE_DUE };
}

static bool
expire_message(struct worker *worker, uint32_t msg_idx)
{
	const uint32_t bytes = sizeof(struct settled_record) + sizeof(struct settled_item);
	const struct msg *msg = msg_at(&worker->shard, msg_idx);

	assert(msg->state == MSG_LEASED || msg->state == MSG_DELAYED);
	if (!append_fits(worker, bytes))
		return false;
	struct settled_record *record = append_begin(worker, RECORD_RELEASED, bytes);
	record->queue_idx = msg->queue_idx;
	record->count = 1;
	if (msg->state == MSG_LEASED) {
		lease_end_decide(&worker->shard, msg, &record->items[0]);
		stat_add(&worker->stats->leases_expired, 1);
	} else {
		delay_end_decide(&worker->shard, msg, &record->items[0]);
	}
	append_end(worker, record, bytes, RECORD_LAST);
	released_apply(&worker->shard, &record->record);
	worker_commit(worker);
	return true;
}

bool
expire_lease(struct worker *worker, uint32_t msg_idx)
{
	assert(msg_at(&worker->shard, msg_idx)->state == MSG_LEASED);

	return expire_message(worker, msg_idx);
}

static bool
expire_message_step(struct worker *worker)
{
	uint32_t idx;

	switch (wheel_step(&worker->shard.message_wheel, worker_now(worker), &idx)) {
	case WHEEL_IDLE:
		return false;
	case WHEEL_MOVED:
		worker_commit(worker);
		return true;
	case WHEEL_DUE:
		break;
	}
	return expire_message(worker, idx);
}

static bool
expire_waiter_step(struct worker *worker)
{
	uint32_t idx;

	switch (wheel_step(&worker->shard.waiter_wheel, worker_now(worker), &idx)) {
	case WHEEL_IDLE:
		return false;
	case WHEEL_MOVED:
		break;
	case WHEEL_DUE:
		receive_end_wait(worker, idx);
		break;
	}
	worker_commit(worker);
	return true;
}

bool
expire_step(struct worker *worker)
{
	bool is_message = expire_message_step(worker);

	return expire_waiter_step(worker) || is_message;
}
