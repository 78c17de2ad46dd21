/*
 * A large backlog over a cold start: published, everything killed with -9, shared memory removed, started again: all there,
 * in order, each body right.  20,000 messages of 1 KiB in `make test`, 1,000,000 in `make soak`.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/trial.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 800, BODY_BYTES = 1024, FEW = 20000, MANY = 1000000, PUBLISH_MS = 300000, DRAIN_MS = 400000 };

static const char *const few_options[] = { NULL };
static const char *const many_options[] = { "worker.messages=1100000", "data.segment_bytes=64MiB", NULL };

START_TEST(a_large_backlog_is_all_there_after_a_cold_start)
{
	struct trial_options trial_options = { .broker = soak_seconds() != 0 ? many_options : few_options,
		.drain_ms = DRAIN_MS,
		.oracle = { .messages_max = soak_seconds() != 0 ? MANY : FEW, .body_bytes_min = BODY_BYTES,
		    .body_bytes_max = BODY_BYTES, .is_fifo = true },
		.load = { .publishers = 2, .consumers = 1, .batch = 500, .receive_max = 100, .lease = "10m" } };
	struct trial trial;
	uint64_t began_ms;

	trial_begin(&trial, &trial_options);
	began_ms = clock_ms();
	ck_assert_msg(load_publish_only(trial.load, PUBLISH_MS), "publishing takes longer than %d ms", PUBLISH_MS);
	ck_assert_uint_eq(oracle_counts(trial.oracle).acknowledged, trial_options.oracle.messages_max);
	printf("%u messages published in %llu ms\n", trial_options.oracle.messages_max,
	    (unsigned long long)(clock_ms() - began_ms));
	broker_kill_all(&trial.broker);
	broker_wipe(&trial.broker);
	began_ms = clock_ms();
	trial_restart(&trial);
	printf("cold start in %llu ms\n", (unsigned long long)(clock_ms() - began_ms));
	began_ms = clock_ms();
	trial_end(&trial);
	printf("received, acked and stopped in %llu ms\n", (unsigned long long)(clock_ms() - began_ms));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("storm/million");
	TCase *tcase = tcase_create("million");

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_test(tcase, a_large_backlog_is_all_there_after_a_cold_start);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
