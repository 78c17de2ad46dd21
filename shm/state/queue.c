#include "shm/state/queue.h"

#include <string.h>

#include "shm/state/names.h"
#include "shm/state/owners.h"
#include "shm/state/shard.h"

uint32_t
queue_next_free(const struct shard *shard)
{
	const struct shard_root *root = shard->root;

	if (root->queues_free.count > 0)
		return root->queues_free.head;
	return root->queues_high < shard->geometry.queues ? root->queues_high : NIL;
}

static void
queue_claim(struct shard *shard, uint32_t idx)
{
	struct shard_root *root = shard->root;

	if (idx == root->queues_high) {
		txn_set(&shard->txn, &root->queues_high, idx + 1);
	} else {
		assert(shard->queues[idx].state == QUEUE_FREE);
		list_remove(&shard->txn, &shard->queue_links, &root->queues_free, idx);
	}
}

void
queue_take(struct shard *shard, uint32_t idx, const struct queue_birth *birth)
{
	struct queue *queue = queue_at(shard, idx);

	assert(idx == queue_next_free(shard));
	assert(name_is_valid(birth->name));
	assert(queue_config_is_valid(birth->config));
	assert(birth->etag != 0);
	assert(names_find(shard, birth->name) == NIL);
	queue_claim(shard, idx);

	/* Plain stores: nothing of a free slot has a meaning but its state and its place in the free list. */
	queue->name = *birth->name;
	queue->owner = birth->owner;
	queue->config = *birth->config;
	queue->etag = birth->etag;
	queue->created_ms = birth->time_ms;
	queue->bytes = 0;
	queue->totals = (struct queue_totals){ 0 };
	for (unsigned state = 0; state < MSG_STATE_COUNT; state++)
		list_init(&queue->lists[state]);
	list_init(&queue->waiters);
	list_init(&queue->grants);
	queue->return_hint = NIL;
	queue->purge_states = 0;
	queue->purge_seq_below = 0;
	queue->purge_older_than_ms = 0;
	queue->to_serve = 0;
	txn_set(&shard->txn, &queue->state, QUEUE_LIVE);
	names_add(shard, idx);
	owners_add_queue(shard, queue);
}

void
queue_set_config(struct shard *shard, struct queue *queue, const struct queue_config *config, uint64_t etag)
{
	uint64_t words[sizeof(*config) / 8];
	uint64_t *into = (uint64_t *)(void *)&queue->config;

	_Static_assert(sizeof(*config) % 8 == 0, "set by words");
	assert(queue->state == QUEUE_LIVE);
	memcpy(words, config, sizeof(words));
	for (unsigned i = 0; i < sizeof(words) / 8; i++)
		txn_set(&shard->txn, &into[i], words[i]);
	txn_set(&shard->txn, &queue->etag, etag);
}

void
queue_begin_delete(struct shard *shard, uint32_t idx)
{
	struct queue *queue = queue_at(shard, idx);

	assert(queue->state == QUEUE_LIVE);
	assert(queue->purge_states == 0);
	queue_unoffer(shard, idx);
	names_remove(shard, idx);
	txn_set(&shard->txn, &queue->state, QUEUE_DELETING);
	owners_remove_queue(shard, queue);
}

void
queue_set_owner(struct shard *shard, struct queue *queue, uint64_t owner)
{
	if (owner == queue->owner)
		return;
	owners_pass_queue(shard, queue, owner);
	txn_set(&shard->txn, &queue->owner, owner);
}

void
queue_free(struct shard *shard, uint32_t idx)
{
	struct queue *queue = queue_at(shard, idx);

	assert(queue->state == QUEUE_DELETING);
	assert(queue_message_count(queue) == 0);
	assert(queue->waiters.count == 0);
	assert(queue->bytes == 0);
	assert(!queue->to_serve);
	grants_free(shard, idx);
	txn_set(&shard->txn, &queue->state, QUEUE_FREE);
	list_append(&shard->txn, &shard->queue_links, &shard->root->queues_free, idx);
}

void
queue_offer(struct shard *shard, uint32_t idx)
{
	struct queue *queue = queue_at(shard, idx);

	assert(queue->state != QUEUE_FREE);
	if (queue->waiters.count == 0 || queue->to_serve || queue->state != QUEUE_LIVE)
		return;
	if (queue->lists[MSG_READY].count == 0 || (queue->purge_states & PURGE_READY) || queue_lease_room(queue) == 0)
		return;
	list_append(&shard->txn, &shard->queue_links, &shard->root->serve, idx);
	txn_set(&shard->txn, &queue->to_serve, 1);
}

void
queue_unoffer(struct shard *shard, uint32_t idx)
{
	struct queue *queue = queue_at(shard, idx);

	if (!queue->to_serve)
		return;
	assert(shard->root->serve.count > 0);
	list_remove(&shard->txn, &shard->queue_links, &shard->root->serve, idx);
	txn_set(&shard->txn, &queue->to_serve, 0);
}

uint32_t
queue_lease_room(const struct queue *queue)
{
	uint32_t limit = queue->config.max_in_flight, leased = queue->lists[MSG_LEASED].count;

	if (limit == 0)
		return UINT32_MAX;
	return leased < limit ? limit - leased : 0; /* the limit may have been lowered since */
}

uint64_t
queue_message_count(const struct queue *queue)
{
	uint64_t count = 0;

	for (unsigned state = MSG_READY; state < MSG_STATE_COUNT; state++)
		count += queue->lists[state].count;
	return count;
}

bool
queue_purges(const struct queue *queue, const struct msg *msg)
{
	static const uint8_t bit[MSG_STATE_COUNT] = { [MSG_READY] = PURGE_READY, [MSG_LEASED] = PURGE_LEASED,
		[MSG_DELAYED] = PURGE_DELAYED, [MSG_DEAD] = PURGE_DEAD };

	assert(msg->state < MSG_STATE_COUNT);
	if (!(queue->purge_states & bit[msg->state]) || msg->seq >= queue->purge_seq_below)
		return false;
	return queue->purge_older_than_ms == 0 || msg->enqueued_ms < queue->purge_older_than_ms;
}
