/*
 * Happy path: heads_find() compares with the head that this connection sent last.  The first of a
 * kind is put in by heads_learn(), other connections that send the same find it as the one found
 * last.
 *
 * A head may hold a token, and it is compared with what strangers send: is_same() takes a time that
 * depends on lengths only.  The request line goes first, in any time: of publishes and receives it
 * holds no secret.
 */
#include "frontd/heads.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/frontd.h"

#define LEARN_EVERY 32u
#define LENGTH_DIGITS_MAX 9u /* more than any body that is taken has */

typedef uint64_t pair __attribute__((vector_size(16)));

int
heads_open(struct frontd *frontd)
{
	frontd->heads.all = calloc(HEADS_MAX, sizeof(*frontd->heads.all));
	frontd->heads.last = frontd->heads.all;
	frontd->heads.unknown = LEARN_EVERY - 1; /* the first is remembered at once */
	return frontd->heads.all != NULL ? 0 : -1;
}

void
heads_close(struct frontd *frontd)
{
	if (frontd->heads.all != NULL)
		explicit_bzero(frontd->heads.all, HEADS_MAX * sizeof(*frontd->heads.all));
	free(frontd->heads.all);
}

void
heads_forget(struct frontd *frontd)
{
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		frontd->heads.all[i].count = 0;
}

/* ---- finding ---- */

static pair
pair_at(const char *at)
{
	pair bytes;

	memcpy(&bytes, at, sizeof(bytes));
	return bytes;
}

/* In a time that depends on count only. */
static bool
is_same(const char *one, const char *other, size_t count)
{
	unsigned char difference = 0;
	pair marks = { 0, 0 };

	if (count < sizeof(pair)) {
		for (size_t i = 0; i < count; i++)
			difference |= (unsigned char)(one[i] ^ other[i]);
		return difference == 0;
	}
	for (size_t at = 0; at + sizeof(pair) < count; at += sizeof(pair))
		marks |= pair_at(one + at) ^ pair_at(other + at);
	count -= sizeof(pair); /* the last overlaps */
	marks |= pair_at(one + count) ^ pair_at(other + count);
	return (marks[0] | marks[1]) == 0;
}

/* The digits at `at`, as the parser takes them; how many, 0: none that are looked at here. */
static size_t
length_read(const char *at, size_t count, uint64_t *length)
{
	size_t digits = 0;

	*length = 0;
	while (digits < count && digits <= LENGTH_DIGITS_MAX && http_is_digit(at[digits]))
		*length = *length * 10 + (uint64_t)(at[digits++] - '0');
	return digits > LENGTH_DIGITS_MAX || (digits > 1 && at[0] == '0') ? 0 : digits;
}

/* Does this head stand at the start of bytes, but for its length? */
static bool
head_matches(struct head *head, const char *bytes, size_t count)
{
	const char *behind = head->bytes + head->length_at + head->length_bytes;
	size_t behind_bytes = head->count - head->length_at - head->length_bytes, digits = 0;
	uint64_t length = 0;

	if (head->count == 0 || count < head->length_at + behind_bytes ||
	    memcmp(bytes, head->bytes, head->line_bytes) != 0)
		return false;
	if (!is_same(bytes + head->line_bytes, head->bytes + head->line_bytes,
	    head->length_at - head->line_bytes))
		return false;
	if (head->length_bytes != 0) {
		digits = length_read(bytes + head->length_at, count - head->length_at, &length);
		if (digits == 0 || count - head->length_at - digits < behind_bytes ||
		    !is_same(bytes + head->length_at + digits, behind, behind_bytes))
			return false;
	}
	head->request.content_length = length;
	head->request.has_body = length != 0;
	head->request.head_bytes = head->length_at + digits + behind_bytes;
	return true;
}

struct head *
heads_find(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	struct heads *heads = &frontd->heads;
	struct head *head = &heads->all[conn->head];

	if (head_matches(head, bytes, count))
		return head;
	if (heads->last == head || !head_matches(heads->last, bytes, count))
		return NULL;
	conn->head = (uint8_t)(heads->last - heads->all);
	return heads->last;
}

/* ---- learning ---- */

static bool
has_field(const struct http_request *request, const char *name)
{
	size_t from = 0;

	return http_next_field(request, name, &from) != NULL;
}

/*
 * A password is kept nowhere; a head that says how the body is to come, or what it must be, is for
 * those who read it.
 */
static bool
is_plain(const struct http_request *request)
{
	struct http_slice credential = request->known[HTTP_AUTHORIZATION];

	return !request->is_chunked && !request->expect_continue &&
	    request->head_bytes <= HEAD_BYTES_MAX &&
	    (credential.ptr == NULL || http_slice_has_prefix(credential, "bearer")) &&
	    !has_field(request, "content-digest") && !has_field(request, "mq-not-before");
}

/* Reads bytes[] as if it had just come. */
static void
head_read(struct head *head)
{
	struct http_slice length;
	size_t scan_from = 0;
	enum http_result result =
	    http_parse_head(head->bytes, head->count, &scan_from, &head->request);

	assert(result == HTTP_DONE); /* it was admitted */
	result = http_target_parse(head->request.origin_form,
	    (struct http_span){ .ptr = head->scratch, .len = sizeof(head->scratch) },
	    &head->target);
	assert(result == HTTP_DONE);
	length = head->request.known[HTTP_CONTENT_LENGTH];
	head->length_at = length.ptr != NULL ? (uint32_t)(length.ptr - head->bytes) : head->count;
	head->length_bytes = (uint32_t)length.len;
	head->line_bytes =
	    (uint32_t)(head->request.target.ptr + head->request.target.len - head->bytes);
}

static struct head *
head_new(struct heads *heads)
{
	struct head *head = &heads->all[heads->next];

	heads->next = (heads->next + 1) % HEADS_MAX;
	return head;
}

void
heads_learn(struct frontd *frontd, struct conn *conn, const char *bytes)
{
	const struct http_request *request = frontd->request;
	const struct api_call *call = &frontd->call;
	struct heads *heads = &frontd->heads;
	enum op op = call->memo.route->op;

	if ((op != OP_PUBLISH && op != OP_RECEIVE) || ++heads->unknown % LEARN_EVERY != 0 ||
	    !is_plain(request))
		return;
	for (uint32_t i = 0; i < HEADS_MAX; i++) {
		if (!head_matches(&heads->all[i], bytes, request->head_bytes))
			continue;
		conn->head = (uint8_t)i;
		return;
	}
	struct head *head = head_new(heads);
	head->count = (uint32_t)request->head_bytes;
	memcpy(head->bytes, bytes, head->count);
	head_read(head);
	api_known_take(&head->known, call);
	heads->last = head;
	conn->head = (uint8_t)(head - heads->all);
}
