/*
 * drain: the order in which a broker stops, and when it gives up waiting.
 */
#include <signal.h>

#include "tests/harness/unit.h"

#include "cli/supervisor/drain.h"

static const struct drain_facts nothing_is_down;

START_TEST(a_clean_stop_goes_frontds_then_journal_then_workers)
{
	struct drain_facts facts = nothing_is_down;
	enum drain drain = DRAIN_FRONTS;

	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_FRONTS);
	facts.fronts_are_down = true;
	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_JOURNAL);
	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_JOURNAL);
	facts.persistd_is_down = true;
	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_WORKERS);
	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_WORKERS);
	facts.workers_are_down = true;
	drain = drain_next(drain, &facts);
	ck_assert_int_eq(drain, DRAIN_OVER);
	ck_assert_int_eq(drain_next(drain, &facts), DRAIN_OVER);
}
END_TEST

START_TEST(workers_are_not_ended_while_the_journal_is_open)
{
	struct drain_facts facts = { .fronts_are_down = true };

	ck_assert_int_eq(drain_next(DRAIN_JOURNAL, &facts), DRAIN_JOURNAL);
}
END_TEST

START_TEST(a_worker_lost_before_it_drained_makes_waiting_hopeless)
{
	struct drain_facts facts = { .fronts_are_down = true, .worker_is_lost = true };

	ck_assert_int_eq(drain_next(DRAIN_JOURNAL, &facts), DRAIN_KILL);
	/* The frontds may still finish: what they wait for is in the other shards. */
	facts.fronts_are_down = false;
	ck_assert_int_eq(drain_next(DRAIN_FRONTS, &facts), DRAIN_FRONTS);
}
END_TEST

/* _i: the phase that hangs. */
START_TEST(every_phase_ends_when_it_lasts_too_long_or_is_forced)
{
	static const enum drain phases[] = { DRAIN_FRONTS, DRAIN_JOURNAL, DRAIN_WORKERS };
	struct drain_facts late = { .lasted_ns = DRAIN_MAX_NS + 1 }, forced = { .is_forced = true };

	ck_assert_int_eq(drain_next(phases[_i], &late), DRAIN_KILL);
	ck_assert_int_eq(drain_next(phases[_i], &forced), DRAIN_KILL);
}
END_TEST

START_TEST(killing_goes_on_until_all_are_down)
{
	struct drain_facts facts = { .fronts_are_down = true, .workers_are_down = true, .is_forced = true };

	ck_assert_int_eq(drain_next(DRAIN_KILL, &facts), DRAIN_KILL);
	facts.persistd_is_down = true;
	ck_assert_int_eq(drain_next(DRAIN_KILL, &facts), DRAIN_OVER);
}
END_TEST

START_TEST(a_broker_that_serves_does_not_drain)
{
	drain_next(DRAIN_NONE, &nothing_is_down);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("cli/supervisor/drain");
	TCase *drain = tcase_create("drain");

	tcase_add_test(drain, a_clean_stop_goes_frontds_then_journal_then_workers);
	tcase_add_test(drain, workers_are_not_ended_while_the_journal_is_open);
	tcase_add_test(drain, a_worker_lost_before_it_drained_makes_waiting_hopeless);
	tcase_add_loop_test(drain, every_phase_ends_when_it_lasts_too_long_or_is_forced, 0, 3);
	tcase_add_test(drain, killing_goes_on_until_all_are_down);
	tcase_add_test_raise_signal(drain, a_broker_that_serves_does_not_drain, SIGABRT);
	suite_add_tcase(suite, drain);
	return suite;
}

UNIT_MAIN(suite)
