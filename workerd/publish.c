/*
 * publish: take 1 to 1000 messages, all or nothing.
 *
 * Happy path: publish_measure() copies and checks every length of the frame; publish_decide() asks whether the queue, the
 * tables, the stream and the journal have room for all of them; then each is recorded (attributes and body copied into the
 * stream ring, hashed there) and applied.
 * Failure modes: a frame whose lengths do not add up is BAD_REQUEST; no room is a refusal that names what is full; the bytes
 * of a body may change while they are copied, so the hash is taken of the copy.
 */
#include <string.h>

#include "shm/atomic.h"
#include "shm/hash.h"
#include "workerd/answer.h"
#include "workerd/append.h"
#include "workerd/apply.h"
#include "workerd/dispatch.h"
#include "workerd/quota.h"

/* What a batch needs, summed up by publish_measure(). */
struct publish_needs {
	uint64_t payload_bytes;
	uint64_t record_bytes;
	uint32_t body_bytes_max;
	uint32_t count;
};

static uint64_t
record_bytes_of(const struct publish_part *part)
{
	return FRAME_ALIGN(RECORD_PUBLISHED_BYTES + (uint64_t)part->attributes_bytes + part->body_bytes);
}

/* When it becomes visible: 0 at once. */
static enum outcome
publish_visible(const struct publish_item *item, uint64_t now_ms, uint64_t default_delay_ms, uint64_t *visible_ms)
{
	uint64_t delay_ms = item->delay_ms == DELAY_DEFAULT ? default_delay_ms : item->delay_ms;

	if (item->not_before_ms != 0)
		delay_ms = item->not_before_ms > now_ms ? item->not_before_ms - now_ms : 0;
	if (delay_ms > DELAY_MS_MAX)
		return OUTCOME_BAD_FIELD;
	*visible_ms = delay_ms == 0 ? 0 : now_ms + delay_ms;
	return OUTCOME_OK;
}

/* Copy the items' headers out of the frame into worker->parts and check that everything lies within it. */
static enum outcome
publish_measure(struct worker *worker, const struct request *request, const struct queue_config *config,
    struct publish_needs *needs)
{
	uint64_t offset = sizeof(struct publish_request);

	assert(needs->count >= 1 && needs->count <= PUBLISH_BATCH_MAX);
	for (uint32_t i = 0; i < needs->count; i++) {
		struct publish_part *part = &worker->parts[i];
		struct publish_item item;

		if (!request_read(request, &offset, &item, sizeof(item)))
			return OUTCOME_BAD_REQUEST;
		if (item.attributes_bytes > ATTRIBUTES_BYTES_MAX || item.body_bytes > BODY_BYTES_MAX)
			return OUTCOME_TOO_LARGE;
		uint64_t bytes = (uint64_t)item.attributes_bytes + item.body_bytes;
		if (offset + bytes > request->header.bytes)
			return OUTCOME_BAD_REQUEST;
		*part = (struct publish_part){ .attributes_bytes = item.attributes_bytes, .body_bytes = item.body_bytes,
			.offset = offset };
		enum outcome outcome = publish_visible(&item, worker_now(worker), config->delay_ms, &part->visible_ms);
		if (outcome != OUTCOME_OK)
			return outcome;
		offset += FRAME_ALIGN(bytes);
		needs->payload_bytes += bytes;
		needs->record_bytes += record_bytes_of(part);
		if (item.body_bytes > needs->body_bytes_max)
			needs->body_bytes_max = item.body_bytes;
	}
	return needs->payload_bytes <= FRAME_PAYLOAD_BYTES_MAX ? OUTCOME_OK : OUTCOME_TOO_LARGE;
}

static enum outcome
journal_decide(const struct worker *worker)
{
	switch (load_relaxed(&worker->durable.shared->journal_state)) {
	case JOURNAL_DISK_FULL:
		return OUTCOME_DISK_FULL;
	case JOURNAL_FAILED:
		return OUTCOME_JOURNAL_FAILED;
	default:
		return OUTCOME_OK; /* also while persistd starts: it waits in the stream ring */
	}
}

static enum outcome
publish_decide(struct worker *worker, const struct queue *queue, const struct publish_needs *needs)
{
	const struct queue_config *config = &queue->config;
	uint64_t stream_bytes = needs->record_bytes + append_reserve_bytes(worker);

	assert(needs->record_bytes >= needs->payload_bytes + (uint64_t)needs->count * RECORD_PUBLISHED_BYTES);
	assert(needs->record_bytes <= TXN_RECORD_BYTES_MAX);
	if (needs->body_bytes_max > config->max_message_bytes || stream_bytes > worker->stream.size_bytes)
		return OUTCOME_TOO_LARGE;
	/* Not `full`: it would not fit into the empty queue either, so trying again is no help. */
	if ((config->max_bytes != 0 && needs->payload_bytes > config->max_bytes) ||
	    (config->max_messages != 0 && needs->count > config->max_messages))
		return OUTCOME_TOO_LARGE;
	enum outcome outcome = journal_decide(worker);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (config->max_messages != 0 && queue_message_count(queue) + needs->count > config->max_messages)
		return OUTCOME_QUEUE_FULL;
	if (config->max_bytes != 0 && queue->bytes + needs->payload_bytes > config->max_bytes)
		return OUTCOME_QUEUE_FULL;
	if (queue->owner != 0 && (outcome = quota_decide_bytes(worker, queue->owner, needs->payload_bytes)) != OUTCOME_OK)
		return outcome;
	if (msg_room(&worker->shard) < needs->count)
		return OUTCOME_SHARD_FULL;
	if (append_room(worker, stream_bytes) < stream_bytes)
		return OUTCOME_BUSY;
	return OUTCOME_OK;
}

/* Record and apply one message. */
static const struct published_record *
publish_one(struct worker *worker, const struct request *request, const struct publish_part *part, uint32_t queue_idx,
    uint16_t flags)
{
	uint32_t payload_bytes = part->attributes_bytes + part->body_bytes;
	uint32_t bytes = (uint32_t)record_bytes_of(part);
	struct published_record *record = append_begin(worker, RECORD_PUBLISHED, bytes);
	char *payload = (char *)(record + 1);

	assert(part->offset + payload_bytes <= request->header.bytes);
	assert(bytes >= RECORD_PUBLISHED_BYTES + payload_bytes);
	memcpy(payload, request->frame + part->offset, payload_bytes);
	memset(payload + payload_bytes, 0, bytes - RECORD_PUBLISHED_BYTES - payload_bytes);
	record->seq = worker->shard.root->next_seq;
	record->visible_ms = part->visible_ms;
	record->payload_hash = hash_bytes(payload, payload_bytes);
	record->queue_idx = queue_idx;
	record->msg_idx = msg_next_free(&worker->shard);
	record->attributes_bytes = part->attributes_bytes;
	record->body_bytes = part->body_bytes;
	append_end(worker, record, bytes, flags);
	published_apply(&worker->shard, &record->record);
	return record;
}

void
published_apply(struct shard *shard, const struct record *record)
{
	const struct published_record *published = (const struct published_record *)record;
	struct queue *queue = queue_at(shard, published->queue_idx);

	assert(published->seq == shard->root->next_seq);
	assert(queue->state == QUEUE_LIVE);
	assert(published->visible_ms == 0 || published->visible_ms > record->time_ms);
	assert(published->body_bytes <= BODY_BYTES_MAX && published->attributes_bytes <= ATTRIBUTES_BYTES_MAX);
	msg_take(shard, published->msg_idx, &(struct msg_birth){
		.seq = published->seq,
		.lsn = record->lsn,
		.time_ms = record->time_ms,
		.visible_ms = published->visible_ms,
		.queue_idx = published->queue_idx,
		.attributes_bytes = published->attributes_bytes,
		.body_bytes = published->body_bytes,
	});
	txn_set(&shard->txn, &shard->root->next_seq, published->seq + 1);
	txn_set(&shard->txn, &queue->totals.published, queue->totals.published + 1);
	queue_offer(shard, published->queue_idx);
}

static void
publish_all(struct worker *worker, const struct request *request, uint32_t queue_idx, struct publish_reply *reply)
{
	for (uint32_t i = 0; i < reply->count; i++) {
		uint16_t flags = i + 1 == reply->count ? RECORD_LAST : 0;
		const struct published_record *record = publish_one(worker, request, &worker->parts[i], queue_idx, flags);

		assert(record->queue_idx == queue_idx);
		reply->published[i] = (struct published){
			.seq = record->seq,
			.enqueued_ms = record->record.time_ms,
			.visible_ms = record->visible_ms != 0 ? record->visible_ms : record->record.time_ms,
			.msg_idx = record->msg_idx,
		};
	}
}

enum served
publish_serve(struct worker *worker, const struct request *request)
{
	struct publish_request wish;
	uint64_t offset = 0;
	uint32_t idx;

	if (!request_read(request, &offset, &wish, sizeof(wish)) || wish.count == 0 || wish.count > PUBLISH_BATCH_MAX)
		return answer_refusal(worker, request, OUTCOME_BAD_REQUEST);
	enum outcome outcome = request_queue(worker, &wish.queue, RIGHT_PUBLISH, &idx);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);
	const struct queue *queue = queue_at(&worker->shard, idx);
	struct publish_needs needs = { .count = wish.count };

	outcome = publish_measure(worker, request, &queue->config, &needs);
	if (outcome == OUTCOME_OK)
		outcome = publish_decide(worker, queue, &needs);
	if (outcome != OUTCOME_OK)
		return answer_refusal(worker, request, outcome);

	uint32_t bytes = sizeof(struct publish_reply) + wish.count * (uint32_t)sizeof(struct published);
	struct publish_reply *reply = answer_begin(worker, request->from, bytes);
	if (reply == NULL)
		return SERVE_LATER;
	reply->count = wish.count;
	reply->is_memory = queue->config.durability == DURABILITY_MEMORY;
	publish_all(worker, request, idx, reply);
	stat_add(&worker->stats->published, wish.count);
	answer_end(worker, request->from, &(struct answer){ .reply = &reply->reply, .bytes = bytes, .outcome = OUTCOME_OK,
		.lsn = answer_lsn(worker, queue) });
	return SERVED;
}
