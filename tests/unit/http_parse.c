#include "frontd/http/parse.h"

#include "tests/harness/unit.h"

#define HOST "Host: chasqui\r\n"
#define GET(fields) "GET / HTTP/1.1\r\n" fields "\r\n"
#define POST(fields) "POST /q HTTP/1.1\r\n" HOST fields "\r\n"

struct example {
	const char		*bytes;
	size_t			 count;
	enum http_result	 result;
};

#define EXAMPLE(text, expected) { text, sizeof(text) - 1, HTTP_##expected }
#define EXAMPLE_COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

/* What every strict server must refuse, and the edge of what it must take. */
static const struct example examples[] = {
	EXAMPLE(GET(HOST), DONE),
	EXAMPLE("\r\n" GET(HOST), DONE),
	EXAMPLE("\r\n\r\n" GET(HOST), BAD_METHOD),
	EXAMPLE("\n" GET(HOST), BAD_METHOD),
	EXAMPLE("\rGET / HTTP/1.1\r\n" HOST "\r\n", BAD_METHOD),
	EXAMPLE("\x16\x03\x01\x02", BAD_METHOD),
	EXAMPLE(" GET / HTTP/1.1\r\n" HOST "\r\n", BAD_METHOD),

	EXAMPLE("GET / HTTP/1.1\nHost: chasqui\n\n", BARE_LF),
	EXAMPLE("GET / HTTP/1.1\r\nHost: chasqui\n\r\n", BARE_LF),
	EXAMPLE("GET / HTTP/1.1\r\nHost: chasqui\r\n\n", BARE_LF),
	EXAMPLE("GET / HTTP/1.1\r" HOST "\r\n", BAD_VERSION),
	EXAMPLE(GET("Host: chas\rqui\r\n"), BARE_CR),
	EXAMPLE(GET(HOST "\rA: b\r\n"), BARE_CR),
	EXAMPLE(GET(HOST "A: b\r\r\n"), BARE_CR),

	EXAMPLE("G(T / HTTP/1.1\r\n" HOST "\r\n", BAD_METHOD),
	EXAMPLE("GET\r\n\r\n", BAD_METHOD),
	EXAMPLE("GET\t/ HTTP/1.1\r\n" HOST "\r\n", BAD_METHOD),
	EXAMPLE("get / HTTP/1.1\r\n" HOST "\r\n", UNKNOWN_METHOD),
	EXAMPLE("BREW / HTTP/1.1\r\n" HOST "\r\n", UNKNOWN_METHOD),
	EXAMPLE("TRACE / HTTP/1.1\r\n" HOST "\r\n", UNKNOWN_METHOD),
	EXAMPLE("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", UNKNOWN_METHOD),
	EXAMPLE("GET  / HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET \t/ HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET /a#b HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET /a\0b HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET),
	EXAMPLE("GET a HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET_FORM),
	EXAMPLE("GET ?a HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET_FORM),
	EXAMPLE("GET * HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET_FORM),
	EXAMPLE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", DONE),
	EXAMPLE("OPTIONS ** HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET_FORM),
	EXAMPLE("GET http://chasqui/ HTTP/1.1\r\n" HOST "\r\n", DONE),
	EXAMPLE("GET HTTPS://CHASQUI/a HTTP/1.1\r\n" HOST "\r\n", DONE),
	EXAMPLE("GET http://other/ HTTP/1.1\r\n" HOST "\r\n", TARGET_NOT_HOST),
	EXAMPLE("GET http://chasqui:80/ HTTP/1.1\r\n" HOST "\r\n", TARGET_NOT_HOST),
	EXAMPLE("GET http://u@chasqui/ HTTP/1.1\r\n" HOST "\r\n", TARGET_NOT_HOST),
	EXAMPLE("GET http:///a HTTP/1.0\r\n\r\n", TARGET_NOT_HOST),
	EXAMPLE("GET http://chasqui HTTP/1.1\r\n" HOST "\r\n", BAD_TARGET_FORM),

	EXAMPLE("GET /\r\n\r\n", BAD_VERSION),
	EXAMPLE("GET / \r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET /  HTTP/1.1\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTP/1.1 \r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / http/1.1\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTP/1.10\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTP/11\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTP/+1.1\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTPS/1.1\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET /a b HTTP/1.1\r\n" HOST "\r\n", BAD_VERSION),
	EXAMPLE("GET / HTTP/1.2\r\n" HOST "\r\n", UNSUPPORTED_VERSION),
	EXAMPLE("GET / HTTP/0.9\r\n" HOST "\r\n", UNSUPPORTED_VERSION),
	EXAMPLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UNSUPPORTED_VERSION),

	EXAMPLE(GET(" " HOST), FOLDED_FIELD),
	EXAMPLE(GET(HOST "A: b\r\n c\r\n"), FOLDED_FIELD),
	EXAMPLE(GET(HOST "A: b\r\n\tc\r\n"), FOLDED_FIELD),
	EXAMPLE(GET(HOST ": b\r\n"), EMPTY_FIELD_NAME),
	EXAMPLE(GET("Host : chasqui\r\n"), BLANK_IN_FIELD_NAME),
	EXAMPLE(GET("Host\t: chasqui\r\n"), BLANK_IN_FIELD_NAME),
	EXAMPLE(GET(HOST "A b: c\r\n"), BLANK_IN_FIELD_NAME),
	EXAMPLE(GET(HOST "nonsense\r\n"), NO_COLON),
	EXAMPLE(GET(HOST "A\0b: c\r\n"), BAD_FIELD_NAME),
	EXAMPLE(GET(HOST "A[b]: c\r\n"), BAD_FIELD_NAME),
	EXAMPLE(GET(HOST "A\xe9: c\r\n"), BAD_FIELD_NAME),
	EXAMPLE(GET(HOST "A: b\0c\r\n"), BAD_FIELD_VALUE),
	EXAMPLE(GET(HOST "A: \x0b\r\n"), BAD_FIELD_VALUE),
	EXAMPLE(GET(HOST "A: 0123456789\x7f\r\n"), BAD_FIELD_VALUE),
	EXAMPLE(GET(HOST "A: 0123456\t789\x01 0123456789\r\n"), BAD_FIELD_VALUE),
	EXAMPLE(GET(HOST "A: 01234\t56789 \xc3\xa9\t\r\n"), DONE),
	EXAMPLE(GET(HOST "A:\r\n"), DONE),

	EXAMPLE(GET(""), NO_HOST),
	EXAMPLE("GET / HTTP/1.0\r\n\r\n", DONE),
	EXAMPLE(GET(HOST HOST), REPEATED_HOST),
	EXAMPLE("GET / HTTP/1.0\r\n" HOST HOST "\r\n", REPEATED_HOST),
	EXAMPLE(GET("Host:\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a,b\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a b\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: user@a\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a/b\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a?b\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: http://a\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: :80\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a:\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a:65536\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: a:65535\r\n"), DONE),
	EXAMPLE(GET("Host: [::1\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: []\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: [::1]x\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: [fe80::1%25eth0]\r\n"), BAD_HOST),
	EXAMPLE(GET("Host: [::ffff:10.0.0.1]:4000\r\n"), DONE),
	EXAMPLE(GET("Host: caf\xc3\xa9\r\n"), BAD_HOST),

	EXAMPLE(POST("Content-Length: 5\r\n"), DONE),
	EXAMPLE(POST("Content-Length: 9223372036854775807\r\n"), DONE),
	EXAMPLE(POST("Content-Length: 9223372036854775808\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 99999999999999999999\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length:\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: -5\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: +5\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5 5\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5 \r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 0x5\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5.0\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5,5\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5_0\r\n"), BAD_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5\r\nContent-Length: 5\r\n"), REPEATED_CONTENT_LENGTH),
	EXAMPLE(POST("Content-Length: 5\r\ncontent-length: 6\r\n"), REPEATED_CONTENT_LENGTH),

	EXAMPLE(POST("Transfer-Encoding: chunked\r\n"), DONE),
	EXAMPLE(POST("Transfer-Encoding: CHUNKED\r\n"), DONE),
	EXAMPLE(POST("Transfer-Encoding: chunked \r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked\t\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked\x0b\r\n"), BAD_FIELD_VALUE),
	EXAMPLE(POST("Transfer-Encoding:\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked, chunked\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked,\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: \"chunked\"\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked;q=1\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chun ked\r\n"), BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: identity\r\n"), UNKNOWN_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: xchunked\r\n"), UNKNOWN_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: gzip, chunked\r\n"), UNKNOWN_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
	    BAD_TRANSFER_ENCODING),
	EXAMPLE(POST("Transfer-Encoding : chunked\r\n"), BLANK_IN_FIELD_NAME),
	EXAMPLE(POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), TWO_LENGTHS),
	EXAMPLE(POST("Transfer-Encoding: identity\r\nContent-Length: 5\r\n"), TWO_LENGTHS),
	EXAMPLE("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
	    TRANSFER_ENCODING_IN_1_0),

	EXAMPLE(POST("Content-Length: 5\r\nExpect: 100-continue\r\n"), DONE),
	EXAMPLE(POST("Expect: 200-ok\r\n"), BAD_EXPECT),
	EXAMPLE(POST("Expect:\r\n"), BAD_EXPECT),
	EXAMPLE(POST("Expect: 100-continue, x\r\n"), BAD_EXPECT),
	EXAMPLE(POST("Expect: 100-continue\r\nExpect: 100-continue\r\n"), BAD_EXPECT),
	EXAMPLE(POST("Content-Type: a/b\r\nContent-Type: a/b\r\n"), REPEATED_FIELD),
	EXAMPLE(POST("Authorization: Basic a\r\nAuthorization: Bearer b\r\n"), REPEATED_FIELD),
	EXAMPLE(POST("Upgrade: websocket\r\nConnection: upgrade\r\n"), BAD_UPGRADE),
	EXAMPLE(POST("Upgrade: h2c\r\nConnection: upgrade\r\n"), DONE),
};

/* In a buffer of its own size, so that the address sanitizer sees a read past the end. */
static enum http_result
parse(const char *bytes, size_t count, struct http_request *request)
{
	size_t scan_from = 0;
	char *copy = malloc(count + 1);

	memcpy(copy, bytes, count);
	copy = realloc(copy, count > 0 ? count : 1);
	enum http_result result = http_parse_head(copy, count, &scan_from, request);
	free(copy);
	return result;
}

static void
parse_good(const char *text, struct http_request *request)
{
	size_t scan_from = 0;

	ck_assert_int_eq(http_parse_head(text, strlen(text), &scan_from, request), HTTP_DONE);
}

static void
assert_slice(struct http_slice slice, const char *expected)
{
	ck_assert_msg(slice.ptr != NULL && http_slice_is(slice, expected), "saw '%.*s', not '%s'",
	    (int)slice.len, slice.ptr, expected);
}

START_TEST(each_example_head_gets_its_result)
{
	const struct example *example = &examples[_i];
	struct http_request request;
	enum http_result result = parse(example->bytes, example->count, &request);

	ck_assert_msg(result == example->result, "saw %d, expected %d, for:\n%s", result,
	    example->result, example->bytes);
}
END_TEST

START_TEST(a_refusal_has_a_status_a_code_and_a_detail)
{
	for (int i = HTTP_NEED_MORE + 1; i < HTTP_RESULT_COUNT; i++) {
		struct http_problem problem = http_problem_of((enum http_result)i);
		ck_assert_uint_ge(problem.status, 400);
		ck_assert_str_ne(problem.title, "Unknown");
		ck_assert(strlen(problem.code) > 0 && strlen(problem.detail) > 0);
	}
}
END_TEST

START_TEST(a_head_gets_the_same_result_however_it_is_split)
{
	const char *bytes = examples[_i].bytes;
	size_t count = examples[_i].count, scan_from = 0;
	enum http_result expected = examples[_i].result, result = HTTP_NEED_MORE;
	struct http_request request;

	for (size_t n = 0; n <= count && result == HTTP_NEED_MORE; n++)
		result = http_parse_head(bytes, n, &scan_from, &request);
	ck_assert_msg(result == expected, "byte by byte: saw %d", result);

	for (size_t n = 0; n <= count; n++) {
		scan_from = 0;
		result = http_parse_head(bytes, n, &scan_from, &request);
		if (result == HTTP_NEED_MORE)
			result = http_parse_head(bytes, count, &scan_from, &request);
		ck_assert_msg(result == expected, "split at %zu: saw %d", n, result);
	}
}
END_TEST

START_TEST(no_prefix_of_a_good_head_is_done_or_refused)
{
	const char head[] = "\r\n" POST("Content-Length: 5\r\nA: b\r\n");
	struct http_request request;

	for (size_t n = 0; n < sizeof(head) - 1; n++)
		ck_assert_int_eq(parse(head, n, &request), HTTP_NEED_MORE);
	ck_assert_int_eq(parse(head, sizeof(head) - 1, &request), HTTP_DONE);
}
END_TEST

START_TEST(a_request_shows_all_that_was_sent)
{
	struct http_request request;
	size_t from = 0;
	const char *head = "POST /v1/queues/a/messages?x=1 HTTP/1.1\r\nhOST: localhost:4000\r\n"
	    "Content-Type:\t application/json \t\r\nContent-Length: 012\r\nAccept: a/b\r\n"
	    "ACCEPT: c/d\r\nIdempotency-Key: k 1\r\nMq-Delay: 5s\r\nExpect: 100-Continue\r\n"
	    "If-Match: \"1\"\r\nIf-None-Match: *\r\nPrefer: wait=20\r\n"
	    "Authorization: Bearer mq_1\r\n\r\nbody";

	parse_good(head, &request);
	ck_assert_int_eq(request.method, HTTP_POST);
	ck_assert_str_eq(http_method_name(request.method), "POST");
	ck_assert_uint_eq(request.minor_version, 1);
	ck_assert_uint_eq(request.head_bytes, strlen(head) - 4);
	assert_slice(request.target, "/v1/queues/a/messages?x=1");
	assert_slice(request.origin_form, "/v1/queues/a/messages?x=1");
	ck_assert_uint_eq(request.field_count, 12);
	assert_slice(request.fields[0].name, "hOST");
	assert_slice(request.known[HTTP_HOST], "localhost:4000");
	assert_slice(request.known[HTTP_CONTENT_TYPE], "application/json");
	assert_slice(request.known[HTTP_ACCEPT], "a/b");
	assert_slice(request.known[HTTP_IDEMPOTENCY_KEY], "k 1");
	assert_slice(request.known[HTTP_IF_MATCH], "\"1\"");
	assert_slice(request.known[HTTP_IF_NONE_MATCH], "*");
	assert_slice(request.known[HTTP_PREFER], "wait=20");
	assert_slice(request.known[HTTP_AUTHORIZATION], "Bearer mq_1");
	ck_assert_ptr_null(request.known[HTTP_UPGRADE].ptr);
	assert_slice(http_next_field(&request, "accept", &from)->value, "a/b");
	assert_slice(http_next_field(&request, "accept", &from)->value, "c/d");
	ck_assert_ptr_null(http_next_field(&request, "accept", &from));
	ck_assert(http_slice_has_prefix(request.fields[6].name, "mq-"));
	ck_assert_int_eq(request.fields[6].known, HTTP_OTHER);
	ck_assert_uint_eq(request.content_length, 12);
	ck_assert(request.has_body && !request.is_chunked && request.expect_continue);
}
END_TEST

START_TEST(an_absolute_target_leaves_its_path)
{
	struct http_request request;

	parse_good("GET http://a:1/b?c=/d HTTP/1.1\r\nHost: A:1\r\n\r\n", &request);
	assert_slice(request.target, "http://a:1/b?c=/d");
	assert_slice(request.origin_form, "/b?c=/d");
}
END_TEST

START_TEST(a_connection_is_kept_as_version_and_header_say)
{
	struct http_request request;

	parse_good(GET(HOST), &request);
	ck_assert(request.keep_alive);
	parse_good(GET(HOST "Connection: foo ,Close\r\n"), &request);
	ck_assert(!request.keep_alive);
	parse_good(GET(HOST "Connection: keep-alive\r\nConnection: close\r\n"), &request);
	ck_assert(!request.keep_alive);
	parse_good(GET(HOST "Connection: closed\r\n"), &request);
	ck_assert(request.keep_alive);
	parse_good(GET(HOST "Proxy-Connection: close\r\n"), &request);
	ck_assert(!request.keep_alive);
	parse_good("GET / HTTP/1.0\r\n\r\n", &request);
	ck_assert(!request.keep_alive);
	parse_good("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &request);
	ck_assert(request.keep_alive);
}
END_TEST

START_TEST(continue_is_wanted_only_by_1_1_with_a_body)
{
	struct http_request request;

	parse_good(POST("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), &request);
	ck_assert(request.expect_continue && request.is_chunked && request.has_body);
	parse_good(POST("Expect: 100-continue\r\nContent-Length: 0\r\n"), &request);
	ck_assert(!request.expect_continue && !request.has_body);
	parse_good("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
	    &request);
	ck_assert(!request.expect_continue && request.has_body);
}
END_TEST

START_TEST(a_websocket_is_wanted_only_when_both_headers_say_so)
{
	struct http_request request;

	parse_good(GET(HOST "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"), &request);
	ck_assert(request.wants_websocket);
	parse_good(GET(HOST "Upgrade: websocket\r\n"), &request);
	ck_assert(!request.wants_websocket);
}
END_TEST

/* prefix, count times filler, suffix. */
static enum http_result
parse_long(const char *prefix, size_t count, const char *filler, const char *suffix)
{
	struct http_request request;
	size_t prefix_len = strlen(prefix), len = strlen(filler), at = prefix_len;
	char *text = malloc(prefix_len + count * len + strlen(suffix) + 1);

	memcpy(text, prefix, prefix_len);
	for (size_t i = 0; i < count; i++, at += len)
		memcpy(text + at, filler, len);
	strcpy(text + at, suffix);
	enum http_result result = parse(text, strlen(text), &request);
	free(text);
	return result;
}

START_TEST(the_limits_are_exact)
{
	const char *end = " HTTP/1.1\r\n" HOST "\r\n";
	const char *start = "GET / HTTP/1.1\r\n" HOST "A: ";
	size_t room = HTTP_HEAD_MAX - strlen(start) - 4;

	ck_assert_int_eq(parse_long("GET /", HTTP_TARGET_MAX - 1, "a", end), HTTP_DONE);
	ck_assert_int_eq(parse_long("GET /", HTTP_TARGET_MAX, "a", end), HTTP_TARGET_TOO_LONG);
	ck_assert_int_eq(parse_long("GET /", HTTP_HEAD_MAX, "a", end), HTTP_TARGET_TOO_LONG);
	ck_assert_int_eq(parse_long(start, room, "a", "\r\n\r\n"), HTTP_DONE);
	ck_assert_int_eq(parse_long(start, room + 1, "a", "\r\n\r\n"), HTTP_HEAD_TOO_LARGE);
	ck_assert_int_eq(parse_long(start, room * 2, "a", "\r\n\r\n"), HTTP_HEAD_TOO_LARGE);
	start = "GET / HTTP/1.1\r\n" HOST;
	ck_assert_int_eq(parse_long(start, HTTP_FIELD_MAX - 1, "A:b\r\n", "\r\n"), HTTP_DONE);
	ck_assert_int_eq(parse_long(start, HTTP_FIELD_MAX, "A:b\r\n", "\r\n"),
	    HTTP_TOO_MANY_FIELDS);
}
END_TEST

static Suite *
http_parse_suite(void)
{
	Suite *suite = suite_create("http/parse");
	TCase *tcase = tcase_create("head");

	tcase_add_loop_test(tcase, each_example_head_gets_its_result, 0, EXAMPLE_COUNT(examples));
	tcase_add_loop_test(tcase, a_head_gets_the_same_result_however_it_is_split, 0,
	    EXAMPLE_COUNT(examples));
	tcase_add_test(tcase, a_refusal_has_a_status_a_code_and_a_detail);
	tcase_add_test(tcase, no_prefix_of_a_good_head_is_done_or_refused);
	tcase_add_test(tcase, a_request_shows_all_that_was_sent);
	tcase_add_test(tcase, an_absolute_target_leaves_its_path);
	tcase_add_test(tcase, a_connection_is_kept_as_version_and_header_say);
	tcase_add_test(tcase, continue_is_wanted_only_by_1_1_with_a_body);
	tcase_add_test(tcase, a_websocket_is_wanted_only_when_both_headers_say_so);
	tcase_add_test(tcase, the_limits_are_exact);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_parse_suite)
