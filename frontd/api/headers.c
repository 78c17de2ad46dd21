#include "frontd/api/headers.h"

#include "frontd/http/grammar.h"
#include "frontd/http/text.h"
#include "frontd/http/units.h"
#include "shm/attributes.h"

#define ATTRIBUTE_PREFIX "mq-attr-"

enum header_place { PLACE_MESSAGE, PLACE_LATER };

/* What may stand behind "Mq-", lower case. */
static const struct {
	const char *name;
	enum header_place place;
} ours[] = {
	{ "mq-delay", PLACE_MESSAGE },
	{ "mq-not-before", PLACE_MESSAGE },
	{ "mq-ttl", PLACE_LATER },
	{ "mq-group", PLACE_LATER },
	{ "mq-priority", PLACE_LATER },
	{ "mq-expect-reply", PLACE_LATER },
	{ "mq-subject", PLACE_LATER },
	{ "mq-mandatory", PLACE_LATER },
	{ "idempotency-key", PLACE_LATER },
};

/* Stored under these names, however they were written; ce-* and Mq-Attr-* keep the client's spelling. */
#define STORED(name, stored) { (name), (stored), sizeof(name) - 1 }

static const struct {
	const char *name;
	const char *stored;
	size_t len;
} stored_headers[] = {
	STORED("content-type", "Content-Type"),
	STORED("content-encoding", "Content-Encoding"),
	STORED("content-digest", "Content-Digest"),
	STORED("traceparent", "traceparent"),
	STORED("tracestate", "tracestate"),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAME(slice) (int)((slice).len < 80 ? (slice).len : 80), (slice).ptr

struct http_slice
headers_attribute(struct http_slice name)
{
	size_t prefix = sizeof(ATTRIBUTE_PREFIX) - 1;

	if (name.len <= prefix || !http_slice_has_prefix(name, ATTRIBUTE_PREFIX))
		return (struct http_slice){ .ptr = NULL };
	return (struct http_slice){ .ptr = name.ptr + prefix, .len = name.len - prefix };
}

static bool
header_check(struct api_call *call, struct http_slice name)
{
	bool is_publish = call->memo.route->op == OP_PUBLISH;

	if (headers_attribute(name).ptr != NULL && is_publish)
		return true;
	for (size_t i = 0; i < COUNT(ours); i++) {
		if (!http_slice_is_word(name, ours[i].name))
			continue;
		if (ours[i].place == PLACE_LATER)
			return api_refuse(call, OUTCOME_NOT_SUPPORTED, "header %.*s", NAME(name));
		if (!is_publish)
			return api_refuse(call, OUTCOME_BAD_HEADER, "header %.*s belongs to a publish", NAME(name));
		return true;
	}
	if (headers_attribute(name).ptr != NULL)
		return api_refuse(call, OUTCOME_BAD_HEADER, "header %.*s belongs to a publish", NAME(name));
	return api_refuse(call, OUTCOME_UNKNOWN_HEADER, "header %.*s", NAME(name));
}

bool
headers_check(struct api_call *call)
{
	const struct http_request *request = call->request;

	if (request->known[HTTP_IDEMPOTENCY_KEY].ptr != NULL && call->memo.route->op == OP_PUBLISH)
		return api_refuse(call, OUTCOME_NOT_SUPPORTED, "header Idempotency-Key");
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];

		if (field->known != HTTP_OTHER || !http_slice_has_prefix(field->name, "mq-"))
			continue;
		if (!header_check(call, field->name))
			return false;
	}
	return true;
}

/* Under which name a header is stored with the message; ptr == NULL: it is not. */
static struct http_slice
stored_name(struct http_slice name)
{
	char first = (char)(name.ptr[0] | 0x20);

	if (first != 'c' && first != 't' && first != 'm')
		return (struct http_slice){ .ptr = NULL };
	for (size_t i = 0; i < COUNT(stored_headers); i++)
		if (name.len == stored_headers[i].len && http_slice_folds(name, stored_headers[i].name, name.len))
			return (struct http_slice){ stored_headers[i].stored, name.len };
	if (http_slice_has_prefix(name, "ce-") || headers_attribute(name).ptr != NULL)
		return name;
	return (struct http_slice){ .ptr = NULL };
}

static bool
is_stored_form(struct http_slice name, struct http_slice value)
{
	struct http_slice stored = stored_name(name);

	if (stored.ptr == NULL || stored.len != name.len || memcmp(stored.ptr, name.ptr, name.len) != 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!http_is(HTTP_CLASS_TOKEN, name.ptr[i]))
			return false;
	return http_find_ctl(value.ptr, value.ptr + value.len) == value.ptr + value.len && text_is_utf8(value);
}

bool
headers_stored_are_sound(const char *bytes, uint32_t count)
{
	struct attribute attribute;
	uint32_t position = 0;

	while (attributes_next(bytes, count, &position, &attribute))
		if (!is_stored_form((struct http_slice){ attribute.name, attribute.name_bytes },
		    (struct http_slice){ attribute.value, attribute.value_bytes }))
			return false;
	return position == count;
}

static bool
is_same_name(struct http_slice one, struct http_slice other)
{
	if (one.len != other.len)
		return false;
	for (size_t i = 0; i < one.len; i++)
		if ((one.ptr[i] | 0x20) != (other.ptr[i] | 0x20))
			return false;
	return true;
}

static bool
is_stored_already(const struct publish_plan *plan, struct http_slice name)
{
	struct attribute attribute;
	uint32_t position = 0;

	while (attributes_next(plan->attributes, plan->attributes_bytes, &position, &attribute))
		if (is_same_name(name, (struct http_slice){ attribute.name, attribute.name_bytes }))
			return true;
	return false;
}

static bool
store_header(struct api_call *call, const struct http_field *field, struct http_slice name)
{
	struct publish_plan *plan = &call->publish;

	/* A receive may have to show it in JSON. */
	if (!text_is_utf8(field->value))
		return api_refuse(call, OUTCOME_BAD_HEADER, "the value of %.*s is not UTF-8", NAME(name));
	if (is_stored_already(plan, name))
		return api_refuse(call, OUTCOME_BAD_HEADER, "%.*s is given twice", NAME(name));
	if (!attributes_add(plan->attributes, &plan->attributes_bytes, sizeof(plan->attributes), name.ptr, name.len,
	    field->value.ptr, field->value.len))
		return api_refuse(call, OUTCOME_BAD_HEADER, "%.*s is too long to be stored", NAME(name));
	return true;
}

static bool
take_time(struct api_call *call, const struct http_field *field)
{
	struct publish_plan *plan = &call->publish;

	if (http_slice_is_word(field->name, "mq-delay")) {
		if (plan->delay_ms != DELAY_DEFAULT)
			return api_refuse(call, OUTCOME_BAD_HEADER, "Mq-Delay is given twice");
		if (!duration_parse(field->value, &plan->delay_ms) || plan->delay_ms > DELAY_MS_MAX)
			return api_refuse(call, OUTCOME_BAD_HEADER, "Mq-Delay is a duration such as 250ms, 30s or 7d, "
			    "at most ten years");
	} else if (http_slice_is_word(field->name, "mq-not-before")) {
		if (plan->not_before_ms != 0)
			return api_refuse(call, OUTCOME_BAD_HEADER, "Mq-Not-Before is given twice");
		if (!rfc3339_parse(field->value, &plan->not_before_ms) ||
		    plan->not_before_ms > call->world->now_ms + DELAY_MS_MAX)
			return api_refuse(call, OUTCOME_BAD_HEADER, "Mq-Not-Before is a time such as 2026-01-31T08:15:00Z, "
			    "at most ten years ahead");
	}
	return true;
}

bool
headers_take_message(struct api_call *call)
{
	const struct http_request *request = call->request;

	call->publish.attributes_bytes = 0;
	call->publish.delay_ms = DELAY_DEFAULT;
	call->publish.not_before_ms = 0;
	for (size_t i = 0; i < request->field_count; i++) {
		const struct http_field *field = &request->fields[i];
		struct http_slice name = stored_name(field->name);

		if (name.ptr != NULL ? !store_header(call, field, name) : !take_time(call, field))
			return false;
	}
	return true;
}

bool
headers_check_batch(struct api_call *call)
{
	const struct http_request *request = call->request;

	for (size_t i = 0; i < request->field_count; i++)
		if (http_slice_has_prefix(request->fields[i].name, "mq-"))
			return api_refuse(call, OUTCOME_BAD_HEADER, "in a batch %.*s belongs into each message",
			    NAME(request->fields[i].name));
	return true;
}
