#include "frontd/api/publish.h"

#include <assert.h>
#include <string.h>

#include "frontd/api/batch.h"
#include "frontd/api/digest.h"
#include "frontd/api/headers.h"
#include "frontd/api/ids.h"
#include "frontd/api/media.h"

bool
publish_is_batch(const struct http_request *request)
{
	struct http_slice type = request->known[HTTP_CONTENT_TYPE];

	return media_is(type, BATCH_JSON) || media_is(type, BATCH_NDJSON);
}

bool
publish_plan(struct api_call *call)
{
	call->publish.batch = NULL;
	call->memo.is_batch = publish_is_batch(call->request);
	if (!api_take_queue(call, 2))
		return false;
	if (!digest_check(call))
		return false;
	if (call->memo.is_batch)
		return headers_check_batch(call) && batch_plan(call);
	if (!headers_take_message(call))
		return false;
	call->frame_bytes = FRAME_ALIGN((uint32_t)(sizeof(struct publish_request) + sizeof(struct publish_item)) +
	    call->publish.attributes_bytes + (uint32_t)call->body.len);
	return true;
}

uint32_t
publish_fill(struct api_call *call, void *frame)
{
	struct publish_request *request = frame;
	struct publish_plan *plan = &call->publish;

	api_put_queue(&call->memo, &request->queue);
	request->reserved = 0;
	if (plan->batch != NULL)
		return batch_fill(call, request);
	request->count = 1;
	struct publish_item *item = (struct publish_item *)(request + 1);
	*item = (struct publish_item){
		.delay_ms = plan->delay_ms,
		.not_before_ms = plan->not_before_ms,
		.attributes_bytes = plan->attributes_bytes,
		.body_bytes = (uint32_t)call->body.len,
	};
	char *at = (char *)(item + 1);
	memcpy(at, plan->attributes, plan->attributes_bytes);
	if (call->body.len != 0)
		memcpy(at + plan->attributes_bytes, call->body.ptr, call->body.len); /* the one copy of a body in this process */
	at += plan->attributes_bytes + call->body.len;
	memset(at, 0, (size_t)((char *)frame + call->frame_bytes - at));
	return call->frame_bytes;
}

static void
put_id(struct answer *answer, const struct api_memo *memo, const struct published *published)
{
	struct message_id id = {
		.enqueued_ms = published->enqueued_ms,
		.seq = published->seq,
		.shard = memo->shard,
		.msg_idx = published->msg_idx,
	};

	message_id_format(&id, answer_reserve(answer, MESSAGE_ID_BYTES));
	answer_advance(answer, MESSAGE_ID_BYTES);
}

static void
put_published(struct answer *answer, const struct api_memo *memo, const struct published *published)
{
	answer_put(answer, "{\"id\":\"");
	put_id(answer, memo, published);
	answer_put(answer, "\",\"enqueued_at\":");
	answer_put_time(answer, published->enqueued_ms);
	answer_put(answer, ",\"visible_at\":");
	answer_put_time(answer, published->visible_ms);
	answer_put(answer, "}");
}

static void
head_location(struct answer *answer, const struct api_memo *memo, const struct published *published)
{
	char location[sizeof("/v1/queues//messages/") + NAME_MAX_BYTES + MESSAGE_ID_BYTES];
	struct message_id id = {
		.enqueued_ms = published->enqueued_ms,
		.seq = published->seq,
		.shard = memo->shard,
		.msg_idx = published->msg_idx,
	};
	char *at = location;

	at = mempcpy(at, "/v1/queues/", 11);
	at = mempcpy(at, memo->name, memo->name_bytes);
	at = mempcpy(at, "/messages/", 10);
	message_id_format(&id, at);
	at += MESSAGE_ID_BYTES;
	http_write_field(&answer->head, "Location", (struct http_slice){ location, (size_t)(at - location) });
}

enum api_answered
publish_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct publish_reply *published = (const struct publish_reply *)reply->frame;
	struct http_slice durability = published->is_memory ? HTTP_LITERAL("memory") : HTTP_LITERAL("fsync");

	assert(published->count >= 1 && published->count <= PUBLISH_BATCH_MAX);
	if (!memo->is_batch) {
		put_published(answer, memo, &published->published[0]);
		answer_put(answer, "\n");
		answer_head(answer, published->is_memory ? 202 : 201, ANSWER_JSON);
		head_location(answer, memo, &published->published[0]);
	} else {
		answer_put(answer, "{\"messages\":[");
		for (uint32_t i = 0; i < published->count; i++) {
			if (i != 0)
				answer_put(answer, ",");
			put_published(answer, memo, &published->published[i]);
		}
		answer_put(answer, "]}\n");
		answer_head(answer, 200, ANSWER_JSON);
	}
	http_write_field(&answer->head, "Mq-Durability", durability);
	answer_end(answer);
	return API_ANSWERED;
}

void
publish_end(struct api_call *call)
{
	batch_free(call->publish.batch);
	call->publish.batch = NULL;
}
