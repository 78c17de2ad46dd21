#include "frontd/api/media.h"
#include "tests/harness/unit.h"

static struct http_request request;
static char head[1000];

/* A request with these header lines. */
static void
with(const char *fields)
{
	size_t scan_from = 0;

	snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", fields);
	ck_assert_int_eq(http_parse_head(head, strlen(head), &scan_from, &request), HTTP_DONE);
}

START_TEST(the_most_exact_range_decides)
{
	with("");
	ck_assert_uint_eq(media_quality(&request, "application/json"), 1000);
	with("Accept: text/html, application/*;q=0.5, */*;q=0.1\r\n");
	ck_assert_uint_eq(media_quality(&request, "application/json"), 500);
	ck_assert_uint_eq(media_quality(&request, "image/png"), 100);
	with("Accept: */*\r\nAccept: application/json;v=1;q=0\r\n");
	ck_assert_uint_eq(media_quality(&request, "application/json"), 0);
	with("Accept: text/html\r\n");
	ck_assert_uint_eq(media_quality(&request, "application/json"), 0);
}
END_TEST

START_TEST(a_wildcard_does_not_name_a_type)
{
	with("Accept: */*\r\n");
	ck_assert(!media_is_named(&request, "application/octet-stream"));
	with("Accept: Application/Octet-Stream\r\n");
	ck_assert(media_is_named(&request, "application/octet-stream"));
}
END_TEST

START_TEST(parameters_do_not_change_a_content_type)
{
	ck_assert(media_is(HTTP_LITERAL("application/json"), "application/json"));
	ck_assert(media_is(HTTP_LITERAL("Application/JSON ; charset=utf-8"), "application/json"));
	ck_assert(!media_is(HTTP_LITERAL("application/jsonp"), "application/json"));
	ck_assert(!media_is((struct http_slice){ .ptr = NULL }, "application/json"));
}
END_TEST

START_TEST(a_preferred_wait_is_found_among_others)
{
	uint64_t seconds = 0;

	with("Prefer: respond-async, wait=20\r\n");
	ck_assert(media_prefers_wait(&request, &seconds));
	ck_assert_uint_eq(seconds, 20);
	with("Prefer: wait=x\r\n");
	ck_assert(!media_prefers_wait(&request, &seconds));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_media");
	TCase *tcase = tcase_create("front_media");

	tcase_add_test(tcase, the_most_exact_range_decides);
	tcase_add_test(tcase, a_wildcard_does_not_name_a_type);
	tcase_add_test(tcase, parameters_do_not_change_a_content_type);
	tcase_add_test(tcase, a_preferred_wait_is_found_among_others);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
