#include "tests/unit/front_world.h"

static struct client client;

static void
setup(void)
{
	world_setup();
	world.limits.head_timeout_ns = world.limits.body_timeout_ns = 150 * NS_PER_MS;
	world.limits.idle_timeout_ns = 400 * NS_PER_MS;
	world.limits.send_timeout_ns = 300 * NS_PER_MS;
	world.limits.linger_ns = 200 * NS_PER_MS;
	world.limits.body_rate = 1u << 20;
	world.limits.connections_max = 3;
	/* Before there is a thread that attaches regions: what a process was handed is looked up by one at a time. */
	ck_assert_int_eq(stats_attach(&world.worker_stats, world.instance, SLOT_WORKER(0), &world.role.store, REGION_READ_WRITE), 0);
	world_start();
	client_open(&client, world.port);
}

static void
teardown(void)
{
	client_close(&client);
	world_stop();
}

START_TEST(a_head_that_drips_has_one_deadline_for_all_its_bytes)
{
	uint64_t begin_ns = now_ns();
	struct response *answer = NULL;

	while (answer == NULL) {
		ck_assert_uint_lt(now_ns() - begin_ns, 5 * NS_PER_S);
		if (now_ns() - begin_ns < 140 * NS_PER_MS)
			client_text(&client, "G");
		answer = client_try_answer(&client, 20);
	}
	expect_problem(answer, 408, "request-timeout");
	client_expect_close(&client);
}
END_TEST

START_TEST(a_body_that_does_not_come_has_a_deadline)
{
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nabc");
	expect_problem(client_answer(&client), 408, "request-timeout");
	client_expect_close(&client);
}
END_TEST

START_TEST(an_idle_connection_is_closed_and_one_that_waits_for_an_answer_is_not)
{
	static struct client idle;

	client_open(&idle, world.port);
	client_request(&client, "POST /v1/queues/q/messages", NULL, "x", 1);
	world_take(OP_PUBLISH);
	client_expect_close(&idle);
	ck_assert_ptr_null(client_try_answer(&client, 500));
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
	client_close(&idle);
}
END_TEST

START_TEST(a_client_that_takes_nothing_of_its_answer_is_cut_off)
{
	static char body[1u << 20];
	uint64_t closed = load_acquire(&world.role.stats.shared->connections_closed);

	memset(body, 'a', sizeof(body));
	struct delivery delivery = world_record(1, "", 0, body, sizeof(body));
	for (int i = 0; i < 8; i++) /* more than the socket's buffers hold */
		client_request(&client, "POST /v1/queues/q/messages:receive", NULL, NULL, 0);
	for (int i = 0; i < 8; i++) {
		world_take(OP_RECEIVE);
		world_deliver(world_id(), delivery);
	}
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	while (load_acquire(&world.role.stats.shared->connections_closed) == closed) {
		ck_assert(now_ns() < until_ns);
		usleep(1000);
	}
}
END_TEST

START_TEST(no_more_connections_than_allowed_are_taken_and_then_again)
{
	static struct client more[4];

	ck_assert_int_eq(client_do(&client, "GET /livez")->status, 200);
	for (int i = 0; i < 2; i++) {
		client_open(&more[i], world.port);
		ck_assert_int_eq(client_do(&more[i], "GET /livez")->status, 200);
	}
	client_open(&more[2], world.port);
	client_request(&more[2], "GET /livez", NULL, NULL, 0);
	ck_assert_ptr_null(client_try_answer(&more[2], 100)); /* it waits in the backlog */
	client_close(&more[0]);
	ck_assert_int_eq(client_answer(&more[2])->status, 200);
	client_close(&more[1]);
	client_close(&more[2]);
}
END_TEST

START_TEST(a_client_that_ends_its_side_still_gets_its_answer)
{
	client_request(&client, "POST /v1/queues/q/messages", NULL, "x", 1);
	client_end(&client);
	world_take(OP_PUBLISH);
	world_published(1, 0);
	ck_assert_int_eq(client_answer(&client)->status, 201);
	client_expect_close(&client);
}
END_TEST

START_TEST(a_refusal_reaches_a_client_that_goes_on_sending)
{
	static char junk[40000];

	memset(junk, 'x', sizeof(junk));
	client_text(&client, "GET / HTTP/1.1\nHost: h\r\n\r\n");
	client_send(&client, junk, sizeof(junk));
	expect_problem(client_answer(&client), 400, "bad-line-end");
}
END_TEST

START_TEST(a_front_that_its_peers_have_closed_ends)
{
	store_release(&world.worker_stats.shared->closed_epoch[0], 1);
	ck_assert_int_eq(pthread_join(world.thread, NULL), 0);
	ck_assert_int_eq(world.exit_code, EXIT_SOFTWARE);
	store_release(&world.worker_stats.shared->closed_epoch[0], 0);
	world_start(); /* for teardown to stop */
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front_conn");
	TCase *tcase = tcase_create("front_conn");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_head_that_drips_has_one_deadline_for_all_its_bytes);
	tcase_add_test(tcase, a_body_that_does_not_come_has_a_deadline);
	tcase_add_test(tcase, an_idle_connection_is_closed_and_one_that_waits_for_an_answer_is_not);
	tcase_add_test(tcase, a_client_that_takes_nothing_of_its_answer_is_cut_off);
	tcase_add_test(tcase, no_more_connections_than_allowed_are_taken_and_then_again);
	tcase_add_test(tcase, a_client_that_ends_its_side_still_gets_its_answer);
	tcase_add_test(tcase, a_refusal_reaches_a_client_that_goes_on_sending);
	tcase_add_test(tcase, a_front_that_its_peers_have_closed_ends);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
