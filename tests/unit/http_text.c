#include "frontd/http/text.h"

#include "tests/harness/unit.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

START_TEST(valid_utf8_is_taken)
{
	static const struct http_slice texts[] = {
		HTTP_LITERAL(""), HTTP_LITERAL("a"), HTTP_LITERAL("a\0b"),
		HTTP_LITERAL("0123456789abcdef0123"), HTTP_LITERAL("\x7f"),
		HTTP_LITERAL("\xc2\x80"), HTTP_LITERAL("\xdf\xbf"),
		HTTP_LITERAL("\xe0\xa0\x80"), HTTP_LITERAL("\xed\x9f\xbf"),
		HTTP_LITERAL("\xee\x80\x80"), HTTP_LITERAL("\xef\xbf\xbf"),
		HTTP_LITERAL("\xf0\x90\x80\x80"), HTTP_LITERAL("\xf4\x8f\xbf\xbf"),
		HTTP_LITERAL("0123456\xc3\xa9 89abcdef\xf0\x9f\xa6\x99"),
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		ck_assert_msg(text_is_utf8(texts[i]), "refused text %zu", i);
}
END_TEST

START_TEST(invalid_utf8_is_refused_wherever_it_stands)
{
	static const struct http_slice texts[] = {
		HTTP_LITERAL("\x80"), HTTP_LITERAL("\xbf"), HTTP_LITERAL("\xff"),
		HTTP_LITERAL("\xc0\x80"), HTTP_LITERAL("\xc1\xbf"), HTTP_LITERAL("\xc3"),
		HTTP_LITERAL("\xc3("), HTTP_LITERAL("\xe0\x80\x80"), HTTP_LITERAL("\xe0\x9f\xbf"),
		HTTP_LITERAL("\xed\xa0\x80"), HTTP_LITERAL("\xe2\x82"), HTTP_LITERAL("\xe2\x82("),
		HTTP_LITERAL("\xf0\x8f\xbf\xbf"), HTTP_LITERAL("\xf4\x90\x80\x80"),
		HTTP_LITERAL("\xf5\x80\x80\x80"), HTTP_LITERAL("\xf0\x9f\xa6"),
		HTTP_LITERAL("\xf8\x88\x80\x80\x80"),
	};
	char text[32];

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		for (size_t before = 0; before <= 17; before++) {
			memset(text, 'a', sizeof(text));
			memcpy(text + before, texts[i].ptr, texts[i].len);
			struct http_slice last = { .ptr = text, .len = before + texts[i].len };
			struct http_slice inner = { .ptr = text, .len = sizeof(text) };
			ck_assert_msg(!text_is_utf8(last), "took text %zu behind %zu", i, before);
			ck_assert_msg(!text_is_utf8(inner), "took text %zu inside", i);
		}
	}
}
END_TEST

START_TEST(json_escapes_what_it_must_and_nothing_else)
{
	static const struct {
		struct http_slice	 text;
		const char		*escaped;
	} strings[] = {
		{ HTTP_LITERAL(""), "" },
		{ HTTP_LITERAL("plain / text \xc3\xa9\x7f"), "plain / text \xc3\xa9\x7f" },
		{ HTTP_LITERAL("\"\\"), "\\\"\\\\" },
		{ HTTP_LITERAL("\b\t\n\f\r"), "\\b\\t\\n\\f\\r" },
		{ HTTP_LITERAL("\0\x01\x1f"), "\\u0000\\u0001\\u001f" },
		{ HTTP_LITERAL("0123456789\"abcdefgh\\i"), "0123456789\\\"abcdefgh\\\\i" },
	};

	for (size_t i = 0; i < COUNT_OF(strings); i++) {
		size_t needed = strlen(strings[i].escaped);
		for (size_t size = 0; size <= needed; size++) {
			char *out = malloc(size + 1);
			size_t count = text_json_escape(strings[i].text,
			    (struct http_span){ .ptr = out, .len = size });
			ck_assert_uint_eq(count, size < needed ? TEXT_FAILED : needed);
			if (size == needed)
				ck_assert_mem_eq(out, strings[i].escaped, needed);
			free(out);
		}
	}
}
END_TEST

START_TEST(only_blocks_that_hold_nothing_special_are_skipped)
{
	char text[3 * 64 + 5];

	for (int byte = 0; byte < 256; byte++)
		for (size_t at = 0; at < sizeof(text); at++) {
			bool is_plain = byte >= ' ' && byte <= 0x7f && byte != '"' && byte != '\\';
			size_t whole = is_plain || at >= 3 * 64 ? 3 : at / 64;

			memset(text, 'x', sizeof(text));
			text[at] = (char)byte;
			ck_assert_ptr_eq(text_skip_plain(text, text + sizeof(text)), text + whole * 64);
		}
}
END_TEST

START_TEST(base64_gives_the_test_vectors_of_rfc_4648)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	char buffer[16];
	struct http_span out = { .ptr = buffer, .len = sizeof(buffer) };

	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct http_slice bytes = http_slice_of(pairs[i][0]);
		struct http_slice text = http_slice_of(pairs[i][1]);
		ck_assert_uint_eq(TEXT_BASE64_BYTES(bytes.len), text.len);
		ck_assert_uint_eq(text_base64_encode(bytes, out), text.len);
		ck_assert_mem_eq(buffer, text.ptr, text.len);
		ck_assert_uint_eq(text_base64_decode(text, out), bytes.len);
		ck_assert_mem_eq(buffer, bytes.ptr, bytes.len);
	}
}
END_TEST

START_TEST(base64_gives_back_all_bytes_also_in_place)
{
	char bytes[256], text[TEXT_BASE64_BYTES(sizeof(bytes))];

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(i * 7 + len);
		size_t count = text_base64_encode((struct http_slice){ .ptr = bytes, .len = len },
		    (struct http_span){ .ptr = text, .len = sizeof(text) });
		struct http_slice in = { .ptr = text, .len = count };
		struct http_span out = { .ptr = text, .len = len };
		ck_assert_uint_eq(text_base64_decode(in, out), len);
		ck_assert_mem_eq(text, bytes, len);
	}
}
END_TEST

START_TEST(base64_has_one_spelling_for_each_value)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zm9", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zg=a",
		"Zm9v\n", "Zm 9", " Zm9v", "Zm9v    ", "Zm-_", "Zm9v=", "Zm9vZg=", "Zm\x80v",
		"=m9v", "Z=9v", "Zm9vZm9vZm*vZm9v",
	};
	char buffer[16];

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ck_assert_msg(text_base64_decode(http_slice_of(bad[i]),
		    (struct http_span){ .ptr = buffer, .len = sizeof(buffer) }) == TEXT_FAILED,
		    "took %s", bad[i]);
}
END_TEST

START_TEST(base64_never_overruns_its_room)
{
	for (size_t size = 0; size <= 8; size++) {
		char *out = malloc(size + 1);
		struct http_span span = { .ptr = out, .len = size };
		ck_assert_uint_eq(text_base64_encode(HTTP_LITERAL("fooba"), span),
		    size < 8 ? TEXT_FAILED : 8);
		ck_assert_uint_eq(text_base64_decode(HTTP_LITERAL("Zm9vYmE="), span),
		    size < 5 ? TEXT_FAILED : 5);
		free(out);
	}
}
END_TEST

static Suite *
http_text_suite(void)
{
	Suite *suite = suite_create("http/text");
	TCase *tcase = tcase_create("text");

	tcase_add_test(tcase, valid_utf8_is_taken);
	tcase_add_test(tcase, invalid_utf8_is_refused_wherever_it_stands);
	tcase_add_test(tcase, json_escapes_what_it_must_and_nothing_else);
	tcase_add_test(tcase, only_blocks_that_hold_nothing_special_are_skipped);
	tcase_add_test(tcase, base64_gives_the_test_vectors_of_rfc_4648);
	tcase_add_test(tcase, base64_gives_back_all_bytes_also_in_place);
	tcase_add_test(tcase, base64_has_one_spelling_for_each_value);
	tcase_add_test(tcase, base64_never_overruns_its_room);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_text_suite)
