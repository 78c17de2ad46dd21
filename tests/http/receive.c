/*
 * Receiving: leases, long polls, both forms of the answer, and whom a message reaches.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

enum { MIB = 1 << 20 };

static int64_t
stat(const char *queue, const char *path)
{
	return response_number(client_do(client, "GET /v1/queues/%s", queue), path);
}

static void
wait_stat(const char *queue, const char *path, int64_t wanted)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

	while (stat(queue, path) != wanted)
		ck_assert_msg(deadline_pause(deadline_ms), "%s of %s does not become %lld", path, queue, (long long)wanted);
}

/* Send a receive on its own connection without waiting for the answer. */
static void
poll_begin(struct client *poll, const char *queue, const char *json)
{
	char request[160];

	client_open(poll, session.broker.port);
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queue);
	client_request(poll, request, "Content-Type: application/json\r\n", json, strlen(json));
}

START_TEST(a_message_comes_with_all_that_is_documented)
{
	struct response *answer;
	char id[32], enqueued_at[32];

	client_queue(client, "whole", "{\"lease\":\"45s\"}");
	answer = client_publish(client, "whole", "hello");
	snprintf(id, sizeof(id), "%s", response_text(answer, "id"));
	snprintf(enqueued_at, sizeof(enqueued_at), "%s", response_text(answer, "enqueued_at"));
	answer = client_receive(client, "whole", "{\"max\":1}");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 1);
	ck_assert_str_eq(response_text(answer, "messages.0.id"), id);
	ck_assert_str_eq(response_text(answer, "messages.0.enqueued_at"), enqueued_at);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "hello");
	ck_assert_str_eq(response_text(answer, "messages.0.content_type"), "text/plain");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
	ck_assert_str_ge(response_text(answer, "messages.0.first_delivered_at"), enqueued_at);
	ck_assert_str_gt(response_text(answer, "messages.0.lease_expires_at"),
	    response_text(answer, "messages.0.first_delivered_at"));
	const char *receipt = response_text(answer, "messages.0.receipt");
	ck_assert_uint_le(strlen(receipt), 64);
	ck_assert_uint_eq(strspn(receipt, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"),
	    strlen(receipt));
}
END_TEST

START_TEST(an_empty_queue_answers_204_at_once)
{
	client_queue(client, "nothing", "{}");
	expect_status(client_receive(client, "nothing", "{}"), 204);
	expect_status(client_do(client, "POST /v1/queues/nothing/messages:receive"), 204);
}
END_TEST

START_TEST(max_bounds_the_messages_and_fifo_is_kept)
{
	client_queue(client, "fifo", "{}");
	for (char body[2] = "a"; body[0] < 'k'; body[0]++)
		client_publish(client, "fifo", body);
	for (char first = 'a'; first < 'j'; first += 3) {
		struct response *answer = client_receive(client, "fifo", "{\"max\":3}");

		ck_assert_uint_eq(response_count(answer, "messages"), 3);
		for (char k = 0; k < 3; k++) {
			char path[32], body[2] = { (char)(first + k), '\0' };

			snprintf(path, sizeof(path), "messages.%d.body", k);
			ck_assert_str_eq(response_text(answer, path), body);
		}
	}
	ck_assert_uint_eq(response_count(client_receive(client, "fifo", "{\"max\":100}"), "messages"), 1);
}
END_TEST

START_TEST(a_leased_message_is_given_to_nobody_else)
{
	client_queue(client, "leased", "{}");
	client_publish(client, "leased", "mine");
	expect_status(client_receive(client, "leased", "{}"), 200);
	expect_status(client_receive(client, "leased", "{}"), 204);
	ck_assert_int_eq(stat("leased", "stats.leased"), 1);
}
END_TEST

START_TEST(a_lease_that_ends_gives_the_message_back_and_counts_one_delivery)
{
	struct response *answer;
	char first_delivered_at[32];

	client_queue(client, "short", "{}");
	client_publish(client, "short", "again");
	answer = client_receive(client, "short", "{\"lease\":\"200ms\"}");
	snprintf(first_delivered_at, sizeof(first_delivered_at), "%s",
	    response_text(answer, "messages.0.first_delivered_at"));
	answer = client_receive(client, "short", "{\"wait\":\"20s\"}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "again");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 2);
	ck_assert_str_eq(response_text(answer, "messages.0.first_delivered_at"), first_delivered_at);
	ck_assert_int_eq(stat("short", "stats.expired"), 1);
}
END_TEST

START_TEST(an_expired_message_goes_back_before_those_published_later)
{
	client_queue(client, "returned", "{}");
	client_publish(client, "returned", "first");
	expect_status(client_receive(client, "returned", "{\"lease\":\"100ms\"}"), 200);
	client_publish(client, "returned", "second");
	wait_stat("returned", "stats.ready", 2);
	ck_assert_str_eq(response_text(client_receive(client, "returned", "{}"), "messages.0.body"), "first");
}
END_TEST

START_TEST(too_many_failed_deliveries_make_a_message_dead)
{
	client_queue(client, "deadly", "{\"max_deliveries\":2}");
	client_publish(client, "deadly", "poison");
	expect_status(client_receive(client, "deadly", "{\"lease\":\"50ms\"}"), 200);
	expect_status(client_receive(client, "deadly", "{\"lease\":\"50ms\",\"wait\":\"20s\"}"), 200);
	wait_stat("deadly", "stats.dead", 1);
	expect_status(client_receive(client, "deadly", "{}"), 204);
}
END_TEST

START_TEST(the_raw_form_carries_the_rest_in_headers)
{
	struct response *answer;
	char id[32];

	client_queue(client, "raw", "{}");
	snprintf(id, sizeof(id), "%s", response_text(client_publish(client, "raw", "hello"), "id"));
	answer = client_ask(client, "POST /v1/queues/raw/messages:receive", "Accept: application/octet-stream\r\n", NULL);
	expect_status(answer, 200);
	ck_assert_str_eq(answer->body, "hello");
	ck_assert_str_eq(response_field(answer, "Content-Type"), "text/plain");
	ck_assert_str_eq(response_field(answer, "Mq-Message-Id"), id);
	ck_assert_ptr_nonnull(response_field(answer, "Mq-Receipt"));
	ck_assert_str_eq(response_field(answer, "Mq-Delivery-Count"), "1");
	ck_assert_ptr_nonnull(response_field(answer, "Mq-Enqueued-At"));
	ck_assert_ptr_nonnull(response_field(answer, "Mq-Lease-Expires"));
	expect_status(client_do(client, "DELETE /v1/queues/raw/leases/%s", response_field(answer, "Mq-Receipt")), 204);
	expect_status(client_ask(client, "POST /v1/queues/raw/messages:receive", "Accept: application/octet-stream\r\n",
	    NULL), 204);
}
END_TEST

START_TEST(the_raw_form_gives_one_message_only)
{
	client_queue(client, "single", "{}");
	client_publish(client, "single", "one");
	client_publish(client, "single", "two");
	expect_problem(client_ask(client, "POST /v1/queues/single/messages:receive",
	    "Accept: application/octet-stream\r\nContent-Type: application/json\r\n", "{\"max\":2}"), 400, "bad-field");
	ck_assert_int_eq(stat("single", "stats.leased"), 0);
	expect_status(client_ask(client, "POST /v1/queues/single/messages:receive", "Accept: application/octet-stream\r\n",
	    NULL), 200);
	ck_assert_int_eq(stat("single", "stats.leased"), 1);
}
END_TEST

START_TEST(the_better_liked_form_is_given)
{
	static const struct { const char *accept; const char *type; } cases[] = { /* raw, it has the type that it was published with */
		{ "", "application/json" },
		{ "application/octet-stream, */*", "text/plain" },
		{ "application/octet-stream, application/json", "application/json" },
		{ "application/octet-stream;q=0.9, application/json;q=0.1", "text/plain" },
		{ "application/octet-stream;q=0.5, application/json;q=0.9", "application/json" },
		{ "*/*, application/octet-stream;q=0.1", "application/json" },
		{ "application/octet-stream;q=0, */*", "application/json" },
	};

	client_queue(client, "liked", "{}");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer;
		char fields[128];

		client_publish(client, "liked", "x");
		snprintf(fields, sizeof(fields), "Accept: %s\r\n", cases[i].accept);
		answer = client_ask(client, "POST /v1/queues/liked/messages:receive", fields, NULL);
		expect_status(answer, 200);
		ck_assert_msg(strcmp(response_field(answer, "Content-Type"), cases[i].type) == 0, "%s: %s", cases[i].accept,
		    response_field(answer, "Content-Type"));
	}
}
END_TEST

START_TEST(a_body_that_is_no_text_comes_as_base64)
{
	struct response *answer;

	client_queue(client, "odd", "{}");
	expect_status(client_ask_bytes(client, "POST /v1/queues/odd/messages", NULL, "\xff\x00\xfe", 3), 201);
	expect_status(client_ask_bytes(client, "POST /v1/queues/odd/messages", NULL, "gr\xc3\xbc\xc3\x9f \"\\\n", 10), 201);
	answer = client_receive(client, "odd", "{\"max\":2}");
	ck_assert_str_eq(response_text(answer, "messages.0.body_base64"), "/wD+");
	ck_assert_ptr_null(response_member(answer, "messages.0.body"));
	ck_assert_str_eq(response_text(answer, "messages.1.body"), "gr\xc3\xbc\xc3\x9f \"\\\n");
	ck_assert_ptr_null(response_member(answer, "messages.1.body_base64"));
}
END_TEST

START_TEST(a_long_poll_is_served_by_the_next_publish)
{
	struct response *answer;
	struct client poll;

	client_queue(client, "poll", "{}");
	poll_begin(&poll, "poll", "{\"wait\":\"60s\"}");
	wait_stat("poll", "stats.waiters", 1);
	client_publish(client, "poll", "served");
	answer = client_answer(&poll);
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "served");
	wait_stat("poll", "stats.waiters", 0);
	client_close(&poll);
}
END_TEST

START_TEST(long_polls_are_served_in_the_order_they_came)
{
	struct client poll[3];

	client_queue(client, "turns", "{}");
	for (unsigned i = 0; i < 3; i++) {
		poll_begin(&poll[i], "turns", "{\"wait\":\"60s\"}");
		wait_stat("turns", "stats.waiters", i + 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		char body[2] = { (char)('a' + i), '\0' };

		client_publish(client, "turns", body);
		ck_assert_str_eq(response_text(client_answer(&poll[i]), "messages.0.body"), body);
		client_close(&poll[i]);
	}
}
END_TEST

START_TEST(a_long_poll_ends_with_204_when_its_time_is_over)
{
	uint64_t began_ms = clock_ms();

	client_queue(client, "patient", "{}");
	expect_status(client_receive(client, "patient", "{\"wait\":\"300ms\"}"), 204);
	ck_assert_uint_ge(clock_ms() - began_ms, 300);
	wait_stat("patient", "stats.waiters", 0);
	client_publish(client, "patient", "kept");
	expect_status(client_receive(client, "patient", "{}"), 200);
}
END_TEST

START_TEST(a_long_poll_is_served_by_a_delay_that_ends_and_by_a_nack)
{
	struct response *answer;
	struct client poll;
	char receipt[80];

	client_queue(client, "waking", "{}");
	poll_begin(&poll, "waking", "{\"wait\":\"60s\"}");
	expect_status(client_ask(client, "POST /v1/queues/waking/messages", "Mq-Delay: 100ms\r\n", "due"), 201);
	answer = client_answer(&poll);
	expect_status(answer, 200);
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	client_close(&poll);

	poll_begin(&poll, "waking", "{\"wait\":\"60s\"}");
	wait_stat("waking", "stats.waiters", 1);
	expect_status(client_json(client, "{\"mode\":\"release\"}", "POST /v1/queues/waking/leases/%s:nack", receipt), 204);
	ck_assert_str_eq(response_text(client_answer(&poll), "messages.0.body"), "due");
	client_close(&poll);
}
END_TEST

START_TEST(prefer_wait_is_a_long_poll_too)
{
	struct response *answer;
	uint64_t began_ms = clock_ms();

	client_queue(client, "prefer", "{}");
	answer = client_ask(client, "POST /v1/queues/prefer/messages:receive", "Prefer: wait=1\r\n", NULL);
	expect_status(answer, 204);
	ck_assert_uint_ge(clock_ms() - began_ms, 1000);
	ck_assert_str_eq(response_field(answer, "Preference-Applied"), "wait=1");
}
END_TEST

START_TEST(a_waiter_that_has_gone_does_not_eat_a_message)
{
	struct client poll;

	client_queue(client, "deserted", "{}");
	poll_begin(&poll, "deserted", "{\"wait\":\"60s\"}");
	wait_stat("deserted", "stats.waiters", 1);
	client_reset(&poll);
	wait_stat("deserted", "stats.waiters", 0);
	client_publish(client, "deserted", "still here");
	expect_status(client_receive(client, "deserted", "{}"), 200);
}
END_TEST

/* The publish races with the disconnect; whoever wins, the message is there without its lease's end being waited for. */
START_TEST(a_message_for_a_client_that_just_went_comes_back_at_once)
{
	client_queue(client, "racing", "{\"lease\":\"1h\"}");
	for (unsigned round = 0; round < 50; round++) {
		struct response *answer;
		struct client poll;

		poll_begin(&poll, "racing", "{\"wait\":\"60s\"}");
		wait_stat("racing", "stats.waiters", 1);
		if (round % 2 == 0)
			client_reset(&poll);
		else
			client_close(&poll);
		client_publish(client, "racing", "wanted");
		answer = client_receive(client, "racing", "{\"wait\":\"20s\"}");
		expect_status(answer, 200);
		ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
		expect_status(client_do(client, "DELETE /v1/queues/racing/leases/%s",
		    response_text(answer, "messages.0.receipt")), 204);
	}
}
END_TEST

START_TEST(an_answer_stops_early_at_4_mib_of_bodies)
{
	char *body = malloc(MIB);
	unsigned got = 0;

	ck_assert_ptr_nonnull(body);
	memset(body, 'x', MIB);
	client_queue(client, "heavy", "{}");
	for (unsigned i = 0; i < 6; i++)
		expect_status(client_ask_bytes(client, "POST /v1/queues/heavy/messages", NULL, body, MIB), 201);
	while (got < 6) {
		struct response *answer = client_receive(client, "heavy", "{\"max\":100}");
		size_t count;

		expect_status(answer, 200);
		count = response_count(answer, "messages");
		ck_assert_uint_ge(count, 1);
		ck_assert_uint_le(count, 5);
		ck_assert_msg(got > 0 || count < 6, "all 6 MiB came at once");
		got += (unsigned)count;
	}
	ck_assert_uint_eq(got, 6);
	free(body);
}
END_TEST

START_TEST(bodies_that_have_left_the_stream_ring_are_read_from_the_journal)
{
	char *body = malloc(MIB);

	ck_assert_ptr_nonnull(body);
	client_queue(client, "cold", "{}");
	for (unsigned i = 0; i < 24; i++) {
		memset(body, 'a' + (int)i, MIB);
		expect_status(client_ask_bytes(client, "POST /v1/queues/cold/messages", NULL, body, MIB), 201);
	}
	for (unsigned i = 0; i < 24; i++) {
		struct response *answer = client_ask(client, "POST /v1/queues/cold/messages:receive",
		    "Accept: application/octet-stream\r\n", NULL);

		expect_status(answer, 200);
		memset(body, 'a' + (int)i, MIB);
		ck_assert_uint_eq(answer->body_bytes, MIB);
		ck_assert_int_eq(memcmp(answer->body, body, MIB), 0);
	}
	free(body);
}
END_TEST

START_TEST(max_in_flight_bounds_the_leases_of_a_queue)
{
	struct response *answer;
	char receipt[80];

	client_queue(client, "flight", "{\"max_in_flight\":2}");
	for (unsigned i = 0; i < 3; i++)
		client_publish(client, "flight", "x");
	answer = client_receive(client, "flight", "{\"max\":10}");
	ck_assert_uint_eq(response_count(answer, "messages"), 2);
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	expect_problem(client_receive(client, "flight", "{\"max\":10}"), 429, "in-flight-limit");
	expect_status(client_do(client, "DELETE /v1/queues/flight/leases/%s", receipt), 204);
	ck_assert_uint_eq(response_count(client_receive(client, "flight", "{\"max\":10}"), "messages"), 1);
}
END_TEST

START_TEST(a_receive_that_makes_no_sense_is_refused)
{
	static const struct { const char *json, *code; } cases[] = {
		{ "{\"max\":0}", "bad-field" }, { "{\"max\":101}", "bad-field" }, { "{\"max\":\"1\"}", "bad-field" },
		{ "{\"max\":1.5}", "bad-field" }, { "{\"lease\":\"13h\"}", "bad-field" }, { "{\"lease\":1}", "bad-field" },
		{ "{\"wait\":\"61s\"}", "bad-field" }, { "{\"wait\":\"-1s\"}", "bad-field" },
		{ "{\"weight\":\"1s\"}", "bad-field" }, { "[]", "bad-json" }, { "{", "bad-json" },
	};

	client_queue(client, "refusing", "{}");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_problem(client_receive(client, "refusing", cases[i].json), 400, cases[i].code);
	expect_problem(client_receive(client, "no-such-queue", "{}"), 404, "no-queue");
	expect_problem(client_ask(client, "POST /v1/queues/refusing/messages:receive", "Content-Type: text/plain\r\n", "{}"),
	    415, "unsupported-type");
	expect_problem(client_ask(client, "POST /v1/queues/refusing/messages:receive", "Accept: image/png\r\n", NULL), 406,
	    "not-acceptable");
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", "worker.stream_ring=8MiB", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/receive", options, &tcase);

	tcase_add_test(tcase, a_message_comes_with_all_that_is_documented);
	tcase_add_test(tcase, an_empty_queue_answers_204_at_once);
	tcase_add_test(tcase, max_bounds_the_messages_and_fifo_is_kept);
	tcase_add_test(tcase, a_leased_message_is_given_to_nobody_else);
	tcase_add_test(tcase, a_lease_that_ends_gives_the_message_back_and_counts_one_delivery);
	tcase_add_test(tcase, an_expired_message_goes_back_before_those_published_later);
	tcase_add_test(tcase, too_many_failed_deliveries_make_a_message_dead);
	tcase_add_test(tcase, the_raw_form_carries_the_rest_in_headers);
	tcase_add_test(tcase, the_raw_form_gives_one_message_only);
	tcase_add_test(tcase, the_better_liked_form_is_given);
	tcase_add_test(tcase, a_body_that_is_no_text_comes_as_base64);
	tcase_add_test(tcase, a_long_poll_is_served_by_the_next_publish);
	tcase_add_test(tcase, long_polls_are_served_in_the_order_they_came);
	tcase_add_test(tcase, a_long_poll_ends_with_204_when_its_time_is_over);
	tcase_add_test(tcase, a_long_poll_is_served_by_a_delay_that_ends_and_by_a_nack);
	tcase_add_test(tcase, prefer_wait_is_a_long_poll_too);
	tcase_add_test(tcase, a_waiter_that_has_gone_does_not_eat_a_message);
	tcase_add_test(tcase, a_message_for_a_client_that_just_went_comes_back_at_once);
	tcase_add_test(tcase, an_answer_stops_early_at_4_mib_of_bodies);
	tcase_add_test(tcase, bodies_that_have_left_the_stream_ring_are_read_from_the_journal);
	tcase_add_test(tcase, max_in_flight_bounds_the_leases_of_a_queue);
	tcase_add_test(tcase, a_receive_that_makes_no_sense_is_refused);
	return suite;
}

UNIT_MAIN(suite)
