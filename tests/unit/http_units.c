#include "frontd/http/units.h"

#include <time.h>

#include "tests/harness/unit.h"

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

typedef bool parser(struct http_slice text, uint64_t *value);

struct pair {
	const char	*text;
	uint64_t	 value;
};

static void
assert_takes(parser *parse, const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 0;
		ck_assert_msg(parse(http_slice_of(pairs[i].text), &value), "refused %s",
		    pairs[i].text);
		ck_assert_msg(value == pairs[i].value, "%s: saw %llu", pairs[i].text,
		    (unsigned long long)value);
	}
}

static void
assert_refuses(parser *parse, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 4711;
		ck_assert_msg(!parse(http_slice_of(texts[i]), &value), "took %s", texts[i]);
		ck_assert_uint_eq(value, 4711);
	}
}

START_TEST(numbers_are_digits_below_2_to_the_63)
{
	static const struct pair good[] = {
		{ "0", 0 }, { "007", 7 }, { "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "1a", "0x1", "1.0", "1,0", "9223372036854775808",
		"18446744073709551616", "00000000000000000001",
	};

	assert_takes(number_parse, good, COUNT_OF(good));
	assert_refuses(number_parse, bad, COUNT_OF(bad));
}
END_TEST

START_TEST(durations_need_their_unit)
{
	static const struct pair good[] = {
		{ "0s", 0 }, { "250ms", 250 }, { "30s", 30000 }, { "5m", 300000 },
		{ "12h", 43200000 }, { "7d", 604800000 }, { "3650d", UINT64_C(315360000000) },
		{ "9223372036854775807ms", INT64_MAX }, { "106751991167d", 9223372036828800000u },
	};
	static const char *const bad[] = {
		"", "30", "s", "-1s", "+1s", "1.5s", "1 s", "1s ", " 1s", "1S", "1M", "1sec",
		"1h30m", "1w", "9223372036854775808ms", "9223372036854776s", "106751991168d",
		"99999999999999999999d",
	};

	assert_takes(duration_parse, good, COUNT_OF(good));
	assert_refuses(duration_parse, bad, COUNT_OF(bad));
}
END_TEST

START_TEST(a_formatted_duration_is_short_and_parses_back)
{
	static const struct pair pairs[] = {
		{ "0s", 0 }, { "1ms", 1 }, { "1s", 1000 }, { "1500ms", 1500 }, { "90s", 90000 },
		{ "1m", 60000 }, { "2h", 7200000 }, { "1d", 86400000 }, { "36h", 129600000 },
		{ "9223372036854775807ms", INT64_MAX },
	};
	char out[DURATION_BYTES_MAX];
	uint64_t ms;

	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct http_slice text = { .ptr = out };
		text.len = duration_format(pairs[i].value, out);
		ck_assert(http_slice_is(text, pairs[i].text));
		ck_assert(duration_parse(text, &ms));
		ck_assert_uint_eq(ms, pairs[i].value);
	}
	ck_assert_uint_le(duration_format(UINT64_MAX, out), DURATION_BYTES_MAX);
}
END_TEST

START_TEST(sizes_are_bytes_or_binary_multiples)
{
	static const struct pair good[] = {
		{ "0", 0 }, { "65536", 65536 }, { "64KiB", 65536 }, { "1MiB", 1 << 20 },
		{ "2GiB", UINT64_C(2) << 30 }, { "1TiB", UINT64_C(1) << 40 },
		{ "8388607TiB", UINT64_C(8388607) << 40 },
	};
	static const char *const bad[] = {
		"", "KiB", "64KB", "64K", "64kib", "64 KiB", "-1", "1.5MiB", "1MiBx", "8388608TiB",
		"9223372036854775808",
	};

	assert_takes(size_parse, good, COUNT_OF(good));
	assert_refuses(size_parse, bad, COUNT_OF(bad));
}
END_TEST

START_TEST(times_are_rfc_3339)
{
	static const struct pair good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.001Z", 1 },
		{ "2026-01-31T08:15:00.042Z", UINT64_C(1769847300042) },
		{ "2026-01-31t08:15:00.0429999z", UINT64_C(1769847300042) },
		{ "2026-01-31T08:15:00.5Z", UINT64_C(1769847300500) },
		{ "2026-01-31T10:15:00+02:00", UINT64_C(1769847300000) },
		{ "2026-01-30T22:45:00-09:30", UINT64_C(1769847300000) },
		{ "2026-01-31T08:15:00-00:00", UINT64_C(1769847300000) },
		{ "2000-02-29T00:00:00Z", UINT64_C(951782400000) },
		{ "9999-12-31T23:59:59.999Z", TIME_MS_MAX },
	};
	static const char *const bad[] = {
		"", "2026-01-31", "2026-01-31T08:15:00", "2026-01-31T08:15Z",
		"2026-01-31 08:15:00Z", "2026-1-31T08:15:00Z",
		"2026-00-31T08:15:00Z", "2026-13-31T08:15:00Z",
		"2026-01-00T08:15:00Z", "2026-01-32T08:15:00Z", "2026-04-31T08:15:00Z",
		"2026-02-29T08:15:00Z", "2100-02-29T08:15:00Z", "2026-01-31T24:00:00Z",
		"2026-01-31T08:60:00Z", "2026-01-31T08:15:60Z", "2026-01-31T08:15:00.Z",
		"2026-01-31T08:15:00.0000000001Z", "2026-01-31T08:15:00,5Z",
		"2026-01-31T08:15:00Zx", "2026-01-31T08:15:00+0200",
		"2026-01-31T08:15:00+24:00", "2026-01-31T08:15:00+02:60",
		"2026-01-31T08:15:00+", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "-026-01-31T08:15:00Z", "2026-01-31T08:15:00+02:00Z",
	};

	assert_takes(rfc3339_parse, good, COUNT_OF(good));
	assert_refuses(rfc3339_parse, bad, COUNT_OF(bad));
}
END_TEST

/* The C library is the oracle, over days of all four centuries of the cycle and their edges. */
START_TEST(times_are_written_as_the_c_library_writes_them)
{
	char seen[RFC3339_BYTES], seen_date[HTTP_DATE_BYTES], expected[40];

	for (uint64_t ms = 0; ms <= TIME_MS_MAX; ms += UINT64_C(86399999) * 37) {
		time_t seconds = (time_t)(ms / 1000);
		struct tm tm;
		uint64_t back;
		gmtime_r(&seconds, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expected + 19, sizeof(expected) - 19, ".%03uZ", (unsigned)(ms % 1000));
		ck_assert_uint_eq(rfc3339_format(ms, seen), RFC3339_BYTES);
		ck_assert_mem_eq(seen, expected, RFC3339_BYTES);
		ck_assert(rfc3339_parse((struct http_slice){ .ptr = seen, .len = RFC3339_BYTES },
		    &back));
		ck_assert_uint_eq(back, ms);
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		ck_assert_uint_eq(http_date_format(ms, seen_date), HTTP_DATE_BYTES);
		ck_assert_mem_eq(seen_date, expected, HTTP_DATE_BYTES);
	}
}
END_TEST

static Suite *
http_units_suite(void)
{
	Suite *suite = suite_create("http/units");
	TCase *tcase = tcase_create("units");

	tcase_add_test(tcase, numbers_are_digits_below_2_to_the_63);
	tcase_add_test(tcase, durations_need_their_unit);
	tcase_add_test(tcase, a_formatted_duration_is_short_and_parses_back);
	tcase_add_test(tcase, sizes_are_bytes_or_binary_multiples);
	tcase_add_test(tcase, times_are_rfc_3339);
	tcase_add_test(tcase, times_are_written_as_the_c_library_writes_them);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(http_units_suite)
