#include "frontd/api/json.h"

#include <math.h>

#include "frontd/http/units.h"

/* jansson recurses; this bounds it by what we ever need.  Brackets inside strings do not count. */
static bool
depth_is_fine(struct http_slice text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return true;
}

json_t *
json_parse_object(struct api_call *call, struct http_slice text, unsigned line)
{
	json_error_t error;

	if (!depth_is_fine(text)) {
		api_refuse(call, OUTCOME_BAD_JSON, "line %u: nested deeper than %d", line, JSON_DEPTH_MAX);
		return NULL;
	}
	json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (json == NULL) {
		api_refuse(call, OUTCOME_BAD_JSON, "line %u, column %d: %s", (unsigned)error.line + line - 1, error.column,
		    error.text);
		return NULL;
	}
	if (!json_is_object(json)) {
		json_decref(json);
		api_refuse(call, OUTCOME_BAD_JSON, "line %u: an object is wanted", line);
		return NULL;
	}
	return json;
}

bool
json_take_body(struct api_call *call)
{
	call->json = call->body.len == 0 ? json_object() : json_parse_object(call, call->body, 1);
	return call->json != NULL;
}

struct http_slice
json_slice(const json_t *string)
{
	return (struct http_slice){ .ptr = json_string_value(string), .len = json_string_length(string) };
}

static bool
take_choice(const char *choices, struct http_slice word, uint64_t *position)
{
	uint64_t index = 0;

	for (const char *at = choices; *at != '\0'; index++) {
		size_t len = strcspn(at, " ");

		if (len == word.len && memcmp(at, word.ptr, len) == 0) {
			*position = index;
			return true;
		}
		at += len;
		at += strspn(at, " ");
	}
	return false;
}

static bool
take_whole(const json_t *value, uint64_t *number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*number = (uint64_t)json_integer_value(value);
	return true;
}

static const char *
kind_wants(const struct json_rule *rule)
{
	switch (rule->kind) {
	case JSON_RULE_DURATION:
		return "a duration such as \"250ms\", \"30s\" or \"7d\" within its bounds";
	case JSON_RULE_SIZE:
		return "a size such as 65536 or \"64KiB\" within its bounds";
	case JSON_RULE_COUNT:
		return "a whole number within its bounds";
	case JSON_RULE_FRACTION:
		return "a number from 0 to 1";
	case JSON_RULE_TIME:
		return "a time such as \"2026-01-31T08:15:00Z\" within its bounds";
	case JSON_RULE_CHOICE:
		return rule->choices;
	case JSON_RULE_TEXT:
		return "a string";
	case JSON_RULE_ARRAY:
		return "an array";
	case JSON_RULE_OBJECT:
		return "an object";
	case JSON_RULE_LATER:
		break;
	}
	return "something else";
}

/* The number a value stands for; false if it is not of this kind. */
static bool
value_number(const struct json_rule *rule, const json_t *value, uint64_t *number)
{
	switch (rule->kind) {
	case JSON_RULE_DURATION:
		return json_is_string(value) && duration_parse(json_slice(value), number);
	case JSON_RULE_SIZE:
		return json_is_string(value) ? size_parse(json_slice(value), number) : take_whole(value, number);
	case JSON_RULE_COUNT:
		return take_whole(value, number);
	case JSON_RULE_FRACTION:
		if (!json_is_number(value) || !(json_number_value(value) >= 0 && json_number_value(value) <= 1))
			return false;
		*number = (uint64_t)llround(json_number_value(value) * 1e6);
		return true;
	case JSON_RULE_TIME:
		return json_is_string(value) && rfc3339_parse(json_slice(value), number);
	case JSON_RULE_CHOICE:
		return json_is_string(value) && take_choice(rule->choices, json_slice(value), number);
	default:
		return false;
	}
}

static bool
take_value(struct json_rule *rule, json_t *value)
{
	uint64_t number;

	switch (rule->kind) {
	case JSON_RULE_TEXT:
		if (!json_is_string(value))
			return false;
		*rule->text = json_slice(value);
		return true;
	case JSON_RULE_ARRAY:
		*rule->json = value;
		return json_is_array(value);
	case JSON_RULE_OBJECT:
		*rule->json = value;
		return json_is_object(value);
	default:
		if (!value_number(rule, value, &number))
			return false;
		if (rule->kind != JSON_RULE_CHOICE && rule->kind != JSON_RULE_FRACTION &&
		    (number < rule->min || number > rule->max))
			return false;
		*rule->number = number;
		return true;
	}
}

bool
json_take(struct api_call *call, const json_t *object, struct json_rule *rules, size_t rule_count, const char *where)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value) { /* the macro wants it without const; it reads only */
		struct json_rule *rule = NULL;

		for (size_t i = 0; i < rule_count; i++)
			if (strcmp(name, rules[i].name) == 0)
				rule = &rules[i];
		if (rule == NULL)
			return api_refuse(call, OUTCOME_BAD_FIELD, "there is no field %s%.80s here", where, name);
		if (rule->kind == JSON_RULE_LATER)
			return api_refuse(call, OUTCOME_NOT_SUPPORTED, "field %s%s", where, name);
		if (rule->null_is_default && json_is_null(value)) {
			rule->seen = JSON_IS_NULL;
			continue;
		}
		if (!take_value(rule, value))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%s%s: %s", where, name, kind_wants(rule));
		rule->seen = JSON_GIVEN;
	}
	return true;
}
