#ifndef FRONTD_HTTP_RESULT_H
#define FRONTD_HTTP_RESULT_H

/*
 * result: how far reading came.  DONE and NEED_MORE, or one of results.def, which is final:
 * answer with its problem, close with lingering, never look for a next request in the same bytes.
 */

#include <stdbool.h>

enum http_result {
	HTTP_DONE,
	HTTP_NEED_MORE,
#define X(name, status, code, detail) HTTP_##name,
#include "frontd/http/results.def"
#undef X
	HTTP_RESULT_COUNT
};

/* What the client is told (RFC 9457).  All strings are static. */
struct http_problem {
	unsigned	 status;
	const char	*code;          /* stable slug */
	const char	*title;         /* the reason phrase of the status */
	const char	*detail;
};

static inline bool
http_is_refusal(enum http_result result)
{
	return result > HTTP_NEED_MORE;
}

/* The problem of a refusal; asserts that it is one. */
struct http_problem http_problem_of(enum http_result result);

/* "Not Found" for 404; "Unknown" for a status we never send. */
const char *http_reason(unsigned status);

#endif
