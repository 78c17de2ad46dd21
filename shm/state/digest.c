#include "shm/state/digest.h"

#include "shm/hash.h"

/* Mixing of SplitMix64 (Steele, Lea, Flood 2014); order matters. */
static uint64_t
mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) + 0x9e3779b97f4a7c15ull;
	digest = (digest ^ digest >> 30) * 0xbf58476d1ce4e5b9ull;
	digest = (digest ^ digest >> 27) * 0x94d049bb133111ebull;
	return digest ^ digest >> 31;
}

static uint64_t
digest_message(uint64_t digest, const struct shard *shard, uint32_t idx)
{
	const struct msg *msg = &shard->msgs[idx];

	digest = mix(digest, idx);
	digest = mix(digest, msg->seq);
	digest = mix(digest, msg->lsn);
	digest = mix(digest, msg->enqueued_ms);
	digest = mix(digest, msg->since_ms);
	digest = mix(digest, msg->first_delivered_ms);
	digest = mix(digest, msg->token);
	digest = mix(digest, msg->timer.bucket != 0 ? msg->timer.due_ms : 0);
	digest = mix(digest, (uint64_t)msg->attributes_bytes << 32 | msg->body_bytes);
	digest = mix(digest, (uint64_t)msg->fail_count << 32 | msg->acquire_count);
	return mix(digest, (uint64_t)msg->queue_idx << 16 | (uint64_t)msg->state << 8 | msg->flags);
}

static uint64_t
digest_queue(uint64_t digest, const struct shard *shard, uint32_t idx)
{
	const struct queue *queue = &shard->queues[idx];

	digest = mix(digest, (uint64_t)idx << 8 | queue->state);
	if (queue->state == QUEUE_FREE)
		return digest;
	digest = mix(digest, hash_bytes(&queue->name, sizeof(queue->name)));
	digest = mix(digest, hash_bytes(&queue->config, sizeof(queue->config)));
	digest = mix(digest, hash_bytes(&queue->totals, sizeof(queue->totals)));
	digest = mix(digest, queue->owner);
	for (uint32_t at = queue->grants.head; at != NIL; at = shard->grants[at].link.next) {
		digest = mix(digest, (uint64_t)at << 32 | shard->grants[at].rights);
		digest = mix(digest, shard->grants[at].uid);
	}
	digest = mix(digest, queue->etag);
	digest = mix(digest, queue->created_ms);
	digest = mix(digest, queue->bytes);
	digest = mix(digest, queue->return_hint);
	digest = mix(digest, queue->purge_states);
	if (queue->purge_states != 0) {
		digest = mix(digest, queue->purge_seq_below);
		digest = mix(digest, queue->purge_older_than_ms);
	}
	for (unsigned state = MSG_READY; state < MSG_STATE_COUNT; state++) {
		digest = mix(digest, queue->lists[state].count);
		for (uint32_t at = queue->lists[state].head; at != NIL; at = shard->msgs[at].link.next)
			digest = digest_message(digest, shard, at);
	}
	return digest;
}

static uint64_t
digest_free(uint64_t digest, const struct table *table, const struct link_table *links)
{
	digest = mix(digest, table->high);
	for (uint32_t at = table->free.head; at != NIL; at = link_at(links, at)->next)
		digest = mix(digest, at);
	return digest;
}

static uint64_t
digest_people(uint64_t digest, const struct shard *shard)
{
	const struct shard_root *root = shard->root;

	digest = mix(digest, root->user_counter);
	digest = mix(digest, root->credential_counter);
	digest = mix(digest, hash_bytes(root->bootstrap_hash, sizeof(root->bootstrap_hash)));
	for (uint32_t idx = 0; idx < root->users.high; idx++) {
		if (shard->users[idx].is_used)
			digest = mix(digest,
			    hash_bytes(&shard->users[idx].entry, sizeof(shard->users[idx].entry)));
	}
	for (uint32_t idx = 0; idx < root->credentials.high; idx++) {
		if (shard->credentials[idx].is_used)
			digest = mix(digest,
			    hash_bytes(&shard->credentials[idx].entry,
			        sizeof(shard->credentials[idx].entry)));
	}
	digest = digest_free(digest, &root->grants, &shard->grant_links);
	digest = digest_free(digest, &root->users, &shard->user_links);
	return digest_free(digest, &root->credentials, &shard->credential_links);
}

uint64_t
shard_digest(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint64_t digest = 0;

	digest = mix(digest, root->next_seq);
	digest = mix(digest, root->lease_counter);
	digest = mix(digest, (uint64_t)root->messages_high << 32 | root->queues_high);
	for (uint32_t idx = 0; idx < root->queues_high; idx++)
		digest = digest_queue(digest, shard, idx);
	for (uint32_t at = root->queues_free.head; at != NIL; at = shard->queues[at].link.next)
		digest = mix(digest, at);
	for (uint32_t at = root->messages_free.head; at != NIL; at = shard->msgs[at].link.next) {
		digest = mix(digest, (uint64_t)at << 8 | shard->msgs[at].flags);
		digest = mix(digest, shard->msgs[at].token);
		digest = mix(digest, shard->msgs[at].queue_idx);
	}
	return digest_people(digest, shard);
}

static uint64_t
digest_waiters(uint64_t digest, const struct shard *shard)
{
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		const struct queue *queue = &shard->queues[idx];

		if (queue->state == QUEUE_FREE)
			continue;
		for (uint32_t at = queue->waiters.head; at != NIL; at = shard->waiters[at].link.next) {
			const struct waiter *waiter = &shard->waiters[at];

			digest = mix(digest, (uint64_t)at << 32 | idx);
			digest = mix(digest, waiter->request_id);
			digest = mix(digest, waiter->lease_ms);
			digest = mix(digest, waiter->uid << 1 | waiter->is_admin);
			digest = mix(digest, waiter->timer.due_ms);
			digest = mix(digest, (uint64_t)waiter->bytes_max << 32 | waiter->max);
		}
	}
	return digest;
}

static uint64_t
digest_timers(uint64_t digest, const struct wheel *wheel, const struct link_table *links)
{
	digest = mix(digest, wheel->tick);
	digest = mix(digest, wheel->count);
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned bucket = 0; bucket < WHEEL_BUCKETS; bucket++) {
			const struct list *list = &wheel->buckets[level][bucket];

			for (uint32_t at = list->head; at != NIL; at = link_at(links, at)->next)
				digest = mix(digest, (uint64_t)(level * WHEEL_BUCKETS + bucket) << 32 | at);
		}
	}
	return digest;
}

uint64_t
shard_digest_all(const struct shard *shard)
{
	const struct shard_root *root = shard->root;
	uint64_t digest = digest_waiters(shard_digest(shard), shard);

	digest = mix(digest, shard->shared->state);
	digest = mix(digest, root->stream_tail);
	digest = mix(digest, hash_bytes(root->fronts, sizeof(root->fronts)));
	digest = mix(digest, hash_bytes(root->jobs, sizeof(root->jobs)));
	for (uint32_t at = root->serve.head; at != NIL; at = shard->queues[at].link.next)
		digest = mix(digest, at);
	digest = digest_timers(digest, &root->message_wheel, &shard->message_wheel.links);
	return digest_timers(digest, &root->waiter_wheel, &shard->waiter_wheel.links);
}
