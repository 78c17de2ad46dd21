/*
 * The checker of storms on small histories: each rule is shown to fire, and not to fire on what only looks like a breach.
 * Times are in seconds; a request is answered half a second after it was sent.
 */
#include "tests/harness/checker.h"
#include "tests/harness/unit.h"

enum { SENDER, ANN, BOB, CLIENTS };
enum { QUEUE, MEMORY, DELAYED };

static const struct history_queue queues[] = { [QUEUE] = { .name = "queue" },
	[MEMORY] = { .name = "memory", .is_memory = true }, [DELAYED] = { .name = "delayed", .is_unordered = true } };
static struct history history;
static struct verdict verdict;

static const uint64_t second = 1000000;

static void
setup(void)
{
	history_init(&history, queues, 3, CLIENTS, second / 10);
}

static void
teardown(void)
{
	history_free(&history);
}

/* --- what happens in these histories --- */

static void
add(double at, struct history_event event)
{
	event.begin_us = (uint64_t)(at * (double)second);
	event.end_us = event.begin_us + second / 2;
	history_add(&history, &event);
}

static void
publish(double at, uint32_t message, uint32_t count, enum history_outcome outcome)
{
	add(at, (struct history_event){ .client = SENDER, .op = EVENT_SENT, .message = message, .count = count,
		.outcome = (uint8_t)outcome });
}

/* Delivered for the nth time, with receipt 10 * message + n, for a lease of 100 s. */
static struct history_event
delivery(uint16_t client, uint32_t message, uint32_t nth)
{
	return (struct history_event){ .client = client, .op = EVENT_DELIVERED, .message = message, .id = 1000 + message,
		.receipt = 10 * message + nth, .lease_us = 100 * second, .delivery_count = nth, .acquire_count = nth };
}

static void
deliver(double at, uint16_t client, uint32_t message, uint32_t nth)
{
	add(at, delivery(client, message, nth));
}

/* A lease so short that it ends by itself. */
static void
deliver_briefly(double at, uint16_t client, uint32_t message, uint32_t nth)
{
	struct history_event event = delivery(client, message, nth);

	event.lease_us = second / 10;
	add(at, event);
}

static void
settle(double at, enum history_op op, uint16_t client, uint32_t message, uint32_t nth, enum history_outcome outcome)
{
	add(at, (struct history_event){ .client = client, .op = (uint8_t)op, .message = message,
		.receipt = 10 * message + nth, .outcome = (uint8_t)outcome, .lease_us = 100 * second });
}

static void
ack(double at, uint16_t client, uint32_t message, uint32_t nth)
{
	settle(at, EVENT_ACKED, client, message, nth, HEARD_OK);
}

static void
cut(double at)
{
	history_cut(&history, (uint64_t)(at * (double)second), (uint64_t)(at * (double)second) + second);
}

/* All that was added so far happened to this queue. */
static void
all_in(uint8_t queue)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (size_t k = 0; k < history.lists[i].count; k++)
			history.lists[i].events[k].queue = queue;
	}
}

static void
expect_good(void)
{
	checker_run(&history, &verdict);
	ck_assert_msg(verdict.breach_count == 0, "%s", verdict.text);
}

/* This rule and no other is broken; the text names it. */
static void
expect_breach(enum checker_rule rule)
{
	checker_run(&history, &verdict);
	for (unsigned i = 0; i < RULES; i++)
		ck_assert_msg((verdict.breaches[i] > 0) == (i == rule), "%s: %u times\n%s", checker_rule_name(i),
		    verdict.breaches[i], verdict.text);
	ck_assert_ptr_nonnull(strstr(verdict.text, checker_rule_name(rule)));
}

/* --- LOST --- */

START_TEST(a_message_delivered_and_acked_is_well)
{
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	expect_good();
	for (unsigned i = 0; i < RULES; i++) {
		if (i == RULE_LOST || i == RULE_UNSENT || i == RULE_ALTERED || i == RULE_RECEIPT || i == RULE_ORDER)
			ck_assert_msg(verdict.checks[i] > 0, "%s was not asked", checker_rule_name(i));
	}
}
END_TEST

START_TEST(an_accepted_message_that_never_comes_is_lost)
{
	publish(1, 1, 1, HEARD_OK);
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(an_accepted_message_that_came_and_could_not_be_acked_is_lost)
{
	publish(1, 1, 1, HEARD_OK);
	deliver_briefly(2, ANN, 1, 1);
	settle(3, EVENT_ACKED, ANN, 1, 1, HEARD_STALE);
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(one_message_of_an_accepted_batch_is_lost)
{
	publish(1, 1, 2, HEARD_OK);
	deliver(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(what_was_not_answered_may_come_or_not)
{
	publish(1, 1, 1, HEARD_NOTHING);
	publish(2, 2, 1, HEARD_NOTHING);
	deliver(3, ANN, 2, 1);
	publish(4, 3, 1, HEARD_OK);
	deliver(5, ANN, 3, 1);
	settle(6, EVENT_ACKED, ANN, 2, 1, HEARD_NOTHING);
	settle(7, EVENT_ACKED, ANN, 3, 1, HEARD_NOTHING);
	expect_good();
}
END_TEST

START_TEST(a_purge_takes_what_was_there_and_not_what_came_later)
{
	publish(1, 1, 1, HEARD_OK);
	add(2, (struct history_event){ .client = BOB, .op = EVENT_PURGED });
	expect_good();
	publish(3, 2, 1, HEARD_OK);
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(a_refused_purge_takes_nothing)
{
	publish(1, 1, 1, HEARD_OK);
	add(2, (struct history_event){ .client = BOB, .op = EVENT_PURGED, .outcome = HEARD_REFUSED });
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(a_power_cut_takes_from_memory_queues_only)
{
	publish(1, 1, 1, HEARD_OK);
	cut(2);
	all_in(MEMORY);
	expect_good();
	all_in(QUEUE);
	expect_breach(RULE_LOST);
}
END_TEST

START_TEST(a_memory_queue_keeps_what_came_after_the_power_cut)
{
	cut(1);
	publish(3, 1, 1, HEARD_OK);
	all_in(MEMORY);
	expect_breach(RULE_LOST);
}
END_TEST

/* --- UNSENT, ALTERED --- */

START_TEST(a_message_that_nobody_sent)
{
	deliver(2, ANN, 1, 1);
	expect_breach(RULE_UNSENT);
}
END_TEST

START_TEST(a_message_that_was_refused)
{
	publish(1, 1, 1, HEARD_REFUSED);
	deliver(2, ANN, 1, 1);
	expect_breach(RULE_UNSENT);
}
END_TEST

START_TEST(a_message_in_another_queue)
{
	publish(1, 1, 1, HEARD_NOTHING);
	all_in(DELAYED);
	deliver(2, ANN, 1, 1);
	expect_breach(RULE_UNSENT);
}
END_TEST

START_TEST(one_publish_that_made_two_messages)
{
	struct history_event twin = delivery(BOB, 1, 2);

	publish(1, 1, 1, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 1);
	twin.id = 77;
	add(3, twin);
	expect_breach(RULE_UNSENT);
}
END_TEST

START_TEST(another_body)
{
	struct history_event event = delivery(ANN, 1, 1);

	publish(1, 1, 1, HEARD_NOTHING);
	event.is_altered = true;
	add(2, event);
	expect_breach(RULE_ALTERED);
}
END_TEST

/* --- REVENANT --- */

START_TEST(an_acked_message_that_comes_again)
{
	publish(1, 1, 1, HEARD_OK);
	deliver_briefly(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	deliver(4, BOB, 1, 2);
	expect_breach(RULE_REVENANT);
}
END_TEST

START_TEST(a_receive_that_was_under_way_when_the_ack_succeeded)
{
	publish(1, 1, 1, HEARD_OK);
	deliver_briefly(2, ANN, 1, 1);
	deliver(3.2, BOB, 1, 2);
	settle(3, EVENT_ACKED, ANN, 1, 1, HEARD_NOTHING);
	ack(3.4, BOB, 1, 2);
	expect_good();
}
END_TEST

START_TEST(an_acked_message_comes_again_over_a_power_cut_from_a_memory_queue_only)
{
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	cut(4);
	deliver(6, BOB, 1, 1);
	all_in(MEMORY);
	history.lists[BOB].events[0].receipt = 99;
	expect_good();
	/* On disk its count would have gone on, too. */
	all_in(QUEUE);
	history.lists[BOB].events[0].acquire_count = 2;
	expect_breach(RULE_REVENANT);
}
END_TEST

START_TEST(a_purged_message_that_comes)
{
	publish(1, 1, 1, HEARD_OK);
	add(2, (struct history_event){ .client = BOB, .op = EVENT_PURGED });
	deliver(3, ANN, 1, 1);
	expect_breach(RULE_REVENANT);
}
END_TEST

START_TEST(a_message_of_a_deleted_queue_that_comes)
{
	publish(1, 1, 1, HEARD_OK);
	add(2, (struct history_event){ .client = BOB, .op = EVENT_DELETED });
	deliver(3, ANN, 1, 1);
	expect_breach(RULE_REVENANT);
}
END_TEST

/* --- ORDER --- */

static void
publish_two(void)
{
	publish(1, 1, 1, HEARD_OK);
	publish(2, 2, 1, HEARD_NOTHING);
}

START_TEST(a_later_message_before_one_that_waits)
{
	publish_two();
	deliver(3, ANN, 2, 1);
	deliver(4, BOB, 1, 1);
	ack(5, BOB, 1, 1);
	expect_breach(RULE_ORDER);
}
END_TEST

START_TEST(a_later_message_before_one_in_the_same_answer)
{
	struct history_event event = delivery(ANN, 1, 1);

	publish_two();
	deliver(3, ANN, 2, 1);
	event.place = 1;
	add(3, event);
	ack(5, ANN, 1, 1);
	expect_breach(RULE_ORDER);
}
END_TEST

START_TEST(order_is_not_promised_where_a_lease_a_delay_an_overlap_or_a_lost_answer_comes_in)
{
	publish_two();
	deliver(3, ANN, 2, 1);
	deliver(4, BOB, 1, 2); /* leased before, by somebody who did not hear of it */
	ack(5, BOB, 1, 2);
	expect_good();
	teardown();
	setup();
	publish_two();
	deliver(3, ANN, 2, 1);
	deliver(4, BOB, 1, 1);
	ack(5, BOB, 1, 1);
	all_in(DELAYED);
	expect_good();
	teardown();
	setup();
	publish_two();
	deliver(3, ANN, 2, 1);
	deliver(3.3, BOB, 1, 1);
	ack(5, BOB, 1, 1);
	expect_good();
	teardown();
	setup();
	publish(1, 1, 1, HEARD_NOTHING); /* perhaps executed after its successor */
	publish(2, 2, 1, HEARD_NOTHING);
	deliver(3, ANN, 2, 1);
	deliver(4, BOB, 1, 1);
	expect_good();
}
END_TEST

START_TEST(order_is_promised_to_each_sender_alone)
{
	publish(1, message_number(0, 1), 1, HEARD_OK);
	publish(2, message_number(1, 1), 1, HEARD_NOTHING);
	deliver(3, ANN, message_number(1, 1), 1);
	deliver(4, BOB, message_number(0, 1), 1);
	ack(5, BOB, message_number(0, 1), 1);
	expect_good();
}
END_TEST

START_TEST(a_power_cut_may_forget_who_was_leased_first)
{
	publish_two();
	deliver(3, ANN, 2, 1);
	cut(4);
	deliver(6, BOB, 1, 1);
	ack(7, BOB, 1, 1);
	expect_good();
}
END_TEST

/* --- COUNT --- */

START_TEST(a_delivery_count_that_goes_down)
{
	struct history_event event = delivery(BOB, 1, 3);

	publish(1, 1, 1, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 2);
	event.delivery_count = 1;
	add(3, event);
	expect_breach(RULE_COUNT);
}
END_TEST

START_TEST(a_lease_that_is_not_counted)
{
	struct history_event event = delivery(BOB, 1, 1);

	publish(1, 1, 1, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 1);
	event.receipt++;
	add(3, event);
	expect_breach(RULE_COUNT);
}
END_TEST

START_TEST(a_power_cut_takes_back_leases_that_no_answer_waited_for)
{
	struct history_event event = delivery(BOB, 1, 1);

	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	cut(4);
	event.receipt = 99;
	add(6, event);
	settle(7, EVENT_ACKED, BOB, 1, 1, HEARD_NOTHING);
	expect_good();
	/* An answered publish to the same queue has carried it to disk. */
	publish(3, 2, 1, HEARD_OK);
	settle(8, EVENT_ACKED, BOB, 2, 1, HEARD_NOTHING);
	expect_breach(RULE_COUNT);
	/* In memory nothing has. */
	all_in(MEMORY);
	expect_good();
}
END_TEST

/* --- RECEIPT --- */

START_TEST(a_receipt_honoured_after_the_message_went_to_another)
{
	publish(1, 1, 1, HEARD_OK);
	deliver_briefly(2, ANN, 1, 1);
	deliver(3, BOB, 1, 2);
	ack(4, ANN, 1, 1);
	expect_breach(RULE_RECEIPT);
}
END_TEST

START_TEST(two_receipts_of_one_message_acked)
{
	publish(1, 1, 1, HEARD_OK);
	deliver_briefly(2, ANN, 1, 1);
	deliver(2.3, BOB, 1, 2);
	ack(2.6, ANN, 1, 1);
	ack(2.9, BOB, 1, 2);
	expect_breach(RULE_RECEIPT);
}
END_TEST

START_TEST(a_receipt_honoured_after_it_was_given_back)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	settle(3, EVENT_NACKED, ANN, 1, 1, HEARD_OK);
	settle(4, EVENT_EXTENDED, ANN, 1, 1, HEARD_OK);
	expect_breach(RULE_RECEIPT);
}
END_TEST

START_TEST(a_receipt_honoured_after_its_ack)
{
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	ack(4, ANN, 1, 1);
	expect_good(); /* to be told so again is no harm */
	settle(5, EVENT_EXTENDED, ANN, 1, 1, HEARD_OK);
	expect_breach(RULE_RECEIPT);
}
END_TEST

START_TEST(a_receipt_honoured_over_a_power_cut)
{
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	cut(3);
	ack(5, ANN, 1, 1);
	expect_breach(RULE_RECEIPT);
}
END_TEST

START_TEST(an_ack_asked_again_over_a_power_cut)
{
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	settle(2.6, EVENT_ACKED, ANN, 1, 1, HEARD_NOTHING);
	cut(4);
	ack(6, ANN, 1, 1);
	expect_good();
}
END_TEST

START_TEST(one_receipt_for_two_messages)
{
	struct history_event event = delivery(ANN, 2, 1);

	publish(1, 1, 2, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	event.receipt = 11;
	add(3, event);
	expect_breach(RULE_RECEIPT);
}
END_TEST

/* --- HALF --- */

START_TEST(half_of_a_batch)
{
	publish(1, 1, 3, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	deliver(3, ANN, 3, 1);
	expect_breach(RULE_HALF);
	deliver(4, ANN, 2, 2);
	expect_good();
}
END_TEST

START_TEST(half_of_a_batch_where_the_rest_may_have_been_purged)
{
	publish(1, 1, 2, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	add(3, (struct history_event){ .client = BOB, .op = EVENT_PURGED, .outcome = HEARD_NOTHING });
	expect_good();
}
END_TEST

START_TEST(half_of_a_batch_before_a_power_cut_that_took_it_back)
{
	publish(1, 1, 2, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	cut(4);
	expect_good();
	/* This has carried it to disk, so that it cannot have been taken back. */
	publish(3, 3, 1, HEARD_OK);
	settle(8, EVENT_ACKED, BOB, 3, 1, HEARD_NOTHING);
	expect_breach(RULE_HALF);
}
END_TEST

START_TEST(half_of_a_batch_over_a_power_cut)
{
	publish(1, 1, 2, HEARD_NOTHING);
	cut(2);
	deliver(4, ANN, 2, 1);
	expect_breach(RULE_HALF);
	cut(6);
	expect_breach(RULE_HALF);
}
END_TEST

/* --- SHARED --- */

START_TEST(a_message_given_to_two_at_once)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	deliver(3, BOB, 1, 2);
	expect_breach(RULE_SHARED);
}
END_TEST

START_TEST(a_message_given_to_two_at_once_while_both_wait)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver(2, ANN, 1, 2);
	deliver(2.2, BOB, 1, 1);
	expect_breach(RULE_SHARED);
}
END_TEST

START_TEST(a_message_given_to_another_while_its_extended_lease_stood)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 1);
	settle(2.05, EVENT_EXTENDED, ANN, 1, 1, HEARD_OK);
	deliver(5, BOB, 1, 2);
	expect_breach(RULE_SHARED);
}
END_TEST

START_TEST(a_message_given_to_another_after_a_release_an_end_or_a_power_cut)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 1);
	deliver(4, BOB, 1, 2);
	settle(5, EVENT_NACKED, BOB, 1, 2, HEARD_NOTHING);
	deliver(6, ANN, 1, 3);
	cut(7);
	deliver(9, BOB, 1, 4);
	expect_good();
}
END_TEST

/* --- REVOKED --- */

START_TEST(a_lease_taken_away_before_its_end)
{
	publish(1, 1, 1, HEARD_NOTHING);
	deliver(2, ANN, 1, 1);
	settle(3, EVENT_ACKED, ANN, 1, 1, HEARD_STALE);
	expect_breach(RULE_REVOKED);
}
END_TEST

START_TEST(a_lease_that_ended_was_settled_purged_or_cut_off_is_stale)
{
	publish(1, 1, 4, HEARD_NOTHING);
	deliver_briefly(2, ANN, 1, 1);
	settle(3, EVENT_ACKED, ANN, 1, 1, HEARD_STALE);
	deliver(4, ANN, 2, 1);
	settle(5, EVENT_ACKED, ANN, 2, 1, HEARD_NOTHING);
	settle(6, EVENT_ACKED, ANN, 2, 1, HEARD_STALE);
	deliver(7, ANN, 3, 1);
	cut(8);
	settle(10, EVENT_ACKED, ANN, 3, 1, HEARD_STALE);
	deliver(11, ANN, 4, 1);
	add(12, (struct history_event){ .client = BOB, .op = EVENT_PURGED });
	settle(13, EVENT_ACKED, ANN, 4, 1, HEARD_STALE);
	expect_good();
}
END_TEST

/* --- what the histories are made of --- */

START_TEST(a_body_tells_whose_it_is_and_whether_it_is_whole)
{
	char body[300];
	uint32_t message;
	bool is_altered;

	for (size_t bytes = STORM_BODY_BYTES_MIN; bytes <= sizeof(body); bytes += 59) {
		storm_body(7, 0x123456, body, bytes);
		ck_assert(storm_body_read(7, body, bytes, &message, &is_altered));
		ck_assert_uint_eq(message, 0x123456);
		ck_assert(!is_altered);
		ck_assert(!storm_body_read(8, body, bytes, &message, &is_altered));
		ck_assert(!storm_body_read(7, body, STORM_BODY_BYTES_MIN - 1, &message, &is_altered));
		for (size_t i = 0; i < bytes; i++) {
			body[i] ^= 1;
			ck_assert_msg(!storm_body_read(7, body, bytes, &message, &is_altered) || is_altered,
			    "byte %zu of %zu is not covered", i, bytes);
			body[i] ^= 1;
		}
		ck_assert(!storm_body_read(7, body, bytes - 1, &message, &is_altered) || is_altered);
	}
}
END_TEST

START_TEST(a_dump_has_a_line_for_each_event)
{
	char path[] = "/tmp/chasqui-history-XXXXXX", text[2000];
	int fd = mkstemp(path);
	FILE *file;
	size_t n;

	ck_assert_int_ge(fd, 0);
	publish(1, 1, 1, HEARD_OK);
	deliver(2, ANN, 1, 1);
	ack(3, ANN, 1, 1);
	cut(4);
	ck_assert(history_dump(&history, path, "seed 7"));
	file = fdopen(fd, "r");
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	remove(path);
	ck_assert_ptr_nonnull(strstr(text, "# seed 7\n"));
	ck_assert_ptr_nonnull(strstr(text, "4000000 5000000 power cut\n"));
	ck_assert_ptr_nonnull(strstr(text, "1000000 1500000 client 0 queue publish ok message 00000001 count 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "client 1 queue delivery ok message 00000001 place 0 receipt 000000000000000b"));
	ck_assert_ptr_nonnull(strstr(text, "client 1 queue ack ok message 00000001"));
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("harness/checker");
	TCase *tcase = tcase_create("checker");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_message_delivered_and_acked_is_well);
	tcase_add_test(tcase, an_accepted_message_that_never_comes_is_lost);
	tcase_add_test(tcase, an_accepted_message_that_came_and_could_not_be_acked_is_lost);
	tcase_add_test(tcase, one_message_of_an_accepted_batch_is_lost);
	tcase_add_test(tcase, what_was_not_answered_may_come_or_not);
	tcase_add_test(tcase, a_purge_takes_what_was_there_and_not_what_came_later);
	tcase_add_test(tcase, a_refused_purge_takes_nothing);
	tcase_add_test(tcase, a_power_cut_takes_from_memory_queues_only);
	tcase_add_test(tcase, a_memory_queue_keeps_what_came_after_the_power_cut);
	tcase_add_test(tcase, a_message_that_nobody_sent);
	tcase_add_test(tcase, a_message_that_was_refused);
	tcase_add_test(tcase, a_message_in_another_queue);
	tcase_add_test(tcase, one_publish_that_made_two_messages);
	tcase_add_test(tcase, another_body);
	tcase_add_test(tcase, an_acked_message_that_comes_again);
	tcase_add_test(tcase, a_receive_that_was_under_way_when_the_ack_succeeded);
	tcase_add_test(tcase, an_acked_message_comes_again_over_a_power_cut_from_a_memory_queue_only);
	tcase_add_test(tcase, a_purged_message_that_comes);
	tcase_add_test(tcase, a_message_of_a_deleted_queue_that_comes);
	tcase_add_test(tcase, a_later_message_before_one_that_waits);
	tcase_add_test(tcase, a_later_message_before_one_in_the_same_answer);
	tcase_add_test(tcase, order_is_not_promised_where_a_lease_a_delay_an_overlap_or_a_lost_answer_comes_in);
	tcase_add_test(tcase, order_is_promised_to_each_sender_alone);
	tcase_add_test(tcase, a_power_cut_may_forget_who_was_leased_first);
	tcase_add_test(tcase, a_delivery_count_that_goes_down);
	tcase_add_test(tcase, a_lease_that_is_not_counted);
	tcase_add_test(tcase, a_power_cut_takes_back_leases_that_no_answer_waited_for);
	tcase_add_test(tcase, a_receipt_honoured_after_the_message_went_to_another);
	tcase_add_test(tcase, two_receipts_of_one_message_acked);
	tcase_add_test(tcase, a_receipt_honoured_after_it_was_given_back);
	tcase_add_test(tcase, a_receipt_honoured_after_its_ack);
	tcase_add_test(tcase, a_receipt_honoured_over_a_power_cut);
	tcase_add_test(tcase, an_ack_asked_again_over_a_power_cut);
	tcase_add_test(tcase, one_receipt_for_two_messages);
	tcase_add_test(tcase, half_of_a_batch);
	tcase_add_test(tcase, half_of_a_batch_where_the_rest_may_have_been_purged);
	tcase_add_test(tcase, half_of_a_batch_before_a_power_cut_that_took_it_back);
	tcase_add_test(tcase, half_of_a_batch_over_a_power_cut);
	tcase_add_test(tcase, a_message_given_to_two_at_once);
	tcase_add_test(tcase, a_message_given_to_two_at_once_while_both_wait);
	tcase_add_test(tcase, a_message_given_to_another_while_its_extended_lease_stood);
	tcase_add_test(tcase, a_message_given_to_another_after_a_release_an_end_or_a_power_cut);
	tcase_add_test(tcase, a_lease_taken_away_before_its_end);
	tcase_add_test(tcase, a_lease_that_ended_was_settled_purged_or_cut_off_is_stale);
	tcase_add_test(tcase, a_body_tells_whose_it_is_and_whether_it_is_whole);
	tcase_add_test(tcase, a_dump_has_a_line_for_each_event);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
