/*
 * problem: why a request is refused, as clients are told (RFC 9457).  Three sources: the outcome of a worker or of our own
 * checks (outcomes.def), the HTTP parser (results.def), and a detail that says which field, header or name is meant.
 */
#ifndef FRONTD_API_PROBLEM_H
#define FRONTD_API_PROBLEM_H

#include <stdarg.h>
#include <stdint.h>

#include "frontd/http/result.h"
#include "shm/outcome.h"

#define PROBLEM_DETAIL_BYTES 200

struct problem {
	unsigned status;
	uint32_t retry_after_ms;  /* 0: none */
	const char *code;         /* static */
	const char *title;        /* static */
	char allow[56];           /* of 405 */
	char detail[PROBLEM_DETAIL_BYTES]; /* "" when the title says it all; may hold a client's bytes: escape it */
};

/* Fill in from an outcome.  `detail` is a format, or NULL; what does not fit is cut. */
void problem_of_outcome(struct problem *problem, unsigned outcome, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
void problem_of_outcome_list(struct problem *problem, unsigned outcome, const char *detail, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Fill in from a refusal of the HTTP parser. */
void problem_of_http(struct problem *problem, enum http_result result);

#endif
