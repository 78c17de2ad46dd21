/* The budget of frontd/memory: who holds it without moving gives it back to those who come and go. */
#include "tests/unit/front_world.h"

enum { BUDGET = 1 << 20, BUDGET_TIGHT = 8000, STALLED = 60, UPLOAD = 200000 };

static struct client stalled[STALLED];
static struct client client;

static void
setup_with(uint64_t budget)
{
	world_setup();
	world.limits.body_memory_bytes = budget;
	world.limits.linger_ns = 100 * NS_PER_MS;
	world_start();
	client_open(&client, world.port);
}

static void
setup(void)
{
	setup_with(BUDGET);
}

static void
setup_tight(void)
{
	setup_with(BUDGET_TIGHT);
}

static void
teardown(void)
{
	for (int i = 0; i < STALLED; i++)
		if (stalled[i].port != 0)
			client_close(&stalled[i]);
	client_close(&client);
	world_stop();
}

static uint64_t
shed(void)
{
	return load_acquire(&world.role.stats.shared->connections_shed);
}

static void
expect_upload_works(void)
{
	static char body[UPLOAD];

	client_request(&client, "POST /v1/queues/q/messages", NULL, body, sizeof(body));
	world_take(OP_PUBLISH);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
}

START_TEST(a_body_that_was_promised_takes_no_memory_before_it_comes)
{
	for (int i = 0; i < STALLED; i++) {
		client_open(&stalled[i], world.port);
		client_text(&stalled[i], "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n");
	}
	expect_upload_works();
	ck_assert_uint_eq(shed(), 0);
}
END_TEST

START_TEST(bodies_that_stop_coming_give_way_to_one_that_comes)
{
	static char part[60000];
	unsigned refused = 0;

	for (int i = 0; i < STALLED; i++) {
		client_open(&stalled[i], world.port);
		client_text(&stalled[i], "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
		client_send(&stalled[i], part, sizeof(part));
	}
	uint64_t until_ns = now_ns() + WORLD_TIMEOUT_NS;
	while (shed() == 0) {
		ck_assert(now_ns() < until_ns);
		usleep(1000);
	}
	usleep(100000); /* nobody who came just now is shed: let them grow old */
	expect_upload_works();
	for (int i = 0; i < STALLED; i++) {
		struct response *answer = client_try_answer(&stalled[i], 20);

		if (answer == NULL)
			continue;
		expect_problem(answer, 503, "busy");
		refused++;
	}
	ck_assert_uint_gt(refused, 0);
	ck_assert_uint_lt(refused, STALLED);
}
END_TEST

START_TEST(a_body_may_be_received_in_many_growing_pieces)
{
	static char body[900000];
	size_t sent = 0;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)(i * 7 + i / 251);
	client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", sizeof(body));
	for (size_t piece = 1; sent < sizeof(body); piece = piece * 3 + 1) {
		size_t count = sizeof(body) - sent < piece ? sizeof(body) - sent : piece;

		client_send(&client, body + sent, count);
		sent += count;
		usleep(2000); /* a packet of its own, mostly */
	}
	/* What follows the body is not a part of it. */
	client_text(&client, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
	const struct publish_request *request = world_take(OP_PUBLISH);
	const struct publish_item *item = (const struct publish_item *)(request + 1);
	ck_assert_uint_eq(item->body_bytes, sizeof(body));
	ck_assert_int_eq(memcmp((const char *)(item + 1) + item->attributes_bytes, body, sizeof(body)), 0);
	world_published(1, 0);
	expect_status(client_answer(&client), 201);
	expect_status(client_answer(&client), 200);
}
END_TEST

/* The frontd has looked at all that came before this, and has asked the worker for nothing more. */
static void
expect_nothing_asked(void)
{
	struct frame_header header;
	struct client other;
	const void *frame;

	client_open(&other, world.port);
	expect_status(client_do(&other, "GET /livez"), 200);
	client_close(&other);
	ck_assert_int_eq(ring_peek(&world.request, FRAME_BYTES_MAX, &header, &frame), RING_EMPTY);
}

START_TEST(behind_a_list_nothing_is_asked_before_it_is_made)
{
	struct queue_list_reply page = { .now_ms = 1769847300042, .next_idx = UINT32_MAX };

	client_text(&client, "GET /v1/queues HTTP/1.1\r\nHost: h\r\n\r\nGET /v1/queues HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		world_take(OP_QUEUE_LIST);
		expect_nothing_asked();
		world_reply(OUTCOME_OK, 0, &page, sizeof(page));
		expect_status(client_answer(&client), 200);
		ck_assert_str_eq(client.response.body, "{\"queues\":[]}\n");
	}
}
END_TEST

START_TEST(while_memory_is_short_a_connection_has_one_request_at_a_time)
{
	client_open(&stalled[0], world.port);
	client_text(&stalled[0], "GET /livez HTTP/1.1\r\n"); /* half a head takes more than half of this budget */
	expect_nothing_asked();
	for (int i = 0; i < 3; i++)
		client_text(&client, "POST /v1/queues/q/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
	for (int i = 0; i < 3; i++) {
		world_take(OP_PUBLISH);
		expect_nothing_asked();
		world_published(1, 0);
		expect_status(client_answer(&client), 201);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("unit/front_memory");
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_body_that_was_promised_takes_no_memory_before_it_comes);
	tcase_add_test(tcase, bodies_that_stop_coming_give_way_to_one_that_comes);
	tcase_add_test(tcase, a_body_may_be_received_in_many_growing_pieces);
	tcase_add_test(tcase, behind_a_list_nothing_is_asked_before_it_is_made);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("tight");
	tcase_add_checked_fixture(tcase, setup_tight, teardown);
	tcase_add_test(tcase, while_memory_is_short_a_connection_has_one_request_at_a_time);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
