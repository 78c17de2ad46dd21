#include "frontd/http/chunk.h"

#include "tests/harness/unit.h"

struct example {
	const char		*bytes;
	size_t			 count;
	enum http_result	 result;
	const char		*body;          /* of a good one */
};

#define GOOD(text, body) { text, sizeof(text) - 1, HTTP_DONE, body }
#define BAD(text, expected) { text, sizeof(text) - 1, HTTP_##expected, "" }

static const struct example examples[] = {
	GOOD("0\r\n\r\n", ""),
	GOOD("00000000\r\n\r\n", ""),
	GOOD("5\r\nhello\r\n0\r\n\r\n", "hello"),
	GOOD("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij"),
	GOOD("0000001\r\nx\r\n1\r\ny\r\n0\r\n\r\n", "xy"),
	GOOD("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
	GOOD("1;a\r\nx\r\n0;b=c;d\r\n\r\n", "x"),
	GOOD("1\r\nx\r\n0\r\nA: b\r\nC:\r\nDigest: \t x\xff \r\n\r\n", "x"),

	BAD("\r\n", BAD_CHUNK_SIZE),
	BAD("x\r\n", BAD_CHUNK_SIZE),
	BAD("g\r\n", BAD_CHUNK_SIZE),
	BAD(" 1\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("1 \r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("1\t\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("0x1\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("-1\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("+1\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("1_0\r\n", BAD_CHUNK_SIZE),
	BAD("1,2\r\n", BAD_CHUNK_SIZE),
	BAD("1.0\r\n", BAD_CHUNK_SIZE),
	BAD("000000001\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("100000000\r\nx\r\n", BAD_CHUNK_SIZE),
	BAD("ffffffffffffffff1\r\n", BAD_CHUNK_SIZE),
	BAD(";a\r\n", BAD_CHUNK_SIZE),
	BAD("1\0\r\nx", BAD_CHUNK_SIZE),
	BAD("1\nx\n0\n\n", BAD_CHUNK_SIZE),
	BAD("1\rx", BAD_CHUNK_END),

	BAD("1;\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;;a\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a;\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;=b\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a=\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a=b=c\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1; a\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a =b\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a=\"b\"\r\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a\nx\r\n", BAD_CHUNK_EXTENSION),
	BAD("1;a\rx", BAD_CHUNK_END),
	BAD("1;a\0\r\nx", BAD_CHUNK_EXTENSION),

	BAD("1\r\nxy\r\n", BAD_CHUNK_END),
	BAD("1\r\nx\n0\r\n\r\n", BAD_CHUNK_END),
	BAD("1\r\nx\r0\r\n\r\n", BAD_CHUNK_END),
	BAD("1\r\nx0\r\n\r\n", BAD_CHUNK_END),
	BAD("5\r\nhello\r\n41\r\n", BODY_TOO_LARGE),
	BAD("ffffffff\r\n", BODY_TOO_LARGE),

	BAD("0\r\n\n", BAD_FIELD_NAME),
	BAD("0\r\n\rx", BARE_CR),
	BAD("0\r\n A: b\r\n\r\n", FOLDED_FIELD),
	BAD("0\r\nA: b\r\n c\r\n\r\n", FOLDED_FIELD),
	BAD("0\r\n: b\r\n\r\n", EMPTY_FIELD_NAME),
	BAD("0\r\nA : b\r\n\r\n", BLANK_IN_FIELD_NAME),
	BAD("0\r\nA\r\n\r\n", NO_COLON),
	BAD("0\r\nA\nB: c\r\n\r\n", BAD_FIELD_NAME),
	BAD("0\r\nA: b\n\r\n", BAD_FIELD_VALUE),
	BAD("0\r\nA: b\0\r\n\r\n", BAD_FIELD_VALUE),
	BAD("0\r\nA: b\rC: d\r\n\r\n", BARE_CR),
	BAD("0\r\nContent-Length: 5\r\n\r\n", FORBIDDEN_TRAILER),
	BAD("0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", FORBIDDEN_TRAILER),
	BAD("0\r\nConnection: close\r\n\r\n", FORBIDDEN_TRAILER),
	BAD("0\r\nA: b\r\nhost: x\r\n\r\n", FORBIDDEN_TRAILER),
	GOOD("0\r\nTransfer-Encoding-X: x\r\nHos: x\r\nHostx: x\r\n\r\n", ""),
};

#define EXAMPLE_COUNT (int)(sizeof(examples) / sizeof(examples[0]))

enum { BODY_MAX = 64 };

struct outcome {
	enum http_result	result;
	size_t			in_used;
	size_t			body_bytes;
	char			body[BODY_MAX];
};

/* Decodes with at most in_step bytes in and out_step bytes of room a call. */
static struct outcome
decode(const char *bytes, size_t count, size_t in_step, size_t out_step)
{
	struct outcome outcome = { .result = HTTP_NEED_MORE };
	struct http_chunk chunk;

	http_chunk_init(&chunk, BODY_MAX);
	while (outcome.result == HTTP_NEED_MORE && outcome.in_used < count) {
		size_t in_bytes = count - outcome.in_used;
		size_t out_bytes = BODY_MAX - outcome.body_bytes;
		if (in_bytes > in_step)
			in_bytes = in_step;
		if (out_bytes > out_step)
			out_bytes = out_step;
		struct http_slice in = { .ptr = bytes + outcome.in_used, .len = in_bytes };
		struct http_span out = {
			.ptr = outcome.body + outcome.body_bytes, .len = out_bytes
		};
		outcome.result = http_chunk_decode(&chunk, &in, &out);
		outcome.in_used += in_bytes - in.len;
		outcome.body_bytes += out_bytes - out.len;
		ck_assert_uint_eq(chunk.body_bytes, outcome.body_bytes);
	}
	return outcome;
}

START_TEST(each_example_body_gets_its_result)
{
	const struct example *example = &examples[_i];
	struct outcome seen = decode(example->bytes, example->count, SIZE_MAX, SIZE_MAX);

	ck_assert_msg(seen.result == example->result, "saw %d, expected %d, for:\n%s",
	    seen.result, example->result, example->bytes);
	if (example->result != HTTP_DONE)
		return;
	ck_assert_uint_eq(seen.in_used, example->count);
	ck_assert_uint_eq(seen.body_bytes, strlen(example->body));
	ck_assert_mem_eq(seen.body, example->body, seen.body_bytes);
}
END_TEST

START_TEST(a_body_gets_the_same_result_however_it_is_split)
{
	const struct example *example = &examples[_i];
	struct outcome whole = decode(example->bytes, example->count, SIZE_MAX, SIZE_MAX);

	for (size_t in_step = 1; in_step <= example->count; in_step++) {
		for (size_t out_step = 1; out_step <= 4; out_step++) {
			struct outcome seen = decode(example->bytes, example->count, in_step,
			    out_step);
			ck_assert_int_eq(seen.result, whole.result);
			ck_assert_uint_eq(seen.in_used, whole.in_used);
			ck_assert_uint_eq(seen.body_bytes, whole.body_bytes);
			ck_assert_mem_eq(seen.body, whole.body, whole.body_bytes);
		}
	}
}
END_TEST

START_TEST(no_prefix_of_a_good_body_is_done_or_refused)
{
	const struct example *example = &examples[_i];

	if (example->result != HTTP_DONE)
		return;
	for (size_t n = 0; n < example->count; n++)
		ck_assert_int_eq(decode(example->bytes, n, SIZE_MAX, SIZE_MAX).result,
		    HTTP_NEED_MORE);
}
END_TEST

START_TEST(what_follows_the_body_is_left_alone)
{
	const char bytes[] = "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
	struct outcome seen = decode(bytes, sizeof(bytes) - 1, SIZE_MAX, SIZE_MAX);

	ck_assert_int_eq(seen.result, HTTP_DONE);
	ck_assert_str_eq(bytes + seen.in_used, "GET / HTTP/1.1\r\n");
}
END_TEST

START_TEST(a_body_may_be_decoded_in_place)
{
	char bytes[] = "5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\n";
	struct http_slice in = { .ptr = bytes, .len = sizeof(bytes) - 1 };
	struct http_span out = { .ptr = bytes, .len = sizeof(bytes) - 1 };
	struct http_chunk chunk;

	http_chunk_init(&chunk, BODY_MAX);
	ck_assert_int_eq(http_chunk_decode(&chunk, &in, &out), HTTP_DONE);
	ck_assert_uint_eq(chunk.body_bytes, 12);
	ck_assert_mem_eq(bytes, "hello, world", 12);
}
END_TEST

/* before, count times filler, after. */
static enum http_result
decode_long(const char *before, size_t count, const char *filler, const char *after)
{
	char *text = calloc(1, strlen(before) + count * strlen(filler) + strlen(after) + 1);

	strcpy(text, before);
	for (size_t i = 0; i < count; i++)
		memcpy(text + strlen(before) + i * strlen(filler), filler, strlen(filler));
	strcat(text, after);
	enum http_result result = decode(text, strlen(text), SIZE_MAX, SIZE_MAX).result;
	free(text);
	return result;
}

START_TEST(the_limits_are_exact)
{
	size_t room = HTTP_CHUNK_EXTENSION_MAX;

	ck_assert_int_eq(decode_long("1;", room - 1, "a", "\r\nx\r\n0\r\n\r\n"), HTTP_DONE);
	ck_assert_int_eq(decode_long("1;", room, "a", "\r\n"), HTTP_CHUNK_EXTENSIONS_TOO_LONG);
	ck_assert_int_eq(decode_long("", BODY_MAX, "1\r\nx\r\n", "0\r\n\r\n"), HTTP_DONE);
	ck_assert_int_eq(decode_long("", BODY_MAX + 1, "1\r\nx\r\n", ""), HTTP_BODY_TOO_LARGE);
	ck_assert_int_eq(decode_long("", 33, "1;abcdefg\r\nx\r\n", ""),
	    HTTP_CHUNK_EXTENSIONS_TOO_LONG);

	room = HTTP_TRAILER_MAX - strlen("A:\r\n\r\n");
	ck_assert_int_eq(decode_long("0\r\nA:", room, "b", "\r\n\r\n"), HTTP_DONE);
	ck_assert_int_eq(decode_long("0\r\nA:", room + 1, "b", "\r\n\r\n"),
	    HTTP_TRAILERS_TOO_LARGE);
	ck_assert_int_eq(decode_long("0\r\n", 100, "A:b\r\n", "\r\n"), HTTP_DONE);
	ck_assert_int_eq(decode_long("0\r\n", 101, "A:b\r\n", "\r\n"), HTTP_TOO_MANY_FIELDS);
}
END_TEST

static Suite *
http_chunk_suite(void)
{
	Suite *suite = suite_create("http/chunk");
	TCase *tcase = tcase_create("chunk");

	tcase_add_loop_test(tcase, each_example_body_gets_its_result, 0, EXAMPLE_COUNT);
	tcase_add_loop_test(tcase, a_body_gets_the_same_result_however_it_is_split, 0,
	    EXAMPLE_COUNT);
	tcase_add_loop_test(tcase, no_prefix_of_a_good_body_is_done_or_refused, 0, EXAMPLE_COUNT);
	tcase_add_test(tcase, what_follows_the_body_is_left_alone);
	tcase_add_test(tcase, a_body_may_be_decoded_in_place);
	tcase_add_test(tcase, the_limits_are_exact);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_chunk_suite)
