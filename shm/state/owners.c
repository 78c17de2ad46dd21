#include "shm/state/owners.h"

#define LESS_ONE ((uint64_t)-1)

void
owners_count(const struct shard *shard, struct usage *usage)
{
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		const struct queue *queue = queue_at(shard, idx);

		if (queue->state == QUEUE_FREE || queue->owner == 0)
			continue;
		usage_add(usage, queue->owner, &(struct usage_entry){ .queues = queue->state == QUEUE_LIVE,
			.stored_bytes = queue->bytes });
	}
}

/* Of this very user: another may have his slot. */
static struct usage_entry
owned_by(const struct shard *shard, uint64_t uid)
{
	struct usage_entry sum = { .uid = uid };

	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		const struct queue *queue = queue_at(shard, idx);

		if (queue->state == QUEUE_FREE || queue->owner != uid)
			continue;
		sum.queues += queue->state == QUEUE_LIVE;
		sum.stored_bytes += queue->bytes;
	}
	return sum;
}

const char *
owners_check(const struct shard *shard)
{
	for (uint32_t slot = 0; slot < shard->usage->users; slot++) {
		const struct usage_entry *entry = &shard->usage->entries[slot];
		struct usage_entry wanted = owned_by(shard, entry->uid);

		if (entry->uid != 0 && (entry->queues != wanted.queues || entry->stored_bytes != wanted.stored_bytes))
			return "U1: what a user has is not the sum of his queues";
	}
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		uint64_t owner = shard->queues[idx].owner;

		if (shard->queues[idx].state != QUEUE_FREE && owner != 0 && USER_SLOT(owner) < shard->usage->users &&
		    USER_NUMBER(shard->usage->entries[USER_SLOT(owner)].uid) < USER_NUMBER(owner))
			return "U1: the owner of a queue is not counted";
	}
	return NULL;
}

static void
count(const struct shard *shard, uint64_t owner, const struct usage_entry *more)
{
	if (owner != 0 && shard->usage != NULL)
		usage_add(shard->usage, owner, more);
}

void
owners_add_queue(const struct shard *shard, const struct queue *queue)
{
	count(shard, queue->owner, &(struct usage_entry){ .queues = 1 });
}

void
owners_remove_queue(const struct shard *shard, const struct queue *queue)
{
	count(shard, queue->owner, &(struct usage_entry){ .queues = LESS_ONE });
}

void
owners_pass_queue(const struct shard *shard, const struct queue *queue, uint64_t owner)
{
	assert(queue->state == QUEUE_LIVE);

	count(shard, queue->owner, &(struct usage_entry){ .queues = LESS_ONE, .stored_bytes = -queue->bytes });
	count(shard, owner, &(struct usage_entry){ .queues = 1, .stored_bytes = queue->bytes });
}
