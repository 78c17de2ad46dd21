#include "frontd/api/problem.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_MS 1000

void
problem_of_outcome_list(struct problem *problem, unsigned outcome, const char *detail, va_list arguments)
{
	const struct outcome_text *text = outcome_text(outcome);

	*problem = (struct problem){
		.status = text->status,
		.code = text->slug,
		.title = text->title,
		.retry_after_ms = text->status == 429 || text->status == 503 ? RETRY_AFTER_MS : 0,
	};
	if (detail != NULL)
		vsnprintf(problem->detail, sizeof(problem->detail), detail, arguments);
}

void
problem_of_outcome(struct problem *problem, unsigned outcome, const char *detail, ...)
{
	va_list arguments;

	va_start(arguments, detail);
	problem_of_outcome_list(problem, outcome, detail, arguments);
	va_end(arguments);
}

void
problem_of_http(struct problem *problem, enum http_result result)
{
	struct http_problem source = http_problem_of(result);

	*problem = (struct problem){ .status = source.status, .code = source.code, .title = source.title };
	snprintf(problem->detail, sizeof(problem->detail), "%s", source.detail);
}
