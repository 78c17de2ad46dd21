/*
 * Settling: acknowledge, extend and give back, one by one and in batches; and the fence around stale receipts.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

static const char patch_type[] = "Content-Type: application/merge-patch+json\r\n";

enum { RECEIPT_TEXT = 80 };

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

/* Receive one with this JSON; its receipt, and its delivery_count. */
static int64_t
lease(const char *queue, const char *json, char receipt[RECEIPT_TEXT])
{
	struct response *answer = client_receive(client, queue, json);

	expect_status(answer, 200);
	snprintf(receipt, RECEIPT_TEXT, "%s", response_text(answer, "messages.0.receipt"));
	return response_number(answer, "messages.0.delivery_count");
}

static struct response *
ack(const char *queue, const char *receipt)
{
	return client_do(client, "DELETE /v1/queues/%s/leases/%s", queue, receipt);
}

static struct response *
nack(const char *queue, const char *receipt, const char *json)
{
	return client_json(client, json, "POST /v1/queues/%s/leases/%s:nack", queue, receipt);
}

static struct response *
extend(const char *queue, const char *receipt, const char *json)
{
	char request[200];

	snprintf(request, sizeof(request), "PATCH /v1/queues/%s/leases/%s", queue, receipt);
	return client_ask(client, request, patch_type, json);
}

START_TEST(an_ack_removes_the_message_and_can_be_repeated)
{
	char receipt[RECEIPT_TEXT];
	struct response *answer;

	client_queue(client, "acked", "{}");
	client_publish(client, "acked", "x");
	lease("acked", "{}", receipt);
	expect_status(ack("acked", receipt), 204);
	answer = ack("acked", receipt);
	ck_assert_msg(answer->status == 204 || answer->status == 410, "status %u", answer->status);
	ck_assert_int_eq(stat("acked", "stats.acked"), 1);
	ck_assert_int_eq(stat("acked", "stats.leased"), 0);
	ck_assert_int_eq(stat("acked", "stats.bytes"), 0);
	expect_status(client_receive(client, "acked", "{}"), 204);
}
END_TEST

START_TEST(the_receipt_of_an_acknowledged_message_is_stale_in_another_queue)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "mine", "{}");
	client_queue(client, "yours", "{}");
	client_publish(client, "mine", "x");
	lease("mine", "{}", receipt);
	expect_status(ack("mine", receipt), 204);
	expect_problem(ack("yours", receipt), 410, "lease-expired");
}
END_TEST

START_TEST(an_ack_repeated_after_its_slot_was_used_again_harms_nobody)
{
	char receipt[RECEIPT_TEXT], other[RECEIPT_TEXT];
	struct response *answer;

	client_queue(client, "reused", "{}");
	client_publish(client, "reused", "first");
	lease("reused", "{}", receipt);
	expect_status(ack("reused", receipt), 204);
	client_publish(client, "reused", "second");
	lease("reused", "{}", other);
	ck_assert_str_ne(receipt, other);
	answer = ack("reused", receipt);
	ck_assert_msg(answer->status == 204 || answer->status == 410, "status %u", answer->status);
	ck_assert_int_eq(stat("reused", "stats.leased"), 1);
	expect_status(ack("reused", other), 204);
}
END_TEST

START_TEST(a_receipt_whose_lease_has_ended_is_410)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "stale", "{}");
	client_publish(client, "stale", "x");
	lease("stale", "{\"lease\":\"50ms\"}", receipt);
	wait_stat("stale", "stats.ready", 1);
	expect_problem(ack("stale", receipt), 410, "lease-expired");
	expect_problem(extend("stale", receipt, "{\"lease\":\"60s\"}"), 410, "lease-expired");
	expect_problem(nack("stale", receipt, "{\"mode\":\"release\"}"), 410, "lease-expired");
	ck_assert_int_eq(stat("stale", "stats.ready"), 1);
}
END_TEST

START_TEST(a_new_lease_fences_the_receipt_of_the_one_before)
{
	char first[RECEIPT_TEXT], second[RECEIPT_TEXT];

	client_queue(client, "fenced", "{}");
	client_publish(client, "fenced", "x");
	ck_assert_int_eq(lease("fenced", "{\"lease\":\"50ms\"}", first), 1);
	ck_assert_int_eq(lease("fenced", "{\"lease\":\"60s\",\"wait\":\"20s\"}", second), 2);
	ck_assert_str_ne(first, second);
	expect_problem(ack("fenced", first), 410, "lease-expired");
	expect_problem(nack("fenced", first, "{\"mode\":\"fail\"}"), 410, "lease-expired");
	ck_assert_int_eq(stat("fenced", "stats.leased"), 1);
	expect_status(ack("fenced", second), 204);
	expect_problem(ack("fenced", first), 410, "lease-expired");
}
END_TEST

START_TEST(a_lease_of_no_time_ends_at_once)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "instant", "{}");
	client_publish(client, "instant", "x");
	lease("instant", "{\"lease\":\"0s\"}", receipt);
	ck_assert_int_eq(lease("instant", "{\"wait\":\"20s\"}", receipt), 2);
}
END_TEST

START_TEST(a_receipt_of_another_queue_is_refused)
{
	char receipt[RECEIPT_TEXT];
	struct response *answer;

	client_queue(client, "own", "{}");
	client_queue(client, "foreign", "{}");
	client_publish(client, "own", "x");
	lease("own", "{}", receipt);
	answer = ack("foreign", receipt);
	ck_assert_msg(answer->status == 400 || answer->status == 410, "status %u", answer->status);
	answer = ack("no-such-queue", receipt);
	ck_assert_msg(answer->status == 404 || answer->status == 410, "status %u", answer->status);
	ck_assert_int_eq(stat("own", "stats.leased"), 1);
	expect_status(ack("own", receipt), 204);
}
END_TEST

START_TEST(what_is_no_receipt_is_400)
{
	static const char *const texts[] = { "x", "0", "%00", "zzzzzzzzzzzzzzzzzzzz!", "00000000000000000000000000000000000000000" };

	client_queue(client, "strange", "{}");
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct response *answer = ack("strange", texts[i]);

		ck_assert_msg(answer->status == 400, "%s: status %u", texts[i], answer->status);
	}
	expect_problem(ack("strange", "x"), 400, "bad-receipt");
}
END_TEST

START_TEST(an_extension_moves_the_end_of_the_lease)
{
	char receipt[RECEIPT_TEXT], ends[32];
	struct response *answer;

	client_queue(client, "extended", "{}");
	client_publish(client, "extended", "x");
	answer = client_receive(client, "extended", "{\"lease\":\"10s\"}");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	snprintf(ends, sizeof(ends), "%s", response_text(answer, "messages.0.lease_expires_at"));
	answer = extend("extended", receipt, "{\"lease\":\"1h\"}");
	expect_status(answer, 200);
	ck_assert_str_gt(response_text(answer, "lease_expires_at"), ends);
	answer = extend("extended", receipt, "{\"lease\":\"50ms\"}");
	expect_status(answer, 200);
	ck_assert_str_lt(response_text(answer, "lease_expires_at"), ends);
	wait_stat("extended", "stats.ready", 1);
	expect_problem(extend("extended", receipt, "{\"lease\":\"1h\"}"), 410, "lease-expired");
}
END_TEST

START_TEST(an_extension_that_makes_no_sense_is_refused)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "overlong", "{}");
	client_publish(client, "overlong", "x");
	lease("overlong", "{}", receipt);
	expect_problem(extend("overlong", receipt, "{\"lease\":\"13h\"}"), 400, "bad-field");
	expect_problem(extend("overlong", receipt, "{\"leese\":\"1h\"}"), 400, "bad-field");
	expect_problem(extend("overlong", receipt, "{"), 400, "bad-json");
	expect_status(ack("overlong", receipt), 204);
}
END_TEST

START_TEST(a_release_gives_back_without_penalty_and_counts_as_an_acquisition)
{
	char receipt[RECEIPT_TEXT];
	struct response *answer;

	client_queue(client, "released", "{}");
	client_publish(client, "released", "x");
	lease("released", "{}", receipt);
	expect_status(nack("released", receipt, "{\"mode\":\"release\"}"), 204);
	expect_problem(ack("released", receipt), 410, "lease-expired");
	answer = client_receive(client, "released", "{}");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
	ck_assert_int_eq(response_number(answer, "messages.0.acquire_count"), 2);
}
END_TEST

START_TEST(a_release_can_wait)
{
	char receipt[RECEIPT_TEXT];
	uint64_t began_ms;

	client_queue(client, "postponed", "{}");
	client_publish(client, "postponed", "x");
	lease("postponed", "{}", receipt);
	began_ms = clock_ms();
	expect_status(nack("postponed", receipt, "{\"mode\":\"release\",\"delay\":\"300ms\"}"), 204);
	ck_assert_int_eq(stat("postponed", "stats.delayed"), 1);
	ck_assert_int_eq(lease("postponed", "{\"wait\":\"20s\"}", receipt), 1);
	ck_assert_uint_ge(clock_ms() - began_ms, 300);
}
END_TEST

START_TEST(released_messages_go_back_to_their_places)
{
	char receipts[3][RECEIPT_TEXT];

	client_queue(client, "places", "{}");
	for (char body[2] = "a"; body[0] < 'd'; body[0]++)
		client_publish(client, "places", body);
	for (unsigned i = 0; i < 3; i++)
		lease("places", "{}", receipts[i]);
	expect_status(nack("places", receipts[1], "{\"mode\":\"release\"}"), 204);
	expect_status(nack("places", receipts[2], "{\"mode\":\"release\"}"), 204);
	expect_status(nack("places", receipts[0], "{\"mode\":\"release\"}"), 204);
	struct response *answer = client_receive(client, "places", "{\"max\":3}");
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "a");
	ck_assert_str_eq(response_text(answer, "messages.1.body"), "b");
	ck_assert_str_eq(response_text(answer, "messages.2.body"), "c");
}
END_TEST

START_TEST(a_failure_counts_and_backs_off_longer_each_time)
{
	char receipt[RECEIPT_TEXT];
	uint64_t began_ms;

	client_queue(client, "failing",
	    "{\"backoff\":{\"type\":\"exponential\",\"min\":\"100ms\",\"max\":\"10s\",\"jitter\":0}}");
	client_publish(client, "failing", "x");
	for (int64_t count = 1; count <= 4; count++) {
		ck_assert_int_eq(lease("failing", "{\"wait\":\"20s\"}", receipt), count);
		began_ms = clock_ms();
		expect_status(nack("failing", receipt, "{\"mode\":\"fail\"}"), 204);
		ck_assert_int_eq(stat("failing", "stats.delayed"), 1);
		wait_stat("failing", "stats.ready", 1);
		ck_assert_uint_ge(clock_ms() - began_ms, 100u << (count - 1));
	}
}
END_TEST

START_TEST(a_failure_may_name_its_own_delay)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "named", "{\"backoff\":{\"min\":\"1h\",\"max\":\"2h\"}}");
	client_publish(client, "named", "x");
	lease("named", "{}", receipt);
	expect_status(nack("named", receipt, "{\"mode\":\"fail\",\"delay\":\"50ms\"}"), 204);
	ck_assert_int_eq(lease("named", "{\"wait\":\"20s\"}", receipt), 2);
}
END_TEST

START_TEST(the_last_failure_makes_a_message_dead)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "dying", "{\"max_deliveries\":3}");
	client_publish(client, "dying", "x");
	for (int64_t count = 1; count <= 3; count++) {
		ck_assert_int_eq(lease("dying", "{\"wait\":\"20s\"}", receipt), count);
		expect_status(nack("dying", receipt, "{\"mode\":\"fail\",\"delay\":\"0s\"}"), 204);
	}
	ck_assert_int_eq(stat("dying", "stats.dead"), 1);
	expect_status(client_receive(client, "dying", "{}"), 204);
}
END_TEST

START_TEST(a_nack_may_give_a_reason)
{
	char receipt[RECEIPT_TEXT];

	client_queue(client, "reasoned", "{}");
	client_publish(client, "reasoned", "x");
	lease("reasoned", "{}", receipt);
	expect_status(nack("reasoned", receipt, "{\"mode\":\"fail\",\"delay\":\"0s\",\"reason\":\"no such llama\"}"), 204);
	ck_assert_int_eq(lease("reasoned", "{}", receipt), 2);
}
END_TEST

START_TEST(a_nack_that_makes_no_sense_is_refused)
{
	static const struct { const char *json, *code; } cases[] = {
		{ "{\"mode\":\"explode\"}", "bad-field" }, { "{\"mode\":5}", "bad-field" },
		{ "{\"mode\":\"dead\"}", "not-supported" },
		{ "{\"mode\":\"fail\",\"reason\":5}", "bad-field" }, { "{\"mode\":\"release\",\"delay\":\"x\"}", "bad-field" },
		{ "{\"mode\":\"release\",\"when\":\"1s\"}", "bad-field" }, { "{", "bad-json" },
	};
	char receipt[RECEIPT_TEXT];

	client_queue(client, "nonsense", "{}");
	client_publish(client, "nonsense", "x");
	lease("nonsense", "{}", receipt);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_problem(nack("nonsense", receipt, cases[i].json), 400, cases[i].code);
	expect_status(ack("nonsense", receipt), 204);
}
END_TEST

START_TEST(a_batch_tells_how_it_went_with_each_receipt)
{
	char receipts[4][RECEIPT_TEXT], json[600];
	struct response *answer;

	client_queue(client, "mixed", "{}");
	for (unsigned i = 0; i < 4; i++)
		client_publish(client, "mixed", "x");
	for (unsigned i = 0; i < 4; i++)
		lease("mixed", i == 1 ? "{\"lease\":\"50ms\"}" : "{}", receipts[i]);
	wait_stat("mixed", "stats.ready", 1);

	snprintf(json, sizeof(json), "{\"receipts\":[\"%s\",\"%s\"]}", receipts[0], receipts[1]);
	answer = client_json(client, json, "POST /v1/queues/mixed/leases:ack");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "results"), 2);
	ck_assert_int_eq(response_number(answer, "results.0.status"), 204);
	ck_assert_int_eq(response_number(answer, "results.1.status"), 410);
	ck_assert_str_eq(response_text(answer, "results.1.code"), "lease-expired");

	snprintf(json, sizeof(json), "{\"receipts\":[\"%s\",\"%s\"],\"lease\":\"1h\"}", receipts[1], receipts[2]);
	answer = client_json(client, json, "POST /v1/queues/mixed/leases:extend");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "results.0.status"), 410);
	ck_assert_int_eq(response_number(answer, "results.1.status"), 200);
	ck_assert_ptr_nonnull(response_text(answer, "results.1.lease_expires_at"));

	snprintf(json, sizeof(json), "{\"receipts\":[\"%s\",\"%s\"],\"mode\":\"release\"}", receipts[2], receipts[3]);
	answer = client_json(client, json, "POST /v1/queues/mixed/leases:nack");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "results.0.status"), 204);
	ck_assert_int_eq(response_number(answer, "results.1.status"), 204);
	ck_assert_int_eq(stat("mixed", "stats.ready"), 3);
	ck_assert_int_eq(stat("mixed", "stats.acked"), 1);
}
END_TEST

START_TEST(the_same_receipt_twice_in_a_batch_counts_once)
{
	char receipt[RECEIPT_TEXT], json[300];
	struct response *answer;

	client_queue(client, "twice", "{}");
	client_publish(client, "twice", "x");
	client_publish(client, "twice", "y");
	lease("twice", "{}", receipt);
	snprintf(json, sizeof(json), "{\"receipts\":[\"%s\",\"%s\"]}", receipt, receipt);
	answer = client_json(client, json, "POST /v1/queues/twice/leases:ack");
	expect_status(answer, 200);
	ck_assert_int_eq(response_number(answer, "results.0.status"), 204);
	ck_assert_int_eq(stat("twice", "stats.acked"), 1);
	ck_assert_int_eq(stat("twice", "stats.ready"), 1);
}
END_TEST

START_TEST(a_hundred_leases_are_acked_in_one_request)
{
	char *json = malloc(100 * RECEIPT_TEXT + 64), *end = json;
	struct response *answer;

	ck_assert_ptr_nonnull(json);
	client_queue(client, "hundred", "{}");
	for (unsigned i = 0; i < 100; i++)
		client_publish(client, "hundred", "x");
	answer = client_receive(client, "hundred", "{\"max\":100}");
	ck_assert_uint_eq(response_count(answer, "messages"), 100);
	end += sprintf(end, "{\"receipts\":[");
	for (unsigned i = 0; i < 100; i++) {
		char path[40];

		snprintf(path, sizeof(path), "messages.%u.receipt", i);
		end += sprintf(end, "%s\"%s\"", i == 0 ? "" : ",", response_text(answer, path));
	}
	sprintf(end, "]}");
	answer = client_json(client, json, "POST /v1/queues/hundred/leases:ack");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "results"), 100);
	ck_assert_int_eq(stat("hundred", "stats.acked"), 100);
	free(json);
}
END_TEST

START_TEST(a_batch_that_makes_no_sense_is_refused)
{
	static const struct { const char *json, *code; } cases[] = {
		{ "{}", "bad-field" }, { "{\"receipts\":[]}", "bad-field" }, { "{\"receipts\":\"x\"}", "bad-field" },
		{ "{\"receipts\":[5]}", "bad-receipt" }, { "{\"receipts\":[\"x\"]}", "bad-receipt" },
		{ "{\"receipts\":[\"x\"],\"lease\":\"1s\"}", "bad-field" }, { "[]", "bad-json" },
	};

	client_queue(client, "batched", "{}");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_json(client, cases[i].json, "POST /v1/queues/batched/leases:ack");

		ck_assert_msg(answer->status == 400, "%s: status %u: %s", cases[i].json, answer->status, answer->body);
		expect_problem(answer, 400, cases[i].code);
	}
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/settle", options, &tcase);

	tcase_add_test(tcase, an_ack_removes_the_message_and_can_be_repeated);
	tcase_add_test(tcase, the_receipt_of_an_acknowledged_message_is_stale_in_another_queue);
	tcase_add_test(tcase, an_ack_repeated_after_its_slot_was_used_again_harms_nobody);
	tcase_add_test(tcase, a_receipt_whose_lease_has_ended_is_410);
	tcase_add_test(tcase, a_new_lease_fences_the_receipt_of_the_one_before);
	tcase_add_test(tcase, a_lease_of_no_time_ends_at_once);
	tcase_add_test(tcase, a_receipt_of_another_queue_is_refused);
	tcase_add_test(tcase, what_is_no_receipt_is_400);
	tcase_add_test(tcase, an_extension_moves_the_end_of_the_lease);
	tcase_add_test(tcase, an_extension_that_makes_no_sense_is_refused);
	tcase_add_test(tcase, a_release_gives_back_without_penalty_and_counts_as_an_acquisition);
	tcase_add_test(tcase, a_release_can_wait);
	tcase_add_test(tcase, released_messages_go_back_to_their_places);
	tcase_add_test(tcase, a_failure_counts_and_backs_off_longer_each_time);
	tcase_add_test(tcase, a_failure_may_name_its_own_delay);
	tcase_add_test(tcase, the_last_failure_makes_a_message_dead);
	tcase_add_test(tcase, a_nack_may_give_a_reason);
	tcase_add_test(tcase, a_nack_that_makes_no_sense_is_refused);
	tcase_add_test(tcase, a_batch_tells_how_it_went_with_each_receipt);
	tcase_add_test(tcase, the_same_receipt_twice_in_a_batch_counts_once);
	tcase_add_test(tcase, a_hundred_leases_are_acked_in_one_request);
	tcase_add_test(tcase, a_batch_that_makes_no_sense_is_refused);
	return suite;
}

UNIT_MAIN(suite)
