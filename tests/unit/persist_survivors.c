/*
 * The list of records that have to be copied: all of them in order of their places, or those up to a limit that it names.
 */
#include "persistd/survivors.h"

#include "tests/harness/unit.h"

enum { PLACES = 20000, CAPACITY = 3000 };

static struct survivors survivors;
static uint64_t random_state;

static void
setup(void)
{
	ck_assert_int_eq(survivors_init(&survivors, CAPACITY), 0);
	random_state = 88172645463325252ull;
}

static void
teardown(void)
{
	survivors_free(&survivors);
}

static uint64_t
any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* The record at place number `place`, 1000 of them in a segment. */
static struct survivor
at_place(uint32_t place)
{
	return (struct survivor){ .lsn = place * 64ull, .bytes = 64, .segment = 1 + place / 1000,
		.offset_words = 512 + place % 1000 * 8 };
}

/* Add `count` places of [0, PLACES), each once, in random order; sort. */
static void
fill(uint32_t count)
{
	static uint32_t places[PLACES];

	for (uint32_t i = 0; i < PLACES; i++)
		places[i] = i;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t other = i + (uint32_t)any(PLACES - i), place = places[other];

		places[other] = places[i];
		places[i] = place;
		struct survivor survivor = at_place(place);
		survivors_add(&survivors, &survivor);
	}
	while (!survivors_sort(&survivors))
		;
}

START_TEST(what_fits_comes_out_in_order_of_its_place)
{
	survivors_begin(&survivors, 100);
	fill(CAPACITY);
	ck_assert_uint_eq(survivors.count, CAPACITY);
	ck_assert_uint_eq(survivors.limit.segment, 100);
	for (uint32_t i = 1; i < CAPACITY; i++)
		ck_assert_uint_lt(survivors.records[i - 1].lsn, survivors.records[i].lsn);
}
END_TEST

START_TEST(of_too_many_the_first_are_kept_and_the_limit_says_which_are_complete)
{
	survivors_begin(&survivors, 100);
	fill(PLACES);
	ck_assert_uint_eq(survivors.count, CAPACITY);
	for (uint32_t i = 0; i < CAPACITY; i++)
		ck_assert_uint_eq(survivors.records[i].lsn, i * 64ull);
	struct survivor first = at_place(CAPACITY);
	ck_assert_uint_eq(survivors.limit.segment, first.segment);
	ck_assert_uint_eq(survivors.limit.offset, first.offset_words * 8ull);
}
END_TEST

START_TEST(what_lies_in_segments_that_are_not_asked_for_is_left_out)
{
	survivors_begin(&survivors, 3);
	fill(PLACES);
	ck_assert_uint_eq(survivors.count, 2000);
	ck_assert_uint_eq(survivors.limit.segment, 3);
	ck_assert_uint_eq(survivors.limit.offset, 0);
	/* And used again it knows nothing of that. */
	survivors_begin(&survivors, 2);
	ck_assert_uint_eq(survivors.count, 0);
	ck_assert(survivors_sort(&survivors));
}
END_TEST

static Suite *
survivors_suite(void)
{
	Suite *suite = suite_create("persistd/survivors");
	TCase *tests = tcase_create("survivors");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, what_fits_comes_out_in_order_of_its_place);
	tcase_add_test(tests, of_too_many_the_first_are_kept_and_the_limit_says_which_are_complete);
	tcase_add_test(tests, what_lies_in_segments_that_are_not_asked_for_is_left_out);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(survivors_suite)
