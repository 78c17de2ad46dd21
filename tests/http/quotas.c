/*
 * Quotas as users meet them: what they may own over all shards, how fast they may publish, how many connections they may have,
 * and that what was counted is right again after each kind of death.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/accounts.h"
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;
static const char *const options[] = { "auth.mode=required", "server.processes=2", "worker.shards=2", NULL };

/* A user with these quotas and a token of his. */
static void
make(const char *user, const char *quotas, char token[ACCOUNTS_TOKEN_BYTES])
{
	accounts_new(user, token);
	char json[200];
	snprintf(json, sizeof(json), "{\"quotas\":%s}", quotas);
	expect_status(accounts_ask(accounts_admin(), json, "PATCH /v1/users/%s", user), 200);
}

static struct response *
publish(const char *token, const char *queue, const char *body)
{
	char fields[200], request[160];

	snprintf(fields, sizeof(fields), "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n", token);
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	return client_ask(client, request, fields, body);
}

/* What GET /v1/users/{u} says he has. */
static int64_t
usage(const char *user, const char *what)
{
	char path[60];

	snprintf(path, sizeof(path), "usage.%s", what);
	return response_number(accounts_ask(accounts_admin(), NULL, "GET /v1/users/%s", user), path);
}

/* Those of other connections are a moment behind. */
static void
expect_usage(const char *user, const char *what, int64_t wanted)
{
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	int64_t seen;

	while ((seen = usage(user, what)) != wanted)
		ck_assert_msg(deadline_pause(deadline_ms), "%s of %s is %ld, not %ld", what, user, (long)seen, (long)wanted);
}

START_TEST(queues_are_counted_over_all_shards)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	make("ada", "{\"queues\":6}", token);
	for (unsigned i = 0; i < 6; i++)
		expect_status(accounts_ask(token, NULL, "PUT /v1/queues/ada.%u", i), 201);
	struct response *answer = accounts_ask(token, NULL, "PUT /v1/queues/ada.6");
	expect_problem(answer, 429, "quota-exceeded");
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
	ck_assert_int_eq(usage("ada", "queues"), 6);
	expect_status(accounts_ask(token, NULL, "PUT /v1/queues/ada.3"), 200);
	expect_status(accounts_ask(token, NULL, "DELETE /v1/queues/ada.3"), 204);
	expect_status(accounts_ask(token, NULL, "PUT /v1/queues/ada.6"), 201);
	expect_status(accounts_ask(accounts_admin(), "{\"quotas\":{\"queues\":null}}", "PATCH /v1/users/ada"), 200);
	expect_status(accounts_ask(token, NULL, "PUT /v1/queues/ada.7"), 201);
}
END_TEST

START_TEST(stored_bytes_are_the_owners_and_come_back_when_they_are_consumed)
{
	char ben[ACCOUNTS_TOKEN_BYTES], guest[ACCOUNTS_TOKEN_BYTES];

	make("ben", "{\"stored_bytes\":300}", ben);
	accounts_new("guest", guest);
	for (unsigned i = 0; i < 4; i++)
		expect_status(accounts_ask(ben, NULL, "PUT /v1/queues/ben.%u", i), 201);
	for (unsigned i = 0; i < 4; i++)
		expect_status(publish(ben, i % 2 == 0 ? "ben.0" : "ben.1", "01234567890123456789"), 201);
	int64_t bytes = usage("ben", "stored_bytes"); /* with the attributes: the Content-Type */
	ck_assert_int_ge(bytes, 80);
	while (publish(ben, "ben.2", "0")->status == 201)
		bytes = usage("ben", "stored_bytes");
	expect_problem(&client->response, 429, "quota-exceeded");
	ck_assert_ptr_nonnull(strstr(response_text(&client->response, "detail"), "stored_bytes of the owner of queue ben.2"));
	ck_assert_int_le(bytes, 300);
	expect_status(accounts_ask(ben, "{\"rights\":[\"publish\"]}", "PUT /v1/queues/ben.3/grants/guest"), 201);
	expect_problem(publish(guest, "ben.3", "01234567890123456789"), 429, "quota-exceeded");
	expect_status(accounts_ask(ben, NULL, "POST /v1/queues/ben.0:purge"), 200);
	expect_status(publish(guest, "ben.3", "01234567890123456789"), 201);
	ck_assert_int_eq(usage("guest", "stored_bytes"), 0);
	char large[302] = "";
	memset(large, 'x', sizeof(large) - 1); /* more than he may ever store, whatever he consumes */
	expect_problem(publish(ben, "ben.0", large), 413, "too-large");
}
END_TEST

START_TEST(a_queue_that_changes_hands_is_the_new_owners)
{
	char carl[ACCOUNTS_TOKEN_BYTES], dora[ACCOUNTS_TOKEN_BYTES];

	accounts_new("carl", carl);
	accounts_new("dora", dora);
	expect_status(accounts_ask(carl, NULL, "PUT /v1/queues/carl"), 201);
	expect_status(publish(carl, "carl", "01234567890123456789"), 201);
	int64_t bytes = usage("carl", "stored_bytes");
	ck_assert_int_ge(bytes, 20);
	expect_status(accounts_ask(accounts_admin(), "{\"owner\":\"dora\"}", "PATCH /v1/queues/carl"), 200);
	ck_assert_int_eq(usage("carl", "stored_bytes"), 0);
	ck_assert_int_eq(usage("carl", "queues"), 0);
	ck_assert_int_eq(usage("dora", "stored_bytes"), bytes);
	ck_assert_int_eq(usage("dora", "queues"), 1);
	/* Who takes the name of a user who is gone has nothing of his. */
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/dora"), 204);
	accounts_new("dora", dora);
	ck_assert_int_eq(usage("dora", "stored_bytes"), 0);
	ck_assert_int_eq(usage("dora", "queues"), 0);
}
END_TEST

START_TEST(publishing_faster_than_allowed_is_refused_with_the_time_to_wait)
{
	char token[ACCOUNTS_TOKEN_BYTES];
	unsigned let_in = 0;
	struct response *answer;

	/* Two frontds: each gives half. */
	make("eve", "{\"messages_per_second\":20,\"bytes_per_second\":\"1MiB\"}", token);
	expect_status(accounts_ask(token, NULL, "PUT /v1/queues/eve"), 201);
	uint64_t begin_ms = clock_ms();
	while ((answer = publish(token, "eve", "x"))->status == 201) {
		ck_assert_ptr_nonnull(strstr(response_field(answer, "RateLimit-Policy"), "\"messages\";q=20;w=1"));
		ck_assert_ptr_nonnull(strstr(response_field(answer, "RateLimit"), "\"messages\";r="));
		let_in++;
		ck_assert_uint_lt(let_in, 10000);
	}
	expect_problem(answer, 429, "quota-exceeded");
	ck_assert_uint_ge(let_in, 10);
	ck_assert_uint_le(let_in, 10 + (clock_ms() - begin_ms) * 10 / 1000 + 1);
	ck_assert_str_eq(response_field(answer, "Retry-After"), "1");
	int64_t wait_ms = response_number(answer, "retry_after_ms");
	ck_assert_int_ge(wait_ms, 1);
	ck_assert_int_le(wait_ms, 101);
	usleep((useconds_t)wait_ms * 1000);
	expect_status(publish(token, "eve", "x"), 201);
	/* The others publish as they like. */
	expect_status(accounts_ask(accounts_admin(), NULL, "PUT /v1/queues/others"), 201);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_ptr_null(response_field(publish(accounts_admin(), "others", "x"), "RateLimit"));
}
END_TEST

static unsigned
ask_on(struct client *connection, const char *token)
{
	char fields[200];

	snprintf(fields, sizeof(fields), "Authorization: Bearer %s\r\n", token);
	return client_ask(connection, "GET /v1/users/me", fields, NULL)->status;
}

START_TEST(connections_are_counted_once_it_is_known_whose_they_are)
{
	enum { LIMIT = 6 };
	struct client held[LIMIT + 1], nobodys;
	char token[ACCOUNTS_TOKEN_BYTES];

	make("finn", "{\"connections\":6}", token);
	client_open(&nobodys, session.broker.port); /* counts for nobody */
	for (unsigned i = 0; i <= LIMIT; i++)
		client_open(&held[i], session.broker.port);
	for (unsigned i = 0; i < LIMIT; i++)
		ck_assert_uint_eq(ask_on(&held[i], token), 200);
	expect_usage("finn", "connections", LIMIT);
	ck_assert_uint_eq(ask_on(&held[LIMIT], token), 429);
	expect_problem(&held[LIMIT].response, 429, "quota-exceeded");
	client_expect_close(&held[LIMIT]);
	client_close(&held[0]);
	expect_usage("finn", "connections", LIMIT - 1);
	client_close(&held[LIMIT]);
	client_open(&held[0], session.broker.port);
	ck_assert_uint_eq(ask_on(&held[0], token), 200);
	for (unsigned i = 0; i < LIMIT; i++)
		client_close(&held[i]);
	expect_usage("finn", "connections", 0);
	client_close(&nobodys);
}
END_TEST

START_TEST(what_was_counted_is_right_again_after_each_kind_of_death)
{
	static const uint32_t victims[] = { SLOT_WORKER(0), SLOT_WORKER(1), SLOT_FRONT(0), SLOT_FRONT(1), SLOT_PERSIST };
	char token[ACCOUNTS_TOKEN_BYTES];
	uint16_t port = session.broker.port;

	/* One of its own, which it may stop: the other tests' is not this process's to stop. */
	broker_up(&session.broker, options);
	client_close(client);
	client_open(client, session.broker.port);
	make("gwen", "{\"stored_bytes\":100000,\"queues\":8}", token);
	for (unsigned i = 0; i < 8; i++)
		expect_status(accounts_ask(token, NULL, "PUT /v1/queues/gwen.%u", i), 201);
	for (unsigned i = 0; i < 40; i++) {
		char queue[16];

		snprintf(queue, sizeof(queue), "gwen.%u", i % 8);
		expect_status(publish(token, queue, "01234567890123456789"), 201);
	}
	int64_t bytes = usage("gwen", "stored_bytes");
	for (unsigned i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
		uint64_t epoch = broker_kill(&session.broker, victims[i]);

		broker_wait_live(&session.broker, victims[i], epoch);
		client_close(client);
		client_open(client, session.broker.port);
		expect_usage("gwen", "stored_bytes", bytes);
		expect_usage("gwen", "queues", 8);
		expect_usage("gwen", "connections", 0);
		expect_problem(accounts_ask(token, NULL, "PUT /v1/queues/gwen.8"), 429, "quota-exceeded");
		client_close(client);
		client_open(client, session.broker.port);
	}
	broker_kill_all(&session.broker);
	broker_wipe(&session.broker); /* as after a power cut: from the journal */
	broker_start(&session.broker);
	client_close(client);
	client_open(client, session.broker.port);
	expect_usage("gwen", "stored_bytes", bytes);
	expect_usage("gwen", "queues", 8);
	client_close(client);
	broker_stop(&session.broker);
	broker_start(&session.broker);
	client_open(client, session.broker.port);
	expect_usage("gwen", "stored_bytes", bytes);
	expect_problem(accounts_ask(token, NULL, "PUT /v1/queues/gwen.8"), 429, "quota-exceeded");
	client_close(client);
	broker_free(&session.broker);
	client_open(client, port); /* as the fixture wants it back */
}
END_TEST

static Suite *
suite(void)
{
	TCase *tcase;
	Suite *suite = session_suite("http/quotas", options, &tcase);

	tcase_add_test(tcase, queues_are_counted_over_all_shards);
	tcase_add_test(tcase, stored_bytes_are_the_owners_and_come_back_when_they_are_consumed);
	tcase_add_test(tcase, a_queue_that_changes_hands_is_the_new_owners);
	tcase_add_test(tcase, publishing_faster_than_allowed_is_refused_with_the_time_to_wait);
	tcase_add_test(tcase, connections_are_counted_once_it_is_known_whose_they_are);
	tcase_add_test(tcase, what_was_counted_is_right_again_after_each_kind_of_death);
	return suite;
}

UNIT_MAIN(suite)
