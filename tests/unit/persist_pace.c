/*
 * pace: at full speed where nobody is, no faster than needed beside clients, and never too
 * late.
 */
#include "persistd/pace.h"

#include "tests/harness/unit.h"

#define SEGMENT (64ull << 20)
#define MS 1000000ull

static struct pace pace;
static uint64_t now;

static void
setup(void)
{
	pace = (struct pace){ 0 };
	now = 1000 * MS;
	pace_look(&pace, now);
}

/* So many commits of that size, spread over so long; each has landed when the next one begins. */
static void
commits(unsigned count, uint64_t bytes, uint64_t ns)
{
	for (unsigned i = 0; i < count; i++) {
		now += ns / count;
		pace_commit(&pace, bytes, SEGMENT / 2);
		pace_land(&pace);
		pace_look(&pace, now);
	}
}

START_TEST(where_nobody_is_zeros_go_at_once)
{
	ck_assert_uint_eq(pace_quiet_in_ns(&pace, now), 0);
	ck_assert_uint_eq(pace_due_ns(&pace, 0, SEGMENT, 65536, now), 0);
}
END_TEST

START_TEST(it_is_quiet_some_milliseconds_after_the_last_commit_has_landed)
{
	pace_commit(&pace, 4096, SEGMENT);
	pace_look(&pace, now);
	now += 1000 * MS;
	pace_look(&pace, now);
	ck_assert_uint_eq(pace_quiet_in_ns(&pace, now), UINT64_MAX);
	pace_land(&pace);
	uint64_t quiet_ns = pace_quiet_in_ns(&pace, now);
	ck_assert_uint_gt(quiet_ns, MS);
	ck_assert_uint_lt(quiet_ns, 100 * MS);
	pace_look(&pace, now + quiet_ns - 1);
	ck_assert_uint_eq(pace_quiet_in_ns(&pace, now + quiet_ns - 1), 1);
	pace_look(&pace, now + quiet_ns);
	ck_assert_uint_eq(pace_quiet_in_ns(&pace, now + quiet_ns), 0);
}
END_TEST

/*
 * Fill a segment beside clients who write `bytes` every `every_ns`, behind `ready_bytes`: how
 * long it takes.
 */
static uint64_t
fill_beside(uint64_t bytes, uint64_t every_ns, uint64_t ready_bytes)
{
	uint64_t began_ns = now, used = 0;

	for (uint64_t missing = SEGMENT; missing > 0;) {
		uint32_t slice = pace_slice_bytes(&pace, SEGMENT, now);
		uint64_t left = ready_bytes > used ? ready_bytes - used : 0;

		if (pace_due_ns(&pace, left, missing, slice, now) == 0) {
			pace.sliced_ns = now;
			missing -= slice < missing ? slice : missing;
		}
		now += every_ns;
		pace_commit(&pace, bytes, 0);
		pace_land(&pace);
		pace_look(&pace, now);
		used += bytes;
		ck_assert_uint_lt(now - began_ns, 100000 * MS);
	}
	ck_assert_uint_le(used, ready_bytes);
	return now - began_ns;
}

START_TEST(beside_few_commits_it_takes_its_time)
{
	/* 5,000 a second. */
	commits(1000, 4096, 200 * MS);
	ck_assert_uint_eq(pace_slice_bytes(&pace, SEGMENT, now), 64 << 10);
	uint64_t took_ns = fill_beside(4096, MS / 5, 2 * SEGMENT);
	ck_assert_uint_gt(took_ns, 900 * MS);
	ck_assert_uint_lt(took_ns, 1500 * MS);
}
END_TEST

START_TEST(whole_before_what_lies_ready_is_used_up)
{
	/* 4 KiB to 512 KiB every 0.2 ms: up to 2.5 GB/s. */
	for (uint64_t bytes = 4096; bytes <= 512 << 10; bytes *= 2) {
		setup();
		commits(1000, bytes, 200 * MS);
		(void)fill_beside(bytes, MS / 5, bytes > (256 << 10) ? 2 * SEGMENT : SEGMENT);
	}
}
END_TEST

START_TEST(a_burst_counts_at_once)
{
	commits(100, 4096, 100 * MS);
	ck_assert_uint_eq(pace_slice_bytes(&pace, SEGMENT, now), 64 << 10);
	commits(20, 512 << 10, 4 * MS);
	ck_assert_uint_eq(pace_slice_bytes(&pace, SEGMENT, now), 1 << 20);
	ck_assert_uint_lt(pace_due_ns(&pace, 8 << 20, SEGMENT, 1 << 20, now), MS);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("persistd/pace");
	TCase *tests = tcase_create("pace");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, where_nobody_is_zeros_go_at_once);
	tcase_add_test(tests, it_is_quiet_some_milliseconds_after_the_last_commit_has_landed);
	tcase_add_test(tests, beside_few_commits_it_takes_its_time);
	tcase_add_test(tests, whole_before_what_lies_ready_is_used_up);
	tcase_add_test(tests, a_burst_counts_at_once);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(suite)
