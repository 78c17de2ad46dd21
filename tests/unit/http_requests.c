/*
 * The parser and the chunk decoder over tests/harness/requests.def: each is refused as it says, or accepted and then ends
 * where the next request begins.
 */
#include "frontd/http/chunk.h"
#include "frontd/http/parse.h"
#include "tests/harness/requests.h"
#include "tests/harness/unit.h"

#define NEXT "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
enum { BODY_MAX = 1 << 20, ROOM = 1 << 16 };

/* How many bytes the request took; the status of a refusal in *status, else 0. */
static size_t
read_request(const char *bytes, size_t count, unsigned *status)
{
	static struct http_request request;
	static char body[ROOM];
	struct http_span out = { .ptr = body, .len = sizeof(body) };
	struct http_chunk chunk;
	size_t scan_from = 0;
	enum http_result result = http_parse_head(bytes, count, &scan_from, &request);

	*status = 0;
	ck_assert_int_ne(result, HTTP_NEED_MORE);
	if (http_is_refusal(result)) {
		*status = http_problem_of(result).status;
		return 0;
	}
	if (!request.is_chunked)
		return request.head_bytes + (size_t)request.content_length;
	struct http_slice in = { .ptr = bytes + request.head_bytes, .len = count - request.head_bytes };
	http_chunk_init(&chunk, BODY_MAX);
	result = http_chunk_decode(&chunk, &in, &out);
	ck_assert_int_ne(result, HTTP_NEED_MORE);
	if (http_is_refusal(result))
		*status = http_problem_of(result).status;
	return (size_t)(in.ptr - bytes);
}

START_TEST(each_request_is_refused_or_ends_where_the_next_begins)
{
	char bytes[ROOM];
	size_t count = requests[_i].count;
	unsigned status;

	memcpy(bytes, requests[_i].bytes, count);
	memcpy(bytes + count, NEXT, sizeof(NEXT) - 1);
	size_t used = read_request(bytes, count + sizeof(NEXT) - 1, &status);
	ck_assert_msg(status == requests[_i].parser, "%s: %u instead of %u", requests[_i].bytes, status, requests[_i].parser);
	if (status == 0)
		ck_assert_msg(used == count, "%s: took %zu bytes of %zu", requests[_i].bytes, used, count);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("unit/http_requests");
	TCase *tcase = tcase_create("requests");

	tcase_add_loop_test(tcase, each_request_is_refused_or_ends_where_the_next_begins, 0, REQUEST_COUNT);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
