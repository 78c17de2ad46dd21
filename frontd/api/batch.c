#include "frontd/api/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/json.h"
#include "frontd/api/media.h"
#include "frontd/http/grammar.h"
#include "frontd/http/text.h"
#include "frontd/http/units.h"
#include "shm/attributes.h"

#define ATTRIBUTE_PREFIX "Mq-Attr-"
#define ATTRIBUTE_PREFIX_BYTES 8u
#define ATTRIBUTE_NAME_BYTES_MAX (NAME_MAX_BYTES * 2 - ATTRIBUTE_PREFIX_BYTES)
#define ATTRIBUTE_COUNT_MAX (ATTRIBUTES_BYTES_MAX / (3 + ATTRIBUTE_PREFIX_BYTES + 1)) /* see shm/attributes.h */

struct batch_item {
	uint64_t delay_ms;
	uint64_t not_before_ms;
	struct scan_string body;    /* in call->body; base64: absent when it had escapes, it is in batch->room then */
	uint32_t room_at;
	uint32_t room_bytes;
	bool is_base64;
	uint32_t attributes_at;     /* in batch->room */
	uint32_t attributes_bytes;
};

struct publish_batch {
	uint32_t count;
	uint32_t room_used;
	uint32_t room_size;
	char *room;                 /* what is not as it stands in the body */
	struct batch_item items[PUBLISH_BATCH_MAX];
};

enum { RULE_BODY, RULE_BASE64, RULE_CONTENT_TYPE, RULE_DELAY, RULE_NOT_BEFORE, RULE_ATTRIBUTES, RULE_COUNT = 10 };

/* One message as it is read, and the rules for it, made once a batch. */
struct item_reader {
	struct json_rule rules[RULE_COUNT];
	struct scan_string body, base64, content_type;
	struct scan attributes;
	uint64_t delay_ms, not_before_ms;
};

void
batch_free(struct publish_batch *batch)
{
	if (batch == NULL)
		return;
	free(batch->room);
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

/* Room for so many bytes more; good until the next is asked for. */
static char *
batch_room(struct publish_batch *batch, uint32_t bytes)
{
	if (batch->room_size - batch->room_used < bytes) {
		uint32_t size = batch->room_size * 2 + bytes;
		char *room = realloc(batch->room, size);

		assert(room != NULL); /* bounded by the body's size; the process dies rather than to lie */
		batch->room = room;
		batch->room_size = size;
	}
	return batch->room + batch->room_used;
}

static int
compare_attributes(const void *left, const void *right, void *bytes)
{
	const unsigned char *one = (const unsigned char *)bytes + *(const uint16_t *)left;
	const unsigned char *other = (const unsigned char *)bytes + *(const uint16_t *)right;

	return one[0] != other[0] ? one[0] - other[0] : memcmp(one + 3, other + 3, one[0]);
}

/* Is a name of these count attributes, which stand at these offsets in bytes, there twice?  Changes their order. */
static bool
has_twins(char *bytes, uint16_t *offsets, size_t count)
{
	qsort_r(offsets, count, sizeof(offsets[0]), compare_attributes, bytes);
	for (size_t i = 1; i < count; i++)
		if (compare_attributes(&offsets[i - 1], &offsets[i], bytes) == 0)
			return true;
	return false;
}

/* One member of "attributes". */
static bool
take_attribute(struct api_call *call, struct scan *scan, char *bytes, uint32_t *used, const char *where)
{
	char name[ATTRIBUTE_PREFIX_BYTES + ATTRIBUTE_NAME_BYTES_MAX] = ATTRIBUTE_PREFIX, room[ATTRIBUTES_BYTES_MAX];
	struct http_slice key = { name + ATTRIBUTE_PREFIX_BYTES, scan->name.bytes }, text = { .ptr = NULL };
	struct scan_value value;

	if (key.len <= ATTRIBUTE_NAME_BYTES_MAX)
		scan_copy(&scan->name, name + ATTRIBUTE_PREFIX_BYTES);
	if (key.len > ATTRIBUTE_NAME_BYTES_MAX || !is_token(key))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes: a name is a token of at most %u bytes", where,
		    ATTRIBUTE_NAME_BYTES_MAX);
	bool is_string = scan_value(scan, &value) && value.kind == SCAN_STRING;
	if (is_string)
		text = scan_text(&value.string, (struct http_span){ room, sizeof(room) });
	if (!is_string || (text.ptr != NULL && !is_field_value(text)))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes.%.*s: a string without control characters", where,
		    (int)(key.len < 60 ? key.len : 60), key.ptr);
	if (text.ptr == NULL || !attributes_add(bytes, used, ATTRIBUTES_BYTES_MAX, name, ATTRIBUTE_PREFIX_BYTES + key.len,
	    text.ptr, text.len))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%sattributes: more than %u bytes in all", where,
		    ATTRIBUTES_BYTES_MAX);
	return true;
}

/* "attributes": {"name": "value"} and "content_type", as a publish of one message would store its headers. */
static bool
take_attributes(struct api_call *call, struct item_reader *reader, struct batch_item *item, const char *where)
{
	struct publish_batch *batch = call->publish.batch;
	bool is_typed = reader->rules[RULE_CONTENT_TYPE].seen == JSON_GIVEN;
	bool is_listed = reader->rules[RULE_ATTRIBUTES].seen == JSON_GIVEN;
	struct scan *scan = &reader->attributes;
	uint16_t offsets[ATTRIBUTE_COUNT_MAX];
	size_t count = 0;
	uint32_t used = 0;

	item->attributes_bytes = 0;
	if (!is_typed && !is_listed)
		return true;
	char *bytes = batch_room(batch, ATTRIBUTES_BYTES_MAX);
	if (is_typed) {
		char room[ATTRIBUTES_BYTES_MAX];
		struct http_slice type = scan_text(&reader->content_type, (struct http_span){ room, sizeof(room) });

		if (type.ptr == NULL || !is_field_value(type) ||
		    !attributes_add(bytes, &used, ATTRIBUTES_BYTES_MAX, "Content-Type", 12, type.ptr, type.len))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%scontent_type", where);
	}
	while (is_listed && scan_next(scan)) {
		uint32_t offset = used;

		if (!take_attribute(call, scan, bytes, &used, where))
			return false;
		offsets[count++] = (uint16_t)offset;
	}
	if (has_twins(bytes, offsets, count))
		return json_refuse_twice(call, scan);
	item->attributes_at = batch->room_used;
	item->attributes_bytes = used;
	batch->room_used += used;
	return true;
}

/* Base64 with escapes, "\/" mostly: they are taken out here, so that it can be decoded in one go. */
static void
take_base64(struct publish_batch *batch, struct batch_item *item)
{
	uint32_t bytes = (uint32_t)item->body.bytes;

	if (item->body.bytes == item->body.raw_bytes)
		return;
	scan_copy(&item->body, batch_room(batch, bytes));
	item->room_at = batch->room_used;
	item->room_bytes = bytes;
	item->body.at = NULL;
	batch->room_used += bytes;
}

static void
reader_init(struct item_reader *reader, uint64_t now_ms)
{
	const struct json_rule rules[RULE_COUNT] = {
		[RULE_BODY] = { "body", JSON_RULE_TEXT, .text = &reader->body },
		[RULE_BASE64] = { "body_base64", JSON_RULE_TEXT, .text = &reader->base64 },
		[RULE_CONTENT_TYPE] = { "content_type", JSON_RULE_TEXT, .text = &reader->content_type },
		[RULE_DELAY] = { "delay", JSON_RULE_DURATION, .max = DELAY_MS_MAX, .number = &reader->delay_ms },
		[RULE_NOT_BEFORE] = { "not_before", JSON_RULE_TIME, .max = now_ms + DELAY_MS_MAX,
			.number = &reader->not_before_ms },
		[RULE_ATTRIBUTES] = { "attributes", JSON_RULE_OBJECT, .inner = &reader->attributes },
		{ "ttl", .kind = JSON_RULE_LATER },
		{ "group", .kind = JSON_RULE_LATER },
		{ "priority", .kind = JSON_RULE_LATER },
		{ "key", .kind = JSON_RULE_LATER },
	};

	memcpy(reader->rules, rules, sizeof(rules));
}

/* "messages[3]." */
struct item_place {
	char text[sizeof("messages[].") + NUMBER_BYTES_MAX];
};

static struct item_place
item_place(uint32_t index)
{
	struct item_place place = { "messages[" };
	size_t len = 9 + number_format(index, place.text + 9);

	memcpy(place.text + len, "].", sizeof("]."));
	return place;
}

/* May another message come? */
static bool
has_item_left(struct api_call *call)
{
	return call->publish.batch->count < PUBLISH_BATCH_MAX ||
	    api_refuse(call, OUTCOME_TOO_LARGE, "more than %d messages", PUBLISH_BATCH_MAX);
}

/* One message, whose object is open. */
static bool
take_item(struct api_call *call, struct item_reader *reader, struct scan *scan)
{
	struct publish_batch *batch = call->publish.batch;
	struct batch_item *item = &batch->items[batch->count];
	struct item_place place = item_place(batch->count);
	const char *where = place.text;

	for (size_t i = 0; i < RULE_COUNT; i++)
		reader->rules[i].seen = JSON_ABSENT;
	reader->delay_ms = DELAY_DEFAULT;
	reader->not_before_ms = 0;
	if (!json_take(call, scan, reader->rules, RULE_COUNT, where))
		return false;
	item->delay_ms = reader->delay_ms;
	item->not_before_ms = reader->not_before_ms;
	item->is_base64 = reader->rules[RULE_BASE64].seen == JSON_GIVEN;
	if (item->is_base64 == (reader->rules[RULE_BODY].seen == JSON_GIVEN))
		return api_refuse(call, OUTCOME_BAD_FIELD, "%sbody or %sbody_base64: one of them", where, where);
	item->body = item->is_base64 ? reader->base64 : reader->body;
	if (!take_attributes(call, reader, item, where))
		return false;
	if (item->is_base64)
		take_base64(batch, item);
	batch->count++;
	return true;
}

/* The elements of "messages". */
static bool
take_items(struct api_call *call, struct item_reader *reader, struct scan *scan)
{
	struct scan_value value;

	while (scan_next(scan)) {
		if (!scan_value(scan, &value))
			return false;
		if (!has_item_left(call))
			return false;
		if (value.kind != SCAN_OBJECT)
			return api_refuse(call, OUTCOME_BAD_FIELD, "messages[%u]: an object", call->publish.batch->count);
		if (!take_item(call, reader, scan))
			return false;
	}
	return scan->problem == NULL;
}

/* The members of the root.  By hand and not by a rule, which would read "messages" twice. */
static bool
take_root(struct api_call *call, struct item_reader *reader, struct scan *scan)
{
	struct scan_value value;
	bool was_there = false;

	while (scan_next(scan)) {
		if (!scan_is(&scan->name, "messages"))
			return json_refuse_name(call, scan, "");
		if (was_there)
			return json_refuse_twice(call, scan);
		was_there = true;
		if (!scan_value(scan, &value))
			return false;
		if (value.kind != SCAN_ARRAY)
			return api_refuse(call, OUTCOME_BAD_FIELD, "messages: an array");
		if (!take_items(call, reader, scan))
			return false;
	}
	return scan->problem == NULL;
}

static bool
take_json(struct api_call *call, struct item_reader *reader)
{
	struct scan scan;

	if (call->body.len == 0)
		return true; /* as an absent body is {} everywhere */
	return json_begin(call, &scan, call->body, 1) && json_end(call, &scan, take_root(call, reader, &scan));
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

static bool
take_ndjson(struct api_call *call, struct item_reader *reader)
{
	struct http_slice rest = call->body;

	for (unsigned number = 1; rest.len > 0; number++) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		struct http_slice line = { rest.ptr, end == NULL ? rest.len : (size_t)(end - rest.ptr) };
		struct scan scan;

		rest.ptr += line.len + (end != NULL);
		rest.len -= line.len + (end != NULL);
		if (is_blank(line))
			continue;
		if (!json_begin(call, &scan, line, number) ||
		    !json_end(call, &scan, has_item_left(call) && take_item(call, reader, &scan)))
			return false;
	}
	return true;
}

static uint64_t
item_bytes_max(const struct batch_item *item)
{
	uint64_t body = item->is_base64 ? item->body.bytes / 4 * 3 : item->body.bytes;

	return sizeof(struct publish_item) + item->attributes_bytes + body;
}

bool
batch_plan(struct api_call *call)
{
	struct publish_batch *batch = malloc(sizeof(*batch));
	uint64_t frame_bytes = sizeof(struct publish_request);
	struct item_reader reader;

	assert(batch != NULL);
	batch->count = batch->room_used = batch->room_size = 0; /* the items are written before they are read */
	batch->room = NULL;
	call->publish.batch = batch;
	reader_init(&reader, call->world->now_ms);
	if (media_is(call->request->known[HTTP_CONTENT_TYPE], BATCH_JSON) ? !take_json(call, &reader) :
	    !take_ndjson(call, &reader))
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

/* The body of an item to `at`; TEXT_FAILED: it is not base64. */
static size_t
put_body(const struct publish_batch *batch, const struct batch_item *item, struct http_span out)
{
	struct http_slice text = { item->body.at, item->body.bytes };

	if (!item->is_base64) {
		assert(item->body.bytes <= out.len);
		scan_copy(&item->body, out.ptr);
		return item->body.bytes;
	}
	if (text.ptr == NULL)
		text = (struct http_slice){ batch->room + item->room_at, item->room_bytes };
	return text_base64_decode(text, out);
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

		at += sizeof(*out);
		if (item->attributes_bytes != 0)
			at = mempcpy(at, batch->room + item->attributes_at, item->attributes_bytes);
		size_t body_bytes = put_body(batch, item, (struct http_span){ at, (size_t)(end - at) });
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
