#include "frontd/api/json.h"

#include <math.h>

#include "frontd/http/units.h"

#define SHORT_BYTES 64u /* more than any duration, size, time, choice or name that means something */

/* scan->problem */
static bool
refuse_text(struct api_call *call, const struct scan *scan)
{
	struct scan_place place = scan_place(scan);

	return api_refuse(call, OUTCOME_BAD_JSON, "line %u, column %u: %s", place.line, place.column, scan->problem);
}

bool
json_begin(struct api_call *call, struct scan *scan, struct http_slice text, unsigned line)
{
	struct scan_value value;

	scan_begin(scan, text, line);
	if (scan_value(scan, &value) && value.kind == SCAN_OBJECT)
		return true;
	if (!scan_rest(scan))
		return refuse_text(call, scan);
	return api_refuse(call, OUTCOME_BAD_JSON, "line %u: an object is wanted", line);
}

bool
json_end(struct api_call *call, struct scan *scan, bool is_fine)
{
	return scan_rest(scan) ? is_fine : refuse_text(call, scan);
}

bool
json_take_body(struct api_call *call, struct json_rule *rules, size_t rule_count)
{
	struct scan scan;

	if (call->body.len == 0)
		return true;
	return json_begin(call, &scan, call->body, 1) && json_end(call, &scan, json_take(call, &scan, rules, rule_count, ""));
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
take_whole(const struct scan_value *value, uint64_t *number)
{
	if (value->kind != SCAN_WHOLE || value->whole < 0)
		return false;
	*number = (uint64_t)value->whole;
	return true;
}

static bool
take_fraction(const struct scan_value *value, uint64_t *ppm)
{
	double number = value->kind == SCAN_WHOLE ? (double)value->whole : value->real;

	if ((value->kind != SCAN_WHOLE && value->kind != SCAN_REAL) || !(number >= 0 && number <= 1))
		return false;
	*ppm = (uint64_t)llround(number * 1e6);
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
	case JSON_RULE_FLAG:
		return "true or false";
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
value_number(const struct json_rule *rule, const struct scan_value *value, uint64_t *number)
{
	char room[SHORT_BYTES];
	struct http_slice text = { .ptr = NULL };

	if (rule->kind == JSON_RULE_COUNT || (rule->kind == JSON_RULE_SIZE && value->kind != SCAN_STRING))
		return take_whole(value, number);
	if (rule->kind == JSON_RULE_FRACTION)
		return take_fraction(value, number);
	if (value->kind == SCAN_STRING)
		text = scan_text(&value->string, (struct http_span){ room, sizeof(room) });
	if (text.ptr == NULL)
		return false;
	switch (rule->kind) {
	case JSON_RULE_DURATION:
		return duration_parse(text, number);
	case JSON_RULE_SIZE:
		return size_parse(text, number);
	case JSON_RULE_TIME:
		return rfc3339_parse(text, number);
	case JSON_RULE_CHOICE:
		return take_choice(rule->choices, text, number);
	default:
		return false;
	}
}

static bool
take_value(struct json_rule *rule, struct scan *scan, const struct scan_value *value)
{
	uint64_t number;

	switch (rule->kind) {
	case JSON_RULE_FLAG:
		if (value->kind != SCAN_BOOL)
			return false;
		*rule->number = value->is_true;
		return true;
	case JSON_RULE_TEXT:
		if (value->kind != SCAN_STRING)
			return false;
		*rule->text = value->string;
		return true;
	case JSON_RULE_ARRAY:
	case JSON_RULE_OBJECT:
		if (value->kind != (rule->kind == JSON_RULE_ARRAY ? SCAN_ARRAY : SCAN_OBJECT))
			return false;
		*rule->inner = *scan;
		(void)scan_leave(scan, scan->depth - 1); /* a problem is found by who asks for the next */
		return true;
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
json_refuse_name(struct api_call *call, const struct scan *scan, const char *where)
{
	char room[SHORT_BYTES];
	struct http_slice name = scan_text(&scan->name, (struct http_span){ room, sizeof(room) });

	if (name.ptr == NULL) /* with its escapes, then */
		name = (struct http_slice){ scan->name.at, scan->name.raw_bytes };
	return api_refuse(call, OUTCOME_BAD_FIELD, "there is no field %s%.*s here", where,
	    (int)(name.len < 80 ? name.len : 80), name.ptr);
}

bool
json_refuse_twice(struct api_call *call, struct scan *scan)
{
	scan_fail(scan, "a name that was there before");
	return refuse_text(call, scan);
}

bool
json_take(struct api_call *call, struct scan *scan, struct json_rule *rules, size_t rule_count, const char *where)
{
	struct scan_value value;

	while (scan_next(scan)) {
		struct json_rule *rule = NULL;

		for (size_t i = 0; i < rule_count && rule == NULL; i++)
			if (scan_is(&scan->name, rules[i].name))
				rule = &rules[i];
		if (rule == NULL)
			return json_refuse_name(call, scan, where);
		if (rule->seen != JSON_ABSENT)
			return json_refuse_twice(call, scan);
		if (rule->kind == JSON_RULE_LATER)
			return api_refuse(call, OUTCOME_NOT_SUPPORTED, "field %s%s", where, rule->name);
		if (!scan_value(scan, &value))
			break;
		rule->seen = rule->null_is_default && value.kind == SCAN_NULL ? JSON_IS_NULL : JSON_GIVEN;
		if (rule->seen == JSON_GIVEN && !take_value(rule, scan, &value))
			return api_refuse(call, OUTCOME_BAD_FIELD, "%s%s: %s", where, rule->name, kind_wants(rule));
	}
	return scan->problem == NULL || refuse_text(call, scan);
}
