#include "frontd/api/publish.h"

#include <assert.h>
#include <string.h>

#include "frontd/api/batch.h"
#include "frontd/api/digest.h"
#include "frontd/api/headers.h"
#include "frontd/api/ids.h"
#include "frontd/api/media.h"
#include "frontd/http/units.h"

#define PUBLISHED_TEXT_BYTES 144u /* of what is said about one message */

bool
publish_is_batch(const struct http_request *request)
{
	struct http_slice type = request->known[HTTP_CONTENT_TYPE];

	return media_is(type, BATCH_JSON) || media_is(type, BATCH_NDJSON);
}

/* What the head said when it came before. */
static void
plan_recall(struct api_call *call)
{
	const struct api_known *known = call->known;

	call->publish.delay_ms = known->delay_ms;
	call->publish.not_before_ms = 0;
	call->publish.attributes_bytes = known->attributes_bytes;
	memcpy(call->publish.attributes, known->attributes, known->attributes_bytes);
}

/* The head came before, and is one that frontd/heads.c keeps: without a digest and a time. */
static void
plan_remember(const struct api_call *call)
{
	struct api_known *known = call->known;

	if (!call->memo.is_batch) {
		if (call->publish.attributes_bytes > sizeof(known->attributes))
			return;
		assert(call->publish.not_before_ms == 0);
		known->delay_ms = call->publish.delay_ms;
		known->attributes_bytes = call->publish.attributes_bytes;
		memcpy(known->attributes, call->publish.attributes, known->attributes_bytes);
	}
	api_known_take(known, call);
	known->is_planned = true;
}

static bool
plan_head(struct api_call *call)
{
	call->memo.is_batch = publish_is_batch(call->request);
	if (!api_take_queue(call, 2))
		return false;
	if (!digest_check(call))
		return false;
	return call->memo.is_batch ? headers_check_batch(call) : headers_take_message(call);
}

bool
publish_plan(struct api_call *call)
{
	bool is_known = call->known != NULL && call->known->is_planned;

	call->publish.batch = NULL;
	if (!is_known && !plan_head(call))
		return false;
	if (is_known && !call->memo.is_batch)
		plan_recall(call);
	else if (call->known != NULL && !is_known)
		plan_remember(call);
	if (call->memo.is_batch)
		return batch_plan(call);
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

/* The time written last: most messages of a batch have the same, twice. */
struct time_text {
	uint64_t time_ms;
	char text[RFC3339_BYTES];
};

static char *
put_time(char *at, struct time_text *last, uint64_t time_ms)
{
	if (last->time_ms != time_ms) {
		rfc3339_format(time_ms < TIME_MS_MAX ? time_ms : TIME_MS_MAX, last->text);
		last->time_ms = time_ms;
	}
	return mempcpy(at, last->text, RFC3339_BYTES);
}

/* Returns where the id stands; good until something more is put. */
static const char *
put_published(struct answer *answer, const struct api_memo *memo, const struct published *published, struct time_text *last)
{
	static const char before[] = "{\"id\":\"", between[] = "\",\"enqueued_at\":\"", visible[] = "\",\"visible_at\":\"",
	    after[] = "\"}";
	_Static_assert(sizeof(before) + MESSAGE_ID_BYTES + sizeof(between) + sizeof(visible) + 2 * RFC3339_BYTES +
	    sizeof(after) <= PUBLISHED_TEXT_BYTES, "and a comma");
	struct message_id id = {
		.enqueued_ms = published->enqueued_ms,
		.seq = published->seq,
		.shard = memo->shard,
		.msg_idx = published->msg_idx,
	};
	char *begin = answer_reserve(answer, PUBLISHED_TEXT_BYTES);
	char *at = mempcpy(begin, before, sizeof(before) - 1), *id_at = at;

	message_id_format(&id, at);
	at = mempcpy(at + MESSAGE_ID_BYTES, between, sizeof(between) - 1);
	at = put_time(at, last, published->enqueued_ms);
	at = mempcpy(at, visible, sizeof(visible) - 1);
	at = put_time(at, last, published->visible_ms);
	at = mempcpy(at, after, sizeof(after) - 1);
	answer_advance(answer, (size_t)(at - begin));
	return id_at;
}

static void
head_location(struct answer *answer, const struct api_memo *memo, const char id[MESSAGE_ID_BYTES])
{
	char location[sizeof("/v1/queues//messages/") + NAME_MAX_BYTES + MESSAGE_ID_BYTES];
	char *at = location;

	at = mempcpy(at, "/v1/queues/", 11);
	at = mempcpy(at, memo->name, memo->name_bytes);
	at = mempcpy(at, "/messages/", 10);
	at = mempcpy(at, id, MESSAGE_ID_BYTES);
	HTTP_WRITE_OURS(&answer->head, "Location: ", ((struct http_slice){ location, (size_t)(at - location) }));
}

enum api_answered
publish_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct publish_reply *published = (const struct publish_reply *)reply->frame;
	struct time_text last = { .time_ms = 0, .text = "1970-01-01T00:00:00.000Z" };
	struct http_slice durability = published->is_memory ? HTTP_LITERAL("memory") : HTTP_LITERAL("fsync");

	assert(published->count >= 1 && published->count <= PUBLISH_BATCH_MAX);
	if (!memo->is_batch) {
		char id[MESSAGE_ID_BYTES];

		memcpy(id, put_published(answer, memo, &published->published[0], &last), sizeof(id));
		answer_put(answer, "\n");
		answer_head(answer, published->is_memory ? 202 : 201, ANSWER_JSON);
		head_location(answer, memo, id);
	} else {
		answer_expect(answer, published->count * PUBLISHED_TEXT_BYTES + 32);
		answer_put(answer, "{\"messages\":[");
		for (uint32_t i = 0; i < published->count; i++) {
			if (i != 0)
				answer_put(answer, ",");
			put_published(answer, memo, &published->published[i], &last);
		}
		answer_put(answer, "]}\n");
		answer_head(answer, 200, ANSWER_JSON);
	}
	HTTP_WRITE_OURS(&answer->head, "Mq-Durability: ", durability);
	answer_end(answer);
	return API_ANSWERED;
}

void
publish_end(struct api_call *call)
{
	batch_free(call->publish.batch);
	call->publish.batch = NULL;
}
