/*
 * cli: what `queue` and `msg` ask, and what they make of the answers.  The broker here is a thread that checks each request
 * against a script and gives the scripted answer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/verbs.h"
#include "tests/harness/unit.h"
#include "tests/harness/verb.h"

struct exchange {
	const char *wanted[6]; /* texts that the request must contain; the first must be its beginning */
	const char *absent;    /* a text it must not contain, or NULL */
	const char *answer;    /* head and body */
};

static const struct exchange *script;
static unsigned script_length;
static unsigned served;
static char trouble[4096]; /* the first request that was not as wanted */
static char url[64];
static int listener;
static pthread_t thread;

static void
examine(const struct exchange *exchange, const char *request)
{
	if (trouble[0] != '\0')
		return;
	for (unsigned i = 0; i < 6 && exchange->wanted[i] != NULL; i++) {
		const char *found = strstr(request, exchange->wanted[i]);

		if (found == NULL || (i == 0 && found != request))
			snprintf(trouble, sizeof(trouble), "wanted `%s` in:\n%.3000s", exchange->wanted[i], request);
	}
	if (exchange->absent != NULL && strstr(request, exchange->absent) != NULL)
		snprintf(trouble, sizeof(trouble), "did not want `%s` in:\n%.3000s", exchange->absent, request);
}

/* One whole request.  False at the end of the connection. */
static bool
read_request(int fd, char request[65536])
{
	size_t used = 0;

	for (;;) {
		ssize_t got = read(fd, request + used, 65535 - used);
		const char *length;
		const char *end;

		if (got <= 0)
			return false;
		used += (size_t)got;
		request[used] = '\0';
		end = strstr(request, "\r\n\r\n");
		length = strstr(request, "Content-Length: ");
		if (end != NULL && used >= (size_t)(end + 4 - request) + (length != NULL ? strtoul(length + 16, NULL, 10) : 0))
			return true;
	}
}

static void *
serve(void *unused)
{
	static char request[65536];

	(void)unused;
	while (served < script_length) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		while (served < script_length && read_request(fd, request)) {
			examine(&script[served], request);
			ck_assert_int_gt(write(fd, script[served].answer, strlen(script[served].answer)), 0);
			served++;
		}
		close(fd);
	}
	return NULL;
}

static void
broker_start(const struct exchange *exchanges, unsigned count)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_bytes = sizeof(address);

	script = exchanges;
	script_length = count;
	served = 0;
	trouble[0] = '\0';
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &address_bytes), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
}

/* All was asked, and as wanted. */
static void
broker_stop(void)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	ck_assert_msg(trouble[0] == '\0', "%s", trouble);
	ck_assert_uint_eq(served, script_length);
}

#define BROKER(exchanges) broker_start(exchanges, sizeof(exchanges) / sizeof((exchanges)[0]))

static char output[65536];

#define RUN(verb, ...) verb_run(verb, (char *[]){ __VA_ARGS__, "--url", url, NULL }, output, sizeof(output))
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

START_TEST(put_sends_body_type_attributes_and_delay_and_prints_the_id)
{
	static const struct exchange exchanges[] = {
		{ { "POST /v1/queues/q/messages HTTP/1.1\r\n", "Content-Type: text/x\r\n", "Mq-Attr-tenant: a b\r\n",
		      "Mq-Attr-empty:\r\n", "Mq-Delay: 5s\r\n", "\r\n\r\nhello" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"id\":\"ABC\"}" },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "put", "q", "hello", "-t", "text/x", "-a", "tenant=a b", "-a", "empty=",
	    "--delay", "5s"), CLI_OK);
	ck_assert_str_eq(output, "ABC\n");
	broker_stop();
}
END_TEST

START_TEST(put_of_a_file_sends_its_bytes)
{
	static const struct exchange exchanges[] = {
		{ { "POST /v1/queues/a%2Fb/messages HTTP/1.1\r\n", "Content-Type: application/octet-stream\r\n",
		      "Content-Length: 0\r\n" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"A\"}" },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "put", "a/b", "-f", "/dev/null"), CLI_OK);
	broker_stop();
	ck_assert_int_eq(RUN(verb_msg, "msg", "put", "q", "-f", "/no/such/file"), CLI_FAILED);
}
END_TEST

START_TEST(get_prints_the_body_and_then_acknowledges_it)
{
	static const struct exchange exchanges[] = {
		{ { "POST /v1/queues/q/messages:receive HTTP/1.1\r\n", "Accept: application/octet-stream\r\n",
		      "Content-Type: application/json\r\n", "{\"max\":1,\"lease\":\"9s\",\"wait\":\"1s\"}" },
		    NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R-1\r\nContent-Length: 5\r\n\r\nhello" },
		{ { "DELETE /v1/queues/q/leases/R-1 HTTP/1.1\r\n" }, NULL, NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "--lease", "9s", "--wait", "1s"), CLI_OK);
	ck_assert_str_eq(output, "hello");
	broker_stop();
}
END_TEST

START_TEST(get_of_several_waits_only_for_the_first_and_stops_when_empty)
{
	static const struct exchange exchanges[] = {
		{ { "POST ", "\"wait\"" }, NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R1\r\nContent-Length: 1\r\n\r\na" },
		{ { "DELETE /v1/queues/q/leases/R1 " }, NULL, NO_CONTENT },
		{ { "POST " }, "\"wait\"", "HTTP/1.1 200 OK\r\nMq-Receipt: R2\r\nContent-Length: 0\r\n\r\n" },
		{ { "DELETE /v1/queues/q/leases/R2 " }, NULL, NO_CONTENT },
		{ { "POST " }, "\"wait\"", NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "-n", "5", "--wait", "1s"), CLI_OK);
	ck_assert_str_eq(output, "a\n\n");
	broker_stop();
}
END_TEST

START_TEST(get_with_keep_lease_does_not_acknowledge)
{
	static const struct exchange exchanges[] = {
		{ { "POST " }, NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R1\r\nContent-Length: 1\r\n\r\na" },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "--keep-lease"), CLI_OK);
	broker_stop();
}
END_TEST

START_TEST(get_from_an_empty_queue_exits_1)
{
	static const struct exchange exchanges[] = { { { "POST " }, NULL, NO_CONTENT } };

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q"), CLI_FAILED);
	ck_assert_str_eq(output, "");
	broker_stop();
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "-n", "0"), CLI_USAGE);
}
END_TEST

START_TEST(get_as_json_takes_all_at_once_and_acknowledges_each)
{
	static const struct exchange exchanges[] = {
		{ { "POST ", "Accept: application/json\r\n", "{\"max\":2}" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"messages\":[{\"receipt\":\"A\"},{\"receipt\":\"B\"}]}" },
		{ { "DELETE /v1/queues/q/leases/A " }, NULL, NO_CONTENT },
		{ { "DELETE /v1/queues/q/leases/B " }, NULL, NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "get", "q", "-n", "2", "--json"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "\"receipt\": \"B\""));
	broker_stop();
}
END_TEST

START_TEST(ack_tries_all_and_exits_1_if_one_was_stale)
{
	static const struct exchange exchanges[] = {
		{ { "DELETE /v1/queues/q/leases/A " }, NULL,
		    "HTTP/1.1 410 Gone\r\nContent-Length: 54\r\n\r\n{\"code\":\"lease-expired\",\"title\":\"The lease has ended\"}" },
		{ { "DELETE /v1/queues/q/leases/B " }, NULL, NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "ack", "q", "A", "B"), CLI_FAILED);
	broker_stop();
}
END_TEST

START_TEST(nack_says_how_and_when_again)
{
	static const struct exchange exchanges[] = {
		{ { "POST /v1/queues/q/leases/A:nack ", "{\"mode\":\"fail\",\"delay\":\"2s\"}" }, NULL, NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_msg, "msg", "nack", "q", "A", "--mode", "fail", "--delay", "2s"), CLI_OK);
	broker_stop();
}
END_TEST

START_TEST(ls_follows_the_links_to_the_last_page)
{
	static const struct exchange exchanges[] = {
		{ { "GET /v1/queues?limit=100&prefix=a%26b HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 OK\r\nLink: </v1/queues?limit=100&cursor=7>; rel=\"next\"\r\nContent-Length: 27\r\n\r\n"
		    "{\"queues\":[{\"name\":\"one\"}]}" },
		{ { "GET /v1/queues?limit=100&cursor=7 HTTP/1.1\r\n" }, "prefix=",
		    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n{\"queues\":[{\"name\":\"two\",\"stats\":{\"ready\":12345}}]}" },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_queue, "queue", "ls", "a&b"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "one"));
	ck_assert_ptr_nonnull(strstr(output, "two"));
	ck_assert_ptr_nonnull(strstr(output, "12345"));
	broker_stop();
}
END_TEST

START_TEST(create_makes_json_of_its_words_and_replaces_only_when_told)
{
	static const struct exchange exchanges[] = {
		{ { "PUT /v1/queues/q HTTP/1.1\r\n", "If-None-Match: *\r\n",
		      "{\"lease\":\"30s\",\"max_messages\":100,\"backoff\":{\"min\":\"1s\"}}" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"name\":\"q\"}" },
		{ { "PUT /v1/queues/q HTTP/1.1\r\n", "{}" }, "If-None-Match",
		    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"name\":\"q\"}" },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_queue, "queue", "create", "q", "lease=30s", "max_messages=100", "backoff={\"min\":\"1s\"}"),
	    CLI_OK);
	ck_assert_int_eq(RUN(verb_queue, "queue", "create", "q", "--replace"), CLI_OK);
	broker_stop();
	ck_assert_int_eq(RUN(verb_queue, "queue", "create", "q", "nonsense"), CLI_USAGE);
}
END_TEST

START_TEST(show_rm_and_purge_ask_the_queue)
{
	static const struct exchange exchanges[] = {
		{ { "GET /v1/queues/q HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"stats\":{\"ready\":77}}" },
		{ { "POST /v1/queues/q:purge HTTP/1.1\r\n", "{\"state\":\"dead\",\"older_than\":\"1h\"}" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"removed\":9}" },
		{ { "DELETE /v1/queues/q HTTP/1.1\r\n" }, NULL, NO_CONTENT },
	};

	BROKER(exchanges);
	ck_assert_int_eq(RUN(verb_queue, "queue", "show", "q"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "stats.ready"));
	ck_assert_ptr_nonnull(strstr(output, "77"));
	ck_assert_int_eq(RUN(verb_queue, "queue", "purge", "q", "--state", "dead", "--older-than", "1h"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(output, "9"));
	ck_assert_int_eq(RUN(verb_queue, "queue", "rm", "q"), CLI_OK);
	broker_stop();
}
END_TEST

START_TEST(a_broker_that_does_not_answer_exits_69)
{
	broker_start(NULL, 0);
	broker_stop();
	ck_assert_int_eq(RUN(verb_queue, "queue", "ls"), CLI_NOT_RUNNING);
}
END_TEST

static Suite *
cli_suite(void)
{
	Suite *suite = suite_create("cli over HTTP");
	TCase *verbs = tcase_create("verbs");

	tcase_add_test(verbs, put_sends_body_type_attributes_and_delay_and_prints_the_id);
	tcase_add_test(verbs, put_of_a_file_sends_its_bytes);
	tcase_add_test(verbs, get_prints_the_body_and_then_acknowledges_it);
	tcase_add_test(verbs, get_of_several_waits_only_for_the_first_and_stops_when_empty);
	tcase_add_test(verbs, get_with_keep_lease_does_not_acknowledge);
	tcase_add_test(verbs, get_from_an_empty_queue_exits_1);
	tcase_add_test(verbs, get_as_json_takes_all_at_once_and_acknowledges_each);
	tcase_add_test(verbs, ack_tries_all_and_exits_1_if_one_was_stale);
	tcase_add_test(verbs, nack_says_how_and_when_again);
	tcase_add_test(verbs, ls_follows_the_links_to_the_last_page);
	tcase_add_test(verbs, create_makes_json_of_its_words_and_replaces_only_when_told);
	tcase_add_test(verbs, show_rm_and_purge_ask_the_queue);
	tcase_add_test(verbs, a_broker_that_does_not_answer_exits_69);
	suite_add_tcase(suite, verbs);
	return suite;
}

UNIT_MAIN(cli_suite)
