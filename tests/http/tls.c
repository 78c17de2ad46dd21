/*
 * HTTPS as clients see it: what they do over plain HTTP works over TLS, whatever the pieces that it
 * comes in, and what is no TLS, or broken, ends with the alert that says so and harms nobody else.
 */
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "tests/harness/deadline.h"
#include "tests/harness/tls.h"
#include "tests/harness/unit.h"

enum { TEST_SECONDS = 120, MESSAGE_BYTES = 1 << 20 };

static struct broker broker;
static struct client client;
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static const char *const options[] = { "tls.handshake_timeout=2s", "server.idle_timeout=3s",
	"worker.stream_ring=64MiB", "data.segment_bytes=16MiB", NULL };

static void
begin(void)
{
	tls_broker_init(&broker, options);
	broker_start(&broker);
}

static void
end(void)
{
	const char *complaint = broker_try_stop(&broker);

	if (complaint != NULL) {
		fprintf(stderr, "at the end: %s\n", complaint);
		exit(EXIT_FAILURE);
	}
	broker_free(&broker);
}

/* A client that believes only our authority. */
static struct tls_dialog
dialog(void)
{
	return (struct tls_dialog){ .directory = broker.directory, .authority = "ca" };
}

static void
open_client(void)
{
	struct tls_dialog usual = dialog();

	tls_client_open(&client, broker.tls_port, &usual);
}

static void
expect_served(void)
{
	struct tls_dialog usual = dialog();
	struct client good;

	tls_client_open(&good, broker.tls_port, &usual);
	expect_status(client_do(&good, "GET /livez"), 200);
	client_close(&good);
}

START_TEST(messages_go_in_and_out)
{
	struct tls_dialog one = dialog();
	char queue[32], receipt[64], request[160];

	one.version = versions[_i];
	snprintf(queue, sizeof(queue), "inout%d", _i);
	tls_client_open(&client, broker.tls_port, &one);
	client_queue(&client, queue, "{}");
	client_publish(&client, queue, "hello");
	struct response *answer = client_receive(&client, queue, "{\"max\":1}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "hello");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	snprintf(request, sizeof(request), "DELETE /v1/queues/%s/leases/%s", queue, receipt);
	expect_status(client_ask(&client, request, NULL, NULL), 204);
	client_close(&client);
}
END_TEST

START_TEST(hundreds_of_pipelined_requests_are_all_answered_in_order)
{
	char *bytes = malloc(500 * 200);
	size_t used = 0;

	open_client();
	client_queue(&client, "deep", "{}");
	for (unsigned i = 0; i < 500; i++)
		used += (size_t)sprintf(bytes + used,
		    "POST /v1/queues/deep/messages HTTP/1.1\r\nHost: x\r\nContent-Type: "
		    "text/plain\r\n"
		    "Content-Length: 3\r\n\r\n%03u",
		    i);
	client_send(&client, bytes, used);
	for (unsigned i = 0; i < 500; i++)
		expect_status(client_answer(&client), 201);
	for (unsigned i = 0; i < 500; i++) {
		struct response *answer = client_receive(&client, "deep", "{\"max\":1}");
		char wanted[8];

		snprintf(wanted, sizeof(wanted), "%03u", i);
		ck_assert_str_eq(response_text(answer, "messages.0.body"), wanted);
	}
	client_close(&client);
	free(bytes);
}
END_TEST

static char *
noise(size_t count)
{
	char *bytes = malloc(count);
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < count; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[i] = (char)x;
	}
	return bytes;
}

START_TEST(the_largest_message_comes_back_as_it_was)
{
	struct tls_dialog one = dialog();
	char *body = noise(MESSAGE_BYTES), queue[32], request[160];

	one.version = versions[_i];
	snprintf(queue, sizeof(queue), "large%d", _i);
	tls_client_open(&client, broker.tls_port, &one);
	client_queue(&client, queue, "{}");
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	expect_status(client_ask_bytes(&client, request,
			  "Content-Type: application/octet-stream\r\n", body, MESSAGE_BYTES),
	    201);
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queue);
	struct response *answer = client_ask(&client, request,
	    "Accept: application/octet-stream\r\n"
	    "Content-Type: application/json\r\n",
	    "{\"max\":1}");
	expect_status(answer, 200);
	ck_assert_uint_eq(answer->body_bytes, MESSAGE_BYTES);
	ck_assert_mem_eq(answer->body, body, MESSAGE_BYTES);
	client_close(&client);
	free(body);
}
END_TEST

/* 8 MiB of JSON: each byte of a message is written as an escape of six. */
START_TEST(the_largest_request_is_taken_whole_and_in_chunks)
{
	enum { LINES = 8, TEXT = (8 << 20) / LINES / 6 - 16 };
	char *body = malloc(8 << 20), line[64];
	size_t used = 0;

	for (unsigned i = 0; i < LINES; i++) {
		used += (size_t)sprintf(body + used, "{\"body\":\"");
		for (unsigned j = 0; j < TEXT; j++)
			used += (size_t)sprintf(body + used, "\\u0041");
		used += (size_t)sprintf(body + used, "\"}\n");
	}
	ck_assert_uint_gt(used, (8u << 20) - 2000);
	ck_assert_uint_le(used, 8u << 20);
	open_client();
	client_queue(&client, "whole", "{}");
	expect_status(client_ask_bytes(&client, "POST /v1/queues/whole/messages",
			  "Content-Type: application/x-ndjson\r\n", body, used),
	    200);
	client_text(&client,
	    "POST /v1/queues/whole/messages HTTP/1.1\r\nHost: x\r\nContent-Type: "
	    "application/x-ndjson\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t at = 0; at < used;) {
		size_t piece = used - at < 100003 ? used - at : 100003;

		client_send(&client, line, (size_t)sprintf(line, "%zx\r\n", piece));
		client_send(&client, body + at, piece);
		client_send(&client, "\r\n", 2);
		at += piece;
	}
	client_send(&client, "0\r\n\r\n", 5);
	expect_status(client_answer(&client), 200);
	struct response *answer = client_receive(&client, "whole", "{\"max\":100}");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 2 * LINES);
	ck_assert_uint_eq(strlen(response_text(answer, "messages.0.body")), TEXT);
	ck_assert_uint_eq(strspn(response_text(answer, "messages.15.body"), "A"), TEXT);
	client_close(&client);
	free(body);
}
END_TEST

START_TEST(a_slow_reader_gets_every_byte)
{
	enum { MESSAGES = 12 };
	const int small = 65536;
	char *body = noise(MESSAGE_BYTES);

	open_client();
	ck_assert_int_eq(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	client_queue(&client, "slow", "{}");
	for (unsigned i = 0; i < MESSAGES; i++)
		expect_status(client_ask_bytes(&client, "POST /v1/queues/slow/messages",
		    "Content-Type: application/octet-stream\r\n", body, MESSAGE_BYTES), 201);
	/* All asked for before the first is taken; others are served meanwhile. */
	for (unsigned i = 0; i < MESSAGES; i++)
		client_text(&client,
		    "POST /v1/queues/slow/messages:receive HTTP/1.1\r\nHost: x\r\nAccept: "
		    "application/octet-stream\r\n"
		    "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"max\":1}");
	expect_served();
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct response *answer = client_answer(&client);

		expect_status(answer, 200);
		ck_assert_uint_eq(answer->body_bytes, MESSAGE_BYTES);
		ck_assert_mem_eq(answer->body, body, MESSAGE_BYTES);
		expect_served();
	}
	client_close(&client);
	free(body);
}
END_TEST

START_TEST(ciphertext_may_come_byte_by_byte)
{
	struct tls_dialog one = dialog();
	char queue[32];

	one.version = versions[_i];
	one.drips = true;
	snprintf(queue, sizeof(queue), "drip%d", _i);
	tls_client_open(&client, broker.tls_port, &one);
	client_queue(&client, queue, "{}");
	client_publish(&client, queue, "hello");
	ck_assert_str_eq(
	    response_text(client_receive(&client, queue, "{\"max\":1}"), "messages.0.body"),
	    "hello");
	client_close(&client);
}
END_TEST

START_TEST(records_may_hold_one_byte_each)
{
	open_client();
	client_drip(&client, "PUT /v1/queues/tiny HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(client_answer(&client), 201);
	client_drip(&client,
	    "POST /v1/queues/tiny/messages HTTP/1.1\r\nHost: x\r\nContent-Type: "
	    "text/plain\r\nContent-Length: 5\r\n\r\n"
	    "helloGET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_status(client_answer(&client), 201);
	expect_status(client_answer(&client), 200);
	client_close(&client);
}
END_TEST

START_TEST(a_long_poll_is_served_and_ends_when_its_client_says_good_bye)
{
	struct client publisher;

	open_client();
	client_queue(&client, "poll", "{}");
	client_open(&publisher, broker.port);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);

		client_text(&client,
		    "POST /v1/queues/poll/messages:receive HTTP/1.1\r\nHost: x\r\nPrefer: "
		    "wait=60\r\n\r\n");
		while (response_number(
			   client_do(&publisher, "GET /v1/queues/poll"), "stats.waiters") == 0)
			ck_assert(deadline_pause(deadline_ms));
		if (i == 0) {
			client_publish(&publisher, "poll", "x");
			expect_status(client_answer(&client), 200);
			continue;
		}
		tls_client_goodbye(&client);
		while (response_number(
			   client_do(&publisher, "GET /v1/queues/poll"), "stats.waiters") != 0)
			ck_assert(deadline_pause(deadline_ms));
	}
	client_close(&publisher);
	client_close(&client);
}
END_TEST

/* ---- ends ---- */

START_TEST(every_end_of_ours_is_said_before_it_comes)
{
	open_client();
	expect_status(client_ask(&client, "GET /livez", "Connection: close\r\n", NULL), 200);
	ck_assert_msg(tls_client_heard_goodbye(&client), "after Connection: close");
	client_close(&client);
	open_client();
	client_text(&client, "this is no HTTP\r\n\r\n");
	expect_status(client_answer(&client), 400);
	ck_assert_msg(tls_client_heard_goodbye(&client), "after a refusal");
	client_close(&client);
	open_client(); /* server.idle_timeout */
	ck_assert_msg(tls_client_heard_goodbye(&client), "after idling");
	client_close(&client);
}
END_TEST

START_TEST(a_client_that_says_good_bye_gets_the_answers_to_what_it_has_asked)
{
	open_client();
	client_text(&client,
	    "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nPUT /v1/queues/bye HTTP/1.1\r\nHost: x\r\n\r\n");
	tls_client_goodbye(&client);
	expect_status(client_answer(&client), 200);
	expect_status(client_answer(&client), 201);
	ck_assert(tls_client_heard_goodbye(&client));
	client_close(&client);
}
END_TEST

/*
 * An end without close_notify may be an attacker's: what is whole is served, what is not is as if
 * it had never come.
 */
START_TEST(a_truncated_stream_serves_what_was_whole_and_nothing_else)
{
	open_client();
	client_queue(&client, "cut", "{}");
	client_text(&client,
	    "POST /v1/queues/cut/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfour"
	    "POST /v1/queues/cut/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
	client_end(&client);
	expect_status(client_answer(&client), 201);
	(void)tls_client_heard_goodbye(&client); /* it has closed, and sent nothing else */
	client_close(&client);
	open_client();
	ck_assert_int_eq(
	    response_number(client_do(&client, "GET /v1/queues/cut"), "stats.ready"), 1);
	/* Within a record: not even what its bytes said so far. */
	client_send(&client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 10);
	ck_assert_int_eq(
	    send(client.fd, "\x17\x03\x03\x40\x00half a record", 18, MSG_NOSIGNAL), 18);
	client_end(&client);
	(void)tls_client_heard_goodbye(&client);
	client_close(&client);
	expect_served();
}
END_TEST

/* ---- what is refused ---- */

START_TEST(only_http_1_1_is_spoken)
{
	struct tls_dialog one = dialog();
	int alert;

	one.protocols = "h2 http/1.1";
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	client_close(&client);
	one.protocols = "h2 spdy/3";
	ck_assert(!tls_client_try(&client, broker.tls_port, &one, &alert));
	ck_assert_int_eq(alert, SSL_AD_NO_APPLICATION_PROTOCOL);
}
END_TEST

START_TEST(only_tls_1_2_and_newer_is_spoken)
{
	struct tls_dialog one = dialog();
	int alert;

	one.version = TLS1_1_VERSION;
	ck_assert(!tls_client_try(&client, broker.tls_port, &one, &alert));
	ck_assert_int_eq(alert, SSL_AD_PROTOCOL_VERSION);
	expect_served();
}
END_TEST

START_TEST(plain_http_is_told_that_this_is_the_https_port)
{
	static const char *const requests[] = { "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/queues/q/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"B" };

	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		client_open(&client, broker.tls_port);
		client_text(&client, "%s", requests[i]);
		expect_problem(client_answer(&client), 400, "https-port");
		client_expect_close(&client);
		client_close(&client);
	}
	expect_served();
}
END_TEST

/* Ends with an alert record of TLS, or with nothing but the end. */
static void
expect_alert_or_end(void)
{
	char bytes[64];
	ssize_t n = recv(client.fd, bytes, sizeof(bytes), 0);

	ck_assert_msg(n <= 0 || bytes[0] == 0x15, "a record of type %d", n > 0 ? bytes[0] : 0);
	client_close(&client);
}

START_TEST(garbage_on_the_port_harms_nobody)
{
	char *bytes = noise(4096);

	for (unsigned i = 0; i < 64; i++) {
		client_open(&client, broker.tls_port);
		bytes[i] = (char)(i % 4 == 0 ? 0x16 : i % 4 == 1 ? 0x15 : i % 4 == 2 ? 0x80 : 0);
		if (i % 8 == 0)
			memcpy(bytes + i, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
			    11); /* a hello, and noise in it */
		(void)send(client.fd, bytes + i, 1024 - i, MSG_NOSIGNAL);
		if (i % 8 != 0) {
			/* A record that is longer than what comes would be waited for. */
			(void)shutdown(client.fd, SHUT_WR);
		}
		expect_alert_or_end();
	}
	expect_served();
	free(bytes);
}
END_TEST

START_TEST(a_record_that_does_not_verify_ends_its_connection_alone)
{
	char record[5 + 40] = "\x17\x03\x03\x00\x28";
	struct tls_dialog one = dialog();
	char text[256];

	one.version = versions[_i];
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	ck_assert_int_eq(
	    send(client.fd, record, sizeof(record), MSG_NOSIGNAL), (ssize_t)sizeof(record));
	/* The alert is bad_record_mac; what is asked behind it is not served. */
	ck_assert_ptr_null(client_try_answer(&client, 5000));
	ck_assert_uint_eq(client.count, 0);
	snprintf(text, sizeof(text), "%s", tls_client_error(&client));
	ck_assert_msg(strstr(text, "bad record mac") != NULL, "saw: %s", text);
	client_close(&client);
	expect_served();
}
END_TEST

START_TEST(half_a_handshake_ends_by_its_deadline)
{
	static const unsigned counts[] = { 0, 1, 5, 100 };
	struct client half[4];
	uint64_t begin_ms = deadline_in(0);

	for (unsigned i = 0; i < 4; i++) {
		if (counts[i] == 0)
			client_open(&half[i], broker.tls_port);
		else
			tls_client_begin(&half[i], broker.tls_port, counts[i]);
	}
	expect_served();
	for (unsigned i = 0; i < 4; i++) {
		client_expect_close(&half[i]);
		client_close(&half[i]);
	}
	ck_assert_uint_ge(deadline_in(0) - begin_ms, 1900);
	ck_assert_uint_le(deadline_in(0) - begin_ms, 20000);
}
END_TEST

START_TEST(keys_may_be_changed_but_not_all_the_time)
{
	struct tls_dialog one = dialog();

	one.version = TLS1_3_VERSION;
	tls_client_open(&client, broker.tls_port, &one);
	for (unsigned i = 0; i < 50; i++) {
		ck_assert(tls_client_update_key(&client));
		expect_status(client_do(&client, "GET /livez"), 200);
	}
	for (unsigned i = 0; i < 5000 && tls_client_update_key(&client); i++)
		continue;
	ck_assert_ptr_null(client_try_answer(&client, 5000));
	client_close(&client);
	expect_served();
}
END_TEST

START_TEST(nothing_is_negotiated_again)
{
	struct tls_dialog one = dialog();

	one.version = TLS1_2_VERSION;
	tls_client_open(&client, broker.tls_port, &one);
	expect_status(client_do(&client, "GET /livez"), 200);
	ck_assert(!tls_client_renegotiate(&client));
	client_close(&client);
	expect_served();
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("http/tls");
	TCase *tcase = tcase_create("http/tls");

	tcase_add_unchecked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_loop_test(tcase, messages_go_in_and_out, 0, 2);
	tcase_add_test(tcase, hundreds_of_pipelined_requests_are_all_answered_in_order);
	tcase_add_loop_test(tcase, the_largest_message_comes_back_as_it_was, 0, 2);
	tcase_add_test(tcase, the_largest_request_is_taken_whole_and_in_chunks);
	tcase_add_test(tcase, a_slow_reader_gets_every_byte);
	tcase_add_loop_test(tcase, ciphertext_may_come_byte_by_byte, 0, 2);
	tcase_add_test(tcase, records_may_hold_one_byte_each);
	tcase_add_test(tcase, a_long_poll_is_served_and_ends_when_its_client_says_good_bye);
	tcase_add_test(tcase, every_end_of_ours_is_said_before_it_comes);
	tcase_add_test(tcase, a_client_that_says_good_bye_gets_the_answers_to_what_it_has_asked);
	tcase_add_test(tcase, a_truncated_stream_serves_what_was_whole_and_nothing_else);
	tcase_add_test(tcase, only_http_1_1_is_spoken);
	tcase_add_test(tcase, only_tls_1_2_and_newer_is_spoken);
	tcase_add_test(tcase, plain_http_is_told_that_this_is_the_https_port);
	tcase_add_test(tcase, garbage_on_the_port_harms_nobody);
	tcase_add_loop_test(tcase, a_record_that_does_not_verify_ends_its_connection_alone, 0, 2);
	tcase_add_test(tcase, half_a_handshake_ends_by_its_deadline);
	tcase_add_test(tcase, keys_may_be_changed_but_not_all_the_time);
	tcase_add_test(tcase, nothing_is_negotiated_again);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
