/*
 * answer: one HTTP response in the making.  First its body is put, then its head is written, then answer_end() joins them:
 *
 *	answer_put(answer, "{\"id\":\"");  ...
 *	answer_head(answer, 201, ANSWER_JSON);
 *	http_write_field(&answer->head, "Location", location);
 *	answer_end(answer);                    -> answer_bytes() at answer_start()
 *
 * Small ones fit into the room lent by the caller and allocate nothing; larger ones move to the heap.  All text that came
 * from outside goes through answer_put_string().
 */
#ifndef FRONTD_API_ANSWER_H
#define FRONTD_API_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frontd/api/problem.h"
#include "frontd/http/slice.h"
#include "frontd/http/write.h"

#define ANSWER_ROOM_BYTES 4096u /* what callers lend */
#define ANSWER_HEAD_BYTES 768u  /* of it for the head, unless answer_head_room() asks for more */

#define ANSWER_LIMITS_BYTES 256u

#define ANSWER_JSON "application/json"
#define ANSWER_RAW "application/octet-stream" /* of a message that says no type, and what asks for a raw one */
#define ANSWER_PROBLEM "application/problem+json"

struct answer {
	/* Set by the caller. */
	char *room;              /* ANSWER_ROOM_BYTES, lent until the answer is sent */
	struct http_slice date;
	unsigned minor_version;
	bool keep_alive;
	bool is_head;            /* no body leaves, its length does */
	bool is_audited;         /* it carries the request's id, for it has a line in the audit log */
	const char *request_id;  /* NULL: there is no audit log */
	char limits[ANSWER_LIMITS_BYTES]; /* whole header fields of its user's rates; "": he has none */

	/* The result. */
	char *heap;              /* where it is when room did not suffice; the caller's to free */
	size_t start, end;
	unsigned status;
	const char *code;        /* of a problem; else NULL */
	uint64_t made_id;        /* of the token or session that it hands out, and whose it is, for the audit log; 0: none */
	uint64_t made_uid;

	/* Inside. */
	size_t size;
	size_t body_start;
	struct http_writer head;
};

/* Sets up an answer from what the caller filled in. */
void answer_init(struct answer *answer);

/* One that is on the heap from the start: only its body may be put, then another adopts it. */
void answer_init_heap(struct answer *answer, size_t size);

/* Before anything is put: its body is that of `other`, which has none any more. */
void answer_adopt(struct answer *answer, struct answer *other);

/* Before anything is put: the head may be as large as this. */
void answer_head_room(struct answer *answer, size_t head_bytes);

/* Its body will be about that large: room is made at once. */
void answer_expect(struct answer *answer, size_t body_bytes);

/* The body. */
void answer_put_bytes(struct answer *answer, const void *bytes, size_t count);
/* Here, so that the length of a literal is known. */
static inline void
answer_put(struct answer *answer, const char *text)
{
	answer_put_bytes(answer, text, strlen(text));
}
/* "text", with quotes and escapes; text must be UTF-8. */
void answer_put_string(struct answer *answer, struct http_slice text);
/* The same; that its first `plain` bytes need no escape is known (text_skip_plain()). */
void answer_put_text(struct answer *answer, struct http_slice text, size_t plain);
void answer_put_base64(struct answer *answer, const void *bytes, size_t count);
void answer_put_number(struct answer *answer, uint64_t number);
/* "2026-01-31T08:15:00.042Z", with quotes; null for 0. */
void answer_put_time(struct answer *answer, uint64_t time_ms);
/* "30s", with quotes. */
void answer_put_duration(struct answer *answer, uint64_t ms);
/* Room for count more bytes of the body, to be written by the caller, who then says answer_advance(). */
char *answer_reserve(struct answer *answer, size_t count);
void answer_advance(struct answer *answer, size_t count);

/* The head: fields may be added to answer->head until answer_end(). */
void answer_head(struct answer *answer, unsigned status, const char *content_type);
void answer_head_typed(struct answer *answer, unsigned status, struct http_slice content_type);
void answer_end(struct answer *answer);

/* Instead, before anything is put: room for head and body in one go / it was count bytes. */
char *answer_whole(struct answer *answer, unsigned status);
void answer_whole_end(struct answer *answer, size_t count);

/* After its end: what is on the heap takes no more than it needs, for its client may take its time. */
void answer_fit(struct answer *answer);

/* Whole answers. */
void answer_empty(struct answer *answer, unsigned status);
void answer_problem(struct answer *answer, const struct problem *problem);
void answer_outcome(struct answer *answer, unsigned outcome, const char *detail, ...) __attribute__((format(printf, 3, 4)));

static inline char *
answer_start(const struct answer *answer)
{
	return (answer->heap != NULL ? answer->heap : answer->room) + answer->start;
}

static inline size_t
answer_bytes(const struct answer *answer)
{
	return answer->end - answer->start;
}

#endif
