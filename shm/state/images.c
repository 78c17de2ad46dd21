#include "shm/state/images.h"

#include <string.h>

#define SLOTS(slots, mark) \
	(struct image_slots){ (char *)(slots), sizeof(*(slots)), (mark), 0 }

uint64_t
image_slots_of(const struct shard *shard, struct image_slots slots[IMAGES_TABLES])
{
	const struct shard_root *root = shard->root;
	const uint32_t sizes[IMAGES_TABLES] = { shard->geometry.messages, shard->geometry.queues,
		shard->geometry.grants, shard->geometry.users, shard->geometry.credentials };
	uint64_t number = 0, count = 0;

	slots[IMAGES_MESSAGES] = SLOTS(shard->msgs, root->messages_high);
	slots[IMAGES_QUEUES] = SLOTS(shard->queues, root->queues_high);
	slots[IMAGES_GRANTS] = SLOTS(shard->grants, root->grants.high);
	slots[IMAGES_USERS] = SLOTS(shard->users, root->users.high);
	slots[IMAGES_CREDENTIALS] = SLOTS(shard->credentials, root->credentials.high);
	for (unsigned table = 0; table < IMAGES_TABLES; table++) {
		assert(slots[table].high <= sizes[table]);
		slots[table].number = number;
		number += sizes[table];
		count += slots[table].high;
	}
	return count;
}

uint64_t
image_numbers(const struct shard_geometry *geometry)
{
	return (uint64_t)geometry->messages + geometry->queues + geometry->grants +
	       geometry->users + geometry->credentials;
}

uint32_t
image_bytes_max(enum image_of table)
{
	static const uint16_t bytes[IMAGES_TABLES] = {
		[IMAGES_MESSAGES] = sizeof(struct image_message),
		[IMAGES_QUEUES] = sizeof(struct image_queue),
		[IMAGES_GRANTS] = sizeof(struct image_grant),
		[IMAGES_USERS] = sizeof(struct image_user),
		[IMAGES_CREDENTIALS] = sizeof(struct image_credential),
	};

	assert(table < IMAGES_TABLES);
	return bytes[table];
}

/* --- one slot each --- */

static struct image
image_header(enum image_kind kind, uint32_t bytes, uint32_t idx)
{
	assert(bytes % 8 == 0 && bytes <= IMAGE_BYTES_MAX);

	return (struct image){ .kind = (uint16_t)kind, .bytes = (uint16_t)bytes, .idx = idx };
}

static struct image_link
link_image(const struct link *link)
{
	return (struct image_link){ .prev = link->prev, .next = link->next };
}

static struct image_list
list_image(const struct list *list)
{
	return (struct image_list){ .head = list->head, .tail = list->tail, .count = list->count };
}

/* A free slot of which nothing has a meaning but its place in the free list. */
static uint32_t
free_write(enum image_kind kind, uint32_t idx, const struct link *link, void *to)
{
	*(struct image_free *)to =
	    (struct image_free){ .image = image_header(kind, sizeof(struct image_free), idx),
		    .link = link_image(link) };
	return sizeof(struct image_free);
}

static uint32_t
message_free_write(uint32_t idx, const struct msg *msg, void *to)
{
	*(struct image_message_free *)to = (struct image_message_free){
		.image = image_header(IMAGE_MESSAGE_FREE, sizeof(struct image_message_free), idx),
		.token = msg->token,
		.link = link_image(&msg->link),
		.queue_idx = msg->queue_idx,
		.flags = msg->flags,
	};
	return sizeof(struct image_message_free);
}

static uint32_t
message_write(uint32_t idx, const struct msg *msg, void *to)
{
	bool has_timer = msg->state == MSG_LEASED || msg->state == MSG_DELAYED;

	if (msg->state == MSG_FREE)
		return message_free_write(idx, msg, to);
	*(struct image_message *)to = (struct image_message){
		.image = image_header(IMAGE_MESSAGE, sizeof(struct image_message), idx),
		.seq = msg->seq,
		.lsn = msg->lsn,
		.enqueued_ms = msg->enqueued_ms,
		.since_ms = msg->since_ms,
		.first_delivered_ms = msg->first_delivered_ms,
		.token = msg->token,
		.due_ms = has_timer ? msg->timer.due_ms : 0,
		.link = link_image(&msg->link),
		.queue_idx = msg->queue_idx,
		.attributes_bytes = msg->attributes_bytes,
		.body_bytes = msg->body_bytes,
		.fail_count = msg->fail_count,
		.acquire_count = msg->acquire_count,
		.state = msg->state,
	};
	return sizeof(struct image_message);
}

static uint32_t
queue_write(uint32_t idx, const struct queue *queue, void *to)
{
	struct image_queue *image = to;

	if (queue->state == QUEUE_FREE)
		return free_write(IMAGE_QUEUE_FREE, idx, &queue->link, to);
	*image = (struct image_queue){
		.image = image_header(IMAGE_QUEUE, sizeof(*image), idx),
		.name = queue->name,
		.owner = queue->owner,
		.config = queue->config,
		.etag = queue->etag,
		.created_ms = queue->created_ms,
		.bytes = queue->bytes,
		.purge_seq_below = queue->purge_seq_below,
		.purge_older_than_ms = queue->purge_older_than_ms,
		.published = queue->totals.published,
		.delivered = queue->totals.delivered,
		.acked = queue->totals.acked,
		.expired = queue->totals.expired,
		.released = queue->totals.released,
		.failed = queue->totals.failed,
		.removed = queue->totals.removed,
		.grants = list_image(&queue->grants),
		.return_hint = queue->return_hint,
		.purge_states = queue->purge_states,
		.state = queue->state,
	};
	_Static_assert(MSG_READY == 1 && MSG_LEASED == 2 && MSG_DELAYED == 3 && MSG_DEAD == 4 &&
	    MSG_STATE_COUNT == 1 + IMAGE_QUEUE_LISTS, "the order of lists in an image: format");
	for (unsigned i = 0; i < IMAGE_QUEUE_LISTS; i++)
		image->lists[i] = list_image(&queue->lists[1 + i]);
	return sizeof(*image);
}

static uint32_t
grant_write(uint32_t idx, const struct grant *grant, void *to)
{
	if (grant->rights == 0)
		return free_write(IMAGE_GRANT_FREE, idx, &grant->link, to);
	*(struct image_grant *)to = (struct image_grant){
		.image = image_header(IMAGE_GRANT, sizeof(struct image_grant), idx),
		.uid = grant->uid,
		.link = link_image(&grant->link),
		.queue_idx = grant->queue_idx,
		.rights = grant->rights,
	};
	return sizeof(struct image_grant);
}

static uint32_t
user_write(uint32_t idx, const struct user *user, void *to)
{
	struct image_user *image = to;

	if (!user->is_used)
		return free_write(IMAGE_USER_FREE, idx, &user->link, to);
	image->image = image_header(IMAGE_USER, sizeof(*image), idx);
	image->entry = user->entry;
	return sizeof(*image);
}

static uint32_t
credential_write(uint32_t idx, const struct credential *credential, void *to)
{
	struct image_credential *image = to;

	if (!credential->is_used)
		return free_write(IMAGE_CREDENTIAL_FREE, idx, &credential->link, to);
	image->image = image_header(IMAGE_CREDENTIAL, sizeof(*image), idx);
	image->entry = credential->entry;
	return sizeof(*image);
}

uint32_t
image_write(enum image_of table, uint32_t idx, const void *slot, void *to)
{
	switch (table) {
	case IMAGES_MESSAGES:
		return message_write(idx, slot, to);
	case IMAGES_QUEUES:
		return queue_write(idx, slot, to);
	case IMAGES_GRANTS:
		return grant_write(idx, slot, to);
	case IMAGES_USERS:
		return user_write(idx, slot, to);
	case IMAGES_CREDENTIALS:
		return credential_write(idx, slot, to);
	case IMAGES_TABLES:
		break;
	}
	assert(!"a slot of no table");
	return 0;
}

/* --- what is said once --- */

static struct image_table
table_image(const struct list *free, uint32_t high)
{
	return (struct image_table){ .free = list_image(free), .high = high };
}

void
image_root_write(const struct shard *shard, struct image_root *image)
{
	const struct shard_root *root = shard->root;

	*image = (struct image_root){
		.next_seq = root->next_seq,
		.lease_counter = root->lease_counter,
		.now_ms = root->now_ms,
		.user_counter = root->user_counter,
		.credential_counter = root->credential_counter,
		.messages = table_image(&root->messages_free, root->messages_high),
		.queues = table_image(&root->queues_free, root->queues_high),
		.grants = table_image(&root->grants.free, root->grants.high),
		.users = table_image(&root->users.free, root->users.high),
		.credentials = table_image(&root->credentials.free, root->credentials.high),
	};
	memcpy(image->bootstrap_hash, root->bootstrap_hash, sizeof(image->bootstrap_hash));
}
