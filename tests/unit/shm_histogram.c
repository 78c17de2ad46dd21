/*
 * histogram: each value falls into the bucket whose bound is at most an eighth above it, and quantiles are read from there.
 */
#include <stdint.h>

#include "tests/harness/unit.h"

#include "shm/histogram.h"

static struct histogram histogram;

static unsigned
bucket_used(void)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (histogram.bucket[i] != 0)
			return i;
	}
	ck_abort_msg("the histogram is empty");
}

START_TEST(a_value_is_in_a_bucket_that_bounds_it_within_an_eighth)
{
	uint64_t power = 1ull << _i;

	for (int64_t step = -2; step <= 2; step++) {
		uint64_t value = power + (uint64_t)step;

		memset(&histogram, 0, sizeof(histogram));
		histogram_add(&histogram, value);
		unsigned bucket = bucket_used();
		ck_assert_uint_ge(histogram_bound(bucket), value);
		ck_assert_uint_le(histogram_bound(bucket) - value, value / 8);
		if (bucket > 0)
			ck_assert_uint_lt(histogram_bound(bucket - 1), value);
	}
}
END_TEST

START_TEST(the_bounds_grow_and_end_at_the_largest_value)
{
	histogram_add(&histogram, UINT64_MAX);
	unsigned last = bucket_used();

	ck_assert_uint_eq(histogram_bound(last), UINT64_MAX);
	for (unsigned i = 1; i <= last; i++)
		ck_assert_uint_gt(histogram_bound(i), histogram_bound(i - 1));
}
END_TEST

START_TEST(an_empty_histogram_has_no_quantile)
{
	ck_assert_uint_eq(histogram_count(&histogram), 0);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
}
END_TEST

START_TEST(quantiles_are_those_of_the_values)
{
	for (uint64_t value = 1; value <= 1000; value++)
		histogram_add(&histogram, value);
	ck_assert_uint_eq(histogram_count(&histogram), 1000);
	ck_assert_uint_ge(histogram_quantile(&histogram, 0.5), 500);
	ck_assert_uint_le(histogram_quantile(&histogram, 0.5), 563);
	ck_assert_uint_ge(histogram_quantile(&histogram, 0.99), 990);
	ck_assert_uint_ge(histogram_quantile(&histogram, 1.0), 1000);
	ck_assert_uint_le(histogram_quantile(&histogram, 1.0), 1125);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.001), 2);
}
END_TEST

START_TEST(many_count_as_often_as_said)
{
	struct histogram copy;

	histogram_add_many(&histogram, 3, 99);
	histogram_add(&histogram, 5000);
	histogram_read(&histogram, &copy);
	histogram_add(&histogram, 1); /* the copy does not see it */
	ck_assert_uint_eq(histogram_count(&copy), 100);
	ck_assert_uint_eq(copy.sum, 3 * 99 + 5000);
	ck_assert_uint_eq(histogram_quantile(&copy, 0.5), 3);
	ck_assert_uint_ge(histogram_quantile(&copy, 1.0), 5000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("shm/histogram");
	TCase *tcase = tcase_create("histogram");

	tcase_add_loop_test(tcase, a_value_is_in_a_bucket_that_bounds_it_within_an_eighth, 2, 64);
	tcase_add_test(tcase, the_bounds_grow_and_end_at_the_largest_value);
	tcase_add_test(tcase, an_empty_histogram_has_no_quantile);
	tcase_add_test(tcase, quantiles_are_those_of_the_values);
	tcase_add_test(tcase, many_count_as_often_as_said);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
