#include "frontd/http/target.h"

#include "tests/harness/unit.h"

/* Writes what was understood as "seg|seg :verb name=value&name=value". */
static enum http_result
describe(const char *origin_form, char *out, size_t out_size)
{
	char scratch[256];
	struct http_target target;
	struct http_slice text = http_slice_of(origin_form);
	size_t at = 0;

	enum http_result result = http_target_parse(text,
	    (struct http_span){ .ptr = scratch, .len = text.len }, &target);
	out[0] = '\0';
	if (result != HTTP_DONE)
		return result;
	for (size_t i = 0; i < target.segment_count; i++)
		at += (size_t)snprintf(out + at, out_size - at, "%s%.*s", i > 0 ? "|" : "",
		    (int)target.segments[i].len, target.segments[i].ptr);
	if (target.verb.ptr != NULL)
		at += (size_t)snprintf(out + at, out_size - at, " :%.*s", (int)target.verb.len,
		    target.verb.ptr);
	for (size_t i = 0; i < target.param_count; i++)
		at += (size_t)snprintf(out + at, out_size - at, "%c%.*s=%.*s", i > 0 ? '&' : ' ',
		    (int)target.params[i].name.len, target.params[i].name.ptr,
		    (int)target.params[i].value.len, target.params[i].value.ptr);
	return HTTP_DONE;
}

static const struct {
	const char	*origin_form;
	const char	*described;
} good[] = {
	{ "/", "" },
	{ "*", "" },
	{ "/?", "" },
	{ "/a", "a" },
	{ "/a/", "a|" },
	{ "//", "|" },
	{ "/v1/queues/orders/messages", "v1|queues|orders|messages" },
	{ "/v1/queues/orders/messages:receive", "v1|queues|orders|messages :receive" },
	{ "/v1/queues/q/leases/r7:nack?a=b", "v1|queues|q|leases|r7 :nack a=b" },
	{ "/q:purge", "q :purge" },
	{ "/:purge", " :purge" },
	{ "/a:b:dry-run", "a:b :dry-run" },
	{ "/a:B/c", "a:B|c" },
	{ "/a%2fb%2F/c", "a/b/|c" },
	{ "/a%3Apurge", "a:purge" },
	{ "/a%3Ab:purge", "a:b :purge" },
	{ "/a%3Fb?c", "a?b c=" },
	{ "/%41%20%c3%a9", "A \xc3\xa9" },
	{ "/...", "..." },
	{ "/.a", ".a" },
	{ "/a+b?t=1+2", "a+b t=1+2" },
	{ "/?a=1&b=2", " a=1&b=2" },
	{ "/?a&b=", " a=&b=" },
	{ "/?&a=1&&b=2&", " a=1&b=2" },
	{ "/?a==b", " a==b" },
	{ "/?a%3Db=c%26d", " a=b=c&d" },
	{ "/?path=/x:y?z", " path=/x:y?z" },
	{ "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", "a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p" },
};

static const struct {
	const char		*origin_form;
	enum http_result	 result;
} bad[] = {
	{ "/%", HTTP_BAD_ESCAPE },
	{ "/%4", HTTP_BAD_ESCAPE },
	{ "/%4/1", HTTP_BAD_ESCAPE },
	{ "/%zz", HTTP_BAD_ESCAPE },
	{ "/%4x", HTTP_BAD_ESCAPE },
	{ "/%%41", HTTP_BAD_ESCAPE },
	{ "/%u0041", HTTP_BAD_ESCAPE },
	{ "/?a=%", HTTP_BAD_ESCAPE },
	{ "/?%4=a", HTTP_BAD_ESCAPE },
	{ "/?a=%4&b=1", HTTP_BAD_ESCAPE },
	{ "/a%00b", HTTP_BAD_TARGET_TEXT },
	{ "/a%0d%0aA%3A%20b", HTTP_BAD_TARGET_TEXT },
	{ "/%7f", HTTP_BAD_TARGET_TEXT },
	{ "/%ff", HTTP_BAD_TARGET_TEXT },
	{ "/%c0%ae", HTTP_BAD_TARGET_TEXT },
	{ "/%ed%a0%80", HTTP_BAD_TARGET_TEXT },
	{ "/?a=%c3", HTTP_BAD_TARGET_TEXT },
	{ "/?a=%00", HTTP_BAD_TARGET_TEXT },
	{ "/.", HTTP_DOT_SEGMENT },
	{ "/a/../b", HTTP_DOT_SEGMENT },
	{ "/a/%2e%2E", HTTP_DOT_SEGMENT },
	{ "/..:purge", HTTP_DOT_SEGMENT },
	{ "/a:", HTTP_BAD_VERB },
	{ "/a:Purge", HTTP_BAD_VERB },
	{ "/a:%70urge", HTTP_BAD_VERB },
	{ "/?=a", HTTP_BAD_QUERY },
	{ "/?a=1&=2", HTTP_BAD_QUERY },
	{ "/?a=1&a=2", HTTP_REPEATED_PARAM },
	{ "/?a=1&%61", HTTP_REPEATED_PARAM },
	{ "", HTTP_BAD_TARGET_FORM },
	{ "a", HTTP_BAD_TARGET_FORM },
	{ "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", HTTP_TOO_MANY_SEGMENTS },
	{ "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", HTTP_TOO_MANY_PARAMS },
};

#define COUNT_OF(table) (int)(sizeof(table) / sizeof((table)[0]))

START_TEST(each_good_target_is_taken_apart)
{
	char seen[256];

	ck_assert_int_eq(describe(good[_i].origin_form, seen, sizeof(seen)), HTTP_DONE);
	ck_assert_str_eq(seen, good[_i].described);
}
END_TEST

START_TEST(each_bad_target_gets_its_refusal)
{
	char seen[256];
	enum http_result result = describe(bad[_i].origin_form, seen, sizeof(seen));

	ck_assert_msg(result == bad[_i].result, "saw %d, expected %d, for %s", result,
	    bad[_i].result, bad[_i].origin_form);
}
END_TEST

START_TEST(a_parameter_is_found_by_its_decoded_name)
{
	char scratch[64];
	struct http_target target;
	struct http_slice text = http_slice_of("/?limit=10&%70refix=a%20b&empty");

	ck_assert_int_eq(http_target_parse(text,
	    (struct http_span){ .ptr = scratch, .len = sizeof(scratch) }, &target), HTTP_DONE);
	ck_assert(http_slice_is(http_target_param(&target, "limit"), "10"));
	ck_assert(http_slice_is(http_target_param(&target, "prefix"), "a b"));
	ck_assert(http_slice_is(http_target_param(&target, "empty"), ""));
	ck_assert_ptr_nonnull(http_target_param(&target, "empty").ptr);
	ck_assert_ptr_null(http_target_param(&target, "cursor").ptr);
}
END_TEST

static Suite *
http_target_suite(void)
{
	Suite *suite = suite_create("http/target");
	TCase *tcase = tcase_create("target");

	tcase_add_loop_test(tcase, each_good_target_is_taken_apart, 0, COUNT_OF(good));
	tcase_add_loop_test(tcase, each_bad_target_gets_its_refusal, 0, COUNT_OF(bad));
	tcase_add_test(tcase, a_parameter_is_found_by_its_decoded_name);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_target_suite)
