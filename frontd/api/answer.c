#include "frontd/api/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/audit_line.h"
#include "frontd/http/text.h"
#include "frontd/http/units.h"

void
answer_init(struct answer *answer)
{
	answer->heap = NULL;
	answer->size = ANSWER_ROOM_BYTES;
	answer->body_start = ANSWER_HEAD_BYTES;
	answer->end = ANSWER_HEAD_BYTES;
	answer->start = ANSWER_HEAD_BYTES;
	answer->status = 0;
	answer->code = NULL;
	answer->made_id = 0;
}

void
answer_init_heap(struct answer *answer, size_t size)
{
	assert(size > ANSWER_HEAD_BYTES);

	answer->heap = malloc(size);
	assert(answer->heap != NULL);
	answer->size = size;
	answer->body_start = answer->start = answer->end = ANSWER_HEAD_BYTES;
}

void
answer_adopt(struct answer *answer, struct answer *other)
{
	assert(answer->heap == NULL);
	assert(answer->end == answer->body_start);
	assert(other->heap != NULL);

	answer->heap = other->heap;
	answer->size = other->size;
	answer->body_start = other->body_start;
	answer->end = other->end;
	other->heap = NULL;
}

static char *
answer_base(const struct answer *answer)
{
	return answer->heap != NULL ? answer->heap : answer->room;
}

void
answer_fit(struct answer *answer)
{
	if (answer->heap == NULL || answer->size - answer->end <= answer->size / 8)
		return;
	char *heap = realloc(answer->heap, answer->end);

	assert(heap != NULL); /* it became smaller */
	answer->heap = heap;
	answer->size = answer->end;
}

static void
answer_grow(struct answer *answer, size_t size)
{
	char *heap = realloc(answer->heap, size);

	assert(heap != NULL); /* the process dies and is restarted rather than to lie to a client */
	if (answer->heap == NULL)
		memcpy(heap, answer->room, answer->end);
	answer->heap = heap;
	answer->size = size;
}

void
answer_head_room(struct answer *answer, size_t head_bytes)
{
	assert(answer->end == answer->body_start);

	if (head_bytes <= answer->body_start)
		return;
	if (answer->size < head_bytes)
		answer_grow(answer, head_bytes + ANSWER_ROOM_BYTES);
	answer->body_start = answer->end = head_bytes;
}

void
answer_expect(struct answer *answer, size_t body_bytes)
{
	if (answer->size - answer->end < body_bytes)
		answer_grow(answer, answer->end + body_bytes);
}

char *
answer_reserve(struct answer *answer, size_t count)
{
	if (answer->size - answer->end < count) {
		size_t wanted = answer->end + count;
		answer_grow(answer, wanted + wanted / 2);
	}
	return answer_base(answer) + answer->end;
}

void
answer_advance(struct answer *answer, size_t count)
{
	assert(answer->size - answer->end >= count);

	answer->end += count;
}

void
answer_put_bytes(struct answer *answer, const void *bytes, size_t count)
{
	if (count == 0)
		return;
	memcpy(answer_reserve(answer, count), bytes, count);
	answer->end += count;
}

void
answer_put_text(struct answer *answer, struct http_slice text, size_t plain)
{
	assert(plain <= text.len);

	/* Most text needs no escape; six times its length is the worst that can be. */
	struct http_slice rest = { .ptr = text.ptr + plain, .len = text.len - plain };
	char *at = answer_reserve(answer, text.len + 2);
	size_t written = text_json_escape(rest, (struct http_span){ .ptr = at + 1 + plain, .len = rest.len });
	if (written == TEXT_FAILED) {
		at = answer_reserve(answer, plain + rest.len * 6 + 2);
		written = text_json_escape(rest, (struct http_span){ .ptr = at + 1 + plain, .len = rest.len * 6 });
		assert(written != TEXT_FAILED);
	}
	at[0] = '"';
	if (plain != 0)
		memcpy(at + 1, text.ptr, plain);
	at[1 + plain + written] = '"';
	answer->end += plain + written + 2;
}

void
answer_put_string(struct answer *answer, struct http_slice text)
{
	answer_put_text(answer, text, 0);
}

void
answer_put_base64(struct answer *answer, const void *bytes, size_t count)
{
	size_t room = TEXT_BASE64_BYTES(count);
	char *at = answer_reserve(answer, room + 2);

	at[0] = '"';
	size_t written = text_base64_encode((struct http_slice){ .ptr = bytes, .len = count },
	    (struct http_span){ .ptr = at + 1, .len = room });
	assert(written == room);
	at[written + 1] = '"';
	answer->end += written + 2;
}

void
answer_put_number(struct answer *answer, uint64_t number)
{
	answer->end += number_format(number, answer_reserve(answer, NUMBER_BYTES_MAX));
}

void
answer_put_time(struct answer *answer, uint64_t time_ms)
{
	if (time_ms == 0) {
		answer_put(answer, "null");
		return;
	}
	char *at = answer_reserve(answer, RFC3339_BYTES + 2);
	at[0] = '"';
	size_t written = rfc3339_format(time_ms < TIME_MS_MAX ? time_ms : TIME_MS_MAX, at + 1);
	at[written + 1] = '"';
	answer->end += written + 2;
}

void
answer_put_duration(struct answer *answer, uint64_t ms)
{
	char *at = answer_reserve(answer, DURATION_BYTES_MAX + 2);

	at[0] = '"';
	size_t written = duration_format(ms, at + 1);
	at[written + 1] = '"';
	answer->end += written + 2;
}

/* These two are of few answers: apart, so that head_begin() stays small. */
static void __attribute__((noinline))
head_name(struct answer *answer)
{
	HTTP_WRITE_OURS(&answer->head, "Mq-Request-Id: ", http_slice_of(answer->request_id));
}

static void __attribute__((noinline))
head_limits(struct answer *answer)
{
	HTTP_WRITE_OURS(&answer->head, "", http_slice_of(answer->limits));
}

static void
head_begin(struct answer *answer, unsigned status, const struct http_slice *our_type, const struct http_slice *stored_type)
{
	struct http_response response = {
		.status = status,
		.minor_version = answer->minor_version,
		.keep_alive = answer->keep_alive,
		.content_length = answer->end - answer->body_start,
		.date = answer->date,
	};

	if (our_type != NULL)
		response.our_type = *our_type;
	if (stored_type != NULL)
		response.content_type = *stored_type;
	answer->status = status;
	http_write_begin(&answer->head, (struct http_span){ .ptr = answer_base(answer), .len = answer->body_start }, &response);
	if (answer->is_audited)
		head_name(answer);
	if (answer->limits[0] != '\0')
		head_limits(answer);
}

void
answer_head_typed(struct answer *answer, unsigned status, struct http_slice content_type)
{
	head_begin(answer, status, NULL, &content_type);
}

void
answer_head(struct answer *answer, unsigned status, const char *content_type)
{
	struct http_slice type = content_type == NULL ? (struct http_slice){ .ptr = NULL } : http_slice_of(content_type);

	head_begin(answer, status, &type, NULL);
}

void
answer_end(struct answer *answer)
{
	enum http_write_fault fault = http_write_end(&answer->head);
	assert(fault == HTTP_WRITE_OK); /* what is stored was checked when it came in */

	/* The head stood at the beginning of its room; now it moves up to the body. */
	answer->start = answer->body_start - answer->head.len;
	memmove(answer_base(answer) + answer->start, answer_base(answer), answer->head.len);
	if (answer->is_head)
		answer->end = answer->body_start;
}

char *
answer_whole(struct answer *answer, unsigned status)
{
	assert(answer->heap == NULL);
	assert(answer->end == answer->body_start);
	assert(!answer->is_head);

	answer->status = status;
	return answer->room;
}

void
answer_whole_end(struct answer *answer, size_t count)
{
	assert(count <= answer->size);

	answer->start = 0;
	answer->end = count;
}

void
answer_empty(struct answer *answer, unsigned status)
{
	answer_head(answer, status, NULL);
	answer_end(answer);
}

void
answer_problem(struct answer *answer, const struct problem *problem)
{
	struct http_slice detail = http_slice_of(problem->detail[0] != '\0' ? problem->detail : problem->title);

	answer->end = answer->body_start; /* drops what was put of another answer */
	answer_put(answer, "{\"type\":\"urn:chasqui:problem:");
	answer_put(answer, problem->code);
	answer_put(answer, "\",\"title\":\"");
	answer_put(answer, problem->title);
	answer_put(answer, "\",\"status\":");
	answer_put_number(answer, problem->status);
	/* A detail cut in the middle of a character, or quoting one that is none, would not be JSON. */
	answer_put(answer, ",\"detail\":");
	answer_put_string(answer, text_is_utf8(detail) ? detail : HTTP_LITERAL("(not text)"));
	answer_put(answer, ",\"code\":\"");
	answer_put(answer, problem->code);
	answer_put(answer, "\"");
	if (problem->retry_after_ms != 0) {
		answer_put(answer, ",\"retry_after_ms\":");
		answer_put_number(answer, problem->retry_after_ms);
	}
	answer_put(answer, "}\n");
	answer->code = problem->code;
	if (answer->request_id != NULL && audit_is_failure(problem->status, problem->code))
		answer->is_audited = true;
	answer_head(answer, problem->status, ANSWER_PROBLEM);
	if (problem->retry_after_ms != 0)
		http_write_field_number(&answer->head, "Retry-After", (problem->retry_after_ms + 999) / 1000);
	if (problem->status == 401) { /* RFC 9110: it says how to do better */
		http_write_field(&answer->head, "WWW-Authenticate", HTTP_LITERAL("Bearer realm=\"chasqui\""));
		http_write_field(&answer->head, "WWW-Authenticate", HTTP_LITERAL("Basic realm=\"chasqui\", charset=\"UTF-8\""));
	}
	if (problem->allow[0] != '\0')
		http_write_field(&answer->head, "Allow", http_slice_of(problem->allow));
	answer_end(answer);
}

void
answer_outcome(struct answer *answer, unsigned outcome, const char *detail, ...)
{
	struct problem problem;
	va_list arguments;

	va_start(arguments, detail);
	problem_of_outcome_list(&problem, outcome, detail, arguments);
	va_end(arguments);
	answer_problem(answer, &problem);
}
