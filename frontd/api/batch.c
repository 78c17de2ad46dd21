#include "frontd/api/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/json.h"
#include "frontd/api/media.h"
#include "frontd/http/grammar.h"
#include "frontd/http/text.h"
#include "shm/attributes.h"

struct batch_item {
	uint64_t delay_ms;
	uint64_t not_before_ms;
	struct http_slice body;     /* in call->json */
	bool is_base64;
	uint32_t attributes_at;     /* in batch->attributes */
	uint32_t attributes_bytes;
};

struct publish_batch {
	uint32_t count;
	uint32_t attributes_used;
	uint32_t attributes_size;
	char *attributes;
	struct batch_item items[PUBLISH_BATCH_MAX];
};

void
batch_free(struct publish_batch *batch)
{
	if (batch == NULL)
		return;
	free(batch->attributes);
	free(batch);
}

static bool
is_field_value(struct http_slice value)
{
	return http_find_ctl(value.ptr, value.ptr + value.len) == value.ptr + value.len;
}

static bool
is_token(struct http_slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!http_is(HTTP_CLASS_TOKEN, name.ptr[i]))
			return false;
	return name.len != 0;
}

/* Room for the attributes of one more message. */
static char *
batch_attributes(struct publish_batch *batch)
{
	if (batch->attributes_size - batch->attributes_used < ATTRIBUTES_BYTES_MAX) {
		uint32_t size = batch->attributes_size * 2 + ATTRIBUTES_BYTES_MAX;
		char *attributes = realloc(batch->attributes, size);

		assert(attributes != NULL); /* bounded by the body's size; the process dies rather than to lie */
		batch->attributes = attributes;
		batch->attributes_size = size;
	}
	return batch->attributes + batch->attributes_used;
}

/* "attributes": {"name": "value"} and "content_type", as a publish of one message would store its headers. */
static bool
take_attributes(struct api_call *call, struct batch_item *item, struct http_slice content_type, const json_t *attributes,
    const char *where)
{
	struct publish_batch *batch = call->publish.batch;
	char *room = batch_attributes(batch), name[NAME_MAX_BYTES * 2] = "Mq-Attr-";
	uint32_t used = 0;
	const char *key;
	json_t *value;

	if (content_type.ptr != NULL) {
		if (!is_field_value(content_type) ||
		    !attributes_add(room, &used, ATTRIBUTES_BYTES_MAX, "Content-Type", 12, content_type.ptr, content_type.len))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%scontent_type", where);
	}
	json_object_foreach((json_t *)(uintptr_t)attributes, key, value) { /* NULL: none */
		size_t key_bytes = strlen(key);

		if (key_bytes > sizeof(name) - 8 || !is_token((struct http_slice){ key, key_bytes }))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes: a name is a token of at most %zu bytes", where,
			    sizeof(name) - 8);
		if (!json_is_string(value) || !is_field_value(json_slice(value)))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes.%.60s: a string without control characters",
			    where, key);
		memcpy(name + 8, key, key_bytes);
		if (!attributes_add(room, &used, ATTRIBUTES_BYTES_MAX, name, 8 + key_bytes, json_string_value(value),
		    json_string_length(value)))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes: more than %u bytes in all", where,
			    ATTRIBUTES_BYTES_MAX);
	}
	item->attributes_at = batch->attributes_used;
	item->attributes_bytes = used;
	batch->attributes_used += used;
	return true;
}

static bool
take_item(struct api_call *call, const json_t *json)
{
	struct publish_batch *batch = call->publish.batch;
	struct http_slice body = { 0 }, base64 = { 0 }, content_type = { 0 };
	json_t *attributes = NULL;
	char where[24];

	if (batch->count == PUBLISH_BATCH_MAX)
		return api_refuse(call, OUTCOME_TOO_LARGE, "more than %d messages", PUBLISH_BATCH_MAX);
	struct batch_item *item = &batch->items[batch->count];
	*item = (struct batch_item){ .delay_ms = DELAY_DEFAULT };
	struct json_rule rules[] = {
		{ "body", JSON_RULE_TEXT, .text = &body },
		{ "body_base64", JSON_RULE_TEXT, .text = &base64 },
		{ "content_type", JSON_RULE_TEXT, .text = &content_type },
		{ "delay", JSON_RULE_DURATION, .max = DELAY_MS_MAX, .number = &item->delay_ms },
		{ "not_before", JSON_RULE_TIME, .max = call->world->now_ms + DELAY_MS_MAX, .number = &item->not_before_ms },
		{ "attributes", JSON_RULE_OBJECT, .json = &attributes },
		{ "ttl", .kind = JSON_RULE_LATER },
		{ "group", .kind = JSON_RULE_LATER },
		{ "priority", .kind = JSON_RULE_LATER },
		{ "key", .kind = JSON_RULE_LATER },
	};
	snprintf(where, sizeof(where), "messages[%u].", batch->count);
	if (!json_is_object(json))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%.*s: an object", (int)strlen(where) - 1, where);
	if (!json_take(call, json, rules, sizeof(rules) / sizeof(rules[0]), where))
		return false;
	if ((body.ptr == NULL) == (base64.ptr == NULL))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%sbody or %sbody_base64: one of them", where, where);
	item->is_base64 = base64.ptr != NULL;
	item->body = item->is_base64 ? base64 : body;
	if (!take_attributes(call, item, content_type, attributes, where))
		return false;
	batch->count++;
	return true;
}

static bool
take_json(struct api_call *call)
{
	json_t *messages = NULL, *message;
	size_t index;
	struct json_rule rules[] = { { "messages", JSON_RULE_ARRAY, .json = &messages } };

	if (!json_take_body(call) || !json_take(call, call->json, rules, 1, ""))
		return false;
	json_array_foreach(messages, index, message)
		if (!take_item(call, message))
			return false;
	return true;
}

/* Nothing but blanks, or the CR of an empty CRLF line. */
static bool
is_blank(struct http_slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
			return false;
	return true;
}

/* All lines are kept in one array, so that the strings live as long as the call. */
static bool
take_ndjson(struct api_call *call)
{
	struct http_slice rest = call->body;

	call->json = json_array();
	for (unsigned number = 1; rest.len > 0; number++) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		struct http_slice line = { rest.ptr, end == NULL ? rest.len : (size_t)(end - rest.ptr) };

		rest.ptr += line.len + (end != NULL);
		rest.len -= line.len + (end != NULL);
		if (is_blank(line))
			continue;
		json_t *json = json_parse_object(call, line, number);
		if (json == NULL)
			return false;
		json_array_append_new(call->json, json);
		if (!take_item(call, json))
			return false;
	}
	return true;
}

static uint32_t
item_bytes_max(const struct batch_item *item)
{
	size_t body = item->is_base64 ? item->body.len / 4 * 3 : item->body.len;

	return (uint32_t)sizeof(struct publish_item) + item->attributes_bytes + (uint32_t)body;
}

bool
batch_plan(struct api_call *call)
{
	struct publish_batch *batch = calloc(1, sizeof(*batch));
	uint64_t frame_bytes = sizeof(struct publish_request);

	assert(batch != NULL);
	call->publish.batch = batch;
	if (media_is(call->request->known[HTTP_CONTENT_TYPE], BATCH_JSON) ? !take_json(call) : !take_ndjson(call))
		return false;
	if (batch->count == 0)
		return api_refuse(call, OUTCOME_BAD_FIELD, "messages: at least one");
	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t bytes = item_bytes_max(&batch->items[i]);

		if (bytes > BODY_BYTES_MAX + ATTRIBUTES_BYTES_MAX)
			return api_refuse(call, OUTCOME_TOO_LARGE, "messages[%u]: a body has at most %u bytes", i, BODY_BYTES_MAX);
		frame_bytes += FRAME_ALIGN(bytes);
	}
	if (frame_bytes > FRAME_PAYLOAD_BYTES_MAX)
		return api_refuse(call, OUTCOME_TOO_LARGE, "the batch is larger than %u bytes", FRAME_PAYLOAD_BYTES_MAX);
	call->frame_bytes = (uint32_t)frame_bytes;
	return true;
}

uint32_t
batch_fill(struct api_call *call, struct publish_request *request)
{
	struct publish_batch *batch = call->publish.batch;
	char *at = (char *)(request + 1), *end = (char *)request + call->frame_bytes;

	request->count = batch->count;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct batch_item *item = &batch->items[i];
		struct publish_item *out = (struct publish_item *)at;
		size_t body_bytes = item->body.len;

		at += sizeof(*out);
		memcpy(at, batch->attributes + item->attributes_at, item->attributes_bytes);
		at += item->attributes_bytes;
		if (item->is_base64)
			body_bytes = text_base64_decode(item->body, (struct http_span){ at, (size_t)(end - at) });
		else
			memcpy(at, item->body.ptr, body_bytes);
		if (body_bytes == TEXT_FAILED || body_bytes > BODY_BYTES_MAX) {
			api_refuse(call, body_bytes == TEXT_FAILED ? OUTCOME_BAD_FIELD : OUTCOME_TOO_LARGE,
			    "messages[%u].body%s", i, body_bytes == TEXT_FAILED ? "_base64: not base64" : ": too large");
			return 0;
		}
		*out = (struct publish_item){
			.delay_ms = item->delay_ms,
			.not_before_ms = item->not_before_ms,
			.attributes_bytes = item->attributes_bytes,
			.body_bytes = (uint32_t)body_bytes,
		};
		at += body_bytes;
		while ((at - (char *)request) % 8 != 0)
			*at++ = '\0';
	}
	assert(at <= end);
	return (uint32_t)(at - (char *)request);
}
