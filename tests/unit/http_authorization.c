#include "frontd/http/authorization.h"

#include "frontd/http/text.h"
#include "tests/harness/unit.h"

static char scratch[HTTP_BASIC_MAX + 2];

static struct http_authorization
parse(const char *value)
{
	struct http_authorization authorization;

	http_authorization_parse(value == NULL ? (struct http_slice){ .ptr = NULL } : http_slice_of(value),
	    (struct http_span){ .ptr = scratch, .len = sizeof(scratch) }, &authorization);
	return authorization;
}

/* As a client would write it. */
static struct http_authorization
parse_basic(const char *user_and_password, size_t len)
{
	char value[6 + TEXT_BASE64_BYTES(2 * HTTP_BASIC_MAX) + 1] = "Basic ";
	size_t written = text_base64_encode((struct http_slice){ user_and_password, len },
	    (struct http_span){ .ptr = value + 6, .len = sizeof(value) - 7 });

	ck_assert_uint_ne(written, TEXT_FAILED);
	return parse(value);
}

static void
expect_slice(struct http_slice slice, const char *text)
{
	ck_assert_msg(http_slice_is(slice, text), "%.*s instead of %s", (int)slice.len, slice.ptr, text);
}

START_TEST(no_field_is_no_credentials)
{
	ck_assert_int_eq(parse(NULL).kind, HTTP_CREDENTIALS_NONE);
}
END_TEST

START_TEST(a_bearer_token_is_taken_as_it_is)
{
	struct http_authorization bearer = parse("Bearer mq_abcDEF0123456789-_~+/.==");

	ck_assert_int_eq(bearer.kind, HTTP_CREDENTIALS_BEARER);
	expect_slice(bearer.token, "mq_abcDEF0123456789-_~+/.==");
	ck_assert_int_eq(parse("bEARER x").kind, HTTP_CREDENTIALS_BEARER);
}
END_TEST

START_TEST(a_basic_password_may_hold_colons_and_be_empty)
{
	struct http_authorization basic = parse("Basic YWxpY2U6c2U6Y3JldA==");

	ck_assert_int_eq(basic.kind, HTTP_CREDENTIALS_BASIC);
	expect_slice(basic.user, "alice");
	expect_slice(basic.password, "se:cret");
	basic = parse_basic("bob:", 4);
	ck_assert_int_eq(basic.kind, HTTP_CREDENTIALS_BASIC);
	expect_slice(basic.user, "bob");
	ck_assert_uint_eq(basic.password.len, 0);
}
END_TEST

START_TEST(the_longest_are_taken_and_not_one_byte_more)
{
	char text[HTTP_BASIC_MAX + 2];

	memset(text, 'u', sizeof(text));
	text[HTTP_USER_MAX] = ':';
	ck_assert_int_eq(parse_basic(text, HTTP_BASIC_MAX).kind, HTTP_CREDENTIALS_BASIC);
	ck_assert_int_eq(parse_basic(text, HTTP_BASIC_MAX + 1).kind, HTTP_CREDENTIALS_MALFORMED);
	text[HTTP_USER_MAX] = 'u';
	text[HTTP_USER_MAX + 1] = ':';
	ck_assert_int_eq(parse_basic(text, HTTP_USER_MAX + 2).kind, HTTP_CREDENTIALS_MALFORMED);

	char value[7 + HTTP_TOKEN_MAX + 2] = "Bearer ";
	memset(value + 7, 't', HTTP_TOKEN_MAX);
	ck_assert_int_eq(parse(value).kind, HTTP_CREDENTIALS_BEARER);
	value[7 + HTTP_TOKEN_MAX] = 't';
	ck_assert_int_eq(parse(value).kind, HTTP_CREDENTIALS_MALFORMED);
}
END_TEST

START_TEST(what_is_no_credentials_is_refused)
{
	static const char *const values[] = { "Bearer", "Bearer ", "Bearer  x", "Bearer x y", "Bearer x,y", "Bearer =",
		"Bearer x=y", "Bearer \"x\"", "Basic", "Basic ", "Basic YQ==", "Basic =", "Basic YWxpY2U6cA", "Basic YWxpY2U6cB==",
		"Basic YWxpY2U6cA==x", "Basic !!!!", "Basic  YWxpY2U6cA==", "Basic OnNlY3JldA==", "Bearer\tx", "Bearer x\t",
		"Bearer caf\xc3\xa9" };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		enum http_credentials kind = parse(values[i]).kind;
		bool is_other = strchr(values[i], '\t') == values[i] + 6;

		ck_assert_msg(kind == (is_other ? HTTP_CREDENTIALS_OTHER : HTTP_CREDENTIALS_MALFORMED), "%s: %d", values[i], kind);
	}
	ck_assert_int_eq(parse_basic("al\0ice:x", 8).kind, HTTP_CREDENTIALS_MALFORMED);
	ck_assert_int_eq(parse_basic("alice:x\ny", 9).kind, HTTP_CREDENTIALS_MALFORMED);
}
END_TEST

START_TEST(another_scheme_is_another_scheme)
{
	static const char *const values[] = { "", "Digest username=\"x\"", "Negotiate YQ==", "Bearers x", "Basi YQ==" };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		ck_assert_msg(parse(values[i]).kind == HTTP_CREDENTIALS_OTHER, "%s", values[i]);
}
END_TEST

START_TEST(a_password_is_text_without_controls)
{
	ck_assert(http_password_is_valid(http_slice_of("tr\xc3\xa4gt, 8 Lamas")));
	ck_assert(!http_password_is_valid(HTTP_LITERAL("")));
	ck_assert(!http_password_is_valid(HTTP_LITERAL("a\0b")));
	ck_assert(!http_password_is_valid(HTTP_LITERAL("a\tb")));
	ck_assert(!http_password_is_valid(HTTP_LITERAL("\xff\xfe")));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("http_authorization");
	TCase *tcase = tcase_create("parse");

	tcase_add_test(tcase, no_field_is_no_credentials);
	tcase_add_test(tcase, a_bearer_token_is_taken_as_it_is);
	tcase_add_test(tcase, a_basic_password_may_hold_colons_and_be_empty);
	tcase_add_test(tcase, the_longest_are_taken_and_not_one_byte_more);
	tcase_add_test(tcase, what_is_no_credentials_is_refused);
	tcase_add_test(tcase, another_scheme_is_another_scheme);
	tcase_add_test(tcase, a_password_is_text_without_controls);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
