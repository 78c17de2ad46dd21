#include "frontd/api/receive.h"

#include <assert.h>
#include <string.h>

#include "frontd/api/headers.h"
#include "frontd/api/ids.h"
#include "frontd/api/json.h"
#include "frontd/api/media.h"
#include "frontd/http/text.h"
#include "frontd/http/units.h"
#include "shm/attributes.h"

#define MESSAGE_TEXT_BYTES 384u /* of a message in JSON, besides body and attributes */
#define NAMES_TEXT_BYTES (24u + MESSAGE_ID_BYTES + RECEIPT_BYTES) /* of it, put_names() at most */
#define HISTORY_TEXT_BYTES (96u + 2 * NUMBER_BYTES_MAX + 3 * (RFC3339_BYTES + 2)) /* and put_history() */

bool
receive_plan(struct api_call *call)
{
	uint64_t max = 1, wait_ms = 0, seconds;
	struct receive_plan *plan = &call->receive;
	struct json_rule rules[] = {
		{ "max", JSON_RULE_COUNT, .min = 1, .max = RECEIVE_BATCH_MAX, .number = &max },
		{ "lease", JSON_RULE_DURATION, .max = LEASE_MS_MAX, .number = &plan->lease_ms },
		{ "wait", JSON_RULE_DURATION, .max = WAIT_MS_MAX, .number = &wait_ms },
	};

	plan->lease_ms = LEASE_DEFAULT;
	if (!api_take_queue(call, 2))
		return false;
	if (!json_take_body(call, rules, 3))
		return false;
	if (call->memo.wants_raw && max != 1)
		return api_refuse(call, OUTCOME_BAD_FIELD, "max: application/octet-stream takes one message");
	if (rules[2].seen == JSON_ABSENT && media_prefers_wait(call->request, &seconds)) {
		/* A preference may be met in part (RFC 7240). */
		if (seconds > WAIT_MS_MAX / 1000)
			seconds = WAIT_MS_MAX / 1000;
		wait_ms = seconds * 1000;
		call->memo.preferred_wait_s = (uint16_t)seconds;
	}
	plan->max = (uint32_t)max;
	call->memo.wait_ms = (uint32_t)wait_ms;
	call->frame_bytes = sizeof(struct receive_request);
	return true;
}

uint32_t
receive_fill(struct api_call *call, void *frame)
{
	struct receive_request *request = frame;

	api_put_queue(&call->memo, &request->queue);
	request->lease_ms = call->receive.lease_ms;
	request->max = call->receive.max;
	request->wait_ms = call->memo.wait_ms;
	request->waiter_slot = call->waiter_slot;
	request->bytes_max = RECEIVE_BODY_BYTES_MAX;
	return sizeof(*request);
}

static void
head_preference(struct answer *answer, const struct api_memo *memo)
{
	char text[5 + NUMBER_BYTES_MAX] = "wait=";

	if (memo->preferred_wait_s == 0)
		return;
	size_t len = 5 + number_format(memo->preferred_wait_s, text + 5);
	http_write_field(&answer->head, "Preference-Applied", (struct http_slice){ text, len });
}

void
receive_answer_empty(const struct api_memo *memo, struct answer *answer)
{
	answer_head(answer, 204, NULL);
	head_preference(answer, memo);
	answer_end(answer);
}

static void
delivery_id(const struct receive_reply *reply, const struct delivery *delivery, char out[MESSAGE_ID_BYTES])
{
	struct message_id id = {
		.enqueued_ms = delivery->enqueued_ms,
		.seq = delivery->seq,
		.shard = reply->shard,
		.msg_idx = delivery->msg_idx,
	};

	message_id_format(&id, out);
}

static void
delivery_receipt(const struct receive_reply *reply, const struct delivery *delivery, char out[RECEIPT_BYTES])
{
	receipt_format(&(struct receipt){ .token = delivery->token, .msg_idx = delivery->msg_idx }, reply->shard, out);
}

static bool
is_content_type(const struct attribute *attribute)
{
	return attribute->name_bytes == 12 && memcmp(attribute->name, "Content-Type", 12) == 0;
}

enum attribute_group { GROUP_CUSTOM, GROUP_HEADERS };

/* The stored attributes of one group as the members of a JSON object; nothing when there are none. */
static void
put_attributes(struct answer *answer, const struct delivery *delivery, const char *bytes, enum attribute_group group)
{
	struct attribute attribute;
	uint32_t position = 0;
	bool is_first = true;

	while (attributes_next(bytes, delivery->attributes_bytes, &position, &attribute)) {
		struct http_slice name = { attribute.name, attribute.name_bytes };
		struct http_slice custom = headers_attribute(name);

		if (is_content_type(&attribute) || (custom.ptr != NULL) != (group == GROUP_CUSTOM))
			continue;
		if (is_first)
			answer_put(answer, group == GROUP_CUSTOM ? ",\"attributes\":{" : ",\"headers\":{");
		else
			answer_put(answer, ",");
		is_first = false;
		answer_put_string(answer, group == GROUP_CUSTOM ? custom : name);
		answer_put(answer, ":");
		answer_put_string(answer, (struct http_slice){ attribute.value, attribute.value_bytes });
	}
	if (!is_first)
		answer_put(answer, "}");
	else if (group == GROUP_CUSTOM)
		answer_put(answer, ",\"attributes\":{}");
}

static struct http_slice
stored_content_type(const struct delivery *delivery, const char *bytes)
{
	struct attribute attribute;
	uint32_t position = 0;

	while (attributes_next(bytes, delivery->attributes_bytes, &position, &attribute))
		if (is_content_type(&attribute))
			return (struct http_slice){ attribute.value, attribute.value_bytes };
	return (struct http_slice){ .ptr = NULL };
}

#define PUT(at, text) mempcpy((at), (text), sizeof(text) - 1)

static void
put_names(struct answer *answer, const char id[MESSAGE_ID_BYTES], const char receipt[RECEIPT_BYTES])
{
	char *begin = answer_reserve(answer, NAMES_TEXT_BYTES), *at = PUT(begin, "{\"id\":\"");

	at = mempcpy(at, id, MESSAGE_ID_BYTES);
	at = PUT(at, "\",\"receipt\":\"");
	at = mempcpy(at, receipt, RECEIPT_BYTES);
	at = PUT(at, "\"");
	answer_advance(answer, (size_t)(at - begin));
}

static char *
put_time(char *at, uint64_t time_ms)
{
	if (time_ms == 0)
		return PUT(at, "null");
	*at++ = '"';
	at += rfc3339_format(time_ms < TIME_MS_MAX ? time_ms : TIME_MS_MAX, at);
	*at++ = '"';
	return at;
}

static void
put_history(struct answer *answer, const struct delivery *delivery)
{
	char *begin = answer_reserve(answer, HISTORY_TEXT_BYTES), *at = PUT(begin, ",\"delivery_count\":");

	at += number_format(delivery->delivery_count, at);
	at = PUT(at, ",\"acquire_count\":");
	at += number_format(delivery->acquire_count, at);
	at = PUT(at, ",\"enqueued_at\":");
	at = put_time(at, delivery->enqueued_ms);
	at = PUT(at, ",\"first_delivered_at\":");
	at = put_time(at, delivery->first_delivered_ms);
	at = PUT(at, ",\"lease_expires_at\":");
	at = put_time(at, delivery->lease_ends_ms);
	at = PUT(at, "}");
	answer_advance(answer, (size_t)(at - begin));
}

static void
put_message(struct answer *answer, const struct receive_reply *reply, const struct delivery *delivery, const char *bytes)
{
	struct http_slice body = { bytes + delivery->attributes_bytes, delivery->body_bytes };
	struct http_slice content_type = stored_content_type(delivery, bytes);
	char id[MESSAGE_ID_BYTES], receipt[RECEIPT_BYTES];

	delivery_id(reply, delivery, id);
	delivery_receipt(reply, delivery, receipt);
	put_names(answer, id, receipt);
	/* Nearly all of most bodies, and then it is looked at once. */
	size_t plain = body.len == 0 ? 0 : (size_t)(text_skip_plain(body.ptr, body.ptr + body.len) - body.ptr);
	if (text_is_utf8((struct http_slice){ body.ptr + plain, body.len - plain })) {
		answer_put(answer, ",\"body\":");
		answer_put_text(answer, body, plain);
	} else {
		answer_put(answer, ",\"body_base64\":");
		answer_put_base64(answer, body.ptr, body.len);
	}
	if (content_type.ptr != NULL) {
		answer_put(answer, ",\"content_type\":");
		answer_put_string(answer, content_type);
	}
	put_attributes(answer, delivery, bytes, GROUP_CUSTOM);
	put_attributes(answer, delivery, bytes, GROUP_HEADERS);
	put_history(answer, delivery);
}

static void
head_time(struct answer *answer, const char *name, uint64_t time_ms)
{
	char text[RFC3339_BYTES];

	http_write_field(&answer->head, name, (struct http_slice){ text, rfc3339_format(time_ms, text) });
}

static void
answer_raw(const struct api_memo *memo, const struct receive_reply *reply, const struct delivery *delivery, const char *bytes,
    struct answer *answer)
{
	struct http_slice content_type = stored_content_type(delivery, bytes);
	char id[MESSAGE_ID_BYTES], receipt[RECEIPT_BYTES];
	struct attribute attribute;
	uint32_t position = 0;

	delivery_id(reply, delivery, id);
	delivery_receipt(reply, delivery, receipt);
	answer_head_room(answer, ANSWER_HEAD_BYTES + delivery->attributes_bytes * 2);
	answer_put_bytes(answer, bytes + delivery->attributes_bytes, delivery->body_bytes);
	answer_head_typed(answer, 200, content_type.ptr != NULL ? content_type : HTTP_LITERAL(ANSWER_RAW));
	http_write_field(&answer->head, "Mq-Message-Id", (struct http_slice){ id, sizeof(id) });
	http_write_field(&answer->head, "Mq-Receipt", (struct http_slice){ receipt, sizeof(receipt) });
	http_write_field_number(&answer->head, "Mq-Delivery-Count", delivery->delivery_count);
	http_write_field_number(&answer->head, "Mq-Acquire-Count", delivery->acquire_count);
	head_time(answer, "Mq-Enqueued-At", delivery->enqueued_ms);
	head_time(answer, "Mq-Lease-Expires", delivery->lease_ends_ms);
	head_preference(answer, memo);
	while (attributes_next(bytes, delivery->attributes_bytes, &position, &attribute))
		if (!is_content_type(&attribute))
			http_write_field_named(&answer->head, (struct http_slice){ attribute.name, attribute.name_bytes },
			    (struct http_slice){ attribute.value, attribute.value_bytes });
	answer_end(answer);
}

/* Without escapes, which few bodies need. */
static size_t
expected_bytes(const struct api_memo *memo, const struct receive_reply *received)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < received->count && !memo->wants_raw; i++)
		bytes += MESSAGE_TEXT_BYTES + received->deliveries[i].attributes_bytes + received->deliveries[i].body_bytes;
	return bytes;
}

enum api_answered
receive_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct receive_reply *received = (const struct receive_reply *)reply->frame;
	enum outcome failure = OUTCOME_OK;
	uint32_t delivered = 0;

	if (received->reply.header.op == OUTCOME_EMPTY) {
		receive_answer_empty(memo, answer);
		return API_ANSWERED;
	}
	assert(received->count >= 1 && received->count <= RECEIVE_BATCH_MAX);
	answer_expect(answer, expected_bytes(memo, received));
	for (uint32_t i = 0; i < received->count; i++) {
		const struct delivery *delivery = &received->deliveries[i];

		if (reply->bodies[i].outcome != OUTCOME_OK) {
			failure = reply->bodies[i].outcome;
			continue;
		}
		if (memo->wants_raw) {
			answer_raw(memo, received, delivery, reply->bodies[i].attributes, answer);
			return API_ANSWERED;
		}
		answer_put(answer, delivered++ == 0 ? "{\"messages\":[" : ",");
		put_message(answer, received, delivery, reply->bodies[i].attributes);
	}
	if (delivered == 0) {
		char id[MESSAGE_ID_BYTES];

		delivery_id(received, &received->deliveries[0], id);
		answer_outcome(answer, failure, "message %.*s", MESSAGE_ID_BYTES, id);
		return API_ANSWERED;
	}
	answer_put(answer, "]}\n");
	answer_head(answer, 200, ANSWER_JSON);
	head_preference(answer, memo);
	answer_end(answer);
	return API_ANSWERED;
}

uint32_t
receive_fill_release(const struct api_memo *memo, const struct receipt *receipts, uint32_t count, void *frame)
{
	uint32_t bytes = (uint32_t)(sizeof(struct settle_request) + count * sizeof(struct receipt));
	struct settle_request *request = frame;

	if (frame == NULL)
		return bytes;
	api_put_queue(memo, &request->queue);
	request->lease_ms = DELAY_DEFAULT;
	request->mode = NACK_RELEASE;
	request->count = count;
	memcpy(request + 1, receipts, count * sizeof(struct receipt));
	return bytes;
}
