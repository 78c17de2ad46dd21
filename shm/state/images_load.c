/*
 * Happy path: image_root_load(), image_load() for each slot below the marks, images_derive().
 * Failure modes: whatever stands in an image, nothing outside the tables is written or followed:
 * each index, length and enumeration is looked at here, before it is stored.  Whether the slots fit
 * together is for shard_check() to say.
 */
#include "shm/state/images.h"

#include <string.h>

#include "shm/state/names.h"

/* Beyond this no timer has a place in a wheel: in the year 2109 (wheel.h). */
#define IMAGE_MS_MAX (((1ull << 40) - 1) * WHEEL_TICK_MS)

static bool
idx_is_sane(uint32_t idx, uint32_t high)
{
	return idx < high || idx == NIL;
}

static bool
link_load(struct link *link, const struct image_link *image, uint32_t high)
{
	*link = (struct link){ .prev = image->prev, .next = image->next };
	return idx_is_sane(link->prev, high) && idx_is_sane(link->next, high);
}

static bool
list_load(struct list *list, const struct image_list *image, uint32_t high)
{
	if (!idx_is_sane(image->head, high) || !idx_is_sane(image->tail, high) ||
	    image->count > high)
		return false;
	if ((image->head == NIL) != (image->count == 0) ||
	    (image->tail == NIL) != (image->count == 0))
		return false;
	*list = (struct list){ .head = image->head, .tail = image->tail, .count = image->count };
	return true;
}

/* --- the root --- */

static bool
table_load(struct list *free, uint32_t *high, const struct image_table *image, uint32_t slots)
{
	if (image->high > slots || !list_load(free, &image->free, image->high))
		return false;
	*high = image->high;
	return true;
}

bool
image_root_load(struct shard *shard, const struct image_root *image)
{
	struct shard_root *root = shard->root;
	const struct shard_geometry *geometry = &shard->geometry;

	assert(shard->shared->state == SHARD_REPLAYING);
	if (image->now_ms > IMAGE_MS_MAX || image->next_seq == 0 || image->lease_counter == 0)
		return false;
	root->now_ms = image->now_ms;
	root->next_seq = image->next_seq;
	root->lease_counter = image->lease_counter;
	root->user_counter = image->user_counter;
	root->credential_counter = image->credential_counter;
	memcpy(root->bootstrap_hash, image->bootstrap_hash, sizeof(root->bootstrap_hash));
	wheel_init(&root->message_wheel, image->now_ms);
	wheel_init(&root->waiter_wheel, image->now_ms);
	return table_load(&root->messages_free, &root->messages_high, &image->messages,
		   geometry->messages) &&
	    table_load(&root->queues_free, &root->queues_high, &image->queues, geometry->queues) &&
	    table_load(&root->grants.free, &root->grants.high, &image->grants, geometry->grants) &&
	    table_load(&root->users.free, &root->users.high, &image->users, geometry->users) &&
	    table_load(&root->credentials.free, &root->credentials.high, &image->credentials,
		geometry->credentials);
}

/* --- slots --- */

/* By kind: the table it is of, and its size. */
static const struct {
	uint16_t bytes;
	uint8_t table;
} kinds[IMAGE_KIND_COUNT] = {
	[IMAGE_MESSAGE] = { sizeof(struct image_message), IMAGES_MESSAGES },
	[IMAGE_MESSAGE_FREE] = { sizeof(struct image_message_free), IMAGES_MESSAGES },
	[IMAGE_QUEUE] = { sizeof(struct image_queue), IMAGES_QUEUES },
	[IMAGE_QUEUE_FREE] = { sizeof(struct image_free), IMAGES_QUEUES },
	[IMAGE_GRANT] = { sizeof(struct image_grant), IMAGES_GRANTS },
	[IMAGE_GRANT_FREE] = { sizeof(struct image_free), IMAGES_GRANTS },
	[IMAGE_USER] = { sizeof(struct image_user), IMAGES_USERS },
	[IMAGE_USER_FREE] = { sizeof(struct image_free), IMAGES_USERS },
	[IMAGE_CREDENTIAL] = { sizeof(struct image_credential), IMAGES_CREDENTIALS },
	[IMAGE_CREDENTIAL_FREE] = { sizeof(struct image_free), IMAGES_CREDENTIALS },
};

bool
image_place(
    const struct shard *shard, const struct image *image, enum image_of *table, uint64_t *number)
{
	struct image_slots slots[IMAGES_TABLES];

	if (image->kind == IMAGE_NONE || image->kind >= IMAGE_KIND_COUNT ||
	    image->bytes != kinds[image->kind].bytes)
		return false;
	*table = kinds[image->kind].table;
	(void)image_slots_of(shard, slots);
	*number = slots[*table].number + image->idx;
	return image->idx < slots[*table].high;
}

static bool
message_load(struct shard *shard, const struct image_message *image)
{
	const struct shard_root *root = shard->root;
	struct msg *msg = msg_at(shard, image->image.idx);
	bool has_timer = image->state == MSG_LEASED || image->state == MSG_DELAYED;

	if (image->state == MSG_FREE || image->state >= MSG_STATE_COUNT ||
	    image->queue_idx >= root->queues_high)
		return false;
	if (image->attributes_bytes > ATTRIBUTES_BYTES_MAX || image->body_bytes > BODY_BYTES_MAX)
		return false;
	if (has_timer ? image->due_ms > IMAGE_MS_MAX : image->due_ms != 0)
		return false;
	*msg = (struct msg){
		.seq = image->seq,
		.lsn = image->lsn,
		.enqueued_ms = image->enqueued_ms,
		.since_ms = image->since_ms,
		.first_delivered_ms = image->first_delivered_ms,
		.token = image->token,
		.timer = { .due_ms = image->due_ms },
		.queue_idx = image->queue_idx,
		.attributes_bytes = image->attributes_bytes,
		.body_bytes = image->body_bytes,
		.fail_count = image->fail_count,
		.acquire_count = image->acquire_count,
		.state = image->state,
	};
	return link_load(&msg->link, &image->link, root->messages_high);
}

static bool
message_free_load(struct shard *shard, const struct image_message_free *image)
{
	struct msg *msg = msg_at(shard, image->image.idx);

	if ((image->flags & ~MSG_ACKED) != 0)
		return false;
	*msg = (struct msg){
		.token = image->token, .queue_idx = image->queue_idx, .flags = image->flags
	};
	return link_load(&msg->link, &image->link, shard->root->messages_high);
}

static bool
queue_image_is_sane(const struct shard *shard, const struct image_queue *image)
{
	if (image->state != QUEUE_LIVE && image->state != QUEUE_DELETING)
		return false;
	if (image->purge_states != 0 && image->state != QUEUE_LIVE)
		return false;
	if (image->purge_states > (PURGE_READY | PURGE_DELAYED | PURGE_DEAD | PURGE_LEASED))
		return false;
	return name_is_valid(&image->name) && queue_config_is_valid(&image->config) &&
	       image->etag != 0 && idx_is_sane(image->return_hint, shard->root->messages_high);
}

static bool
queue_load(struct shard *shard, const struct image_queue *image)
{
	struct queue *queue = queue_at(shard, image->image.idx);

	if (!queue_image_is_sane(shard, image))
		return false;
	*queue = (struct queue){
		.name = image->name,
		.owner = image->owner,
		.config = image->config,
		.etag = image->etag,
		.created_ms = image->created_ms,
		.bytes = image->bytes,
		.purge_seq_below = image->purge_seq_below,
		.purge_older_than_ms = image->purge_older_than_ms,
		.totals = { .published = image->published,
		    .delivered = image->delivered,
		    .acked = image->acked,
		    .expired = image->expired,
		    .released = image->released,
		    .failed = image->failed,
		    .removed = image->removed },
		.hash_next = NIL,
		.return_hint = image->return_hint,
		.purge_states = image->purge_states,
		.state = image->state,
	};
	list_init(&queue->lists[MSG_FREE]);
	list_init(&queue->waiters);
	for (unsigned i = 0; i < IMAGE_QUEUE_LISTS; i++) {
		if (!list_load(&queue->lists[1 + i], &image->lists[i], shard->root->messages_high))
			return false;
	}
	return list_load(&queue->grants, &image->grants, shard->root->grants.high);
}

static bool
queue_free_load(struct shard *shard, const struct image_free *image)
{
	struct queue *queue = queue_at(shard, image->image.idx);

	*queue = (struct queue){ .state = QUEUE_FREE };
	return link_load(&queue->link, &image->link, shard->root->queues_high);
}

static bool
grant_load(struct shard *shard, const struct image_grant *image)
{
	struct grant *grant = grant_at(shard, image->image.idx);

	if (image->uid == 0 || image->rights == 0 || image->rights > RIGHTS_ALL ||
	    image->queue_idx >= shard->root->queues_high)
		return false;
	*grant = (struct grant){
		.uid = image->uid, .queue_idx = image->queue_idx, .rights = image->rights
	};
	return link_load(&grant->link, &image->link, shard->root->grants.high);
}

static bool
grant_free_load(struct shard *shard, const struct image_free *image)
{
	struct grant *grant = grant_at(shard, image->image.idx);

	*grant = (struct grant){ .rights = 0 };
	return link_load(&grant->link, &image->link, shard->root->grants.high);
}

static bool
user_load(struct shard *shard, const struct image_user *image)
{
	struct user *user = user_at(shard, image->image.idx);

	if (USER_SLOT(image->entry.uid) != image->image.idx || !name_is_valid(&image->entry.name) ||
	    !user_config_is_valid(&image->entry.config))
		return false;
	*user = (struct user){ .entry = image->entry, .link = { NIL, NIL }, .is_used = 1 };
	return true;
}

static bool
user_free_load(struct shard *shard, const struct image_free *image)
{
	struct user *user = user_at(shard, image->image.idx);

	*user = (struct user){ .is_used = 0 };
	return link_load(&user->link, &image->link, shard->root->users.high);
}

static bool
credential_load(struct shard *shard, const struct image_credential *image)
{
	struct credential *credential = credential_at(shard, image->image.idx);

	if (CREDENTIAL_SLOT(image->entry.id) != image->image.idx ||
	    !credential_config_is_valid(&image->entry.config))
		return false;
	*credential =
	    (struct credential){ .entry = image->entry, .link = { NIL, NIL }, .is_used = 1 };
	return true;
}

static bool
credential_free_load(struct shard *shard, const struct image_free *image)
{
	struct credential *credential = credential_at(shard, image->image.idx);

	*credential = (struct credential){ .is_used = 0 };
	return link_load(&credential->link, &image->link, shard->root->credentials.high);
}

bool
image_load(struct shard *shard, const struct image *image)
{
	const void *whole = image;

	switch ((enum image_kind)image->kind) {
	case IMAGE_MESSAGE:
		return message_load(shard, whole);
	case IMAGE_MESSAGE_FREE:
		return message_free_load(shard, whole);
	case IMAGE_QUEUE:
		return queue_load(shard, whole);
	case IMAGE_QUEUE_FREE:
		return queue_free_load(shard, whole);
	case IMAGE_GRANT:
		return grant_load(shard, whole);
	case IMAGE_GRANT_FREE:
		return grant_free_load(shard, whole);
	case IMAGE_USER:
		return user_load(shard, whole);
	case IMAGE_USER_FREE:
		return user_free_load(shard, whole);
	case IMAGE_CREDENTIAL:
		return credential_load(shard, whole);
	case IMAGE_CREDENTIAL_FREE:
		return credential_free_load(shard, whole);
	case IMAGE_NONE:
	case IMAGE_KIND_COUNT:
		break;
	}
	return false;
}

/* --- what follows from them --- */

/*
 * Timers are set in the order of the queue's list, for what was delayed until the same moment comes
 * out in the order it went in.  False if the list is not of messages in this state.
 */
static bool
arm_list(struct shard *shard, const struct queue *queue, enum msg_state state)
{
	uint32_t at = queue->lists[state].head;

	for (uint32_t left = queue->lists[state].count; left > 0; left--) {
		if (at == NIL)
			return false;
		const struct msg *msg = msg_at(shard, at);

		if (msg->state != state || msg->timer.bucket != 0)
			return false;
		wheel_arm(&shard->message_wheel, at, msg->timer.due_ms);
		txn_commit(&shard->txn);
		at = msg->link.next;
	}
	return at == NIL;
}

static const char *
derive_queues(struct shard *shard)
{
	for (uint32_t idx = 0; idx < shard->root->queues_high; idx++) {
		const struct queue *queue = queue_at(shard, idx);

		if (queue->state == QUEUE_LIVE)
			names_add(shard, idx);
		txn_commit(&shard->txn);
		if (queue->state == QUEUE_FREE)
			continue;
		if (!arm_list(shard, queue, MSG_LEASED) || !arm_list(shard, queue, MSG_DELAYED))
			return "a queue's list holds what does not belong there";
	}
	return NULL;
}

const char *
images_derive(struct shard *shard)
{
	const struct shard_root *root = shard->root;
	const char *wrong;

	assert(shard->shared->state == SHARD_REPLAYING);
	assert(!txn_is_open(&shard->txn));
	wrong = derive_queues(shard);
	for (uint32_t idx = 0; idx < root->grants.high; idx++) {
		if (grant_at(shard, idx)->rights != 0)
			grant_index_add(shard, idx);
		txn_commit(&shard->txn);
	}
	for (uint32_t idx = 0; idx < root->users.high; idx++) {
		if (user_at(shard, idx)->is_used)
			user_index_add(shard, idx);
		txn_commit(&shard->txn);
	}
	for (uint32_t idx = 0; idx < root->credentials.high; idx++) {
		if (credential_at(shard, idx)->is_used)
			credential_index_add(shard, idx);
		txn_commit(&shard->txn);
	}
	return wrong;
}
