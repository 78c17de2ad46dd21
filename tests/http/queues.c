/*
 * Queues: how a user makes, finds, changes and removes them, and what is refused.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

static const char patch_type[] = "Content-Type: application/merge-patch+json\r\n";

START_TEST(a_put_without_a_body_creates_a_queue_with_the_documented_defaults)
{
	struct response *answer = client_do(client, "PUT /v1/queues/defaults");

	expect_status(answer, 201);
	ck_assert_ptr_nonnull(response_field(answer, "ETag"));
	answer = client_do(client, "GET /v1/queues/defaults");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "defaults");
	ck_assert_str_eq(response_text(answer, "durability"), "fsync");
	ck_assert_str_eq(response_text(answer, "lease"), "30s");
	ck_assert_str_eq(response_text(answer, "delay"), "0s");
	ck_assert_int_eq(response_number(answer, "max_deliveries"), 20);
	ck_assert_str_eq(response_text(answer, "backoff.type"), "exponential");
	ck_assert_str_eq(response_text(answer, "backoff.min"), "0s");
	ck_assert_str_eq(response_text(answer, "backoff.max"), "10m");
	ck_assert(json_real_value(response_member(answer, "backoff.jitter")) == 0.1);
	ck_assert_int_eq(response_number(answer, "max_message_bytes"), 1 << 20);
}
END_TEST

START_TEST(a_put_creates_with_201_and_replaces_with_200)
{
	struct response *answer = client_json(client, "{\"lease\":\"45s\",\"max_deliveries\":3}", "PUT /v1/queues/replaced");

	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "lease"), "45s");
	answer = client_json(client, "{\"delay\":\"2s\"}", "PUT /v1/queues/replaced");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "delay"), "2s");
	ck_assert_str_eq(response_text(answer, "lease"), "30s");
	ck_assert_int_eq(response_number(answer, "max_deliveries"), 20);
}
END_TEST

START_TEST(every_field_that_can_be_set_comes_back_as_it_was_set)
{
	struct response *answer = client_json(client,
	    "{\"durability\":\"memory\",\"lease\":\"5m\",\"delay\":\"250ms\",\"max_deliveries\":7,"
	    "\"backoff\":{\"type\":\"linear\",\"min\":\"1s\",\"max\":\"1h\",\"jitter\":0.5},"
	    "\"max_messages\":1000,\"max_bytes\":\"64MiB\",\"max_message_bytes\":\"64KiB\",\"max_in_flight\":10}",
	    "PUT /v1/queues/all-fields");

	expect_status(answer, 201);
	answer = client_do(client, "GET /v1/queues/all-fields");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "durability"), "memory");
	ck_assert_str_eq(response_text(answer, "lease"), "5m");
	ck_assert_str_eq(response_text(answer, "delay"), "250ms");
	ck_assert_int_eq(response_number(answer, "max_deliveries"), 7);
	ck_assert_str_eq(response_text(answer, "backoff.type"), "linear");
	ck_assert_str_eq(response_text(answer, "backoff.min"), "1s");
	ck_assert_str_eq(response_text(answer, "backoff.max"), "1h");
	ck_assert(json_real_value(response_member(answer, "backoff.jitter")) == 0.5);
	ck_assert_int_eq(response_number(answer, "max_messages"), 1000);
	ck_assert_int_eq(response_number(answer, "max_bytes"), 64 << 20);
	ck_assert_int_eq(response_number(answer, "max_message_bytes"), 64 << 10);
	ck_assert_int_eq(response_number(answer, "max_in_flight"), 10);
}
END_TEST

START_TEST(a_get_shows_the_statistics_of_the_queue)
{
	static const char *const names[] = { "ready", "delayed", "leased", "dead", "waiters", "bytes", "published", "delivered",
		"acked", "expired", "oldest_ready_age_ms", "oldest_lease_age_ms" };
	struct response *answer;

	client_queue(client, "counted", "{}");
	client_publish(client, "counted", "one");
	client_publish(client, "counted", "two");
	expect_status(client_ask(client, "POST /v1/queues/counted/messages", "Mq-Delay: 1h\r\n", "three"), 201);
	expect_status(client_receive(client, "counted", "{\"max\":1}"), 200);
	answer = client_do(client, "GET /v1/queues/counted");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "stats.%s", names[i]);
		ck_assert_msg(response_member(answer, path) != NULL, "no %s in %s", path, answer->body);
	}
	ck_assert_int_eq(response_number(answer, "stats.ready"), 1);
	ck_assert_int_eq(response_number(answer, "stats.delayed"), 1);
	ck_assert_int_eq(response_number(answer, "stats.leased"), 1);
	ck_assert_int_eq(response_number(answer, "stats.published"), 3);
	ck_assert_int_eq(response_number(answer, "stats.delivered"), 1);
	ck_assert_int_eq(response_number(answer, "stats.acked"), 0);
	ck_assert_int_ge(response_number(answer, "stats.bytes"), 11);
}
END_TEST

START_TEST(a_patch_changes_what_it_names_and_null_restores_the_default)
{
	struct response *answer;

	client_queue(client, "patched", "{\"lease\":\"45s\",\"delay\":\"2s\"}");
	answer = client_ask(client, "PATCH /v1/queues/patched", patch_type, "{\"lease\":\"1m\"}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "lease"), "1m");
	ck_assert_str_eq(response_text(answer, "delay"), "2s");
	answer = client_ask(client, "PATCH /v1/queues/patched", patch_type, "{\"delay\":null}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "lease"), "1m");
	ck_assert_str_eq(response_text(answer, "delay"), "0s");
	answer = client_ask(client, "PATCH /v1/queues/patched", patch_type, "{\"backoff\":{\"max\":\"1h\"}}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "backoff.max"), "1h");
	ck_assert_str_eq(response_text(answer, "backoff.type"), "exponential");

	/* Against what stands there already, and by itself. */
	expect_problem(client_ask(client, "PATCH /v1/queues/patched", patch_type, "{\"backoff\":{\"min\":\"2h\"}}"), 400,
	    "bad-field");
	answer = client_ask(client, "PATCH /v1/queues/patched", patch_type, "{\"backoff\":{\"min\":\"2h\",\"max\":\"1h\"}}");
	expect_problem(answer, 400, "bad-field");
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "backoff.min"));
}
END_TEST

START_TEST(a_patch_of_a_missing_queue_is_404)
{
	expect_problem(client_ask(client, "PATCH /v1/queues/missing", patch_type, "{\"lease\":\"1m\"}"), 404, "no-queue");
}
END_TEST

START_TEST(if_match_lets_only_the_one_who_saw_the_last_version_write)
{
	struct response *answer = client_json(client, "{}", "PUT /v1/queues/tagged");
	char first[128], fields[256];

	expect_status(answer, 201);
	snprintf(first, sizeof(first), "%s", response_field(answer, "ETag"));
	answer = client_do(client, "GET /v1/queues/tagged");
	ck_assert_str_eq(response_field(answer, "ETag"), first);

	snprintf(fields, sizeof(fields), "%sIf-Match: %s\r\n", patch_type, first);
	answer = client_ask(client, "PATCH /v1/queues/tagged", fields, "{\"lease\":\"1m\"}");
	expect_status(answer, 200);
	ck_assert_str_ne(response_field(answer, "ETag"), first);
	expect_problem(client_ask(client, "PATCH /v1/queues/tagged", fields, "{\"lease\":\"2m\"}"), 412,
	    "precondition-failed");
	snprintf(fields, sizeof(fields), "Content-Type: application/json\r\nIf-Match: %s\r\n", first);
	expect_problem(client_ask(client, "PUT /v1/queues/tagged", fields, "{}"), 412, "precondition-failed");
	answer = client_do(client, "GET /v1/queues/tagged");
	ck_assert_str_eq(response_text(answer, "lease"), "1m");

	/* A 412 would say that somebody else has written. */
	snprintf(fields, sizeof(fields), "%sIf-Match: \"x\", %s\r\n", patch_type, response_field(answer, "ETag"));
	expect_problem(client_ask(client, "PATCH /v1/queues/tagged", fields, "{}"), 400, "not-supported");
}
END_TEST

START_TEST(a_get_of_what_the_client_has_already_is_304)
{
	char etag[128], fields[256];

	snprintf(etag, sizeof(etag), "%s", response_field(client_do(client, "PUT /v1/queues/cached"), "ETag"));
	snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", etag);
	expect_status(client_ask(client, "GET /v1/queues/cached", fields, NULL), 304);
	snprintf(fields, sizeof(fields), "If-None-Match: W/%s\r\n", etag);
	expect_status(client_ask(client, "GET /v1/queues/cached", fields, NULL), 304);
	expect_status(client_ask(client, "GET /v1/queues/cached", "If-None-Match: \"0000000000000000\"\r\n", NULL), 200);
}
END_TEST

START_TEST(if_none_match_creates_and_never_replaces)
{
	static const char fields[] = "Content-Type: application/json\r\nIf-None-Match: *\r\n";

	expect_status(client_ask(client, "PUT /v1/queues/only-once", fields, "{\"lease\":\"1m\"}"), 201);
	expect_problem(client_ask(client, "PUT /v1/queues/only-once", fields, "{}"), 412, "precondition-failed");
	ck_assert_str_eq(response_text(client_do(client, "GET /v1/queues/only-once"), "lease"), "1m");
}
END_TEST

START_TEST(a_queue_made_again_after_delete_has_another_etag)
{
	char first[128];

	snprintf(first, sizeof(first), "%s", response_field(client_do(client, "PUT /v1/queues/reborn"), "ETag"));
	expect_status(client_do(client, "DELETE /v1/queues/reborn"), 204);
	ck_assert_str_ne(response_field(client_do(client, "PUT /v1/queues/reborn"), "ETag"), first);
}
END_TEST

START_TEST(delete_removes_the_queue_and_its_messages)
{
	client_queue(client, "gone", "{}");
	client_publish(client, "gone", "old");
	expect_status(client_do(client, "DELETE /v1/queues/gone"), 204);
	expect_problem(client_do(client, "GET /v1/queues/gone"), 404, "no-queue");
	expect_problem(client_do(client, "DELETE /v1/queues/gone"), 404, "no-queue");
	expect_problem(client_receive(client, "gone", "{}"), 404, "no-queue");
	client_queue(client, "gone", "{}");
	expect_status(client_receive(client, "gone", "{}"), 204);
}
END_TEST

START_TEST(a_delete_ends_the_long_polls_of_the_queue)
{
	struct client poll;

	client_queue(client, "polled", "{}");
	client_open(&poll, session.broker.port);
	client_request(&poll, "POST /v1/queues/polled/messages:receive", "Content-Type: application/json\r\n",
	    "{\"wait\":\"60s\"}", 14);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (response_number(client_do(client, "GET /v1/queues/polled"), "stats.waiters") != 1)
		ck_assert_msg(deadline_pause(deadline_ms), "the long poll is not seen in stats.waiters");
	expect_status(client_do(client, "DELETE /v1/queues/polled"), 204);
	expect_problem(client_answer(&poll), 404, "no-queue");
	client_close(&poll);
}
END_TEST

START_TEST(a_list_is_paged_and_its_link_leads_to_every_queue_once)
{
	char target[400] = "/v1/queues?prefix=page.&limit=4";
	unsigned seen = 0, pages = 0;

	for (unsigned i = 0; i < 11; i++)
		expect_status(client_do(client, "PUT /v1/queues/page.%u", i), 201);
	client_queue(client, "pagf.other", "{}");
	while (target[0] != '\0') {
		struct response *answer = client_do(client, "GET %s", target);
		const char *link;

		expect_status(answer, 200);
		ck_assert_uint_le(response_count(answer, "queues"), 4);
		for (unsigned i = 0; i < response_count(answer, "queues"); i++) {
			char path[32];
			unsigned number;

			snprintf(path, sizeof(path), "queues.%u.name", i);
			ck_assert_int_eq(sscanf(response_text(answer, path), "page.%u", &number), 1);
			ck_assert_msg((seen & 1u << number) == 0, "page.%u is listed twice", number);
			seen |= 1u << number;
		}
		link = response_field(answer, "Link");
		target[0] = '\0';
		if (link != NULL) {
			ck_assert_ptr_nonnull(strstr(link, "rel=\"next\""));
			ck_assert_int_eq(sscanf(link, "<%399[^>]>", target), 1);
		}
		ck_assert_uint_lt(pages++, 100);
	}
	ck_assert_uint_eq(seen, (1u << 11) - 1);
	ck_assert_uint_ge(pages, 3);
}
END_TEST

START_TEST(a_list_without_a_match_is_empty_and_complete)
{
	struct response *answer = client_do(client, "GET /v1/queues?prefix=no-such-prefix-");

	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "queues"), 0);
	ck_assert_ptr_null(response_field(answer, "Link"));
}
END_TEST

START_TEST(a_list_refuses_parameters_that_make_no_sense)
{
	static const char *const queries[] = { "limit=0", "limit=-1", "limit=many", "cursor=%21%21", "colour=red",
		"prefix=%2F" };

	for (unsigned i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		expect_problem(client_do(client, "GET /v1/queues?%s", queries[i]), 400, "bad-query");
}
END_TEST

START_TEST(names_outside_of_the_alphabet_are_refused)
{
	static const char *const names[] = { ".hidden", "a%20b", "a%2Fb", "caf%C3%A9", "a$b", "a,b" };
	char longest[82];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_problem(client_do(client, "PUT /v1/queues/%s", names[i]), 400, "bad-name");
	memset(longest, 'x', sizeof(longest));
	longest[81] = '\0';
	expect_problem(client_do(client, "PUT /v1/queues/%s", longest), 400, "bad-name");
	longest[80] = '\0';
	expect_status(client_do(client, "PUT /v1/queues/%s", longest), 201);
	expect_status(client_do(client, "PUT /v1/queues/A-z_0.9"), 201);
	expect_status(client_do(client, "GET /v1/queues/A%%2Dz_0.9"), 200);
}
END_TEST

START_TEST(unknown_fields_and_values_out_of_range_are_refused_by_name)
{
	static const struct { const char *config, *field; } cases[] = {
		{ "{\"leese\":\"30s\"}", "leese" },
		{ "{\"lease\":\"30\"}", "lease" },
		{ "{\"lease\":\"13h\"}", "lease" },
		{ "{\"lease\":\"-1s\"}", "lease" },
		{ "{\"lease\":30}", "lease" },
		{ "{\"delay\":\"4000d\"}", "delay" },
		{ "{\"durability\":\"paper\"}", "durability" },
		{ "{\"max_deliveries\":0}", "max_deliveries" },
		{ "{\"max_message_bytes\":\"2MiB\"}", "max_message_bytes" },
		{ "{\"max_messages\":-1}", "max_messages" },
		{ "{\"max_bytes\":\"1 parsec\"}", "max_bytes" },
		{ "{\"backoff\":\"fast\"}", "backoff" },
		{ "{\"backoff\":{\"jitter\":1.5}}", "jitter" },
		{ "{\"backoff\":{\"min\":\"2h\",\"max\":\"1h\"}}", "backoff" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_json(client, cases[i].config, "PUT /v1/queues/refused");

		expect_problem(answer, 400, "bad-field");
		ck_assert_msg(strstr(response_text(answer, "detail"), cases[i].field) != NULL, "%s: the detail does not name it: %s",
		    cases[i].config, answer->body);
	}
	expect_problem(client_do(client, "GET /v1/queues/refused"), 404, "no-queue");
}
END_TEST

START_TEST(fields_of_later_versions_are_refused_by_name)
{
	static const struct { const char *config, *field; } cases[] = {
		{ "{\"ttl\":\"1h\"}", "ttl" },
		{ "{\"on_expire\":\"dead\"}", "on_expire" },
		{ "{\"dead_letter\":\"dlq\"}", "dead_letter" },
		{ "{\"overflow\":\"drop-oldest\"}", "overflow" },
		{ "{\"group_mode\":\"fifo\"}", "group_mode" },
		{ "{\"group_concurrency\":2}", "group_concurrency" },
		{ "{\"priority_levels\":3}", "priority_levels" },
		{ "{\"dedup_window\":\"1h\"}", "dedup_window" },
		{ "{\"partitions\":4}", "partitions" },
		{ "{\"paused\":true}", "paused" },
		{ "{\"backoff\":{\"type\":\"list\"}}", "list" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_json(client, cases[i].config, "PUT /v1/queues/later");

		expect_problem(answer, 400, "not-supported");
		ck_assert_msg(strstr(response_text(answer, "detail"), cases[i].field) != NULL, "%s: the detail does not name it: %s",
		    cases[i].config, answer->body);
	}
}
END_TEST

START_TEST(what_is_not_a_json_object_is_refused)
{
	static const char *const texts[] = { "", "[]", "\"x\"", "{", "{\"lease\":\"30s\"} x", "{\"lease\":\"30s\",}", "nul",
		"{\"lease\":\"30s\",\"lease\":\"40s\"}", "{\"lease\":\"\xff\"}" };

	/* An empty body with a Content-Type is what curl -d '' sends: no configuration. */
	for (unsigned i = 1; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_problem(client_json(client, texts[i], "PUT /v1/queues/no-json"), 400, "bad-json");
}
END_TEST

START_TEST(a_body_of_another_type_is_415)
{
	expect_problem(client_ask(client, "PUT /v1/queues/typed", "Content-Type: text/plain\r\n", "{}"), 415,
	    "unsupported-type");
	expect_problem(client_ask(client, "PATCH /v1/queues/typed", "Content-Type: text/csv\r\n", "{}"), 415,
	    "unsupported-type");
	expect_status(client_ask(client, "PUT /v1/queues/typed", "Content-Type: application/json; charset=utf-8\r\n", "{}"),
	    201);
}
END_TEST

START_TEST(a_client_that_wants_no_json_is_told_406)
{
	client_queue(client, "accepted", "{}");
	expect_problem(client_ask(client, "GET /v1/queues/accepted", "Accept: text/html\r\n", NULL), 406, "not-acceptable");
	expect_problem(client_ask(client, "GET /v1/queues/accepted", "Accept: application/json;q=0\r\n", NULL), 406,
	    "not-acceptable");
	expect_status(client_ask(client, "GET /v1/queues/accepted", "Accept: text/html, application/*;q=0.5\r\n", NULL), 200);
	expect_status(client_ask(client, "GET /v1/queues/accepted", "Accept: */*\r\n", NULL), 200);
}
END_TEST

START_TEST(a_wrong_method_is_405_and_names_the_right_ones)
{
	static const struct { const char *request, *allowed; } cases[] = {
		{ "POST /v1/queues/methods", "PUT" },
		{ "DELETE /v1/queues", "GET" },
		{ "PUT /v1/queues/methods/messages", "POST" },
		{ "GET /v1/queues/methods/messages:receive", "POST" },
		{ "GET /v1/queues/methods/leases/x:nack", "POST" },
		{ "DELETE /v1/queues/methods/leases:ack", "POST" },
		{ "GET /v1/queues/methods:purge", "POST" },
		{ "POST /livez", "GET" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_ask(client, cases[i].request, NULL, NULL);
		const char *allow;

		expect_problem(answer, 405, "method-not-allowed");
		allow = response_field(answer, "Allow");
		ck_assert_msg(allow != NULL && strstr(allow, cases[i].allowed) != NULL, "%s: Allow: %s", cases[i].request,
		    allow != NULL ? allow : "(none)");
	}
}
END_TEST

START_TEST(options_names_the_methods)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS" };
	struct response *answer = client_do(client, "OPTIONS /v1/queues/anything");

	ck_assert_uint_eq(answer->status / 100, 2);
	ck_assert_ptr_nonnull(response_field(answer, "Allow"));
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		ck_assert_msg(strstr(response_field(answer, "Allow"), methods[i]) != NULL, "no %s in %s", methods[i],
		    response_field(answer, "Allow"));
	answer = client_do(client, "OPTIONS *");
	ck_assert_uint_eq(answer->status / 100, 2);
}
END_TEST

START_TEST(head_is_a_get_without_its_body)
{
	char length[32];
	struct response *answer;

	client_queue(client, "headed", "{}");
	answer = client_do(client, "GET /v1/queues/headed");
	snprintf(length, sizeof(length), "%s", response_field(answer, "Content-Length"));
	answer = client_do(client, "HEAD /v1/queues/headed");
	expect_status(answer, 200);
	ck_assert_str_eq(response_field(answer, "Content-Length"), length);
	ck_assert_ptr_nonnull(response_field(answer, "ETag"));
	answer = client_do(client, "HEAD /v1/queues/headless");
	expect_status(answer, 404);
	/* Nothing came behind the heads: the next answer is the next answer. */
	expect_status(client_do(client, "GET /v1/queues/headed"), 200);
}
END_TEST

START_TEST(paths_that_lead_nowhere_are_404)
{
	static const char *const targets[] = { "/", "/v1", "/v2/queues", "/v1/queues/q/nothing", "/v1/queues/q:fly",
		"/v1/queues/q/leases", "/v1/topics-and-more" };

	for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		expect_problem(client_do(client, "GET %s", targets[i]), 404, "not-found");
	expect_problem(client_do(client, "GET /v1/queues/never-made"), 404, "no-queue");
}
END_TEST

START_TEST(more_queues_than_the_table_holds_are_503)
{
	unsigned made = 0;
	struct response *answer;

	while ((answer = client_do(client, "PUT /v1/queues/many.%u", made))->status == 201)
		ck_assert_uint_lt(made++, 1000);
	expect_problem(answer, 503, "too-many-queues");
	while (made-- > 0)
		expect_status(client_do(client, "DELETE /v1/queues/many.%u", made), 204);
	expect_status(client_do(client, "PUT /v1/queues/many.again"), 201);
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "worker.shards=2", "worker.queues=100", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/queues", options, &tcase);

	tcase_add_test(tcase, a_put_without_a_body_creates_a_queue_with_the_documented_defaults);
	tcase_add_test(tcase, a_put_creates_with_201_and_replaces_with_200);
	tcase_add_test(tcase, every_field_that_can_be_set_comes_back_as_it_was_set);
	tcase_add_test(tcase, a_get_shows_the_statistics_of_the_queue);
	tcase_add_test(tcase, a_patch_changes_what_it_names_and_null_restores_the_default);
	tcase_add_test(tcase, a_patch_of_a_missing_queue_is_404);
	tcase_add_test(tcase, if_match_lets_only_the_one_who_saw_the_last_version_write);
	tcase_add_test(tcase, a_get_of_what_the_client_has_already_is_304);
	tcase_add_test(tcase, if_none_match_creates_and_never_replaces);
	tcase_add_test(tcase, a_queue_made_again_after_delete_has_another_etag);
	tcase_add_test(tcase, delete_removes_the_queue_and_its_messages);
	tcase_add_test(tcase, a_delete_ends_the_long_polls_of_the_queue);
	tcase_add_test(tcase, a_list_is_paged_and_its_link_leads_to_every_queue_once);
	tcase_add_test(tcase, a_list_without_a_match_is_empty_and_complete);
	tcase_add_test(tcase, a_list_refuses_parameters_that_make_no_sense);
	tcase_add_test(tcase, names_outside_of_the_alphabet_are_refused);
	tcase_add_test(tcase, unknown_fields_and_values_out_of_range_are_refused_by_name);
	tcase_add_test(tcase, fields_of_later_versions_are_refused_by_name);
	tcase_add_test(tcase, what_is_not_a_json_object_is_refused);
	tcase_add_test(tcase, a_body_of_another_type_is_415);
	tcase_add_test(tcase, a_client_that_wants_no_json_is_told_406);
	tcase_add_test(tcase, a_wrong_method_is_405_and_names_the_right_ones);
	tcase_add_test(tcase, options_names_the_methods);
	tcase_add_test(tcase, head_is_a_get_without_its_body);
	tcase_add_test(tcase, paths_that_lead_nowhere_are_404);
	tcase_add_test(tcase, more_queues_than_the_table_holds_are_503);
	return suite;
}

UNIT_MAIN(suite)
