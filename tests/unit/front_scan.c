/*
 * The JSON scanner: what it takes and refuses, and that jansson, another hand's work, thinks the same of thousands of texts
 * nobody wrote.
 */
#include "frontd/api/scan.h"

#include <jansson.h>

#include "tests/harness/unit.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

/* ---- what the scanner makes of a text, as jansson's values ---- */

static bool
is_known(const json_t *object, const char *name, size_t len)
{
	return json_object_getn(object, name, len) != NULL;
}

static json_t *build(struct scan *scan, const struct scan_value *value);

static json_t *
build_inside(struct scan *scan, json_t *parent)
{
	struct scan_value value;

	while (scan_next(scan)) {
		char *name = malloc(scan->name.bytes + 1);
		size_t len = scan->name.bytes;

		if (json_is_object(parent)) {
			scan_copy(&scan->name, name);
			if (is_known(parent, name, len))
				scan_fail(scan, "twice");
		}
		if (scan_value(scan, &value)) {
			json_t *child = build(scan, &value);

			if (json_is_object(parent))
				ck_assert_int_eq(json_object_setn_new(parent, name, len, child), 0);
			else
				ck_assert_int_eq(json_array_append_new(parent, child), 0);
		}
		free(name);
	}
	return parent;
}

static json_t *
build(struct scan *scan, const struct scan_value *value)
{
	char *text;
	json_t *string;

	switch (value->kind) {
	case SCAN_OBJECT:
		return build_inside(scan, json_object());
	case SCAN_ARRAY:
		return build_inside(scan, json_array());
	case SCAN_STRING:
		text = malloc(value->string.bytes + 1);
		scan_copy(&value->string, text);
		string = json_stringn(text, value->string.bytes); /* checks UTF-8 itself */
		ck_assert_ptr_nonnull(string);
		free(text);
		return string;
	case SCAN_WHOLE:
		return json_integer(value->whole);
	case SCAN_REAL:
		return json_real(value->real);
	case SCAN_BOOL:
		return json_boolean(value->is_true);
	case SCAN_NULL:
		break;
	}
	return json_null();
}

/* NULL when it is refused.  The text is copied into a block of just its size, so that a sanitizer sees one byte too many. */
static json_t *
scanned(struct http_slice text, struct scan *scan)
{
	char *exact = malloc(text.len == 0 ? 1 : text.len);
	struct scan_value value;
	json_t *json = NULL;

	memcpy(exact, text.ptr, text.len);
	scan_begin(scan, (struct http_slice){ exact, text.len }, 1);
	if (scan_value(scan, &value))
		json = build(scan, &value);
	if (!scan_rest(scan)) {
		json_decref(json);
		json = NULL;
	}
	ck_assert((json == NULL) == (scan->problem != NULL));

	/* Reading nothing but the ends comes to the same, names that come twice apart. */
	struct scan rest;
	scan_begin(&rest, (struct http_slice){ exact, text.len }, 1);
	if (json != NULL || strcmp(scan->problem, "twice") != 0)
		ck_assert(scan_rest(&rest) == (json != NULL));
	free(exact);
	return json;
}

/*
 * They differ on purpose in this: jansson 2.14 passes over a NUL byte that comes right behind a number or a word ({"a":1\0}),
 * for it marks the end of its buffer; we refuse it like any other byte that has no business there.  Depth is ours to limit.
 */
static void
expect_agreement(struct http_slice text, bool *is_good)
{
	json_error_t error;
	struct scan scan;
	json_t *ours = scanned(text, &scan);
	json_t *theirs = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	bool is_deep = scan.problem != NULL && strcmp(scan.problem, "nested too deep") == 0;

	if (memchr(text.ptr, '\0', text.len) != NULL)
		ck_assert_msg(ours == NULL, "a NUL byte was taken");
	else if (!is_deep)
		ck_assert_msg((ours == NULL) == (theirs == NULL), "scan: %s; jansson: %s: %.*s",
		    ours == NULL ? scan.problem : "taken", theirs == NULL ? error.text : "taken", (int)text.len, text.ptr);
	if (ours != NULL)
		ck_assert_msg(json_equal(ours, theirs), "other values: %.*s", (int)text.len, text.ptr);
	*is_good = ours != NULL;
	json_decref(ours);
	json_decref(theirs);
}

/* ---- tables ---- */

static const struct http_slice good[] = {
	HTTP_LITERAL("{}"), HTTP_LITERAL("[]"), HTTP_LITERAL(" \t\r\n{ \t\r\n} \t\r\n"), HTTP_LITERAL("[[],{},[{}]]"),
	HTTP_LITERAL("{\"a\":1,\"b\":-1,\"c\":0,\"d\":-0,\"e\":9223372036854775807,\"f\":-9223372036854775808}"),
	HTTP_LITERAL("[1.5,-0.0,1e3,1E+3,1e-3,0e0,0.1e1,123456789012345678901234567890.0,1e-400]"),
	HTTP_LITERAL("[true,false,null]"), HTTP_LITERAL("{\"\":\"\"}"), HTTP_LITERAL("{\"a\" : [ 1 , 2 ] , \"b\" : { } }"),
	HTTP_LITERAL("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), HTTP_LITERAL("[\"\\u0000\\u0001\\u007f\\u0080\\u07ff\\u0800\\uFFFF\"]"),
	HTTP_LITERAL("[\"\\ud800\\udc00\\uDBFF\\uDFFF\\uD83D\\uDE00\"]"), HTTP_LITERAL("{\"\\u0061\\n\":\"b\"}"),
	HTTP_LITERAL("[\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"]"),
	HTTP_LITERAL("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"), HTTP_LITERAL("{\"a\":{\"a\":{\"a\":1}}}"),
	HTTP_LITERAL("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[\",\"{\"]"),
};

static const struct http_slice bad[] = {
	HTTP_LITERAL(""), HTTP_LITERAL(" "), HTTP_LITERAL("1"), HTTP_LITERAL("\"a\""), HTTP_LITERAL("null"), HTTP_LITERAL("{"),
	HTTP_LITERAL("}"), HTTP_LITERAL("]"), HTTP_LITERAL("{]"), HTTP_LITERAL("[}"), HTTP_LITERAL("{}}"), HTTP_LITERAL("{}{}"),
	HTTP_LITERAL("{} x"), HTTP_LITERAL("[],"), HTTP_LITERAL("{}\0"), HTTP_LITERAL("[1,]"), HTTP_LITERAL("[,1]"),
	HTTP_LITERAL("[1 2]"), HTTP_LITERAL("[1,,2]"), HTTP_LITERAL("{\"a\"}"), HTTP_LITERAL("{\"a\":}"), HTTP_LITERAL("{\"a\":1,}"),
	HTTP_LITERAL("{,}"), HTTP_LITERAL("{\"a\" 1}"), HTTP_LITERAL("{\"a\"::1}"), HTTP_LITERAL("{a:1}"), HTTP_LITERAL("{'a':1}"),
	HTTP_LITERAL("{1:1}"), HTTP_LITERAL("{\"a\":1 \"b\":2}"), HTTP_LITERAL("{\"a\":1;\"b\":2}"), HTTP_LITERAL("[\"a\":1]"),
	HTTP_LITERAL("{\"a\":1,\"a\":2}"), HTTP_LITERAL("{\"a\":1,\"\\u0061\":2}"), HTTP_LITERAL("[{\"x\":[{\"a\":1,\"a\":1}]}]"),
	HTTP_LITERAL("[01]"), HTTP_LITERAL("[-]"), HTTP_LITERAL("[+1]"), HTTP_LITERAL("[.5]"), HTTP_LITERAL("[1.]"),
	HTTP_LITERAL("[1e]"), HTTP_LITERAL("[1e+]"), HTTP_LITERAL("[1.e1]"), HTTP_LITERAL("[-01]"), HTTP_LITERAL("[0x10]"),
	HTTP_LITERAL("[1_0]"), HTTP_LITERAL("[NaN]"), HTTP_LITERAL("[Infinity]"), HTTP_LITERAL("[-Infinity]"),
	HTTP_LITERAL("[9223372036854775808]"), HTTP_LITERAL("[-9223372036854775809]"), HTTP_LITERAL("[1e400]"),
	HTTP_LITERAL("[-1e400]"), HTTP_LITERAL("[99999999999999999999]"),
	HTTP_LITERAL("[True]"), HTTP_LITERAL("[tru]"), HTTP_LITERAL("[truey]"), HTTP_LITERAL("[nul]"), HTTP_LITERAL("[nulll]"),
	HTTP_LITERAL("[fals"), HTTP_LITERAL("[true1]"), HTTP_LITERAL("[truefalse]"),
	HTTP_LITERAL("[\"a]"), HTTP_LITERAL("[\"\\\"]"), HTTP_LITERAL("[\"\\x\"]"), HTTP_LITERAL("[\"\\0\"]"),
	HTTP_LITERAL("[\"\\N\"]"), HTTP_LITERAL("[\"\\ n\"]"), HTTP_LITERAL("[\"\\'\"]"), HTTP_LITERAL("[\"\\\x80\"]"),
	HTTP_LITERAL("[\"\\\0\"]"), HTTP_LITERAL("[\"\\u\"]"), HTTP_LITERAL("[\"\\u12\"]"), HTTP_LITERAL("[\"\\u123\"]"),
	HTTP_LITERAL("[\"\\u123g\"]"), HTTP_LITERAL("[\"\\u-123\"]"), HTTP_LITERAL("[\"\\U0041\"]"),
	HTTP_LITERAL("[\"\\ud800\"]"), HTTP_LITERAL("[\"\\udc00\"]"), HTTP_LITERAL("[\"\\udfff\"]"), HTTP_LITERAL("[\"\\ud800x\"]"),
	HTTP_LITERAL("[\"\\ud800\\n\"]"), HTTP_LITERAL("[\"\\ud800\\u0041\"]"), HTTP_LITERAL("[\"\\ud800\\ud800\"]"),
	HTTP_LITERAL("[\"\\ud800\\ue000\"]"), HTTP_LITERAL("[\"\\udc00\\ud800\"]"), HTTP_LITERAL("[\"\\ud800\\udc0\"]"),
	HTTP_LITERAL("{\"\\u0000\":1}"), HTTP_LITERAL("{\"a\\u0000\":1}"),
	HTTP_LITERAL("[\"\n\"]"), HTTP_LITERAL("[\"\t\"]"), HTTP_LITERAL("[\"\x1f\"]"), HTTP_LITERAL("[\"\0\"]"),
	HTTP_LITERAL("[\"\x80\"]"), HTTP_LITERAL("[\"\xbf\"]"), HTTP_LITERAL("[\"\xff\"]"), HTTP_LITERAL("[\"\xc0\x80\"]"),
	HTTP_LITERAL("[\"\xc1\xbf\"]"), HTTP_LITERAL("[\"\xc3\"]"), HTTP_LITERAL("[\"\xc3(\"]"), HTTP_LITERAL("[\"\xe0\x80\x80\"]"),
	HTTP_LITERAL("[\"\xe0\x9f\xbf\"]"), HTTP_LITERAL("[\"\xed\xa0\x80\"]"), HTTP_LITERAL("[\"\xed\xbf\xbf\"]"),
	HTTP_LITERAL("[\"\xe2\x82\"]"), HTTP_LITERAL("[\"\xf0\x8f\xbf\xbf\"]"), HTTP_LITERAL("[\"\xf4\x90\x80\x80\"]"),
	HTTP_LITERAL("[\"\xf5\x80\x80\x80\"]"), HTTP_LITERAL("[\"\xf0\x9f\xa6\"]"), HTTP_LITERAL("[\"\xf8\x88\x80\x80\x80\"]"),
	HTTP_LITERAL("\xef\xbb\xbf{}"), HTTP_LITERAL("[\xc2\xa0]"), HTTP_LITERAL("[\v]"), HTTP_LITERAL("[\f]"),
	HTTP_LITERAL("[/*a*/1]"), HTTP_LITERAL("[1//\n]"), HTTP_LITERAL("[1\0]"), HTTP_LITERAL("[true\0]"),
};

START_TEST(what_json_is_is_taken_as_jansson_takes_it)
{
	bool is_good;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		expect_agreement(good[i], &is_good);
		ck_assert_msg(is_good, "refused: %s", good[i].ptr);
	}
}
END_TEST

START_TEST(what_json_is_not_is_refused)
{
	bool is_good;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		expect_agreement(bad[i], &is_good);
		ck_assert_msg(!is_good, "taken: %s", bad[i].ptr);
	}
}
END_TEST

START_TEST(a_text_cut_off_anywhere_is_refused)
{
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		size_t end = good[i].len;

		while (strchr(" \t\r\n", good[i].ptr[end - 1]) != NULL)
			end--;
		for (size_t len = 0; len < end; len++) {
			bool is_good;

			expect_agreement((struct http_slice){ good[i].ptr, len }, &is_good);
			ck_assert_msg(!is_good, "taken: %.*s", (int)len, good[i].ptr);
		}
	}
}
END_TEST

START_TEST(more_open_brackets_than_the_limit_are_refused)
{
	char text[2 * SCAN_DEPTH_MAX + 3];

	for (size_t depth = 1; depth <= SCAN_DEPTH_MAX + 1; depth++) {
		struct scan scan;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		json_t *json = scanned((struct http_slice){ text, 2 * depth }, &scan);
		ck_assert((json != NULL) == (depth <= SCAN_DEPTH_MAX));
		json_decref(json);
	}
}
END_TEST

/* Each byte at each place of the words and vectors that strings are read by: none is passed over or seen where it is not. */
START_TEST(every_byte_in_a_string_is_seen_wherever_it_stands)
{
	for (size_t len = 1; len <= 150; len += len < 26 ? 1 : 31) {
		for (size_t place = 0; place < len; place++) {
			for (unsigned byte = 0; byte < 256; byte++) {
				char text[160] = "[\"";
				bool is_good;

				memset(text + 2, "aZ\x7f!#[]\x20"[len % 8], len);
				text[2 + place] = (char)byte;
				memcpy(text + 2 + len, "\"]", 2);
				expect_agreement((struct http_slice){ text, len + 4 }, &is_good);
				bool is_plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
				if (place != len - 1)
					ck_assert_msg(is_good == is_plain || byte == '\\', "byte %u of %zu", byte, place);
				else
					ck_assert_msg(is_good == is_plain, "byte %u at the end", byte);
			}
		}
	}
}
END_TEST

static struct scan_string
first_string(struct http_slice text)
{
	struct scan scan;
	struct scan_value value;

	scan_begin(&scan, text, 1);
	ck_assert(scan_value(&scan, &value) && scan_next(&scan) && scan_value(&scan, &value));
	ck_assert_int_eq(value.kind, SCAN_STRING);
	return value.string;
}

START_TEST(a_string_without_escapes_is_a_slice_of_the_text_and_one_with_them_is_copied)
{
	struct http_slice text = HTTP_LITERAL("[\"plain \xc3\xa9\"]"), escaped = HTTP_LITERAL("[\"a\\u00e9\\ud83d\\ude00\\/\"]");
	struct scan_string string = first_string(text);
	char room[8];

	struct http_slice slice = scan_text(&string, (struct http_span){ .len = 0 });
	ck_assert_ptr_eq(slice.ptr, text.ptr + 2);
	ck_assert_uint_eq(slice.len, 8);

	string = first_string(escaped);
	ck_assert_uint_eq(string.bytes, 8);
	ck_assert_ptr_null(scan_text(&string, (struct http_span){ room, 7 }).ptr);
	slice = scan_text(&string, (struct http_span){ room, 8 });
	ck_assert_ptr_eq(slice.ptr, room);
	ck_assert_mem_eq(room, "a\xc3\xa9\xf0\x9f\x98\x80/", 8);
	ck_assert(scan_is(&string, "a\xc3\xa9\xf0\x9f\x98\x80/"));
	ck_assert(!scan_is(&string, "a"));
}
END_TEST

START_TEST(every_utf16_unit_as_escape_is_what_jansson_makes_of_it)
{
	for (unsigned unit = 0; unit <= 0xffff; unit++) {
		char text[32];
		bool is_good;

		int len = snprintf(text, sizeof(text), "[\"\\u%04x\"]", unit);
		expect_agreement((struct http_slice){ text, (size_t)len }, &is_good);
		ck_assert(is_good == (unit < 0xd800 || unit > 0xdfff));
		len = snprintf(text, sizeof(text), "[\"\\uD83D\\u%04X\"]", unit);
		expect_agreement((struct http_slice){ text, (size_t)len }, &is_good);
		ck_assert(is_good == (unit >= 0xdc00 && unit <= 0xdfff));
	}
}
END_TEST

START_TEST(a_problem_is_placed_by_line_and_character)
{
	static const struct {
		struct http_slice text;
		unsigned line, column;
	} cases[] = {
		{ HTTP_LITERAL("x"), 7, 1 }, { HTTP_LITERAL("[1,\n \xc3\xa9]"), 8, 2 }, { HTTP_LITERAL("[\"\xc3\xa9\", x]"), 7, 7 },
		{ HTTP_LITERAL("{\"a\":\"b\n\"}"), 7, 8 }, { HTTP_LITERAL("{}\n\n\n}"), 10, 1 }, { HTTP_LITERAL("[\"a\\x\"]"), 7, 4 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scan scan;

		scan_begin(&scan, cases[i].text, 7);
		ck_assert(!scan_rest(&scan));
		struct scan_place place = scan_place(&scan);
		ck_assert_msg(place.line == cases[i].line && place.column == cases[i].column, "case %zu: %u, %u", i, place.line,
		    place.column);
	}
}
END_TEST

START_TEST(a_copy_of_the_scanner_reads_again_from_where_it_was_taken)
{
	struct scan scan, copy;
	struct scan_value value;

	scan_begin(&scan, HTTP_LITERAL("{\"a\":[1,[2],{\"b\":3}],\"c\":4}"), 1);
	ck_assert(scan_value(&scan, &value) && scan_next(&scan) && scan_value(&scan, &value));
	copy = scan;
	ck_assert(scan_leave(&scan, scan.depth - 1));
	ck_assert(scan_next(&scan) && scan_is(&scan.name, "c") && scan_value(&scan, &value));
	ck_assert_int_eq(value.whole, 4);
	ck_assert(!scan_next(&scan) && scan_rest(&scan));
	ck_assert(scan_next(&copy) && scan_value(&copy, &value));
	ck_assert_int_eq(value.whole, 1);
}
END_TEST

/* ---- texts nobody wrote ---- */

static uint64_t random_state;

static uint32_t
random_below(uint32_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 33) % limit);
}

static size_t
mutate(char *text, size_t len, size_t size)
{
	static const char *const pieces[] = { "\"", "\\", "{", "}", "[", "]", ",", ":", "1", "-", ".", "e5", "0", " ", "\n", "\t",
		"\\u", "\\ud83d", "\\ude00", "\\u0000", "\\n", "\xc3\xa9", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xc3", "true", "null",
		"{}", "[]", "\"a\":", ",\"a\":1", "\x01", "12345678901234567890", "\"\"" };
	size_t at = random_below((uint32_t)len + 1), cut = random_below(4) == 0 ? random_below(9) : random_below(2);
	struct http_slice piece = http_slice_of(pieces[random_below(COUNT_OF(pieces))]);

	if (cut > len - at)
		cut = len - at;
	if (random_below(4) == 0)
		piece.len = 0;
	if (len - cut + piece.len > size)
		return len;
	memmove(text + at + piece.len, text + at + cut, len - at - cut);
	memcpy(text + at, piece.ptr, piece.len);
	return len - cut + piece.len;
}

START_TEST(jansson_agrees_about_mutations_of_batches)
{
	static const char *const seeds[] = {
		("{\"messages\":[{\"body\":\"one\"},{\"body_base64\":\"AP8=\",\"content_type\":\"image/x-odd\"},"
		"{\"body\":\"three\",\"attributes\":{\"tenant\":\"blue\",\"size\":\"42\"}},{\"body\":\"four\",\"delay\":\"1h\"}]}"),
		"{\"body\":\"gr\xc3\xbc\xc3\x9f \\u00e9 \\ud83d\\ude00 \\n\\t\\\\ and a longer run of plain text\",\"not_before\":null}",
		"{\"max\":10,\"wait\":\"20s\",\"lease\":1.5e3,\"x\":[true,false,null,-1,0.5,[],{}]}",
	};
	size_t taken = 0, total = 0;

	for (random_state = 1; total < 300000;) {
		char text[512];
		size_t len = strlen(seeds[total % COUNT_OF(seeds)]);

		memcpy(text, seeds[total % COUNT_OF(seeds)], len);
		for (uint32_t i = 0, count = 1 + random_below(4); i < count; i++, total++) {
			bool is_good;

			len = mutate(text, len, sizeof(text));
			expect_agreement((struct http_slice){ text, len }, &is_good);
			taken += is_good;
		}
	}
	/* Or the mutations would say little about either. */
	ck_assert_msg(taken > total / 20 && taken < total / 2, "%zu of %zu were JSON", taken, total);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_scan");
	TCase *tcase = tcase_create("front_scan");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, what_json_is_is_taken_as_jansson_takes_it);
	tcase_add_test(tcase, what_json_is_not_is_refused);
	tcase_add_test(tcase, a_text_cut_off_anywhere_is_refused);
	tcase_add_test(tcase, more_open_brackets_than_the_limit_are_refused);
	tcase_add_test(tcase, every_byte_in_a_string_is_seen_wherever_it_stands);
	tcase_add_test(tcase, a_string_without_escapes_is_a_slice_of_the_text_and_one_with_them_is_copied);
	tcase_add_test(tcase, every_utf16_unit_as_escape_is_what_jansson_makes_of_it);
	tcase_add_test(tcase, a_problem_is_placed_by_line_and_character);
	tcase_add_test(tcase, a_copy_of_the_scanner_reads_again_from_where_it_was_taken);
	tcase_add_test(tcase, jansson_agrees_about_mutations_of_batches);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
