#ifndef FRONTD_HTTP_TARGET_H
#define FRONTD_HTTP_TARGET_H

/*
 * target: path and query of a request, taken apart and percent-decoded.
 *
 *	/v1/queues/a%2Fb/leases/r7:nack?limit=10
 *	segments "v1" "queues" "a/b" "leases" "r7", verb "nack", params limit = "10"
 *
 * A decoded '/' or ':' is text and separates nothing.  '+' is a plus, not a blank (this is RFC
 * 3986, not an HTML form; times with an offset hold a '+').  All decoded text is valid UTF-8
 * without CTLs.  What a name may be is the caller's rule; only '.' and '..' are refused here,
 * because a proxy in front of us might resolve them.
 */

#include <stddef.h>

#include "frontd/http/result.h"
#include "frontd/http/slice.h"

enum {
	HTTP_SEGMENT_MAX = 16,
	HTTP_PARAM_MAX = 16
};

struct http_param {
	struct http_slice	name;           /* never empty, never twice */
	struct http_slice	value;          /* empty for "name=" and for "name" alone */
};

struct http_target {
	size_t			segment_count;  /* 0 for "/" and for "*" */
	struct http_slice	segments[HTTP_SEGMENT_MAX];     /* "/a/" and "//" have empty ones */
	struct http_slice	verb;           /* behind the last ':'; ptr == NULL: none */
	size_t			param_count;
	struct http_param	params[HTTP_PARAM_MAX];
};

/*
 * Takes origin_form (http_request.origin_form) apart.  Slices borrow from origin_form where
 * nothing had to be decoded and from scratch elsewhere; scratch needs origin_form.len bytes.
 * DONE or a refusal.
 */
enum http_result http_target_parse(struct http_slice origin_form, struct http_span scratch,
    struct http_target *target);

/* The value of a parameter, ptr == NULL when it was not given. */
struct http_slice http_target_param(const struct http_target *target, const char *name);

#endif
