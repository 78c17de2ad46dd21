/*
 * The protocol as it comes over the wire: pieces and pipelines, old clients, slow ones and broken ones.  What single
 * requests mean to the parser is tests/unit/http_parse.c.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

START_TEST(answers_come_in_the_order_of_the_requests)
{
	static const unsigned wanted[] = { 201, 201, 204, 200, 404, 405, 200 };

	client_text(client,
	    "PUT /v1/queues/order HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /v1/queues/order/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
	    "DELETE /v1/queues/order HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /v1/queues/order HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n");
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct response *answer = client_answer(client);

		ck_assert_msg(answer->status == wanted[i], "answer %u: status %u instead of %u", i, answer->status, wanted[i]);
	}
}
END_TEST

START_TEST(a_long_poll_holds_back_the_answers_behind_it_until_it_is_served)
{
	struct client publisher;

	client_queue(client, "ahead", "{}");
	client_text(client,
	    "POST /v1/queues/ahead/messages:receive HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n"
	    "GET /v1/queues/no-such HTTP/1.1\r\nHost: x\r\n\r\n");
	client_open(&publisher, session.broker.port);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(&publisher, "GET /v1/queues/ahead"), "stats.waiters") == 0)
		ck_assert(deadline_pause(deadline_ms));
	client_publish(&publisher, "ahead", "x");
	expect_status(client_answer(client), 200);
	expect_status(client_answer(client), 404);
	client_close(&publisher);
}
END_TEST

START_TEST(hundreds_of_pipelined_requests_are_all_answered)
{
	client_queue(client, "deep", "{}");
	for (unsigned i = 0; i < 500; i++)
		client_text(client, "POST /v1/queues/deep/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
	for (unsigned i = 0; i < 500; i++)
		expect_status(client_answer(client), 201);
	ck_assert_int_eq(response_number(client_do(client, "GET /v1/queues/deep"), "stats.ready"), 500);
}
END_TEST

START_TEST(a_request_may_come_byte_by_byte)
{
	client_queue(client, "drip", "{}");
	client_drip(client, "POST /v1/queues/drip/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	expect_status(client_answer(client), 201);
	client_drip(client, "POST /v1/queues/drip/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n0\r\n\r\n");
	expect_status(client_answer(client), 201);
	ck_assert_str_eq(response_text(client_receive(client, "drip", "{\"max\":2}"), "messages.1.body"), "abc");
}
END_TEST

START_TEST(one_packet_may_hold_the_end_of_one_request_and_the_begin_of_the_next)
{
	client_queue(client, "split", "{}");
	client_text(client, "POST /v1/queues/split/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
	client_text(client, "56789POST /v1/queues/split/messages HTTP/1.1\r\nHo");
	client_text(client, "st: x\r\nContent-Length: 3\r\n\r\nabcGET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(client_answer(client), 201);
	expect_status(client_answer(client), 201);
	expect_status(client_answer(client), 200);
}
END_TEST

START_TEST(a_connection_is_kept_until_somebody_wants_it_closed)
{
	for (unsigned i = 0; i < 20; i++)
		ck_assert(!client_do(client, "GET /livez")->is_closing);
	ck_assert(client_ask(client, "GET /livez", "Connection: close\r\n", NULL)->is_closing);
	client_expect_close(client);
}
END_TEST

START_TEST(http_1_0_closes_unless_it_asks_to_stay)
{
	client_text(client, "GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_status(client_answer(client), 200);
	client_text(client, "GET /livez HTTP/1.0\r\n\r\n");
	expect_status(client_answer(client), 200);
	client_expect_close(client);
}
END_TEST

START_TEST(a_client_that_ends_its_side_still_gets_its_answer)
{
	client_text(client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	client_end(client);
	expect_status(client_answer(client), 200);
	client_expect_close(client);
}
END_TEST

START_TEST(a_client_that_ends_its_side_behind_a_long_poll_gets_the_answers_before_it)
{
	client_queue(client, "behind", "{}");
	client_queue(client, "silent", "{}");
	client_text(client, "POST /v1/queues/behind/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
	    "POST /v1/queues/silent/messages:receive HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n");
	client_end(client);
	expect_status(client_answer(client), 201);
	expect_status(client_answer(client), 204);
	client_expect_close(client);
}
END_TEST

START_TEST(what_is_no_http_is_refused_with_a_problem_and_a_close)
{
	static const struct { const char *bytes; unsigned status; } cases[] = {
		{ "hello\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\nHost: x\n\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", 400 },
		{ "GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400 },
		{ "GET /livez HTTP/2.0\r\nHost: x\r\n\r\n", 505 },
		{ "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\nx", 400 },
		{ "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n", 501 },
		{ "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer;
		struct client other;

		client_open(&other, session.broker.port);
		/* What follows the mistake is never looked at. */
		client_text(&other, "%sGET /livez HTTP/1.1\r\nHost: x\r\n\r\n", cases[i].bytes);
		answer = client_answer(&other);
		ck_assert_msg(answer->status == cases[i].status, "%s: status %u", cases[i].bytes, answer->status);
		ck_assert_str_eq(response_field(answer, "Content-Type"), "application/problem+json");
		ck_assert(answer->is_closing);
		client_expect_close(&other);
		client_close(&other);
	}
}
END_TEST

START_TEST(an_error_of_the_api_does_not_close_the_connection)
{
	ck_assert(!client_do(client, "GET /nowhere")->is_closing);
	expect_problem(client_json(client, "{", "PUT /v1/queues/broken"), 400, "bad-json");
	expect_status(client_do(client, "GET /livez"), 200);
}
END_TEST

START_TEST(a_head_that_is_too_large_is_431)
{
	char *value = malloc(20000);

	ck_assert_ptr_nonnull(value);
	memset(value, 'v', 17000);
	value[17000] = '\0';
	client_text(client, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: %s", value);
	ck_assert_uint_eq(client_answer(client)->status, 431);
	client_expect_close(client);
	client_close(client);

	client_open(client, session.broker.port);
	client_text(client, "GET /livez HTTP/1.1\r\nHost: x\r\n");
	for (unsigned i = 0; i < 100; i++)
		client_text(client, "X-%u: y\r\n", i);
	client_text(client, "\r\n");
	ck_assert_uint_eq(client_answer(client)->status, 431);
	client_expect_close(client);
	free(value);
}
END_TEST

START_TEST(a_target_that_is_too_long_is_414)
{
	char *path = malloc(10000);

	ck_assert_ptr_nonnull(path);
	memset(path, 'p', 9000);
	path[9000] = '\0';
	client_text(client, "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	ck_assert_uint_eq(client_answer(client)->status, 414);
	client_expect_close(client);
	free(path);
}
END_TEST

START_TEST(a_head_that_takes_too_long_is_408_however_many_bytes_come)
{
	uint64_t began_ms = clock_ms();
	struct response *answer;

	client_text(client, "GET /livez HTTP/1.1\r\nHost: x\r\n");
	/* A byte now and then does not move the deadline. */
	while ((answer = client_try_answer(client, 100)) == NULL) {
		ck_assert_uint_lt(clock_ms() - began_ms, CLIENT_TIMEOUT_MS);
		client_text(client, "X");
	}
	ck_assert_uint_eq(answer->status, 408);
	ck_assert_uint_ge(clock_ms() - began_ms, 500);
	client_expect_close(client);
}
END_TEST

START_TEST(a_body_that_takes_too_long_is_408)
{
	client_queue(client, "slow", "{}");
	client_text(client, "POST /v1/queues/slow/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n012");
	ck_assert_uint_eq(client_answer(client)->status, 408);
	client_expect_close(client);
}
END_TEST

START_TEST(a_connection_without_a_request_is_closed_in_silence)
{
	expect_status(client_do(client, "GET /livez"), 200);
	client_expect_close(client);
}
END_TEST

START_TEST(an_absolute_target_means_the_same)
{
	client_text(client, "GET http://127.0.0.1/livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	expect_status(client_answer(client), 200);
}
END_TEST

START_TEST(every_answer_is_dated_and_has_a_length)
{
	struct response *answer = client_do(client, "GET /livez");

	ck_assert_ptr_nonnull(response_field(answer, "Date"));
	ck_assert_ptr_nonnull(response_field(answer, "Content-Length"));
	answer = client_do(client, "GET /nowhere");
	ck_assert_ptr_nonnull(response_field(answer, "Date"));
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "server.head_timeout=500ms", "server.body_timeout=500ms",
		"server.body_rate=1MiB", "server.idle_timeout=2s", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/protocol", options, &tcase);

	tcase_add_test(tcase, answers_come_in_the_order_of_the_requests);
	tcase_add_test(tcase, a_long_poll_holds_back_the_answers_behind_it_until_it_is_served);
	tcase_add_test(tcase, hundreds_of_pipelined_requests_are_all_answered);
	tcase_add_test(tcase, a_request_may_come_byte_by_byte);
	tcase_add_test(tcase, one_packet_may_hold_the_end_of_one_request_and_the_begin_of_the_next);
	tcase_add_test(tcase, a_connection_is_kept_until_somebody_wants_it_closed);
	tcase_add_test(tcase, http_1_0_closes_unless_it_asks_to_stay);
	tcase_add_test(tcase, a_client_that_ends_its_side_still_gets_its_answer);
	tcase_add_test(tcase, a_client_that_ends_its_side_behind_a_long_poll_gets_the_answers_before_it);
	tcase_add_test(tcase, what_is_no_http_is_refused_with_a_problem_and_a_close);
	tcase_add_test(tcase, an_error_of_the_api_does_not_close_the_connection);
	tcase_add_test(tcase, a_head_that_is_too_large_is_431);
	tcase_add_test(tcase, a_target_that_is_too_long_is_414);
	tcase_add_test(tcase, a_head_that_takes_too_long_is_408_however_many_bytes_come);
	tcase_add_test(tcase, a_body_that_takes_too_long_is_408);
	tcase_add_test(tcase, a_connection_without_a_request_is_closed_in_silence);
	tcase_add_test(tcase, an_absolute_target_means_the_same);
	tcase_add_test(tcase, every_answer_is_dated_and_has_a_length);
	return suite;
}

UNIT_MAIN(suite)
