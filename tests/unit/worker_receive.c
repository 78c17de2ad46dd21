#include "tests/harness/engine.h"
#include "tests/harness/unit.h"

static struct engine *engine;
static struct delivery got[RECEIVE_BATCH_MAX];
static uint32_t count;

static void
setup(void)
{
	engine = engine_open(&(struct engine_options){ .fronts = 2 });
	ck_assert_int_eq(engine_put(engine, "q", NULL, 0), OUTCOME_CREATED);
}

static void
teardown(void)
{
	ck_assert_ptr_null(engine_check(engine));
	engine_close(engine);
}

/* A reply of a front that is there, of this request. */
static struct receive_reply *
reply_of(uint32_t front, uint64_t id)
{
	struct reply *reply = engine_reply(engine, front);

	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.id, id);
	return (struct receive_reply *)reply;
}

START_TEST(messages_come_in_the_order_they_were_published)
{
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 7), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 5, 10000, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, 5);
	for (uint32_t i = 0; i < count; i++) {
		ck_assert_uint_eq(got[i].seq, i + 1);
		ck_assert_uint_eq(got[i].lease_ends_ms, engine->now_ms + 10000);
		ck_assert_uint_eq(got[i].delivery_count, 1);
		ck_assert_uint_eq(got[i].body_bytes, 1);
	}
	ck_assert_uint_eq(((struct receive_reply *)engine->reply)->reply.lsn, 0);
	ck_assert_int_eq(engine_receive(engine, "q", 5, 10000, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(engine_receive(engine, "q", 5, 10000, got, &count), OUTCOME_EMPTY);
}
END_TEST

START_TEST(a_receive_stops_early_when_bodies_grow_too_large)
{
	struct receive_request *request;

	ck_assert_int_eq(engine_publish(engine, "q", "12345678", DELAY_DEFAULT, 5), OUTCOME_OK);
	request = engine_frame(engine, 0, OP_RECEIVE, 9, sizeof(*request));
	request->queue.name = engine_name("q");
	request->lease_ms = LEASE_DEFAULT;
	request->max = 5;
	request->bytes_max = 20;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_uint_eq(reply_of(0, 9)->count, 2);
}
END_TEST

START_TEST(a_receiver_that_waits_is_served_by_the_next_publish)
{
	uint64_t id = engine_post_receive(engine, 1, "q", 10, LEASE_DEFAULT, 20000, 3);

	engine_run(engine);
	ck_assert_ptr_null(engine_reply(engine, 1));
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 2), OUTCOME_OK);
	struct receive_reply *reply = reply_of(1, id);
	ck_assert_int_eq(reply->reply.header.op, OUTCOME_OK);
	ck_assert_uint_eq(reply->count, 2);
}
END_TEST

START_TEST(receivers_are_served_in_the_order_they_came)
{
	uint64_t first = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 0);
	uint64_t second = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 1);

	engine_run(engine);
	(void)engine_post_publish(engine, 1, "q", "x", DELAY_DEFAULT, 1);
	engine_run(engine);
	ck_assert_uint_eq(reply_of(0, first)->count, 1);
	ck_assert_ptr_null(engine_reply(engine, 0));
	(void)engine_post_publish(engine, 1, "q", "x", DELAY_DEFAULT, 1);
	engine_run(engine);
	ck_assert_uint_eq(reply_of(0, second)->count, 1);
}
END_TEST

START_TEST(a_wait_that_ends_is_answered_empty)
{
	uint64_t id = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 0);

	engine_run(engine);
	engine_pass(engine, 19999);
	ck_assert_ptr_null(engine_reply(engine, 0));
	engine_pass(engine, 5);
	ck_assert_int_eq(reply_of(0, id)->reply.header.op, OUTCOME_EMPTY);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[0].waiter_count, 0);
}
END_TEST

START_TEST(a_cancelled_wait_takes_no_message)
{
	uint64_t id = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 5);

	engine_run(engine);
	struct receive_cancel_request *cancel = engine_frame(engine, 0, OP_RECEIVE_CANCEL, id, sizeof(*cancel));
	cancel->waiter_slot = 5;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 1), OUTCOME_OK);
	ck_assert_ptr_null(engine_reply(engine, 0));
	ck_assert_int_eq(engine_receive(engine, "q", 1, LEASE_DEFAULT, got, &count), OUTCOME_OK);
}
END_TEST

START_TEST(a_cancel_of_another_request_does_nothing)
{
	uint64_t id = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 5);
	struct receive_cancel_request *cancel = engine_frame(engine, 0, OP_RECEIVE_CANCEL, id + 1, sizeof(*cancel));

	cancel->waiter_slot = 5;
	cancel = engine_frame(engine, 0, OP_RECEIVE_CANCEL, id, sizeof(*cancel));
	cancel->waiter_slot = 4000000000u;
	engine_post(engine, 0);
	engine_run(engine);
	ck_assert_uint_eq(engine->worker.shard.root->fronts[0].waiter_count, 1);
}
END_TEST

START_TEST(a_waiter_slot_that_is_taken_or_too_high_is_refused)
{
	(void)engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 5);
	uint64_t again = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 5);

	engine_run(engine);
	ck_assert_int_eq(reply_of(0, again)->reply.header.op, OUTCOME_BAD_REQUEST);
	uint64_t high = engine_post_receive(engine, 0, "q", 1, LEASE_DEFAULT, 20000, 64);
	engine_run(engine);
	ck_assert_int_eq(reply_of(0, high)->reply.header.op, OUTCOME_TOO_MANY_WAITERS);
}
END_TEST

START_TEST(max_in_flight_limits_leases_and_waiters_go_on_when_one_is_settled)
{
	struct queue_config config = queue_config_default();

	config.max_in_flight = 2;
	ck_assert_int_eq(engine_put(engine, "q", &config, FIELD_MAX_IN_FLIGHT), OUTCOME_OK);
	ck_assert_int_eq(engine_publish(engine, "q", "x", DELAY_DEFAULT, 5), OUTCOME_OK);
	ck_assert_int_eq(engine_receive(engine, "q", 5, LEASE_DEFAULT, got, &count), OUTCOME_OK);
	ck_assert_uint_eq(count, 2);
	struct delivery other;
	ck_assert_int_eq(engine_receive(engine, "q", 5, LEASE_DEFAULT, &other, NULL), OUTCOME_IN_FLIGHT_LIMIT);
	uint64_t id = engine_post_receive(engine, 1, "q", 5, LEASE_DEFAULT, 20000, 0);
	engine_run(engine);
	ck_assert_ptr_null(engine_reply(engine, 1));
	ck_assert_int_eq(engine_settle(engine, OP_ACK, "q", &got[0], 0, 0), OUTCOME_OK);
	ck_assert_uint_eq(reply_of(1, id)->count, 1);
}
END_TEST

START_TEST(a_full_reply_ring_holds_requests_back_and_loses_nothing)
{
	struct engine *small = engine_open(&(struct engine_options){ .reply_ring_bytes = 65536 });
	uint32_t replies = 0;

	ck_assert_int_eq(engine_put(small, "q", NULL, 0), OUTCOME_CREATED);
	for (int i = 0; i < 4000; i++)
		(void)engine_post_publish(small, 0, "q", "x", DELAY_DEFAULT, 1);
	engine_run(small);
	ck_assert_uint_lt(small->stats->published, 4000);
	for (int i = 0; i < 10000 && replies < 4000; i++) {
		while (engine_reply(small, 0) != NULL)
			replies++;
		engine_run(small);
	}
	ck_assert_uint_eq(replies, 4000);
	ck_assert_uint_eq(small->stats->published, 4000);
	ck_assert_ptr_null(engine_check(small));
	engine_close(small);
}
END_TEST

/* Front 0 asks for more than its reply ring holds and reads none of it. */
static struct engine *
open_with_a_full_reply_ring(void)
{
	struct engine *full = engine_open(&(struct engine_options){ .fronts = 2, .reply_ring_bytes = REPLY_BYTES_MAX });

	ck_assert_int_eq(engine_put(full, "q", NULL, 0), OUTCOME_CREATED);
	for (uint32_t slot = 0; slot < 40; slot++)
		(void)engine_post_receive(full, 0, "q", 1, LEASE_DEFAULT, 60000, slot);
	engine_run(full);
	for (uint32_t i = 0; i < 2 * REPLY_BYTES_MAX / sizeof(struct reply); i++)
		((struct queue_request *)engine_frame(full, 0, OP_QUEUE_GET, 1000 + i, sizeof(struct queue_request)))->name =
		    engine_name("nothing");
	engine_post(full, 0);
	engine_run(full);
	return full;
}

START_TEST(waiters_of_a_frontd_that_takes_no_answers_hold_up_no_other)
{
	struct engine *full = open_with_a_full_reply_ring();
	uint64_t waits = engine_post_receive(full, 1, "q", 1, LEASE_DEFAULT, 60000, 0);

	engine_run(full);
	uint64_t published = engine_post_publish(full, 1, "q", "x", DELAY_DEFAULT, 1);
	(void)worker_turn(&full->worker, full->now_ms);
	struct reply *reply = engine_reply(full, 1);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.id, published);
	reply = engine_reply(full, 1);
	ck_assert_msg(reply != NULL, "not served in the turn of the publish");
	ck_assert_uint_eq(reply->header.id, waits);
	ck_assert_uint_eq(reply->header.op, OUTCOME_OK);
	ck_assert_ptr_null(engine_check(full));
	engine_close(full);
}
END_TEST

START_TEST(a_frontd_that_takes_answers_it_was_never_given_is_given_up)
{
	struct engine *full = open_with_a_full_reply_ring();

	ck_assert_uint_eq(full->worker.shard.root->fronts[0].state, FRONT_OPEN);
	full->fronts[0].pair.reply.head = full->fronts[0].pair.reply.tail + 8;
	engine_run(full);
	ck_assert_uint_eq(full->worker.shard.root->fronts[0].state, FRONT_CLOSED);
	ck_assert_uint_eq(full->worker.shard.root->fronts[1].state, FRONT_OPEN);
	ck_assert_ptr_null(engine_check(full));
	engine_close(full);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("worker_receive");
	TCase *tcase = tcase_create("receive");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, messages_come_in_the_order_they_were_published);
	tcase_add_test(tcase, a_receive_stops_early_when_bodies_grow_too_large);
	tcase_add_test(tcase, a_receiver_that_waits_is_served_by_the_next_publish);
	tcase_add_test(tcase, receivers_are_served_in_the_order_they_came);
	tcase_add_test(tcase, a_wait_that_ends_is_answered_empty);
	tcase_add_test(tcase, a_cancelled_wait_takes_no_message);
	tcase_add_test(tcase, a_cancel_of_another_request_does_nothing);
	tcase_add_test(tcase, a_waiter_slot_that_is_taken_or_too_high_is_refused);
	tcase_add_test(tcase, max_in_flight_limits_leases_and_waiters_go_on_when_one_is_settled);
	tcase_add_test(tcase, a_full_reply_ring_holds_requests_back_and_loses_nothing);
	tcase_add_test(tcase, waiters_of_a_frontd_that_takes_no_answers_hold_up_no_other);
	tcase_add_test(tcase, a_frontd_that_takes_answers_it_was_never_given_is_given_up);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
