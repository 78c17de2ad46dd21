/*
 * The rules of tests/harness/rights.h on small histories: each is shown to fire, and not to fire on what only looks like a
 * breach.  Times are in seconds; a request is answered half a second after it was sent.
 */
#include "tests/harness/rights.h"
#include "tests/harness/unit.h"

enum { KEEPER, PROBER };

static struct rights rights;
static struct rights_verdict verdict;
static struct history_cut cuts[4];
static unsigned cut_count;
static uint32_t token, user, right;

static const uint64_t second = 1000000;

static void
setup(void)
{
	rights_init(&rights, 5 * second);
	token = rights_fact(&rights, FACT_CREDENTIAL);
	user = rights_fact(&rights, FACT_CREDENTIAL);
	right = rights_fact(&rights, FACT_RIGHT);
	cut_count = 0;
}

static void
teardown(void)
{
	rights_free(&rights);
}

static void
add(double at, unsigned client, struct rights_event event)
{
	event.begin_us = (uint64_t)(at * (double)second);
	event.end_us = event.begin_us + second / 2;
	rights_add(&rights, client, &event);
}

static void
change(double at, enum rights_op op, uint32_t fact, enum history_outcome outcome)
{
	add(at, KEEPER, (struct rights_event){ .op = (uint8_t)op, .needs = { fact }, .need_count = 1,
		.outcome = (uint8_t)outcome });
}

static void
use(double at, uint32_t fact, enum history_outcome outcome)
{
	add(at, PROBER, (struct rights_event){ .op = RIGHTS_USED, .needs = { fact }, .need_count = 1,
		.outcome = (uint8_t)outcome });
}

static void
expect(enum rights_rule rule, unsigned breaches)
{
	rights_check(&rights, cuts, cut_count, &verdict);
	ck_assert_msg(verdict.breaches[rule] == breaches && verdict.breach_count == breaches, "%s broken %u times, not %u:\n%s",
	    rights_rule_name(rule), verdict.breaches[rule], breaches, verdict.text);
}

START_TEST(a_credential_that_is_honoured_a_second_after_its_end_breaks_ENDED)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	change(2, RIGHTS_TOOK, token, HEARD_OK);
	use(3.6, token, HEARD_OK);
	expect(RIGHTS_ENDED, 1);
}
END_TEST

START_TEST(within_a_second_of_its_end_a_credential_may_be_honoured)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	change(2, RIGHTS_TOOK, token, HEARD_OK);
	use(2.2, token, HEARD_OK); /* while it is taken away */
	use(3.4, token, HEARD_OK); /* 0.9 s later */
	use(9, token, HEARD_REFUSED);
	expect(RIGHTS_ENDED, 0);
	ck_assert_uint_eq(verdict.checks[RIGHTS_ENDED], 2);
}
END_TEST

START_TEST(an_end_that_was_not_answered_binds_nobody)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	change(2, RIGHTS_TOOK, token, HEARD_NOTHING);
	use(9, token, HEARD_OK);
	use(10, token, HEARD_REFUSED);
	change(11, RIGHTS_TOOK, token, HEARD_REFUSED);
	expect(RIGHTS_ENDED, 0);
}
END_TEST

START_TEST(a_user_who_was_enabled_again_is_let_in)
{
	change(1, RIGHTS_GAVE, user, HEARD_OK);
	change(2, RIGHTS_TOOK, user, HEARD_OK);
	change(5, RIGHTS_GAVE, user, HEARD_OK);
	use(5.2, user, HEARD_OK); /* while he is enabled */
	use(8, user, HEARD_OK);
	expect(RIGHTS_ENDED, 0);
	use(9, user, HEARD_REFUSED);
	expect(RIGHTS_STANDS, 1);
}
END_TEST

START_TEST(a_giving_that_was_not_answered_may_come_late_and_not_for_ever)
{
	change(1, RIGHTS_GAVE, user, HEARD_NOTHING);
	change(2, RIGHTS_TOOK, user, HEARD_OK);
	use(4, user, HEARD_OK); /* it came after the taking */
	expect(RIGHTS_ENDED, 0);
	change(7, RIGHTS_TOOK, user, HEARD_OK);
	use(9, user, HEARD_OK); /* asked 8 s ago, it cannot come any more */
	expect(RIGHTS_ENDED, 1);
}
END_TEST

START_TEST(a_queue_used_after_its_right_was_taken_away_breaks_TRESPASS_at_once)
{
	change(1, RIGHTS_GAVE, right, HEARD_OK);
	change(2, RIGHTS_TOOK, right, HEARD_OK);
	use(2.4, right, HEARD_OK);
	expect(RIGHTS_TRESPASS, 0);
	use(2.6, right, HEARD_OK);
	expect(RIGHTS_TRESPASS, 1);
}
END_TEST

START_TEST(a_queue_used_beyond_the_scope_of_a_token_breaks_TRESPASS)
{
	use(1, FACT_NEVER, HEARD_REFUSED);
	expect(RIGHTS_TRESPASS, 0);
	use(2, FACT_NEVER, HEARD_OK);
	expect(RIGHTS_TRESPASS, 1);
}
END_TEST

START_TEST(a_right_used_before_anybody_gave_it_breaks_TRESPASS)
{
	use(1, right, HEARD_OK);
	change(2, RIGHTS_GAVE, right, HEARD_OK);
	expect(RIGHTS_TRESPASS, 1);
}
END_TEST

START_TEST(a_credential_that_was_answered_and_is_refused_breaks_STANDS)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	use(2, token, HEARD_OK);
	use(3, token, HEARD_REFUSED);
	expect(RIGHTS_STANDS, 1);
	ck_assert_uint_eq(verdict.checks[RIGHTS_STANDS], 2);
}
END_TEST

START_TEST(what_is_refused_while_somebody_takes_it_away_breaks_nothing)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	change(4, RIGHTS_TOOK, token, HEARD_NOTHING);
	use(3.8, token, HEARD_REFUSED); /* ends after the taking began */
	use(20, token, HEARD_REFUSED);
	expect(RIGHTS_STANDS, 0);
}
END_TEST

START_TEST(a_use_needs_all_of_its_facts)
{
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	change(1, RIGHTS_GAVE, user, HEARD_OK);
	change(2, RIGHTS_TOOK, user, HEARD_OK);
	add(3, PROBER, (struct rights_event){ .op = RIGHTS_USED, .needs = { token, user }, .need_count = 2,
		.outcome = HEARD_REFUSED });
	expect(RIGHTS_STANDS, 0);
	add(5, PROBER, (struct rights_event){ .op = RIGHTS_USED, .needs = { token, user }, .need_count = 2,
		.outcome = HEARD_OK });
	expect(RIGHTS_ENDED, 1);
}
END_TEST

START_TEST(what_stands_over_a_power_cut_is_counted)
{
	cuts[cut_count++] = (struct history_cut){ .begin_us = 2 * second, .end_us = 3 * second };
	change(1, RIGHTS_GAVE, token, HEARD_OK);
	use(4, token, HEARD_OK);
	use(5, token, HEARD_NOTHING);
	expect(RIGHTS_STANDS, 0);
	ck_assert_uint_eq(verdict.over_cuts, 1);
	use(6, token, HEARD_REFUSED);
	expect(RIGHTS_STANDS, 1);
}
END_TEST

static Suite *
rights_suite(void)
{
	Suite *suite = suite_create("harness/rights");
	TCase *tests = tcase_create("rights");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_credential_that_is_honoured_a_second_after_its_end_breaks_ENDED);
	tcase_add_test(tests, within_a_second_of_its_end_a_credential_may_be_honoured);
	tcase_add_test(tests, an_end_that_was_not_answered_binds_nobody);
	tcase_add_test(tests, a_user_who_was_enabled_again_is_let_in);
	tcase_add_test(tests, a_giving_that_was_not_answered_may_come_late_and_not_for_ever);
	tcase_add_test(tests, a_queue_used_after_its_right_was_taken_away_breaks_TRESPASS_at_once);
	tcase_add_test(tests, a_queue_used_beyond_the_scope_of_a_token_breaks_TRESPASS);
	tcase_add_test(tests, a_right_used_before_anybody_gave_it_breaks_TRESPASS);
	tcase_add_test(tests, a_credential_that_was_answered_and_is_refused_breaks_STANDS);
	tcase_add_test(tests, what_is_refused_while_somebody_takes_it_away_breaks_nothing);
	tcase_add_test(tests, a_use_needs_all_of_its_facts);
	tcase_add_test(tests, what_stands_over_a_power_cut_is_counted);
	suite_add_tcase(suite, tests);
	return suite;
}

UNIT_MAIN(rights_suite)
