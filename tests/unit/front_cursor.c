/* cursor: it opens for whom it was made, where it was made, and tells nothing. */
#include "frontd/api/cursor.h"

#include "tests/harness/unit.h"

static uint8_t key[CURSOR_KEY_BYTES];

static void
begin(void)
{
	cursor_key((const uint8_t *)"sixteen bytes :)", key);
}

static bool
opens(const char text[CURSOR_BYTES], struct cursor expected, uint64_t *place)
{
	bool is_good = cursor_open(key, (struct http_slice){ text, CURSOR_BYTES }, &expected);

	*place = expected.place;
	return is_good;
}

START_TEST(a_cursor_opens_where_it_was_made)
{
	const struct cursor cursor = {
		.place = 3ull << 32 | 77, .uid = 5ull << 32 | 1, .list = CURSOR_TOKENS
	};
	char text[CURSOR_BYTES];
	uint64_t place;

	cursor_seal(key, &cursor, text);
	ck_assert(opens(text, (struct cursor){ .uid = cursor.uid, .list = cursor.list }, &place));
	ck_assert_uint_eq(place, cursor.place);
	ck_assert(
	    !opens(text, (struct cursor){ .uid = cursor.uid + 1, .list = cursor.list }, &place));
	ck_assert(
	    !opens(text, (struct cursor){ .uid = cursor.uid, .list = CURSOR_SESSIONS }, &place));
	ck_assert(
	    !opens(text, (struct cursor){ .uid = cursor.uid, .list = CURSOR_QUEUES }, &place));
	cursor_key((const uint8_t *)"another store   ", key);
	ck_assert(!opens(text, (struct cursor){ .uid = cursor.uid, .list = cursor.list }, &place));
}
END_TEST

START_TEST(a_changed_digit_opens_nothing)
{
	const struct cursor cursor = { .place = 9, .uid = 7, .list = CURSOR_QUEUES };
	char text[CURSOR_BYTES];
	uint64_t place;

	for (unsigned i = 0; i < CURSOR_BYTES; i++) {
		cursor_seal(key, &cursor, text);
		text[i] = text[i] == '0' ? '1' : '0';
		ck_assert_msg(
		    !opens(text, (struct cursor){ .uid = 7, .list = CURSOR_QUEUES }, &place),
		    "digit %u", i);
	}
	ck_assert(!cursor_open(key, http_slice_of("0000000000001"), &(struct cursor){ .uid = 7 }));
	ck_assert(!cursor_open(key, http_slice_of(""), &(struct cursor){ .uid = 7 }));
}
END_TEST

/* Neighbours have as little in common as strangers: 26 digits of 32, so 1 equal one is to be
 * expected. */
START_TEST(cursors_of_neighbours_are_not_alike)
{
	char one[CURSOR_BYTES], other[CURSOR_BYTES];

	for (uint64_t place = 0; place < 100; place++) {
		unsigned equal = 0;

		cursor_seal(key, &(struct cursor){ .place = place, .uid = 1 }, one);
		cursor_seal(key, &(struct cursor){ .place = place + 1, .uid = 1 }, other);
		for (unsigned i = 0; i < CURSOR_BYTES; i++)
			equal += one[i] == other[i];
		ck_assert_uint_lt(equal, CURSOR_BYTES / 2);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front/cursor");
	TCase *tcase = tcase_create("cursor");

	tcase_add_checked_fixture(tcase, begin, NULL);
	tcase_add_test(tcase, a_cursor_opens_where_it_was_made);
	tcase_add_test(tcase, a_changed_digit_opens_nothing);
	tcase_add_test(tcase, cursors_of_neighbours_are_not_alike);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
