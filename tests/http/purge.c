/*
 * Purging: removing the messages of a queue by state and age, whole or in part.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

static int64_t
stat(const char *queue, const char *path)
{
	return response_number(client_do(client, "GET /v1/queues/%s", queue), path);
}

static struct response *
purge(const char *queue, const char *json)
{
	return client_json(client, json, "POST /v1/queues/%s:purge", queue);
}

/* A new queue with one message in each state: ready, delayed, leased, dead.  The receipt of the leased one. */
static void
one_of_each(const char *queue, char receipt[80])
{
	char request[120];
	struct response *answer;

	client_queue(client, queue, "{\"max_deliveries\":1}");
	client_publish(client, queue, "dead");
	answer = client_receive(client, queue, "{}");
	snprintf(receipt, 80, "%s", response_text(answer, "messages.0.receipt"));
	expect_status(client_json(client, "{\"mode\":\"fail\"}", "POST /v1/queues/%s/leases/%s:nack", queue, receipt), 204);
	client_publish(client, queue, "leased");
	answer = client_receive(client, queue, "{}");
	snprintf(receipt, 80, "%s", response_text(answer, "messages.0.receipt"));
	client_publish(client, queue, "ready");
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	expect_status(client_ask(client, request, "Mq-Delay: 1h\r\n", "delayed"), 201);
}

static void
expect_stats(const char *queue, int ready, int delayed, int leased, int dead)
{
	struct response *answer = client_do(client, "GET /v1/queues/%s", queue);

	ck_assert_int_eq(response_number(answer, "stats.ready"), ready);
	ck_assert_int_eq(response_number(answer, "stats.delayed"), delayed);
	ck_assert_int_eq(response_number(answer, "stats.leased"), leased);
	ck_assert_int_eq(response_number(answer, "stats.dead"), dead);
}

START_TEST(a_purge_without_a_word_removes_everything)
{
	char receipt[80];
	struct response *answer;

	one_of_each("plain", receipt);
	answer = client_do(client, "POST /v1/queues/plain:purge");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "removed"), 4);
	expect_stats("plain", 0, 0, 0, 0);
	expect_problem(client_do(client, "DELETE /v1/queues/plain/leases/%s", receipt), 410, "lease-expired");
}
END_TEST

START_TEST(a_purge_takes_the_states_it_names)
{
	char receipt[80];

	one_of_each("states", receipt);
	ck_assert_int_eq(response_number(purge("states", "{\"state\":\"dead\"}"), "removed"), 1);
	expect_stats("states", 1, 1, 1, 0);
	ck_assert_int_eq(response_number(purge("states", "{\"state\":\"ready,delayed\"}"), "removed"), 2);
	expect_stats("states", 0, 0, 1, 0);
	ck_assert_int_eq(response_number(purge("states", "{\"state\":\"leased\"}"), "removed"), 1);
	expect_stats("states", 0, 0, 0, 0);
	expect_problem(client_do(client, "DELETE /v1/queues/states/leases/%s", receipt), 410, "lease-expired");
}
END_TEST

START_TEST(a_purge_by_age_leaves_the_young)
{
	client_queue(client, "aged", "{}");
	client_publish(client, "aged", "young");
	ck_assert_int_eq(response_number(purge("aged", "{\"older_than\":\"1h\"}"), "removed"), 0);
	expect_stats("aged", 1, 0, 0, 0);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(purge("aged", "{\"older_than\":\"10ms\"}"), "removed") == 0)
		ck_assert_msg(deadline_pause(deadline_ms), "a message of more than 10 ms is not purged");
	expect_stats("aged", 0, 0, 0, 0);
}
END_TEST

START_TEST(a_purge_of_many_frees_their_room)
{
	char *batch = malloc(1000 * 16 + 32), *end = batch;

	ck_assert_ptr_nonnull(batch);
	end += sprintf(end, "{\"messages\":[");
	for (unsigned i = 0; i < 1000; i++)
		end += sprintf(end, "%s{\"body\":\"%u\"}", i == 0 ? "" : ",", i);
	sprintf(end, "]}");
	client_queue(client, "many", "{\"max_messages\":20000}");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 20; i++)
			expect_status(client_ask(client, "POST /v1/queues/many/messages",
			    "Content-Type: application/vnd.mq.batch+json\r\n", batch), 200);
		expect_problem(client_ask(client, "POST /v1/queues/many/messages", NULL, "x"), 429, "queue-full");
		ck_assert_int_eq(response_number(purge("many", "{}"), "removed"), 20000);
		ck_assert_int_eq(stat("many", "stats.bytes"), 0);
	}
	client_publish(client, "many", "after");
	ck_assert_str_eq(response_text(client_receive(client, "many", "{}"), "messages.0.body"), "after");
	free(batch);
}
END_TEST

START_TEST(a_purge_that_makes_no_sense_is_refused)
{
	static const struct { const char *json, *code; } cases[] = {
		{ "{\"state\":\"gone\"}", "bad-field" }, { "{\"state\":5}", "bad-field" }, { "{\"state\":\"\"}", "bad-field" },
		{ "{\"older_than\":\"x\"}", "bad-field" }, { "{\"age\":\"1h\"}", "bad-field" }, { "[", "bad-json" },
	};

	client_queue(client, "spared", "{}");
	client_publish(client, "spared", "x");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_problem(purge("spared", cases[i].json), 400, cases[i].code);
	expect_problem(purge("no-such-queue", "{}"), 404, "no-queue");
	ck_assert_int_eq(stat("spared", "stats.ready"), 1);
}
END_TEST

static Suite *
suite(void)
{
	TCase *tcase;
	Suite *suite = session_suite("http/purge", NULL, &tcase);

	tcase_add_test(tcase, a_purge_without_a_word_removes_everything);
	tcase_add_test(tcase, a_purge_takes_the_states_it_names);
	tcase_add_test(tcase, a_purge_by_age_leaves_the_young);
	tcase_add_test(tcase, a_purge_of_many_frees_their_room);
	tcase_add_test(tcase, a_purge_that_makes_no_sense_is_refused);
	return suite;
}

UNIT_MAIN(suite)
