/*
 * cli: what `queue` and `msg` ask, and what they make of the answers.
 */
#include <string.h>

#include "cli/verbs.h"
#include "tests/harness/scripted.h"
#include "tests/harness/unit.h"

START_TEST(put_sends_body_type_attributes_and_delay_and_prints_the_id)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/queues/q/messages HTTP/1.1\r\n", "Content-Type: text/x\r\n", "Mq-Attr-tenant: a b\r\n",
		      "Mq-Attr-empty:\r\n", "Mq-Delay: 5s\r\n", "\r\n\r\nhello" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"id\":\"ABC\"}" },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "put", "q", "hello", "-t", "text/x", "-a", "tenant=a b", "-a", "empty=",
	    "--delay", "5s"), CLI_OK);
	ck_assert_str_eq(scripted_output, "ABC\n");
	scripted_stop();
}
END_TEST

START_TEST(put_of_a_file_sends_its_bytes)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/queues/a%2Fb/messages HTTP/1.1\r\n", "Content-Type: application/octet-stream\r\n",
		      "Content-Length: 0\r\n" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"A\"}" },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "put", "a/b", "-f", "/dev/null"), CLI_OK);
	scripted_stop();
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "put", "q", "-f", "/no/such/file"), CLI_FAILED);
}
END_TEST

START_TEST(get_prints_the_body_and_then_acknowledges_it)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/queues/q/messages:receive HTTP/1.1\r\n", "Accept: application/octet-stream\r\n",
		      "Content-Type: application/json\r\n", "{\"max\":1,\"lease\":\"9s\",\"wait\":\"1s\"}" },
		    NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R-1\r\nContent-Length: 5\r\n\r\nhello" },
		{ { "DELETE /v1/queues/q/leases/R-1 HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q", "--lease", "9s", "--wait", "1s"), CLI_OK);
	ck_assert_str_eq(scripted_output, "hello");
	scripted_stop();
}
END_TEST

START_TEST(get_of_several_waits_only_for_the_first_and_stops_when_empty)
{
	static const struct scripted exchanges[] = {
		{ { "POST ", "\"wait\"" }, NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R1\r\nContent-Length: 1\r\n\r\na" },
		{ { "DELETE /v1/queues/q/leases/R1 " }, NULL, SCRIPTED_NO_CONTENT },
		{ { "POST " }, "\"wait\"", "HTTP/1.1 200 OK\r\nMq-Receipt: R2\r\nContent-Length: 0\r\n\r\n" },
		{ { "DELETE /v1/queues/q/leases/R2 " }, NULL, SCRIPTED_NO_CONTENT },
		{ { "POST " }, "\"wait\"", SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q", "-n", "5", "--wait", "1s"), CLI_OK);
	ck_assert_str_eq(scripted_output, "a\n\n");
	scripted_stop();
}
END_TEST

START_TEST(get_with_keep_lease_does_not_acknowledge)
{
	static const struct scripted exchanges[] = {
		{ { "POST " }, NULL, "HTTP/1.1 200 OK\r\nMq-Receipt: R1\r\nContent-Length: 1\r\n\r\na" },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q", "--keep-lease"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(get_from_an_empty_queue_exits_1)
{
	static const struct scripted exchanges[] = { { { "POST " }, NULL, SCRIPTED_NO_CONTENT } };

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q"), CLI_FAILED);
	ck_assert_str_eq(scripted_output, "");
	scripted_stop();
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q", "-n", "0"), CLI_USAGE);
}
END_TEST

START_TEST(get_as_json_takes_all_at_once_and_acknowledges_each)
{
	static const struct scripted exchanges[] = {
		{ { "POST ", "Accept: application/json\r\n", "{\"max\":2}" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{\"messages\":[{\"receipt\":\"A\"},{\"receipt\":\"B\"}]}" },
		{ { "DELETE /v1/queues/q/leases/A " }, NULL, SCRIPTED_NO_CONTENT },
		{ { "DELETE /v1/queues/q/leases/B " }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "get", "q", "-n", "2", "--json"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "\"receipt\": \"B\""));
	scripted_stop();
}
END_TEST

START_TEST(ack_tries_all_and_exits_1_if_one_was_stale)
{
	static const struct scripted exchanges[] = {
		{ { "DELETE /v1/queues/q/leases/A " }, NULL,
		    "HTTP/1.1 410 Gone\r\nContent-Length: 54\r\n\r\n{\"code\":\"lease-expired\",\"title\":\"The lease has ended\"}" },
		{ { "DELETE /v1/queues/q/leases/B " }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "ack", "q", "A", "B"), CLI_FAILED);
	scripted_stop();
}
END_TEST

START_TEST(nack_says_how_and_when_again)
{
	static const struct scripted exchanges[] = {
		{ { "POST /v1/queues/q/leases/A:nack ", "{\"mode\":\"fail\",\"delay\":\"2s\"}" }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_msg, "msg", "nack", "q", "A", "--mode", "fail", "--delay", "2s"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(ls_follows_the_links_to_the_last_page)
{
	static const struct scripted exchanges[] = {
		{ { "GET /v1/queues?limit=100&prefix=a%26b HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 OK\r\nLink: </v1/queues?limit=100&cursor=7>; rel=\"next\"\r\nContent-Length: 27\r\n\r\n"
		    "{\"queues\":[{\"name\":\"one\"}]}" },
		{ { "GET /v1/queues?limit=100&cursor=7 HTTP/1.1\r\n" }, "prefix=",
		    "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n{\"queues\":[{\"name\":\"two\",\"stats\":{\"ready\":12345}}]}" },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls", "a&b"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "one"));
	ck_assert_ptr_nonnull(strstr(scripted_output, "two"));
	ck_assert_ptr_nonnull(strstr(scripted_output, "12345"));
	scripted_stop();
}
END_TEST

START_TEST(create_makes_json_of_its_words_and_replaces_only_when_told)
{
	static const struct scripted exchanges[] = {
		{ { "PUT /v1/queues/q HTTP/1.1\r\n", "If-None-Match: *\r\n",
		      "{\"lease\":\"30s\",\"max_messages\":100,\"backoff\":{\"min\":\"1s\"}}" },
		    NULL, "HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"name\":\"q\"}" },
		{ { "PUT /v1/queues/q HTTP/1.1\r\n", "{}" }, "If-None-Match",
		    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"name\":\"q\"}" },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "create", "q", "lease=30s", "max_messages=100", "backoff={\"min\":\"1s\"}"),
	    CLI_OK);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "create", "q", "--replace"), CLI_OK);
	scripted_stop();
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "create", "q", "nonsense"), CLI_USAGE);
}
END_TEST

START_TEST(show_rm_and_purge_ask_the_queue)
{
	static const struct scripted exchanges[] = {
		{ { "GET /v1/queues/q HTTP/1.1\r\n" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"stats\":{\"ready\":77}}" },
		{ { "POST /v1/queues/q:purge HTTP/1.1\r\n", "{\"state\":\"dead\",\"older_than\":\"1h\"}" }, NULL,
		    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"removed\":9}" },
		{ { "DELETE /v1/queues/q HTTP/1.1\r\n" }, NULL, SCRIPTED_NO_CONTENT },
	};

	SCRIPTED(exchanges);
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "show", "q"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "stats.ready"));
	ck_assert_ptr_nonnull(strstr(scripted_output, "77"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "purge", "q", "--state", "dead", "--older-than", "1h"), CLI_OK);
	ck_assert_ptr_nonnull(strstr(scripted_output, "9"));
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "rm", "q"), CLI_OK);
	scripted_stop();
}
END_TEST

START_TEST(a_broker_that_does_not_answer_exits_69)
{
	scripted_start(NULL, 0);
	scripted_stop();
	ck_assert_int_eq(SCRIPTED_RUN(verb_queue, "queue", "ls"), CLI_NOT_RUNNING);
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
