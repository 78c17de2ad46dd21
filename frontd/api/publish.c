#include "frontd/api/publish.h"

#include <assert.h>
#include <string.h>

#include "frontd/api/batch.h"
#include "frontd/api/digest.h"
#include "frontd/api/headers.h"
#include "frontd/api/ids.h"
#include "frontd/api/media.h"
#include "frontd/http/units.h"

#define PUBLISHED_TEXT_BYTES 117u /* of what is said about one message */

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

#define PUT(at, text) mempcpy((at), (text), sizeof(text) - 1)

#define TEXT_BEFORE "{\"id\":\""
#define TEXT_BETWEEN "\",\"enqueued_at\":\""
#define TEXT_VISIBLE "\",\"visible_at\":\""
#define TEXT_AFTER "\"}"
#define TEXT_LITERALS TEXT_BEFORE TEXT_BETWEEN TEXT_VISIBLE TEXT_AFTER

/* What all messages say about themselves: as long for each.  Returns its end. */
static char *
put_published(char *at, const char id[MESSAGE_ID_BYTES], const struct published *published, struct time_text *last)
{
	_Static_assert(sizeof(TEXT_LITERALS) - 1 + MESSAGE_ID_BYTES + 2 * RFC3339_BYTES + 1 == PUBLISHED_TEXT_BYTES,
	    "and a comma, or a newline");

	at = PUT(at, TEXT_BEFORE);
	at = mempcpy(at, id, MESSAGE_ID_BYTES);
	at = PUT(at, TEXT_BETWEEN);
	at = put_time(at, last, published->enqueued_ms);
	at = PUT(at, TEXT_VISIBLE);
	at = put_time(at, last, published->visible_ms);
	return PUT(at, TEXT_AFTER);
}

static void
published_id(const struct api_memo *memo, const struct published *published, char id[MESSAGE_ID_BYTES])
{
	message_id_format(&(struct message_id){ .enqueued_ms = published->enqueued_ms, .seq = published->seq, .shard = memo->shard,
	    .msg_idx = published->msg_idx }, id);
}

static char *
put_location(char *at, const struct api_memo *memo, const char id[MESSAGE_ID_BYTES])
{
	at = PUT(at, "/v1/queues/");
	at = mempcpy(at, memo->name, memo->name_bytes);
	at = PUT(at, "/messages/");
	return mempcpy(at, id, MESSAGE_ID_BYTES);
}

static void
head_location(struct answer *answer, const struct api_memo *memo, const char id[MESSAGE_ID_BYTES])
{
	char location[sizeof("/v1/queues//messages/") + NAME_MAX_BYTES + MESSAGE_ID_BYTES];
	char *end = put_location(location, memo, id);

	HTTP_WRITE_OURS(&answer->head, "Location: ", ((struct http_slice){ location, (size_t)(end - location) }));
}

/* Does its head say nothing but what each answer to a message does? */
static bool
is_usual(const struct answer *answer)
{
	return answer->keep_alive && answer->minor_version == 1 && !answer->is_audited && answer->limits[0] == '\0';
}

/* Nearly all answers to one message: what publish_one() makes, head and body in one go. */
static void
publish_usual(const struct api_memo *memo, const struct publish_reply *published, struct answer *answer, struct time_text *last)
{
	char id[MESSAGE_ID_BYTES], *begin = answer_whole(answer, published->is_memory ? 202 : 201), *at = begin;

	published_id(memo, &published->published[0], id);
	at = published->is_memory ? PUT(at, "HTTP/1.1 202 Accepted\r\nDate: ") : PUT(at, "HTTP/1.1 201 Created\r\nDate: ");
	at = mempcpy(at, answer->date.ptr, HTTP_DATE_BYTES);
	_Static_assert(PUBLISHED_TEXT_BYTES == 117, "as it stands there");
	at = PUT(at, "\r\nContent-Type: " ANSWER_JSON "\r\nContent-Length: 117\r\nLocation: ");
	at = put_location(at, memo, id);
	at = published->is_memory ? PUT(at, "\r\nMq-Durability: memory\r\n\r\n") : PUT(at, "\r\nMq-Durability: fsync\r\n\r\n");
	at = put_published(at, id, &published->published[0], last);
	*at++ = '\n';
	answer_whole_end(answer, (size_t)(at - begin));
}

static void
publish_one(const struct api_memo *memo, const struct publish_reply *published, struct answer *answer, struct time_text *last)
{
	char id[MESSAGE_ID_BYTES], *at = answer_reserve(answer, PUBLISHED_TEXT_BYTES);

	published_id(memo, &published->published[0], id);
	*put_published(at, id, &published->published[0], last) = '\n';
	answer_advance(answer, PUBLISHED_TEXT_BYTES);
	answer_head(answer, published->is_memory ? 202 : 201, ANSWER_JSON);
	head_location(answer, memo, id);
}

static void
publish_batch(const struct api_memo *memo, const struct publish_reply *published, struct answer *answer, struct time_text *last)
{
	answer_expect(answer, published->count * PUBLISHED_TEXT_BYTES + 32);
	answer_put(answer, "{\"messages\":[");
	for (uint32_t i = 0; i < published->count; i++) {
		char id[MESSAGE_ID_BYTES], *begin = answer_reserve(answer, PUBLISHED_TEXT_BYTES), *at = begin;

		if (i != 0)
			*at++ = ',';
		published_id(memo, &published->published[i], id);
		answer_advance(answer, (size_t)(put_published(at, id, &published->published[i], last) - begin));
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
}

enum api_answered
publish_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct publish_reply *published = (const struct publish_reply *)reply->frame;
	struct time_text last = { .time_ms = 0, .text = "1970-01-01T00:00:00.000Z" };
	struct http_slice durability = published->is_memory ? HTTP_LITERAL("memory") : HTTP_LITERAL("fsync");

	assert(published->count >= 1 && published->count <= PUBLISH_BATCH_MAX);
	if (!memo->is_batch && is_usual(answer)) {
		publish_usual(memo, published, answer, &last);
		return API_ANSWERED;
	}
	if (memo->is_batch)
		publish_batch(memo, published, answer, &last);
	else
		publish_one(memo, published, answer, &last);
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
