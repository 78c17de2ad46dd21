/*
 * Requests with two meanings (tests/harness/requests.def) to a running broker, each with a request of our own behind it in
 * the same packet, and byte by byte.  What is refused is answered with a problem and closed, and nothing behind it is looked
 * at; what is accepted ends where it says; and PUT_SMUGGLED is never executed.
 */
#include <sys/socket.h>

#include "tests/harness/requests.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static void
expect_nothing_smuggled(unsigned number)
{
	struct client client;

	client_open(&client, session.broker.port);
	struct response *answer = client_do(&client, "GET /v1/queues/smuggled");
	ck_assert_msg(answer->status == 404, "request %u was smuggled: %s", number, requests[number].bytes);
	client_close(&client);
}

/* PUT marker-N is answered exactly if the request before it was accepted. */
static void
play(unsigned number, const char *marker, bool is_drip)
{
	const char *request = requests[number].bytes;
	struct client client, other;
	char next[128];
	int next_bytes = snprintf(next, sizeof(next), "PUT /v1/queues/%s HTTP/1.1\r\nHost: x\r\n\r\n", marker);

	client_open(&client, session.broker.port);
	for (size_t i = 0; is_drip && i < requests[number].count; i++)
		(void)!send(client.fd, request + i, 1, MSG_NOSIGNAL); /* refused meanwhile: it may be closed */
	if (is_drip) {
		(void)!send(client.fd, next, (size_t)next_bytes, MSG_NOSIGNAL);
	} else {
		char bytes[4096];

		memcpy(bytes, request, requests[number].count);
		memcpy(bytes + requests[number].count, next, (size_t)next_bytes);
		client_send(&client, bytes, requests[number].count + (size_t)next_bytes);
	}
	struct response *answer = client_try_answer(&client, CLIENT_TIMEOUT_MS);
	ck_assert_msg(answer != NULL, "%s: no answer came", request);
	ck_assert_msg(answer->status == requests[number].broker, "%s: %u instead of %u: %s", request, answer->status,
	    requests[number].broker, answer->body);
	if (answer->status >= 400)
		ck_assert_str_eq(response_field(answer, "Content-Type"), "application/problem+json");
	client_open(&other, session.broker.port);
	/* What the API refuses before its body came ends the connection too. */
	if (requests[number].parser != 0 || (is_drip && answer->status >= 400 && answer->is_closing)) {
		ck_assert_msg(answer->is_closing, "%s: the connection stays open", request);
		client_expect_close(&client);
		ck_assert_msg(client_do(&other, "GET /v1/queues/%s", marker)->status == 404, "%s: what followed was executed", request);
	} else {
		answer = client_try_answer(&client, CLIENT_TIMEOUT_MS);
		ck_assert_msg(answer != NULL && answer->status == 201, "%s: what followed was not executed", request);
		expect_status(client_do(&other, "DELETE /v1/queues/%s", marker), 204);
	}
	client_close(&client);
	client_close(&other);
	expect_nothing_smuggled(number);
}

START_TEST(no_request_hides_in_another)
{
	client_queue(&session.client, "victim", "{}");
	for (unsigned number = 0; number < REQUEST_COUNT; number++)
		play(number, "marker", false);
	expect_status(client_do(&session.client, "DELETE /v1/queues/victim"), 204);
}
END_TEST

START_TEST(no_request_hides_in_another_that_comes_byte_by_byte)
{
	client_queue(&session.client, "victim", "{}");
	for (unsigned number = 0; number < REQUEST_COUNT; number++)
		play(number, "marker", true);
	expect_status(client_do(&session.client, "DELETE /v1/queues/victim"), 204);
}
END_TEST

static Suite *
suite(void)
{
	TCase *tcase;
	Suite *suite = session_suite("http/smuggling", NULL, &tcase);

	tcase_add_test(tcase, no_request_hides_in_another);
	tcase_add_test(tcase, no_request_hides_in_another_that_comes_byte_by_byte);
	return suite;
}

UNIT_MAIN(suite)
