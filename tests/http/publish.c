/*
 * Publishing: one message or a batch, what is stored with it, and what is refused.
 */
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

static const char batch_type[] = "Content-Type: application/vnd.mq.batch+json\r\n";
static const char lines_type[] = "Content-Type: application/x-ndjson\r\n";
static const char raw_wanted[] = "Accept: application/octet-stream\r\nContent-Type: application/json\r\n";

enum { MIB = 1 << 20 };

/* Receive one message in its raw form. */
static struct response *
receive_raw(const char *queue)
{
	char request[160];
	struct response *answer;

	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages:receive", queue);
	answer = client_ask(client, request, raw_wanted, "{}");
	expect_status(answer, 200);
	return answer;
}

static int64_t
stat(const char *queue, const char *path)
{
	return response_number(client_do(client, "GET /v1/queues/%s", queue), path);
}

/* bytes of every value, so that whatever changes one is seen */
static char *
binary_body(size_t count)
{
	char *body = malloc(count + 1);

	ck_assert_ptr_nonnull(body);
	for (size_t i = 0; i < count; i++)
		body[i] = (char)(i * 131 + i / 256);
	return body;
}

START_TEST(a_raw_body_is_stored_and_described)
{
	struct response *answer;
	char location[128];
	const char *id;

	client_queue(client, "raw", "{}");
	answer = client_publish(client, "raw", "hello");
	expect_status(answer, 201);
	id = response_text(answer, "id");
	ck_assert_uint_eq(strlen(id), 26);
	ck_assert_uint_eq(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
	ck_assert_uint_eq(strlen(response_text(answer, "enqueued_at")), strlen("2026-01-01T00:00:00.000Z"));
	ck_assert_str_eq(response_text(answer, "visible_at"), response_text(answer, "enqueued_at"));
	ck_assert_str_eq(response_field(answer, "Mq-Durability"), "fsync");
	snprintf(location, sizeof(location), "/v1/queues/raw/messages/%s", id);
	ck_assert_str_eq(response_field(answer, "Location"), location);
}
END_TEST

START_TEST(ids_rise_with_time)
{
	char last[32] = "";

	client_queue(client, "rising", "{}");
	for (unsigned i = 0; i < 50; i++) {
		const char *id = response_text(client_publish(client, "rising", "x"), "id");

		ck_assert_str_gt(id, last);
		snprintf(last, sizeof(last), "%s", id);
	}
}
END_TEST

START_TEST(a_memory_queue_answers_202)
{
	struct response *answer;

	client_queue(client, "memory", "{\"durability\":\"memory\"}");
	answer = client_publish(client, "memory", "quick");
	expect_status(answer, 202);
	ck_assert_str_eq(response_field(answer, "Mq-Durability"), "memory");
	answer = client_receive(client, "memory", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "quick");
}
END_TEST

START_TEST(stored_headers_come_back_byte_exact)
{
	static const char *const stored[][2] = {
		{ "Content-Type", "text/x-odd; charset=\"utf-8\";  a=b" },
		{ "Content-Encoding", "gzip" },
		{ "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
		{ "tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7" },
		{ "ce-id", "A234-1234-1234" },
		{ "ce-source", "/cloudevents/spec/pull/123" },
		{ "ce-specversion", "1.0" },
		{ "Mq-Attr-tenant", "blue \t; green, \"red\"" },
		{ "Mq-Attr-umlaut", "gr\xc3\xbc\xc3\x9f" },
		{ "Mq-Attr-empty", "" },
	};
	char fields[2000] = "";
	struct response *answer;

	client_queue(client, "headers", "{}");
	for (unsigned i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		size_t used = strlen(fields);

		snprintf(fields + used, sizeof(fields) - used, "%s: %s\r\n", stored[i][0], stored[i][1]);
	}
	expect_status(client_ask(client, "POST /v1/queues/headers/messages", fields, "body"), 201);
	answer = receive_raw("headers");
	ck_assert_str_eq(answer->body, "body");
	for (unsigned i = 0; i < sizeof(stored) / sizeof(stored[0]); i++) {
		const char *value = response_field(answer, stored[i][0]);

		ck_assert_msg(value != NULL, "%s did not come back", stored[i][0]);
		ck_assert_str_eq(value, stored[i][1]);
	}
}
END_TEST

START_TEST(headers_that_are_not_the_messages_are_not_stored)
{
	struct response *answer;

	client_queue(client, "private", "{}");
	expect_status(client_ask(client, "POST /v1/queues/private/messages",
	    "User-Agent: x\r\nCookie: secret\r\nX-Other: y\r\n", "body"), 201);
	answer = receive_raw("private");
	ck_assert_ptr_null(response_field(answer, "User-Agent"));
	ck_assert_ptr_null(response_field(answer, "Cookie"));
	ck_assert_ptr_null(response_field(answer, "X-Other"));
}
END_TEST

START_TEST(attributes_are_seen_in_json_too)
{
	struct response *answer;

	client_queue(client, "attributes", "{}");
	expect_status(client_ask(client, "POST /v1/queues/attributes/messages",
	    "Content-Type: text/plain\r\nMq-Attr-tenant: blue\r\nMq-Attr-size: 42\r\n", "body"), 201);
	answer = client_receive(client, "attributes", "{}");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.tenant"), "blue");
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.size"), "42");
	ck_assert_str_eq(response_text(answer, "messages.0.content_type"), "text/plain");
}
END_TEST

START_TEST(an_unknown_mq_header_is_refused_by_name)
{
	struct response *answer;

	client_queue(client, "typo", "{}");
	answer = client_ask(client, "POST /v1/queues/typo/messages", "Mq-Dealy: 5s\r\n", "x");
	expect_problem(answer, 400, "unknown-header");
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "Mq-Dealy"));
	expect_problem(client_ask(client, "GET /v1/queues/typo", "Mq-Anything: 1\r\n", NULL), 400, "unknown-header");
	ck_assert_int_eq(stat("typo", "stats.published"), 0);
}
END_TEST

START_TEST(headers_of_later_versions_are_refused_by_name)
{
	static const char *const names[] = { "Mq-TTL", "Mq-Group", "Mq-Priority", "Idempotency-Key", "Mq-Expect-Reply",
		"Mq-Subject" };

	client_queue(client, "later", "{}");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char fields[64];
		struct response *answer;

		snprintf(fields, sizeof(fields), "%s: 1\r\n", names[i]);
		answer = client_ask(client, "POST /v1/queues/later/messages", fields, "x");
		expect_problem(answer, 400, "not-supported");
		ck_assert_msg(strcasestr(response_text(answer, "detail"), names[i]) != NULL, "%s is not named: %s", names[i],
		    answer->body);
	}
	ck_assert_int_eq(stat("later", "stats.published"), 0);
}
END_TEST

START_TEST(a_content_digest_is_checked_and_comes_back)
{
	static const char good[] = "Content-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:\r\n";
	static const char bad[] = "Content-Digest: sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCU=:\r\n";
	struct response *answer;

	client_queue(client, "digest", "{}");
	expect_status(client_ask(client, "POST /v1/queues/digest/messages", good, "hello"), 201);
	expect_problem(client_ask(client, "POST /v1/queues/digest/messages", bad, "hello"), 400, "bad-digest");
	expect_problem(client_ask(client, "POST /v1/queues/digest/messages", good, "jello"), 400, "bad-digest");
	ck_assert_int_eq(stat("digest", "stats.published"), 1);
	answer = receive_raw("digest");
	ck_assert_str_eq(response_field(answer, "Content-Digest"), "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
}
END_TEST

START_TEST(a_delay_keeps_the_message_back_for_so_long)
{
	struct response *answer;
	uint64_t began_ms;

	client_queue(client, "delayed", "{}");
	began_ms = clock_ms();
	answer = client_ask(client, "POST /v1/queues/delayed/messages", "Mq-Delay: 400ms\r\n", "late");
	expect_status(answer, 201);
	ck_assert_str_gt(response_text(answer, "visible_at"), response_text(answer, "enqueued_at"));
	expect_status(client_receive(client, "delayed", "{}"), 204);
	answer = client_receive(client, "delayed", "{\"wait\":\"20s\"}");
	expect_status(answer, 200);
	ck_assert_uint_ge(clock_ms() - began_ms, 400);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "late");
	ck_assert_int_eq(response_number(answer, "messages.0.delivery_count"), 1);
}
END_TEST

START_TEST(a_message_takes_the_delay_of_its_queue_unless_it_has_its_own)
{
	client_queue(client, "slow", "{\"delay\":\"1h\"}");
	client_publish(client, "slow", "later");
	expect_status(client_ask(client, "POST /v1/queues/slow/messages", "Mq-Delay: 0s\r\n", "now"), 201);
	ck_assert_int_eq(stat("slow", "stats.delayed"), 1);
	ck_assert_str_eq(response_text(client_receive(client, "slow", "{}"), "messages.0.body"), "now");
}
END_TEST

START_TEST(not_before_names_the_time_itself)
{
	struct response *answer;

	client_queue(client, "dated", "{}");
	answer = client_ask(client, "POST /v1/queues/dated/messages", "Mq-Not-Before: 2030-01-02T03:04:05.678Z\r\n", "x");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "visible_at"), "2030-01-02T03:04:05.678Z");
	ck_assert_int_eq(stat("dated", "stats.delayed"), 1);
	expect_status(client_ask(client, "POST /v1/queues/dated/messages", "Mq-Not-Before: 2020-01-02T03:04:05Z\r\n", "past"),
	    201);
	ck_assert_str_eq(response_text(client_receive(client, "dated", "{}"), "messages.0.body"), "past");
}
END_TEST

START_TEST(delays_that_make_no_sense_are_refused)
{
	static const char *const fields[] = { "Mq-Delay: soon\r\n", "Mq-Delay: -1s\r\n", "Mq-Delay: 4000d\r\n", "Mq-Delay: \r\n",
		"Mq-Not-Before: tomorrow\r\n", "Mq-Not-Before: 2030-13-02T03:04:05Z\r\n",
		"Mq-Not-Before: 2030-01-02 03:04:05\r\n", "Mq-Delay: 1s\r\nMq-Delay: 2s\r\n",
		"Mq-Not-Before: 2020-01-02T03:04:05Z\r\nMq-Not-Before: 2020-01-02T03:04:05Z\r\n" };

	client_queue(client, "senseless", "{}");
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		expect_problem(client_ask(client, "POST /v1/queues/senseless/messages", fields[i], "x"), 400, "bad-header");
}
END_TEST

START_TEST(a_json_batch_is_stored_in_order)
{
	struct response *answer;

	client_queue(client, "batch", "{}");
	answer = client_ask(client, "POST /v1/queues/batch/messages", batch_type,
	    "{\"messages\":[{\"body\":\"one\"},{\"body_base64\":\"AP8=\",\"content_type\":\"image/x-odd\"},"
	    "{\"body\":\"three\",\"attributes\":{\"tenant\":\"blue\"}},{\"body\":\"four\",\"delay\":\"1h\"}]}");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 4);
	ck_assert_uint_eq(strlen(response_text(answer, "messages.3.id")), 26);
	answer = client_receive(client, "batch", "{\"max\":10}");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 3);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "one");
	ck_assert_str_eq(response_text(answer, "messages.1.body_base64"), "AP8=");
	ck_assert_str_eq(response_text(answer, "messages.1.content_type"), "image/x-odd");
	ck_assert_str_eq(response_text(answer, "messages.2.attributes.tenant"), "blue");
	ck_assert_int_eq(stat("batch", "stats.delayed"), 1);
}
END_TEST

START_TEST(a_batch_of_lines_is_stored_in_order)
{
	struct response *answer;

	client_queue(client, "lines", "{}");
	answer = client_ask(client, "POST /v1/queues/lines/messages", lines_type,
	    "{\"body\":\"one\"}\n{\"body\":\"two\"}\r\n{\"body\":\"three\"}");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 3);
	answer = client_receive(client, "lines", "{\"max\":10}");
	ck_assert_uint_eq(response_count(answer, "messages"), 3);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "one");
	ck_assert_str_eq(response_text(answer, "messages.2.body"), "three");
}
END_TEST

START_TEST(empty_lines_of_a_batch_are_passed_over_and_a_bad_line_is_named)
{
	struct response *answer;

	client_queue(client, "blank", "{}");
	answer = client_ask(client, "POST /v1/queues/blank/messages", lines_type,
	    "\n{\"body\":\"one\"}\n\r\n \t\r\n{\"body\":\"two\"}\n\n");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 2);

	answer = client_ask(client, "POST /v1/queues/blank/messages", lines_type, "{\"body\":\"a\"}\n\n{\"body\":}\n");
	expect_problem(answer, 400, "bad-json");
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "line 3"));
	expect_problem(client_ask(client, "POST /v1/queues/blank/messages", lines_type, "\n \r\n"), 400, "bad-field");
	ck_assert_int_eq(stat("blank", "stats.published"), 2);
}
END_TEST

START_TEST(one_bad_message_refuses_the_whole_batch)
{
	static const struct { const char *batch; const char *code; } cases[] = {
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":5}]}", "bad-field" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"a\",\"body_base64\":\"AA==\"}]}", "bad-field" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body_base64\":\"A\"}]}", "bad-field" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"bogus\":1}]}", "bad-field" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"delay\":\"x\"}]}", "bad-field" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"group\":\"g\"}]}", "not-supported" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"ttl\":\"1h\"}]}", "not-supported" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"priority\":1}]}", "not-supported" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\",\"key\":\"k\"}]}", "not-supported" },
		{ "{\"messages\":[{\"body\":\"a\"},5]}", "bad-field" },
		{ "{\"messages\":[]}", "bad-field" },
		{ "{\"messages\":{}}", "bad-field" },
		{ "{}", "bad-field" },
		{ "[]", "bad-json" },
	};

	client_queue(client, "whole", "{}");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_ask(client, "POST /v1/queues/whole/messages", batch_type, cases[i].batch);

		ck_assert_msg(answer->status == 400, "%s: %u", cases[i].batch, answer->status);
		expect_problem(answer, 400, cases[i].code);
	}
	expect_status(client_ask(client, "POST /v1/queues/whole/messages", lines_type, "{\"body\":\"a\"}\n{\"body\":\n"), 400);
	ck_assert_int_eq(stat("whole", "stats.published"), 0);
}
END_TEST

START_TEST(what_a_batch_writes_with_escapes_is_what_it_stands_for)
{
	struct response *answer;

	client_queue(client, "escapes", "{}");
	answer = client_ask(client, "POST /v1/queues/escapes/messages", batch_type,
	    " { \"me\\u0073sages\" : [ { \"\\u0062ody\" : \"a\\u00e9\\ud83d\\ude00\\n\\\"\\\\\" , \"del\\u0061y\" : \"\\u0030s\" } ,\n"
	    "{\"body_base64\":\"\\/\\/8\\u003d\",\"content_type\":\"im\\u0061ge\\/x\"},"
	    "{\"attributes\":{\"t\\u0065nant\":\"bl\\u00fce\",\"b\":\"\"},\"body\":\"\",\"content_type\":\"a/b\"} ] } ");
	expect_status(answer, 200);
	answer = client_receive(client, "escapes", "{\"m\\u0061x\":10}");
	ck_assert_uint_eq(response_count(answer, "messages"), 3);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "a\xc3\xa9\xf0\x9f\x98\x80\n\"\\");
	ck_assert_str_eq(response_text(answer, "messages.1.body_base64"), "//8=");
	ck_assert_str_eq(response_text(answer, "messages.1.content_type"), "image/x");
	ck_assert_str_eq(response_text(answer, "messages.2.body"), "");
	ck_assert_str_eq(response_text(answer, "messages.2.content_type"), "a/b");
	ck_assert_str_eq(response_text(answer, "messages.2.attributes.tenant"), "bl\xc3\xbc" "e");
	ck_assert_str_eq(response_text(answer, "messages.2.attributes.b"), "");

	expect_status(client_ask(client, "POST /v1/queues/escapes/messages", lines_type, "{\"body\":\"\\u0000b\"}"), 200);
	answer = receive_raw("escapes");
	ck_assert_uint_eq(answer->body_bytes, 2);
	ck_assert_mem_eq(answer->body, "\0b", 2);
}
END_TEST

START_TEST(what_is_wrong_with_a_batch_is_told_by_message_and_field)
{
	static const struct { const char *batch; const char *code; const char *detail; } cases[] = {
		{ "{\"messages\":[{\"body\":\"a\"},{\"body\":5}]}", "bad-field", "messages[1].body: a string" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"bog\\u0075s\":{\"a\":[]}}],\"x\":1}", "bad-field",
		    "there is no field messages[1].bogus here" },
		{ "{\"messages\":[],\"x\":1}", "bad-field", "there is no field x here" },
		{ "{\"messages\":[[]]}", "bad-field", "messages[0]: an object" },
		{ "{\"messages\":[{\"body\":\"a\",\"ttl\":[{}]}]}", "not-supported", "field messages[0].ttl" },
		{ "{\"messages\":[{\"body\":\"a\",\"delay\":\"1y\"}]}", "bad-field", "messages[0].delay: a duration" },
		{ "{\"messages\":[{\"body\":\"a\",\"delay\":null}]}", "bad-field", "messages[0].delay: a duration" },
		{ "{\"messages\":[{\"body\":\"a\",\"not_before\":\"soon\"}]}", "bad-field", "messages[0].not_before: a time" },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":[]}]}", "bad-field", "messages[0].attributes: an object" },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":{\"\":\"\"}}]}", "bad-field",
		    "messages[0].attributes: a name is a token of at most 152 bytes" },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":{\"a b\":\"\"}}]}", "bad-field", "messages[0].attributes: a name" },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":{\"n\":1}}]}", "bad-field",
		    "messages[0].attributes.n: a string without control characters" },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":{\"n\":\"\\n\"}}]}", "bad-field", "messages[0].attributes.n: a string" },
		{ "{\"messages\":[{\"body\":\"a\",\"content_type\":\"\\u0000\"}]}", "bad-field", "messages[0].content_type" },
		{ "{\"messages\":[{\"body\":\"a\"},{\"body_base64\":\"\\/A\"}]}", "bad-field", "messages[1].body_base64: not base64" },
		{ "{\"messages\":[{\"body\":\"a\"},{}]}", "bad-field", "messages[1].body or messages[1].body_base64: one of them" },
		/* A name that comes twice, also when it is written in two ways. */
		{ "{\"messages\":[{\"body\":\"a\",\"\\u0062ody\":\"a\"}]}", "bad-json", "line 1, column " },
		{ "{\"messages\":[{\"body\":\"a\",\"attributes\":{\"n\":\"\",\"m\":\"\",\"\\u006e\":\"\"}}]}", "bad-json", "line 1, column " },
		{ "{\"messages\":[{\"body\":\"a\"}],\"messages\":[]}", "bad-json", "line 1, column " },
		/* What is no JSON is that first of all, wherever it goes wrong. */
		{ "{\"messages\":[{\"body\":5},{\"bogus\":1}\n", "bad-json", "line 2, column 1: " },
		{ "{\"messages\":[{\"body\":\"a\xff\"}]}", "bad-json", "line 1, column 24: this is not UTF-8" },
		{ "{\"messages\":[{\"body\":\"a\"}]}x", "bad-json", "line 1, column 28: " },
		{ "[{\"body\":\"a\"}]", "bad-json", "line 1: an object is wanted" },
		{ "\"a\"", "bad-json", "line 1, column 1: " },
		{ " ", "bad-json", "line 1, column 2: " },
	};

	client_queue(client, "told", "{}");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct response *answer = client_ask(client, "POST /v1/queues/told/messages", batch_type, cases[i].batch);

		ck_assert_msg(answer->status == 400, "%s: %u", cases[i].batch, answer->status);
		expect_problem(answer, 400, cases[i].code);
		ck_assert_msg(strncmp(response_text(answer, "detail"), cases[i].detail, strlen(cases[i].detail)) == 0, "%s: %s",
		    cases[i].batch, response_text(answer, "detail"));
	}
	ck_assert_int_eq(stat("told", "stats.published"), 0);
}
END_TEST

START_TEST(many_attributes_are_kept_in_order_and_one_twice_is_found)
{
	char *batch = malloc(40000), *end = batch;
	struct response *answer;

	client_queue(client, "many", "{}");
	end += sprintf(end, "{\"messages\":[{\"body\":\"a\",\"attributes\":{");
	for (unsigned i = 0; i < 900; i++)
		end += sprintf(end, "%s\"%x\":\"%u\"", i == 0 ? "" : ",", i * 7 % 900, i);
	strcpy(end, "}}]}");
	expect_status(client_ask(client, "POST /v1/queues/many/messages", batch_type, batch), 200);
	strcpy(end, ",\"1f4\":\"\"}}]}"); /* 500 */
	expect_problem(client_ask(client, "POST /v1/queues/many/messages", batch_type, batch), 400, "bad-json");
	answer = client_receive(client, "many", "{}");
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.1f4"), "200");
	ck_assert_str_eq(response_text(answer, "messages.0.attributes.7"), "1");
	free(batch);
}
END_TEST

/* count small messages as a batch. */
static char *
many_messages(unsigned count)
{
	char *batch = malloc(count * 16 + 32);
	char *end = batch;

	ck_assert_ptr_nonnull(batch);
	end += sprintf(end, "{\"messages\":[");
	for (unsigned i = 0; i < count; i++)
		end += sprintf(end, "%s{\"body\":\"%u\"}", i == 0 ? "" : ",", i % 1000);
	sprintf(end, "]}");
	return batch;
}

START_TEST(a_batch_holds_a_thousand_messages_and_not_one_more)
{
	char *batch = many_messages(1001);
	struct response *answer;

	client_queue(client, "thousand", "{}");
	answer = client_ask(client, "POST /v1/queues/thousand/messages", batch_type, batch);
	ck_assert_msg(answer->status == 400 || answer->status == 413, "status %u", answer->status);
	free(batch);
	batch = many_messages(1000);
	answer = client_ask(client, "POST /v1/queues/thousand/messages", batch_type, batch);
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "messages"), 1000);
	ck_assert_int_eq(stat("thousand", "stats.ready"), 1000);
	free(batch);
}
END_TEST

START_TEST(a_full_queue_is_429_until_something_is_acked)
{
	struct response *answer;
	char receipt[80];

	client_queue(client, "full", "{\"max_messages\":2}");
	client_publish(client, "full", "one");
	expect_problem(client_ask(client, "POST /v1/queues/full/messages", batch_type,
	    "{\"messages\":[{\"body\":\"a\"},{\"body\":\"b\"}]}"), 429, "queue-full");
	ck_assert_int_eq(stat("full", "stats.ready"), 1);
	client_publish(client, "full", "two");
	answer = client_ask(client, "POST /v1/queues/full/messages", NULL, "three");
	expect_problem(answer, 429, "queue-full");
	answer = client_receive(client, "full", "{}");
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	expect_problem(client_ask(client, "POST /v1/queues/full/messages", NULL, "three"), 429, "queue-full");
	expect_status(client_do(client, "DELETE /v1/queues/full/leases/%s", receipt), 204);
	client_publish(client, "full", "three");
}
END_TEST

START_TEST(a_queue_full_of_bytes_is_429)
{
	client_queue(client, "bytes", "{\"max_bytes\":\"1KiB\"}");
	client_publish(client, "bytes", "12345");
	char body[1025];
	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	expect_problem(client_ask(client, "POST /v1/queues/bytes/messages", NULL, body), 429, "queue-full");
	client_publish(client, "bytes", "12345");
}
END_TEST

START_TEST(a_body_larger_than_the_queue_takes_is_413)
{
	client_queue(client, "small", "{\"max_message_bytes\":10}");
	client_publish(client, "small", "0123456789");
	expect_problem(client_ask(client, "POST /v1/queues/small/messages", NULL, "0123456789A"), 413, "too-large");
	expect_problem(client_ask(client, "POST /v1/queues/small/messages", batch_type,
	    "{\"messages\":[{\"body\":\"a\"},{\"body\":\"0123456789A\"}]}"), 413, "too-large");
	ck_assert_int_eq(stat("small", "stats.published"), 1);
}
END_TEST

START_TEST(a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_413)
{
	char *body = binary_body(MIB + 1);
	struct response *answer;

	client_queue(client, "large", "{}");
	expect_status(client_ask_bytes(client, "POST /v1/queues/large/messages", NULL, body, MIB), 201);
	answer = receive_raw("large");
	ck_assert_uint_eq(answer->body_bytes, MIB);
	ck_assert_int_eq(memcmp(answer->body, body, MIB), 0);

	/* The answer may come before the body has left, so nothing is sent behind the head. */
	client_text(client, "POST /v1/queues/large/messages HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", MIB + 1);
	answer = client_answer(client);
	ck_assert_uint_eq(answer->status, 413);
	free(body);
}
END_TEST

START_TEST(a_client_that_writes_all_of_a_body_too_large_before_it_reads_gets_its_413)
{
	char *body = binary_body(12 * MIB);
	struct response *answer;

	client_queue(client, "heavy", "{}");
	answer = client_ask_bytes(client, "POST /v1/queues/heavy/messages", NULL, body, 12 * MIB);
	expect_problem(answer, 413, "too-large");
	free(body);
}
END_TEST

START_TEST(a_body_too_large_is_413_before_any_100_continue)
{
	struct response *answer;

	client_queue(client, "expecting", "{}");
	client_text(client, "POST /v1/queues/expecting/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Content-Length: %d\r\n\r\n", 64 * MIB);
	answer = client_answer(client);
	ck_assert_uint_eq(answer->status, 413);
	ck_assert_str_eq(response_field(answer, "Content-Type"), "application/problem+json");
	client_expect_close(client);
}
END_TEST

START_TEST(a_publish_to_no_queue_is_404)
{
	expect_problem(client_ask(client, "POST /v1/queues/nobody/messages", NULL, "x"), 404, "no-queue");
}
END_TEST

START_TEST(a_100_continue_comes_before_the_body_is_asked_for)
{
	client_queue(client, "continued", "{}");
	client_text(client, "POST /v1/queues/continued/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Content-Length: 5\r\n\r\n");
	expect_status(client_answer(client), 100);
	client_text(client, "hello");
	expect_status(client_answer(client), 201);
	ck_assert_str_eq(response_text(client_receive(client, "continued", "{}"), "messages.0.body"), "hello");
}
END_TEST

START_TEST(a_chunked_body_is_stored_whole)
{
	client_queue(client, "chunked", "{}");
	client_text(client, "POST /v1/queues/chunked/messages HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	client_text(client, "5\r\nhello\r\n");
	client_text(client, "1;ext=1\r\n \r\nA\r\nbeautiful!\r\n0\r\nX-Trailer: ignored\r\n\r\n");
	expect_status(client_answer(client), 201);
	ck_assert_str_eq(response_text(client_receive(client, "chunked", "{}"), "messages.0.body"), "hello beautiful!");
}
END_TEST

START_TEST(a_chunked_body_that_grows_too_large_is_413)
{
	char *chunk = binary_body(65536);
	struct response *answer = NULL;

	client_queue(client, "growing", "{}");
	client_text(client, "POST /v1/queues/growing/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (unsigned i = 0; i < 16; i++) {
		client_text(client, "10000\r\n");
		client_send(client, chunk, 65536);
		client_text(client, "\r\n");
	}
	client_text(client, "1\r\n");
	answer = client_answer(client);
	ck_assert_uint_eq(answer->status, 413);
	free(chunk);
}
END_TEST

START_TEST(an_empty_body_is_a_message)
{
	struct response *answer;

	client_queue(client, "empty", "{}");
	expect_status(client_ask(client, "POST /v1/queues/empty/messages", NULL, ""), 201);
	expect_status(client_ask(client, "POST /v1/queues/empty/messages", NULL, NULL), 201);
	answer = client_receive(client, "empty", "{\"max\":2}");
	ck_assert_uint_eq(response_count(answer, "messages"), 2);
	ck_assert_str_eq(response_text(answer, "messages.0.body"), "");
	ck_assert_str_eq(response_text(answer, "messages.1.body"), "");
}
END_TEST

START_TEST(a_binary_body_comes_back_as_it_was)
{
	char *body = binary_body(70000);
	struct response *answer;

	client_queue(client, "binary", "{}");
	expect_status(client_ask_bytes(client, "POST /v1/queues/binary/messages", NULL, body, 70000), 201);
	answer = receive_raw("binary");
	ck_assert_uint_eq(answer->body_bytes, 70000);
	ck_assert_int_eq(memcmp(answer->body, body, 70000), 0);
	free(body);
}
END_TEST

START_TEST(the_order_of_one_connection_is_kept_when_it_pipelines)
{
	struct response *answer;

	client_queue(client, "pipelined", "{}");
	for (unsigned i = 0; i < 30; i++)
		client_text(client, "POST /v1/queues/pipelined/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02u", i);
	for (unsigned i = 0; i < 30; i++)
		expect_status(client_answer(client), 201);
	answer = client_receive(client, "pipelined", "{\"max\":100}");
	ck_assert_uint_eq(response_count(answer, "messages"), 30);
	for (unsigned i = 0; i < 30; i++) {
		char path[32], body[8];

		snprintf(path, sizeof(path), "messages.%u.body", i);
		snprintf(body, sizeof(body), "%02u", i);
		ck_assert_str_eq(response_text(answer, path), body);
	}
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "server.processes=2", "worker.shards=2", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/publish", options, &tcase);

	tcase_add_test(tcase, a_raw_body_is_stored_and_described);
	tcase_add_test(tcase, ids_rise_with_time);
	tcase_add_test(tcase, a_memory_queue_answers_202);
	tcase_add_test(tcase, stored_headers_come_back_byte_exact);
	tcase_add_test(tcase, headers_that_are_not_the_messages_are_not_stored);
	tcase_add_test(tcase, attributes_are_seen_in_json_too);
	tcase_add_test(tcase, an_unknown_mq_header_is_refused_by_name);
	tcase_add_test(tcase, headers_of_later_versions_are_refused_by_name);
	tcase_add_test(tcase, a_content_digest_is_checked_and_comes_back);
	tcase_add_test(tcase, a_delay_keeps_the_message_back_for_so_long);
	tcase_add_test(tcase, a_message_takes_the_delay_of_its_queue_unless_it_has_its_own);
	tcase_add_test(tcase, not_before_names_the_time_itself);
	tcase_add_test(tcase, delays_that_make_no_sense_are_refused);
	tcase_add_test(tcase, a_json_batch_is_stored_in_order);
	tcase_add_test(tcase, a_batch_of_lines_is_stored_in_order);
	tcase_add_test(tcase, empty_lines_of_a_batch_are_passed_over_and_a_bad_line_is_named);
	tcase_add_test(tcase, one_bad_message_refuses_the_whole_batch);
	tcase_add_test(tcase, what_a_batch_writes_with_escapes_is_what_it_stands_for);
	tcase_add_test(tcase, what_is_wrong_with_a_batch_is_told_by_message_and_field);
	tcase_add_test(tcase, many_attributes_are_kept_in_order_and_one_twice_is_found);
	tcase_add_test(tcase, a_batch_holds_a_thousand_messages_and_not_one_more);
	tcase_add_test(tcase, a_full_queue_is_429_until_something_is_acked);
	tcase_add_test(tcase, a_queue_full_of_bytes_is_429);
	tcase_add_test(tcase, a_body_larger_than_the_queue_takes_is_413);
	tcase_add_test(tcase, a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_413);
	tcase_add_test(tcase, a_client_that_writes_all_of_a_body_too_large_before_it_reads_gets_its_413);
	tcase_add_test(tcase, a_body_too_large_is_413_before_any_100_continue);
	tcase_add_test(tcase, a_publish_to_no_queue_is_404);
	tcase_add_test(tcase, a_100_continue_comes_before_the_body_is_asked_for);
	tcase_add_test(tcase, a_chunked_body_is_stored_whole);
	tcase_add_test(tcase, a_chunked_body_that_grows_too_large_is_413);
	tcase_add_test(tcase, an_empty_body_is_a_message);
	tcase_add_test(tcase, a_binary_body_comes_back_as_it_was);
	tcase_add_test(tcase, the_order_of_one_connection_is_kept_when_it_pipelines);
	return suite;
}

UNIT_MAIN(suite)
