#include "shm/state/waiter.h"

#include "shm/state/shard.h"

static struct shard_front *
waiter_front(struct shard *shard, uint32_t idx)
{
	uint32_t front = idx / shard->geometry.waiters_per_front;

	assert(front < FRONT_MAX);
	return &shard->root->fronts[front];
}

void
waiter_park(struct shard *shard, uint32_t idx, const struct waiter_birth *birth)
{
	struct waiter *waiter = waiter_at(shard, idx);
	struct queue *queue = queue_at(shard, birth->queue_idx);
	struct shard_front *front = waiter_front(shard, idx);

	assert(!waiter->is_parked);
	assert(waiter->timer.bucket == 0);
	assert(birth->request_id != 0 && birth->max >= 1);
	assert(birth->lease_ms == LEASE_DEFAULT || birth->lease_ms <= LEASE_MS_MAX);
	assert(front->state == FRONT_OPEN);
	assert(queue->state == QUEUE_LIVE);
	/* Plain stores: a free waiter means nothing. */
	waiter->request_id = birth->request_id;
	waiter->lease_ms = birth->lease_ms == LEASE_DEFAULT ? WAITER_LEASE_DEFAULT
	                                                    : (uint32_t)birth->lease_ms;
	waiter->uid = birth->caller.uid;
	waiter->is_admin = (birth->caller.flags & CALLER_ADMIN) != 0;
	waiter->queue_idx = birth->queue_idx;
	waiter->bytes_max = birth->bytes_max;
	waiter->max = birth->max;
	txn_set(&shard->txn, &waiter->is_parked, 1);
	list_append(&shard->txn, &shard->waiter_links, &queue->waiters, idx);
	wheel_arm(&shard->waiter_wheel, idx, birth->due_ms);
	txn_set(&shard->txn, &front->waiter_count, front->waiter_count + 1);
	queue_offer(shard, birth->queue_idx);
}

uint64_t
waiter_lease_ms(const struct waiter *waiter)
{
	return waiter->lease_ms == WAITER_LEASE_DEFAULT ? LEASE_DEFAULT : waiter->lease_ms;
}

struct caller
waiter_caller(const struct waiter *waiter)
{
	return (struct caller){ .uid = waiter->uid, .flags = waiter->is_admin ? CALLER_ADMIN : 0 };
}

void
waiter_leave(struct shard *shard, uint32_t idx)
{
	struct waiter *waiter = waiter_at(shard, idx);
	struct queue *queue = queue_at(shard, waiter->queue_idx);
	struct shard_front *front = waiter_front(shard, idx);

	assert(waiter->is_parked);
	assert(front->waiter_count > 0);
	assert(queue->waiters.count > 0);
	assert(waiter->timer.bucket != 0);
	txn_set(&shard->txn, &waiter->is_parked, 0);
	list_remove(&shard->txn, &shard->waiter_links, &queue->waiters, idx);
	wheel_disarm(&shard->waiter_wheel, idx);
	txn_set(&shard->txn, &front->waiter_count, front->waiter_count - 1);
	if (queue->waiters.count == 0)
		queue_unoffer(shard, waiter->queue_idx);
}

void
waiter_postpone(struct shard *shard, uint32_t idx, uint64_t due_ms)
{
	assert(waiter_at(shard, idx)->is_parked);

	wheel_disarm(&shard->waiter_wheel, idx);
	wheel_arm(&shard->waiter_wheel, idx, due_ms);
}
