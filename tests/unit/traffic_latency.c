/*
 * latency: quantiles within the promised 1.6 %, at every size a latency can have.
 */
#include <math.h>

#include "tests/harness/unit.h"
#include "cli/traffic/latency.h"

static struct latency latency;

static void
setup(void)
{
	memset(&latency, 0, sizeof(latency));
}

START_TEST(an_empty_one_says_nothing)
{
	ck_assert(latency_quantile_us(&latency, 0.5) == 0);
}
END_TEST

START_TEST(one_value_is_found_again_within_a_64th)
{
	for (uint64_t ns = 1; ns < 1ull << 40; ns = ns * 5 / 4 + 1) {
		setup();
		latency_add(&latency, ns, 1);
		double seen_ns = latency_quantile_us(&latency, 0.99) * 1e3;
		ck_assert_msg(fabs(seen_ns - (double)ns) <= (double)ns / 64, "%llu came back as %f", (unsigned long long)ns, seen_ns);
	}
}
END_TEST

START_TEST(quantiles_of_a_ramp_are_where_they_should_be)
{
	static const double qs[] = { 0.01, 0.5, 0.9, 0.99, 0.999 };

	for (uint64_t us = 1; us <= 10000; us++)
		latency_add(&latency, us * 1000, 1);
	for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
		double seen_us = latency_quantile_us(&latency, qs[i]), wanted_us = qs[i] * 10000;
		ck_assert_msg(fabs(seen_us - wanted_us) <= wanted_us / 60 + 1, "%f: %f", qs[i], seen_us);
	}
	ck_assert_uint_eq(latency.max_ns, 10000000);
	ck_assert(latency_quantile_us(&latency, 1) <= 10000);
}
END_TEST

START_TEST(a_value_added_many_times_weighs_as_many)
{
	latency_add(&latency, 1000000, 99);
	latency_add(&latency, 9000000, 1);
	ck_assert_uint_eq(latency.count, 100);
	ck_assert(latency_quantile_us(&latency, 0.5) < 1020);
	ck_assert(latency_quantile_us(&latency, 0.995) > 8800);
}
END_TEST

START_TEST(the_largest_values_have_a_bucket)
{
	latency_add(&latency, UINT64_MAX, 1);
	ck_assert(latency_quantile_us(&latency, 0.5) > 1e15);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/traffic/latency");
	TCase *tcase = tcase_create("latency");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, an_empty_one_says_nothing);
	tcase_add_test(tcase, one_value_is_found_again_within_a_64th);
	tcase_add_test(tcase, quantiles_of_a_ramp_are_where_they_should_be);
	tcase_add_test(tcase, a_value_added_many_times_weighs_as_many);
	tcase_add_test(tcase, the_largest_values_have_a_bucket);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
