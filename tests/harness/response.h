#ifndef TESTS_HARNESS_RESPONSE_H
#define TESTS_HARNESS_RESPONSE_H

/*
 * response: one HTTP/1.1 response, taken apart.  Owns its memory and uses it again for the next response, so that what the
 * functions here give is borrowed until then.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct response {
	unsigned status;
	bool is_closing;        /* HTTP/1.0 or `Connection: close` */
	char *head;             /* the lines of the head, each NUL-terminated */
	size_t head_bytes;
	char *body;             /* a NUL behind it */
	size_t body_bytes;
	size_t head_capacity;
	size_t body_capacity;
	json_t *json;           /* of the body, once it was asked for */
};

/*
 * Read one response at the start of bytes.  How many bytes it took; 0 when more are needed; -1 when this is no response.
 * is_head: it answers a HEAD request and has no body whatever its length says.
 */
ssize_t response_parse(struct response *response, const char *bytes, size_t count, bool is_head);
void response_free(struct response *response);

/* The value of a header field, NULL without one. */
const char *response_field(const struct response *response, const char *name);

/*
 * A member of the JSON body by its path, `messages.0.id`.  NULL when the body is not JSON or has no such member;
 * response_text() and response_number() fail the test then, and when the type is another one.
 */
json_t *response_member(struct response *response, const char *path);
const char *response_text(struct response *response, const char *path);
int64_t response_number(struct response *response, const char *path);

/* Elements of an array; fails the test when it is none. */
size_t response_count(struct response *response, const char *path);

/* Fail the test, showing the response, unless it has this status. */
#define expect_status(response, wanted) \
	ck_assert_msg((response)->status == (wanted), "status %u instead of %u: %.300s", (response)->status, \
	    (unsigned)(wanted), (response)->body)

/* Unless it is a whole RFC 9457 problem document with this status and code. */
#define expect_problem(response, wanted, slug) \
	do { \
		const char *complaint_ = response_problem_complaint((response), (wanted), (slug)); \
		ck_assert_msg(complaint_ == NULL, "%s instead of problem %u %s: status %u, body %.300s", complaint_, \
		    (unsigned)(wanted), (slug), (response)->status, (response)->body); \
	} while (0)

/* What is wrong with a problem document; NULL: nothing. */
const char *response_problem_complaint(struct response *response, unsigned status, const char *slug);

#endif
