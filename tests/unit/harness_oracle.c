/*
 * The oracle has to notice each kind of broken promise, or all that stands on it proves nothing.
 */
#include "tests/harness/oracle.h"
#include "tests/harness/unit.h"

enum { BODY_BYTES = 100 };

static struct oracle *oracle;
static char body[BODY_BYTES + 1];
static uint32_t body_bytes;

static void
begin(void)
{
	struct oracle_options options = { .seed = 1, .messages_max = 10, .body_bytes_min = 30, .body_bytes_max = BODY_BYTES,
		.is_fifo = true };

	oracle = oracle_new(&options);
	(void)oracle_stream(oracle); /* it is number 0 */
}

static void
end(void)
{
	oracle_free(oracle);
}

static uint32_t
publish(enum publish_outcome outcome)
{
	uint32_t number = oracle_next(oracle, 0);

	if (outcome != PUBLISH_SENT)
		oracle_published(oracle, number, 1, outcome);
	return number;
}

static uint32_t
deliver(uint32_t number, uint32_t delivery_count, uint64_t asked_ms)
{
	body_bytes = oracle_body(oracle, number, body);
	return oracle_delivered(oracle, body, body_bytes, delivery_count, asked_ms);
}

static void
expect_breach(const char *rule)
{
	ck_assert_msg(strstr(oracle_verdict(oracle), rule) != NULL, "%s is not in: %s", rule, oracle_verdict(oracle));
}

START_TEST(a_kept_promise_is_no_breach)
{
	uint32_t first = publish(PUBLISH_ACKNOWLEDGED), second = publish(PUBLISH_SENT);

	ck_assert(!oracle_is_settled(oracle));
	ck_assert_uint_eq(deliver(first, 1, 5), first);
	ck_assert_uint_eq(deliver(first, 2, 5), first);
	oracle_acked(oracle, first, "r1", ACK_STALE);
	oracle_acked(oracle, first, "r2", ACK_SUCCEEDED);
	oracle_acked(oracle, first, "r2", ACK_SUCCEEDED);
	ck_assert_uint_eq(deliver(second, 1, 5), second);
	ck_assert(oracle_is_settled(oracle));
	ck_assert_str_eq(oracle_verdict(oracle), "");
}
END_TEST

START_TEST(a_lost_message_is_seen)
{
	publish(PUBLISH_ACKNOWLEDGED);
	ck_assert(!oracle_is_settled(oracle));
	expect_breach("O1");
}
END_TEST

START_TEST(a_delivery_after_the_ack_is_seen)
{
	uint32_t number = publish(PUBLISH_ACKNOWLEDGED);

	deliver(number, 1, 5);
	oracle_acked(oracle, number, "r", ACK_SUCCEEDED);
	deliver(number, 2, UINT64_MAX);
	expect_breach("O2");
}
END_TEST

START_TEST(a_changed_body_is_seen)
{
	uint32_t number = publish(PUBLISH_ACKNOWLEDGED);

	body_bytes = oracle_body(oracle, number, body);
	body[body_bytes - 1] ^= 1;
	oracle_delivered(oracle, body, body_bytes, 1, 5);
	expect_breach("O3");
}
END_TEST

START_TEST(a_shortened_or_strange_body_is_seen)
{
	uint32_t number = publish(PUBLISH_ACKNOWLEDGED);

	body_bytes = oracle_body(oracle, number, body);
	oracle_delivered(oracle, body, body_bytes - 1, 1, 5);
	ck_assert_uint_eq(oracle_counts(oracle).violations, 1);
	ck_assert_uint_eq(oracle_delivered(oracle, "nobody sent this", 16, 1, 5), ORACLE_NONE);
	ck_assert_uint_eq(oracle_counts(oracle).violations, 2);
}
END_TEST

START_TEST(a_count_that_goes_down_is_seen)
{
	uint32_t number = publish(PUBLISH_ACKNOWLEDGED);

	deliver(number, 3, 5);
	deliver(number, 2, 5);
	ck_assert_uint_eq(oracle_counts(oracle).violations, 0);
	deliver(number, 2, UINT64_MAX);
	expect_breach("O4");
}
END_TEST

START_TEST(two_acks_by_two_receipts_are_seen)
{
	uint32_t number = publish(PUBLISH_ACKNOWLEDGED);

	deliver(number, 1, 5);
	oracle_acked(oracle, number, "r1", ACK_SUCCEEDED);
	oracle_acked(oracle, number, "r2", ACK_SUCCEEDED);
	expect_breach("O5");
}
END_TEST

START_TEST(a_refused_message_that_comes_is_seen)
{
	uint32_t number = publish(PUBLISH_REFUSED);

	deliver(number, 1, 5);
	expect_breach("O6");
}
END_TEST

START_TEST(a_wrong_order_is_seen)
{
	uint32_t first = publish(PUBLISH_ACKNOWLEDGED), second = publish(PUBLISH_ACKNOWLEDGED);

	deliver(second, 1, 5);
	deliver(first, 1, 5);
	expect_breach("O7");
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("harness/oracle");
	TCase *tcase = tcase_create("oracle");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, a_kept_promise_is_no_breach);
	tcase_add_test(tcase, a_lost_message_is_seen);
	tcase_add_test(tcase, a_delivery_after_the_ack_is_seen);
	tcase_add_test(tcase, a_changed_body_is_seen);
	tcase_add_test(tcase, a_shortened_or_strange_body_is_seen);
	tcase_add_test(tcase, a_count_that_goes_down_is_seen);
	tcase_add_test(tcase, two_acks_by_two_receipts_are_seen);
	tcase_add_test(tcase, a_refused_message_that_comes_is_seen);
	tcase_add_test(tcase, a_wrong_order_is_seen);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
