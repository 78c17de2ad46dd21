#include <signal.h>

#include "tests/harness/engine.h"
#include "tests/harness/unit.h"

static struct engine *engine;
static struct delivery got[RECEIVE_BATCH_MAX], again[RECEIVE_BATCH_MAX];
static uint32_t count;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ 0 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

/* `messages` messages, all leased for ten seconds. */
static void
lease(uint32_t messages)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, messages), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", messages, 10000, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, messages);
}

static struct queue_stats
stats(void)
{
	struct queue_entry entry;

	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	return entry.stats;
}

START_TEST(an_acknowledged_message_is_gone_and_a_second_ack_says_so_again)
{
	lease(1);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	ck_assert_uint_eq(stats().leased, 0);
	ck_assert_uint_eq(stats().acked, 1);
	ck_assert_uint_eq(stats().bytes, 0);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0);
	ck_assert_uint_eq(stats().acked, 1);
}
END_TEST

START_TEST(a_repeated_ack_waits_for_the_first_although_the_queue_is_gone)
{
	lease(1);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	ck_assert_int_eq(engine_delete(engine, "q"), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	ck_assert_uint_ne(((struct reply *)engine->reply)->lsn, 0);
}
END_TEST

START_TEST(a_repeated_ack_is_recognised_although_a_killed_publish_had_begun_to_take_the_slot)
{
	struct engine *small = engine_open(&(struct engine_options){ .messages = 1 });
	struct shard *shard = &small->worker.shard;
	struct delivery delivery;

	ck_assert_int_eq(engine_put(small, "q", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_put(small, "other", NULL, 0), OUTCOME_CREATED);
	ck_assert_int_eq(engine_publish(small, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(small, "q", 1, 10000, &delivery, NULL), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(small, OP_ACK, "q", &delivery, 0, 0), OUTCOME_OK);
	msg_take(shard, msg_next_free(shard), &(struct msg_birth){ .seq = shard->root->next_seq,
		.lsn = shard->root->stream_tail, .time_ms = small->now_ms, .queue_idx = 1, .body_bytes = 1 });
	engine_restart(small, SIGKILL);
	ck_assert_int_eq(engine_settle(small, OP_ACK, "q", &delivery, 0, 0), OUTCOME_OK);
	engine_close(small);
}
END_TEST

START_TEST(a_receipt_is_worthless_after_its_lease)
{
	lease(1);
	engine_pass(engine, 10000);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_receive(engine, "q", 1, 10000, again, &count), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &again[0], 0, 0), OUTCOME_OK);
}
END_TEST

START_TEST(a_lease_is_over_at_its_time_even_before_the_timer_runs)
{
	struct receipt receipt;

	lease(1);
	receipt = (struct receipt){ .token = got[0].token, .msg_idx = got[0].msg_idx };
	engine->now_ms += 10000;
	/* Requests come before timers in a turn. */
	(void)engine_post_settle(engine, 0, OP_ACK, "q", &receipt, 1, 0, 0);
	engine_run(engine);
	ck_assert_int_eq(((struct settle_reply *)engine_reply(engine, 0))->settled[0].outcome, OUTCOME_LEASE_EXPIRED);
}
END_TEST

START_TEST(a_receipt_of_another_queue_is_refused)
{
	ck_assert_int_eq(engine_put(engine, "other", NULL, 0), OUTCOME_CREATED);
	lease(1);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "other", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "nowhere", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
	got[0].msg_idx = UINT32_MAX;
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
	got[0].token = 0;
	got[0].msg_idx = 0;
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_LEASE_EXPIRED);
}
END_TEST

START_TEST(each_receipt_of_a_batch_has_its_own_outcome)
{
	struct receipt receipts[4];

	lease(3);
	for (int i = 0; i < 3; i++)
		receipts[i] = (struct receipt){ .token = got[i].token, .msg_idx = got[i].msg_idx };
	receipts[1].token += 100;
	receipts[3] = receipts[0]; /* twice in one request: the tombstone answers */
	(void)engine_post_settle(engine, 0, OP_ACK, "q", receipts, 4, 0, 0);
	engine_run(engine);
	const struct settle_reply *reply = (const struct settle_reply *)engine_reply(engine, 0);
	ck_assert_uint_eq(reply->count, 4);
	ck_assert_uint_eq(reply->settled[0].outcome, OUTCOME_OK);
	ck_assert_uint_eq(reply->settled[1].outcome, OUTCOME_LEASE_EXPIRED);
	ck_assert_uint_eq(reply->settled[2].outcome, OUTCOME_OK);
	ck_assert_uint_eq(reply->settled[3].outcome, OUTCOME_OK);
	ck_assert_uint_eq(stats().acked, 2);
	ck_assert_uint_eq(stats().leased, 1);
}
END_TEST

START_TEST(an_extended_lease_ends_later)
{
	lease(1);
	engine_pass(engine, 9000);
	ck_assert_int_eq(engine_settle(engine, OP_EXTEND, "q", &got[0], 5000, 0), OUTCOME_OK);
	ck_assert_uint_eq(((struct settle_reply *)engine->reply)->settled[0].lease_ends_ms, engine->now_ms + 5000);
	engine_pass(engine, 4999);
	ck_assert_uint_eq(stats().leased, 1);
	engine_pass(engine, 5);
	ck_assert_uint_eq(stats().leased, 0);
	ck_assert_uint_eq(stats().expired, 1);
}
END_TEST

START_TEST(a_released_message_comes_back_in_its_place_without_penalty)
{
	lease(3);
	ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[1], DELAY_DEFAULT, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[0], DELAY_DEFAULT, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[2], DELAY_DEFAULT, NACK_RELEASE), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 10, 10000, again, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(again[i].seq, got[i].seq);
		ck_assert_uint_eq(again[i].delivery_count, 1);
		ck_assert_uint_eq(again[i].acquire_count, 2);
		ck_assert_uint_ne(again[i].token, got[i].token);
	}
}
END_TEST

START_TEST(a_release_with_delay_comes_back_after_it)
{
	lease(1);
	ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[0], 3000, NACK_RELEASE), OUTCOME_OK);
	ck_assert_uint_eq(stats().delayed, 1);
	engine_pass(engine, 2999);
	ck_assert_uint_eq(stats().ready, 0);
	engine_pass(engine, 5);
	ck_assert_uint_eq(stats().ready, 1);
}
END_TEST

START_TEST(failures_back_off_and_end_in_state_dead)
{
	struct queue_config config = queue_config_default();
	const uint64_t waits_ms[] = { 100, 200, 300 };

	config.backoff_min_ms = 100;
	config.backoff_max_ms = 300;
	config.backoff_jitter_ppm = 0;
	config.max_deliveries = 4;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_BACKOFF | FIELD_MAX_DELIVERIES), OUTCOME_OK);
	lease(1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[0], DELAY_DEFAULT, NACK_FAIL), OUTCOME_OK);
		engine_pass(engine, waits_ms[i] - 4);
		ck_assert_uint_eq(stats().delayed, 1);
		engine_pass(engine, 8);
		ck_assert_int_eq(engine_receive(engine, "q", 1, 10000, got, &count), OUTCOME_OK);
		ck_assert_uint_eq(got[0].delivery_count, (uint32_t)i + 2);
	}
	ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[0], DELAY_DEFAULT, NACK_FAIL), OUTCOME_OK);
	ck_assert_uint_eq(stats().dead, 1);
	ck_assert_uint_eq(stats().failed, 4);
	ck_assert_int_eq(engine_receive(engine, "q", 1, 10000, got, &count), OUTCOME_EMPTY);
}
END_TEST

START_TEST(jitter_stays_within_its_share)
{
	struct queue_config config = queue_config_default();

	config.backoff_min_ms = 1000;
	config.backoff_jitter_ppm = 500000;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_BACKOFF), OUTCOME_OK);
	lease(100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(engine_settle(engine, OP_NACK, "q", &got[i], DELAY_DEFAULT, NACK_FAIL), OUTCOME_OK);
	engine_pass(engine, 496);
	ck_assert_uint_eq(stats().ready, 0);
	engine_pass(engine, 500);
	ck_assert_uint_gt(stats().ready, 20);
	ck_assert_uint_gt(stats().delayed, 20);
	engine_pass(engine, 510);
	ck_assert_uint_eq(stats().ready, 100);
}
END_TEST

START_TEST(the_largest_settle_fits_into_one_transaction)
{
	struct receipt receipts[1000];

	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1000), OUTCOME_OK);
	for (uint32_t i = 0; i < 1000; i += 100) {
		ck_assert_int_eq(engine_receive(engine, "q", 100, 10000, got, &count), OUTCOME_OK);
		for (uint32_t k = 0; k < 100; k++)
			receipts[i + k] = (struct receipt){ .token = got[k].token, .msg_idx = got[k].msg_idx };
	}
	(void)engine_post_settle(engine, 0, OP_NACK, "q", receipts, 1000, 60000, NACK_FAIL);
	engine_run(engine);
	const struct settle_reply *reply = (const struct settle_reply *)engine_reply(engine, 0);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(reply->settled[i].outcome, OUTCOME_OK);
	ck_assert_uint_eq(stats().delayed, 1000);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_settle");
	TCase *tcase = tcase_create("settle");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_acknowledged_message_is_gone_and_a_second_ack_says_so_again);
	tcase_add_test(tcase, a_repeated_ack_waits_for_the_first_although_the_queue_is_gone);
	tcase_add_test(tcase, a_repeated_ack_is_recognised_although_a_killed_publish_had_begun_to_take_the_slot);
	tcase_add_test(tcase, a_receipt_is_worthless_after_its_lease);
	tcase_add_test(tcase, a_lease_is_over_at_its_time_even_before_the_timer_runs);
	tcase_add_test(tcase, a_receipt_of_another_queue_is_refused);
	tcase_add_test(tcase, each_receipt_of_a_batch_has_its_own_outcome);
	tcase_add_test(tcase, an_extended_lease_ends_later);
	tcase_add_test(tcase, a_released_message_comes_back_in_its_place_without_penalty);
	tcase_add_test(tcase, a_release_with_delay_comes_back_after_it);
	tcase_add_test(tcase, failures_back_off_and_end_in_state_dead);
	tcase_add_test(tcase, jitter_stays_within_its_share);
	tcase_add_test(tcase, the_largest_settle_fits_into_one_transaction);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
