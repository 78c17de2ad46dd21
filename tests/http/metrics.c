/*
 * Metrics: what a scraper reads, in both formats, who may, and that it says what happened.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "frontd/api/exposition.h"
#include "tests/harness/accounts.h"
#include "tests/harness/deadline.h"
#include "tests/harness/exposition.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

#define OPENMETRICS "Accept: application/openmetrics-text\r\n"

static struct client *const client = &session.client;
static struct exposition_page page;

static struct response *
get(const char *token, const char *path, const char *fields)
{
	char request[200], all[400];

	snprintf(request, sizeof(request), "GET %s", path);
	snprintf(all, sizeof(all), "Authorization: Bearer %s\r\n%s", token, fields);
	return client_ask(client, request, all, NULL);
}

/* Read that page as this one; fails the test unless every line of it is right. */
static struct response *
scrape(const char *token, const char *path, bool is_openmetrics)
{
	struct response *answer = get(token, path, is_openmetrics ? OPENMETRICS : "");
	const char *complaint;

	expect_status(answer, 200);
	complaint = exposition_read(&page, answer->body, is_openmetrics);
	ck_assert_msg(complaint == NULL, "%s: %s", path, complaint);
	return answer;
}

/* ---- formats ---- */

static void
expect_every_row(bool is_openmetrics)
{
	for (unsigned i = 0; i < stat_row_count; i++) {
		char base[METRIC_NAME_BYTES];
		struct metric metric = metric_of_row(&stat_rows[i], base);
		const struct exposition_family *found = NULL;

		for (unsigned k = 0; k < page.family_count && found == NULL; k++)
			if (strcmp(page.families[k].help, metric.help) == 0 &&
			    strstr(page.families[k].name, base) != NULL)
				found = &page.families[k];
		ck_assert_msg(
		    found != NULL, "%s of stats.def is not in /metrics", stat_rows[i].name);
		ck_assert_uint_gt(found->samples, 0);
		ck_assert_msg(!is_openmetrics || metric.unit == UNIT_NONE || found->unit[0] != '\0',
		    "%s has no unit", found->name);
	}
}

START_TEST(a_page_is_right_in_both_formats_and_has_every_row_of_stats_def)
{
	struct response *answer = scrape(accounts_admin(), "/metrics", false);

	ck_assert_str_eq(
	    response_field(answer, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	ck_assert_str_eq(response_field(answer, "Vary"), "Accept");
	expect_every_row(false);
	answer = scrape(accounts_admin(), "/metrics", true);
	ck_assert_str_eq(response_field(answer, "Content-Type"),
	    "application/openmetrics-text; version=1.0.0; charset=utf-8");
	expect_every_row(true);
	scrape(accounts_admin(), "/metrics/queues", false);
	scrape(accounts_admin(), "/metrics/queues", true);
}
END_TEST

START_TEST(accept_chooses_the_format)
{
	static const struct {
		const char *accept;
		const char *type; /* NULL: 406 */
	} rows[] = {
		{ "", "text/plain" },
		{ "Accept: */*\r\n", "text/plain" },
		{ "Accept: text/*\r\n", "text/plain" },
		{ "Accept: application/*\r\n", "application/openmetrics-text" },
		{ "Accept: "
		  "application/openmetrics-text;version=1.0.0,application/"
		  "openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n",
		    "application/openmetrics-text" },
		{ "Accept: text/plain, application/openmetrics-text;q=0.5\r\n", "text/plain" },
		{ "Accept: application/openmetrics-text;q=0, text/plain\r\n", "text/plain" },
		{ "Accept: application/json\r\n", NULL },
		{ "Accept: text/plain;q=0\r\n", NULL },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct response *answer = get(accounts_admin(), "/metrics", rows[i].accept);

		if (rows[i].type == NULL) {
			expect_problem(answer, 406, "not-acceptable");
			continue;
		}
		expect_status(answer, 200);
		ck_assert_msg(strncmp(response_field(answer, "Content-Type"), rows[i].type,
				  strlen(rows[i].type)) == 0,
		    "%s: %s", rows[i].accept, response_field(answer, "Content-Type"));
	}
	expect_problem(
	    accounts_ask(accounts_admin(), "{}", "POST /metrics"), 405, "method-not-allowed");
	expect_problem(get(accounts_admin(), "/metrics?prefix=x", ""), 400, "bad-query");
	client->is_head = true;
	expect_status(accounts_ask(accounts_admin(), NULL, "HEAD /metrics"), 200);
}
END_TEST

/* ---- what it says ---- */

static double
figure(const char *name, const char *label)
{
	return exposition_sum(&page, name, label);
}

START_TEST(what_happens_is_seen)
{
	static const char *const durable = "chasqui_publish_to_durable_seconds_count";
	double published, timed, acked, requests;

	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/queues/seen"), 201);
	scrape(accounts_admin(), "/metrics", false);
	published = figure("chasqui_published_total", "role=\"workerd\"");
	timed = figure(durable, "role=\"frontd\"");
	acked = figure("chasqui_acked_total", "");
	requests = figure("chasqui_http_requests_total", "");
	ck_assert_double_eq(figure("chasqui_ready", ""), 1);
	ck_assert_double_eq(figure("chasqui_build_info", "version=\""), 1);
	ck_assert_double_eq(figure("chasqui_journal_state", "state=\"ok\""), 1);
	ck_assert_double_eq(figure("chasqui_journal_state", ""), 1);
	ck_assert_double_eq(figure("chasqui_process_state", "state=\"live\""), 4);
	ck_assert_double_eq(figure("chasqui_process_phase", "phase=\"serving\""), 3);
	ck_assert_double_gt(figure("chasqui_uptime_seconds", ""), 0);
	ck_assert_double_gt(figure("chasqui_durable_lsn", "shard=\"0\""), 0);
	ck_assert_double_eq(
	    figure("chasqui_messages_limit", ""), broker_geometry(&session.broker).shard.messages);
	ck_assert_double_ge(figure("chasqui_users", ""), 1);

	for (unsigned i = 0; i < 3; i++)
		expect_status(
		    accounts_ask(accounts_admin(), "{}", "POST /v1/queues/seen/messages"), 201);
	struct response *answer =
	    accounts_ask(accounts_admin(), "{}", "POST /v1/queues/seen/messages:receive");
	char receipt[64];
	snprintf(receipt, sizeof(receipt), "%s", response_text(answer, "messages.0.receipt"));
	expect_status(
	    accounts_ask(accounts_admin(), NULL, "DELETE /v1/queues/seen/leases/%s", receipt), 204);
	scrape(accounts_admin(), "/metrics", true);
	ck_assert_double_eq(figure("chasqui_published_total", ""), published + 3);
	ck_assert_double_eq(figure(durable, ""), timed + 3);
	ck_assert_double_eq(figure("chasqui_acked_total", ""), acked + 1);
	ck_assert_double_ge(figure("chasqui_http_requests_total", ""), requests + 5);
	ck_assert_double_gt(figure("chasqui_publish_to_durable_seconds_sum", ""), 0);
}
END_TEST

START_TEST(single_queues_are_shown_to_those_who_may_browse_them)
{
	char mine[ACCOUNTS_TOKEN_BYTES], browser[ACCOUNTS_TOKEN_BYTES],
	    scraper[ACCOUNTS_TOKEN_BYTES];
	char publisher[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_new("own", mine);
	accounts_token("own", "\"browse:*\"", browser);
	accounts_token("own", "\"publish:*\",\"metrics\"", publisher);
	accounts_token("admin", "\"metrics\"", scraper);
	expect_status(accounts_ask(mine, "{}", "PUT /v1/queues/own.orders"), 201);
	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/queues/foreign"), 201);
	expect_status(accounts_ask(mine, "{}", "POST /v1/queues/own.orders/messages"), 201);
	expect_status(accounts_ask(mine, "{}", "POST /v1/queues/own.orders/messages"), 201);
	expect_status(accounts_ask(mine, "{}", "POST /v1/queues/own.orders/messages:receive"), 200);

	scrape(scraper, "/metrics/queues", false);
	ck_assert_double_eq(figure("chasqui_queue_ready", "queue=\"own.orders\""), 1);
	ck_assert_double_eq(figure("chasqui_queue_leased", "queue=\"own.orders\""), 1);
	ck_assert_double_eq(figure("chasqui_queue_published_total", "queue=\"own.orders\""), 2);
	ck_assert_double_eq(figure("chasqui_queue_delivered_total", "queue=\"own.orders\""), 1);
	ck_assert_double_eq(figure("chasqui_queue_ready", "queue=\"foreign\""), 0);
	ck_assert_double_eq(figure("chasqui_queues_truncated", ""), 0);

	answer = scrape(mine, "/metrics/queues", true);
	ck_assert_double_eq(figure("chasqui_queue_ready", ""), 1);
	ck_assert_ptr_null(strstr(answer->body, "foreign"));
	answer = scrape(browser, "/metrics/queues", false);
	ck_assert_ptr_null(strstr(answer->body, "foreign"));
	scrape(scraper, "/metrics/queues?prefix=for", false);
	ck_assert_uint_eq(exposition_find(&page, "chasqui_queue_ready")->samples, 1);
	expect_problem(get(publisher, "/metrics/queues", ""), 403, "forbidden");
	expect_problem(get(scraper, "/metrics/queues?prefix=.", ""), 400, "bad-query");
	expect_problem(get(scraper, "/v1/queues", ""), 403, "forbidden");
	expect_problem(get(scraper, "/v1/stats", ""), 403, "forbidden");
}
END_TEST

/* ---- by setting ---- */

/* Status with this token ("": none) of a broker with a connection of its own. */
static unsigned
status_of(struct client *from, const char *token, const char *path)
{
	char fields[200], request[80];

	snprintf(fields, sizeof(fields), "Authorization: Bearer %s\r\n", token);
	snprintf(request, sizeof(request), "GET %s", path);
	return client_ask(from, request, token[0] != '\0' ? fields : NULL, NULL)->status;
}

static void
first_token(const struct broker *broker, char token[ACCOUNTS_TOKEN_BYTES])
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/admin-token", broker->data);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(token, ACCOUNTS_TOKEN_BYTES, file));
	token[strcspn(token, "\n")] = '\0';
	fclose(file);
}

static void
write_setting(const char *path, const char *access, unsigned queues)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "[metrics]\naccess = %s\nqueues = %u\n", access, queues);
	fclose(file);
}

static const struct setting {
	const char *access;
	unsigned queues;
	/* Of /metrics without credentials, with a user's, with one of his for publishing, with the
	 * admin's. */
	unsigned nobody, user, narrow, admin;
	/* Of /metrics/queues, without credentials and with a user's. */
	unsigned queues_nobody, queues_user;
} settings[] = {
	{ "admin", 10, 401, 403, 403, 200, 401, 200 },
	{ "users", 10, 401, 200, 403, 200, 401, 200 },
	{ "any", 10, 200, 200, 200, 200, 401, 200 },
	{ "any", 0, 200, 200, 200, 200, 404, 404 },
	{ "off", 10, 404, 404, 404, 404, 404, 404 },
};

/* The token in the JSON of an answer. */
static void
take_token(struct response *answer, char token[ACCOUNTS_TOKEN_BYTES])
{
	expect_status(answer, 201);
	snprintf(token, ACCOUNTS_TOKEN_BYTES, "%s", response_text(answer, "token"));
}

START_TEST(who_may_read_is_set_and_set_anew)
{
	static const char *const options[] = { "auth.mode=required", NULL };
	char admin[ACCOUNTS_TOKEN_BYTES], user[ACCOUNTS_TOKEN_BYTES], narrow[ACCOUNTS_TOKEN_BYTES],
	    fields[200], path[240];
	uint64_t deadline_ms = deadline_in(30000);
	struct broker broker;
	struct client one;

	broker_init(&broker, options);
	snprintf(path, sizeof(path), "%s.ini", broker.data);
	broker_conf(&broker, path);
	write_setting(path, "admin", 10);
	broker_start(&broker);
	client_open(&one, broker.port);
	first_token(&broker, admin);
	snprintf(fields, sizeof(fields),
	    "Content-Type: application/json\r\nAuthorization: Bearer %s\r\n", admin);
	expect_status(client_ask(&one, "PUT /v1/users/u", fields, "{}"), 201);
	take_token(
	    client_ask(&one, "POST /v1/tokens", fields, "{\"name\":\"t\",\"user\":\"u\"}"), user);
	take_token(client_ask(&one, "POST /v1/tokens", fields,
		       "{\"name\":\"t\",\"user\":\"u\",\"scopes\":[\"publish:#\"]}"),
	    narrow);
	for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const struct setting *set = &settings[i];

		write_setting(path, set->access, set->queues);
		broker_signal(&broker, SLOT_SUPERVISOR, SIGHUP);
		/* What tells this setting from the one before it. */
		while (status_of(&one, "", "/metrics") != set->nobody ||
		    status_of(&one, user, "/metrics") != set->user ||
		    status_of(&one, user, "/metrics/queues") != set->queues_user)
			ck_assert_msg(deadline_pause(deadline_ms),
			    "metrics.access = %s is not taken", set->access);
		ck_assert_uint_eq(status_of(&one, narrow, "/metrics"), set->narrow);
		ck_assert_uint_eq(status_of(&one, admin, "/metrics"), set->admin);
		ck_assert_uint_eq(status_of(&one, "", "/metrics/queues"), set->queues_nobody);
	}
	client_close(&one);
	remove(path);
	broker_free(&broker);
}
END_TEST

START_TEST(a_page_of_queues_is_bounded_and_says_so)
{
	static const char *const options[] = { "metrics.queues=3", "worker.shards=2",
		"server.processes=2", NULL };
	struct broker broker;
	struct client one;
	const char *complaint;

	broker_up(&broker, options);
	client_open(&one, broker.port);
	for (unsigned i = 0; i < 4; i++) {
		char name[8];

		expect_status(client_do(&one, "GET /metrics/queues"), 200);
		complaint = exposition_read(&page, one.response.body, false);
		ck_assert_msg(complaint == NULL, "%s", complaint);
		ck_assert_double_eq(figure("chasqui_queues_truncated", ""), 0);
		ck_assert_uint_eq(exposition_find(&page, "chasqui_queue_ready")->samples, i);
		snprintf(name, sizeof(name), "q%u", i);
		client_queue(&one, name, "{}");
	}
	expect_status(client_do(&one, "GET /metrics/queues"), 200);
	ck_assert_ptr_null(exposition_read(&page, one.response.body, false));
	ck_assert_double_eq(figure("chasqui_queues_truncated", ""), 1);
	ck_assert_uint_eq(exposition_find(&page, "chasqui_queue_ready")->samples, 3);
	/* Each process and each shard by itself. */
	expect_status(client_do(&one, "GET /metrics"), 200);
	ck_assert_ptr_null(exposition_read(&page, one.response.body, false));
	ck_assert_double_eq(figure("chasqui_process_state", "state=\"live\""), 6);
	ck_assert_double_eq(figure("chasqui_queues_used", ""), 4);
	ck_assert_uint_eq(exposition_find(&page, "chasqui_durable_lsn")->samples, 2);
	client_close(&one);
	broker_free(&broker);
}
END_TEST

/* ---- the manual ---- */

/* docs/operations.md has a row for each family, as it is called in the older format, and no other.
 */
START_TEST(the_manual_has_a_row_for_each_family)
{
	static char manual[256 * 1024];
	static const char *const pages[] = { "/metrics", "/metrics/queues" };
	char row[400];
	unsigned count = 0;
	FILE *file = fopen("docs/operations.md", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(manual, 1, sizeof(manual) - 1, file), 0);
	fclose(file);
	for (unsigned p = 0; p < 2; p++) {
		scrape(accounts_admin(), pages[p], false);
		count += page.family_count;
		for (unsigned i = 0; i < page.family_count; i++) {
			const struct exposition_family *family = &page.families[i];

			snprintf(row, sizeof(row), "\n| `%s` | %s | %s |\n", family->name,
			    family->type, family->help);
			ck_assert_msg(
			    strstr(manual, row) != NULL, "docs/operations.md has no row%s", row);
		}
	}
	for (const char *at = manual; (at = strstr(at, "\n| `chasqui_")) != NULL; at++)
		count--;
	ck_assert_msg(count == 0, "docs/operations.md has rows of metrics that are not there");
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "auth.mode=required", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/metrics", options, &tcase);

	tcase_add_test(tcase, a_page_is_right_in_both_formats_and_has_every_row_of_stats_def);
	tcase_add_test(tcase, accept_chooses_the_format);
	tcase_add_test(tcase, what_happens_is_seen);
	tcase_add_test(tcase, single_queues_are_shown_to_those_who_may_browse_them);
	tcase_add_test(tcase, who_may_read_is_set_and_set_anew);
	tcase_add_test(tcase, a_page_of_queues_is_bounded_and_says_so);
	tcase_add_test(tcase, the_manual_has_a_row_for_each_family);
	return suite;
}

UNIT_MAIN(suite)
