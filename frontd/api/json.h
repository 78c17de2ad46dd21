/*
 * json: reading request bodies with jansson: strict (no duplicate keys, bounded depth), then an object is taken apart by a
 * list of rules.  What no rule names is refused by name, so that a typo does not lose meaning.
 */
#ifndef FRONTD_API_JSON_H
#define FRONTD_API_JSON_H

#include "frontd/api/call.h"

#define JSON_DEPTH_MAX 16

enum json_kind {
	JSON_RULE_DURATION,    /* "30s" -> milliseconds */
	JSON_RULE_SIZE,        /* 65536 or "64KiB" */
	JSON_RULE_COUNT,       /* a whole number */
	JSON_RULE_FRACTION,    /* 0 to 1 -> parts per million */
	JSON_RULE_TIME,        /* RFC 3339 -> ms */
	JSON_RULE_CHOICE,      /* a word of `choices`, blank between -> its position */
	JSON_RULE_TEXT,        /* -> text */
	JSON_RULE_ARRAY,       /* -> json */
	JSON_RULE_OBJECT,      /* -> json */
	JSON_RULE_LATER,       /* a field of API.md that this version does not have */
};

enum json_seen { JSON_ABSENT, JSON_GIVEN, JSON_IS_NULL };

struct json_rule {
	const char *name;
	enum json_kind kind;
	bool null_is_default;  /* null is taken, as JSON_IS_NULL */
	uint64_t min, max;     /* of numbers */
	const char *choices;
	uint64_t *number;      /* where to; NULL: nowhere */
	struct http_slice *text;
	json_t **json;
	enum json_seen seen;   /* out */
};

/* Parse text, which begins with this line of the body, as one JSON object.  NULL: call->problem.  The caller owns it. */
json_t *json_parse_object(struct api_call *call, struct http_slice text, unsigned line);

/* The body of the call into call->json; an absent body is {}. */
bool json_take_body(struct api_call *call);

/* Take `object` apart.  `where` is put before names in problems: "messages[3]."; "" for the body. */
bool json_take(struct api_call *call, const json_t *object, struct json_rule *rules, size_t rule_count, const char *where);

/* A string value as slice. */
struct http_slice json_slice(const json_t *string);

#endif
