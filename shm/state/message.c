#include "shm/state/message.h"

#include "shm/state/owners.h"

/*
 * How far a returning message is carried along the ready list to its place by seq.  Leases mostly end in the order they were
 * given, so the place is at the head or behind the last one that returned; beyond this, order gives way to a bounded turn.
 */
#define RETURN_WALK_MAX 256

uint32_t
msg_room(const struct shard *shard)
{
	return shard->root->messages_free.count + (shard->geometry.messages - shard->root->messages_high);
}

uint32_t
msg_next_free(const struct shard *shard)
{
	const struct shard_root *root = shard->root;

	assert(root->messages_high <= shard->geometry.messages);
	if (root->messages_free.count < TOMBSTONES_MIN && root->messages_high < shard->geometry.messages)
		return root->messages_high;
	return root->messages_free.head;
}

/* Out of the free list, or from above the high-water mark. */
static void
msg_claim(struct shard *shard, uint32_t idx)
{
	struct shard_root *root = shard->root;

	if (idx == root->messages_high) {
		txn_set(&shard->txn, &root->messages_high, idx + 1);
		/* Never used, or of a life before shard_format(): nothing refers to it yet. */
		shard->msgs[idx].timer.bucket = 0;
	} else {
		assert(shard->msgs[idx].state == MSG_FREE);
		list_remove(&shard->txn, &shard->msg_links, &root->messages_free, idx);
	}
}

void
msg_take(struct shard *shard, uint32_t idx, const struct msg_birth *birth)
{
	struct queue *queue = queue_at(shard, birth->queue_idx);
	struct msg *msg = msg_at(shard, idx);
	enum msg_state state = birth->visible_ms == 0 ? MSG_READY : MSG_DELAYED;

	assert(idx == msg_next_free(shard));
	assert(queue->state == QUEUE_LIVE);
	assert(birth->lsn != 0 && birth->seq != 0);
	msg_claim(shard, idx);

	/* Plain stores: the slot was free, and these fields of a free slot mean nothing. */
	msg->seq = birth->seq;
	msg->lsn = birth->lsn;
	msg->enqueued_ms = birth->time_ms;
	msg->since_ms = birth->time_ms;
	msg->first_delivered_ms = 0;
	msg->attributes_bytes = birth->attributes_bytes;
	msg->body_bytes = birth->body_bytes;
	msg->fail_count = 0;
	msg->acquire_count = 0;
	/* Logged: these a tombstone needs, should the transaction be undone. */
	txn_set(&shard->txn, &msg->queue_idx, birth->queue_idx);
	txn_set(&shard->txn, &msg->token, 0);
	txn_set(&shard->txn, &msg->flags, 0);
	txn_set(&shard->txn, &msg->state, state);

	list_append(&shard->txn, &shard->msg_links, &queue->lists[state], idx);
	if (state == MSG_DELAYED)
		wheel_arm(&shard->message_wheel, idx, birth->visible_ms);
	txn_add(&shard->txn, &queue->bytes, (uint64_t)birth->attributes_bytes + birth->body_bytes);
	owners_add_bytes(shard, queue, (uint64_t)birth->attributes_bytes + birth->body_bytes);
}

/* True if the hint of the queue still is a ready message of it that goes before seq. */
static bool
hint_is_before(const struct shard *shard, const struct queue *queue, uint64_t seq)
{
	uint32_t hint = queue->return_hint;

	if (hint == NIL || hint >= shard->root->messages_high)
		return false;
	const struct msg *msg = &shard->msgs[hint];
	return msg->state == MSG_READY && msg->queue_idx == queue_idx_of(shard, queue) && msg->seq < seq;
}

/* The ready message in front of which one of this seq belongs, or NIL: at the end. */
static uint32_t
ready_place(const struct shard *shard, const struct queue *queue, uint64_t seq)
{
	const struct list *ready = &queue->lists[MSG_READY];

	if (ready->count == 0 || msg_at(shard, ready->tail)->seq < seq)
		return NIL;
	uint32_t at = ready->head;
	if (hint_is_before(shard, queue, seq))
		at = shard->msgs[queue->return_hint].link.next;
	for (unsigned walked = 0; walked < RETURN_WALK_MAX && at != NIL; walked++) {
		if (msg_at(shard, at)->seq > seq)
			break;
		at = shard->msgs[at].link.next;
	}
	return at;
}

static void
msg_return(struct shard *shard, struct queue *queue, uint32_t idx)
{
	uint32_t before = ready_place(shard, queue, shard->msgs[idx].seq);
	struct list *ready = &queue->lists[MSG_READY];

	assert(before == NIL || msg_at(shard, before)->state == MSG_READY);
	if (before == NIL)
		list_append(&shard->txn, &shard->msg_links, ready, idx);
	else
		list_insert_before(&shard->txn, &shard->msg_links, ready, before, idx);
	txn_set(&shard->txn, &queue->return_hint, idx);
}

void
msg_move(struct shard *shard, uint32_t idx, const struct msg_change *change)
{
	struct msg *msg = msg_at(shard, idx);
	struct queue *queue = queue_at(shard, msg->queue_idx);
	enum msg_state from = msg->state;

	assert(from != MSG_FREE && change->state != MSG_FREE);
	assert(from != change->state);
	assert(change->state < MSG_STATE_COUNT);
	assert(change->due_ms == 0 || change->state == MSG_LEASED || change->state == MSG_DELAYED);
	assert((msg->timer.bucket != 0) == (from == MSG_LEASED || from == MSG_DELAYED));
	list_remove(&shard->txn, &shard->msg_links, &queue->lists[from], idx);
	wheel_disarm(&shard->message_wheel, idx);

	if (change->state == MSG_READY && from != MSG_DELAYED)
		msg_return(shard, queue, idx);
	else
		list_append(&shard->txn, &shard->msg_links, &queue->lists[change->state], idx);
	txn_set(&shard->txn, &msg->state, change->state);
	txn_set(&shard->txn, &msg->since_ms, change->time_ms);
	if (change->state == MSG_LEASED || change->state == MSG_DELAYED)
		wheel_arm(&shard->message_wheel, idx, change->due_ms);
}

void
msg_extend(struct shard *shard, uint32_t idx, uint64_t due_ms)
{
	assert(msg_at(shard, idx)->state == MSG_LEASED);
	assert(msg_at(shard, idx)->timer.bucket != 0);

	wheel_disarm(&shard->message_wheel, idx);
	wheel_arm(&shard->message_wheel, idx, due_ms);
}

void
msg_free(struct shard *shard, uint32_t idx, uint8_t flags)
{
	struct msg *msg = msg_at(shard, idx);
	struct queue *queue = queue_at(shard, msg->queue_idx);
	uint64_t bytes = (uint64_t)msg->attributes_bytes + msg->body_bytes;

	assert(msg->state != MSG_FREE);
	assert(flags == 0 || (flags == MSG_ACKED && msg->token != 0));
	assert(queue->bytes >= bytes);
	list_remove(&shard->txn, &shard->msg_links, &queue->lists[msg->state], idx);
	wheel_disarm(&shard->message_wheel, idx);
	txn_set(&shard->txn, &queue->bytes, queue->bytes - bytes);
	owners_add_bytes(shard, queue, -bytes);
	txn_set(&shard->txn, &msg->state, MSG_FREE);
	txn_set(&shard->txn, &msg->flags, flags);
	list_append(&shard->txn, &shard->msg_links, &shard->root->messages_free, idx);
}
