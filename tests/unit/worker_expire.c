#include "tests/harness/engine.h"
#include "tests/harness/unit.h"

static struct engine *engine;
static struct delivery got[RECEIVE_BATCH_MAX];
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

static struct queue_stats
stats(void)
{
	struct queue_entry entry;

	ck_assert_int_eq(engine_get(engine, "q", &entry), OUTCOME_OK);
	return entry.stats;
}

START_TEST(a_lease_that_ends_gives_the_message_back_and_counts_one_delivery)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 3), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 3, 10000, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(stats().oldest_lease_ms, engine->now_ms);
	engine_pass(engine, 10004);
	ck_assert_uint_eq(stats().ready, 3);
	ck_assert_uint_eq(stats().expired, 3);
	ck_assert_int_eq(engine_receive(engine, "q", 3, 10000, got, &count), OUTCOME_OK);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(got[i].seq, i + 1);
		ck_assert_uint_eq(got[i].delivery_count, 2);
		ck_assert_uint_eq(got[i].acquire_count, 2);
	}
}
END_TEST

START_TEST(the_last_delivery_that_ends_by_time_makes_it_dead)
{
	struct queue_config config = queue_config_default();

	config.max_deliveries = 2;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_MAX_DELIVERIES), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(engine_receive(engine, "q", 1, 1000, got, &count), OUTCOME_OK);
		engine_pass(engine, 1004);
	}
	ck_assert_uint_eq(stats().dead, 1);
	ck_assert_uint_eq(stats().ready, 0);
}
END_TEST

START_TEST(a_lease_of_no_time_is_due_again_at_once)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 1, 0, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(stats().leased, 0);
	ck_assert_uint_eq(stats().ready, 1);
}
END_TEST

START_TEST(a_delayed_message_is_invisible_until_it_is_due_and_order_is_kept)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", 5000, 50), OUTCOME_OK);
	ck_assert_uint_eq(((struct publish_reply *)engine->reply)->published[0].visible_ms, engine->now_ms + 5000);
	ck_assert_int_eq(engine_receive(engine, "q", 100, 10000, got, &count), OUTCOME_EMPTY);
	engine_pass(engine, 5000);
	ck_assert_int_eq(engine_receive(engine, "q", 100, 10000, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, 50);
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_uint_eq(got[i].seq, i + 1);
}
END_TEST

START_TEST(a_delay_of_ten_years_ends_after_ten_years)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_MS_MAX, 1), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_MS_MAX + 1, 1), OUTCOME_BAD_FIELD);
	for (int year = 0; year < 10; year++)
		engine_pass(engine, DELAY_MS_MAX / 10 - 1);
	ck_assert_uint_eq(stats().delayed, 1);
	engine_pass(engine, 20);
	ck_assert_uint_eq(stats().ready, 1);
}
END_TEST

START_TEST(not_before_wins_over_delay_and_the_queues_delay_is_the_default)
{
	struct queue_config config = queue_config_default();
	struct publish_request *request = engine_frame(engine, 0, OP_PUBLISH, 9, sizeof(*request) + sizeof(struct publish_item));
	struct publish_item *item = (struct publish_item *)(request + 1);

	request->queue.name = engine_name("q");
	request->count = 1;
	item->delay_ms = 1000000;
	item->not_before_ms = engine->now_ms + 100;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_uint_eq(((struct publish_reply *)engine_reply(engine, 0))->published[0].visible_ms, engine->now_ms + 100);
	config.delay_ms = 777;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_DELAY), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_uint_eq(((struct publish_reply *)engine->reply)->published[0].visible_ms, engine->now_ms + 777);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 0, 1), OUTCOME_OK);
	ck_assert_uint_eq(stats().ready, 1);
}
END_TEST

START_TEST(a_waiter_is_served_when_a_delay_ends)
{
	(void)engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 3000, 1), OUTCOME_OK);
	engine_pass(engine, 3000);
	ck_assert_int_eq(engine_reply(engine, 0)->header.op, OUTCOME_OK);
}
END_TEST

START_TEST(time_that_goes_back_changes_nothing)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", 1000, 1), OUTCOME_OK);
	engine->now_ms -= 500000;
	engine_run(engine);
	ck_assert_uint_eq(stats().delayed, 1);
	engine->now_ms += 500000 + 1000;
	engine_run(engine);
	ck_assert_uint_eq(stats().ready, 1);
}
END_TEST

START_TEST(the_worker_knows_when_it_has_to_wake)
{
	ck_assert_uint_eq(worker_next_ms(&engine->worker), WHEEL_NEVER);
	ck_assert_int_eq(engine_publish(engine, "q", "x", 1000, 1), OUTCOME_OK);
	ck_assert_uint_le(worker_next_ms(&engine->worker), engine->now_ms + 1000);
	ck_assert_uint_gt(worker_next_ms(&engine->worker), engine->now_ms);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_expire");
	TCase *tcase = tcase_create("expire");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_lease_that_ends_gives_the_message_back_and_counts_one_delivery);
	tcase_add_test(tcase, the_last_delivery_that_ends_by_time_makes_it_dead);
	tcase_add_test(tcase, a_lease_of_no_time_is_due_again_at_once);
	tcase_add_test(tcase, a_delayed_message_is_invisible_until_it_is_due_and_order_is_kept);
	tcase_add_test(tcase, a_delay_of_ten_years_ends_after_ten_years);
	tcase_add_test(tcase, not_before_wins_over_delay_and_the_queues_delay_is_the_default);
	tcase_add_test(tcase, a_waiter_is_served_when_a_delay_ends);
	tcase_add_test(tcase, time_that_goes_back_changes_nothing);
	tcase_add_test(tcase, the_worker_knows_when_it_has_to_wake);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
