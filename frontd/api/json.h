/*
 * json: request bodies as objects that are taken apart by a list of rules while they are scanned.  What no rule names is
 * refused by name, so that a typo does not lose meaning.  Of several troubles the first in the text is told; but a text that
 * is no JSON is refused as that (bad-json), wherever it goes wrong.  A name that comes twice is refused as that too, unless
 * something before it was refused or it stands inside of a value that is refused as a whole.
 */
#ifndef FRONTD_API_JSON_H
#define FRONTD_API_JSON_H

#include "frontd/api/call.h"
#include "frontd/api/scan.h"

enum json_kind {
	JSON_RULE_DURATION,    /* "30s" -> milliseconds */
	JSON_RULE_SIZE,        /* 65536 or "64KiB" */
	JSON_RULE_COUNT,       /* a whole number */
	JSON_RULE_FRACTION,    /* 0 to 1 -> parts per million */
	JSON_RULE_TIME,        /* RFC 3339 -> ms */
	JSON_RULE_CHOICE,      /* a word of `choices`, blank between -> its position */
	JSON_RULE_FLAG,        /* true or false -> 1 or 0 */
	JSON_RULE_TEXT,        /* -> text */
	JSON_RULE_ARRAY,       /* -> inner */
	JSON_RULE_OBJECT,      /* -> inner */
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
	struct scan_string *text;
	struct scan *inner;    /* a scanner that stands in the open array or object, whose text has been checked */
	enum json_seen seen;   /* in: JSON_ABSENT; out */
};

/* Take the body of the call apart, an object; an absent body is {}. */
bool json_take_body(struct api_call *call, struct json_rule *rules, size_t rule_count);

/*
 * The same in steps, for what a rule is not enough for.  Begin: text, which begins with this line of the body, is an object,
 * which is open now.  End: with what came of it; the rest of the text is checked.
 */
bool json_begin(struct api_call *call, struct scan *scan, struct http_slice text, unsigned line);
bool json_end(struct api_call *call, struct scan *scan, bool is_fine);

/* Take the object that is open apart, to its end.  `where` is put before names in problems: "messages[3]."; "" for the body. */
bool json_take(struct api_call *call, struct scan *scan, struct json_rule *rules, size_t rule_count, const char *where);

/* The member that the scanner came to is none of ours, or came before. */
bool json_refuse_name(struct api_call *call, const struct scan *scan, const char *where);
bool json_refuse_twice(struct api_call *call, struct scan *scan);

#endif
