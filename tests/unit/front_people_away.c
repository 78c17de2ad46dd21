/*
 * While worker 0 is away, killed in the middle of writing the directory: every call about people is
 * answered 503 with Retry-After before long, whatever it does, and works again when it is back.
 */
#include "tests/unit/people_world.h"

#include "frontd/api/routes.h"

#define TOKEN "mq_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
#define FIELDS "Authorization: Bearer " TOKEN "\r\n"
#define ID "0000000020001"
/* As frontd/peers.h has it, and a tick to notice. */
#define PATIENCE_MS 5300
#define SOON_MS 3000

/* Every call about people; op OP_NONE: answered from the directory. */
static const struct row {
	enum http_method method;
	const char *pattern;
	const char *path;
	const char *body;
	enum op op;
} rows[] = {
	{ HTTP_GET, "/v1/queues/{q}/grants", "/v1/queues/q/grants", NULL, OP_GRANT_LIST },
	{ HTTP_GET, "/v1/queues/{q}/grants/{u}", "/v1/queues/q/grants/alice", NULL, OP_GRANT_LIST },
	{ HTTP_PUT, "/v1/queues/{q}/grants/{u}", "/v1/queues/q/grants/alice",
	    "{\"rights\":[\"browse\"]}", OP_GRANT_PUT },
	{ HTTP_DELETE, "/v1/queues/{q}/grants/{u}", "/v1/queues/q/grants/alice", NULL,
	    OP_GRANT_DELETE },
	{ HTTP_GET, "/v1/users/me", "/v1/users/me", NULL, OP_NONE },
	{ HTTP_GET, "/v1/users", "/v1/users", NULL, OP_NONE },
	{ HTTP_GET, "/v1/users/{u}", "/v1/users/alice", NULL, OP_NONE },
	{ HTTP_PUT, "/v1/users/{u}", "/v1/users/alice", "{}", OP_USER_PUT },
	{ HTTP_PATCH, "/v1/users/{u}", "/v1/users/alice", "{\"disabled\":true}", OP_USER_PATCH },
	{ HTTP_DELETE, "/v1/users/{u}", "/v1/users/alice", NULL, OP_USER_DELETE },
	{ HTTP_POST, "/v1/tokens", "/v1/tokens", "{\"name\":\"t\",\"user\":\"alice\"}",
	    OP_CREDENTIAL_CREATE },
	{ HTTP_GET, "/v1/tokens", "/v1/tokens?user=alice", NULL, OP_NONE },
	{ HTTP_DELETE, "/v1/tokens/{id}", "/v1/tokens/" ID, NULL, OP_CREDENTIAL_REVOKE },
	{ HTTP_POST, "/v1/sessions", "/v1/sessions",
	    "{\"user\":\"alice\",\"password\":\"two llamas\"}", OP_CREDENTIAL_CREATE },
	{ HTTP_GET, "/v1/sessions", "/v1/sessions", NULL, OP_NONE },
	{ HTTP_DELETE, "/v1/sessions", "/v1/sessions", NULL, OP_CREDENTIAL_REVOKE_ALL },
	{ HTTP_DELETE, "/v1/sessions/{id}", "/v1/sessions/" ID, NULL, OP_CREDENTIAL_REVOKE },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct client clients[ROWS];
static struct user_entry root;

static void
setup(void)
{
	people_setup();
	(void)people_user(3, "alice", USER_ROLE_USER, "two llamas");
	root = people_user(4, "root", USER_ROLE_ADMIN, NULL);
	(void)people_credential(1, TOKEN, &root, "*");
	world_durable(LSN_FIRST); /* nothing waits for the disk */
	world_start();
	for (unsigned i = 0; i < ROWS; i++)
		client_open(&clients[i], world.port);
}

static void
teardown(void)
{
	for (unsigned i = 0; i < ROWS; i++)
		client_close(&clients[i]);
	people_teardown();
}

/* Logging in is for those who are not in. */
static void
send_row(unsigned i)
{
	const struct row *row = &rows[i];
	const char *fields =
	    strcmp(row->pattern, "/v1/sessions") == 0 && row->method == HTTP_POST ? "" : FIELDS;
	char request[100], all[200];

	snprintf(request, sizeof(request), "%s %s", http_method_name(row->method), row->path);
	snprintf(all, sizeof(all), "%s%s", fields,
	    row->body != NULL ? "Content-Type: application/json\r\n" : "");
	client_request(
	    &clients[i], request, all, row->body, row->body != NULL ? strlen(row->body) : 0);
}

static void
expect_recovering(unsigned i)
{
	struct response *answer = client_try_answer(&clients[i], SOON_MS);

	ck_assert_msg(
	    answer != NULL, "%s %s hangs", http_method_name(rows[i].method), rows[i].path);
	const char *complaint = response_problem_complaint(answer, 503, "shard-recovering");
	ck_assert_msg(complaint == NULL, "%s %s: %s: %u %s", http_method_name(rows[i].method),
	    rows[i].path, complaint, answer->status, answer->body);
	ck_assert_ptr_nonnull(response_field(answer, "Retry-After"));
	ck_assert_int_gt(response_number(answer, "retry_after_ms"), 0);
}

START_TEST(every_call_about_people_is_tried_here)
{
	for (unsigned n = 0; routes_row(n) != NULL; n++) {
		const struct api_route *route = routes_row(n);
		bool is_known = false;

		if (strstr(route->pattern, "/grants") == NULL &&
		    strncmp(route->pattern, "/v1/users", 9) != 0 &&
		    strncmp(route->pattern, "/v1/tokens", 10) != 0 &&
		    strncmp(route->pattern, "/v1/sessions", 12) != 0)
			continue;
		for (unsigned i = 0; i < ROWS; i++)
			is_known |= rows[i].method == route->method &&
			    strcmp(rows[i].pattern, route->pattern) == 0;
		ck_assert_msg(is_known, "%s %s has no row here", http_method_name(route->method),
		    route->pattern);
	}
}
END_TEST

START_TEST(while_worker_0_is_away_they_are_503_and_then_they_work)
{
	uint64_t since_ns;

	for (unsigned i = 0; i < ROWS; i++)
		expect_status(client_ask(&clients[i], "GET /v1/users/me", FIELDS, NULL), 200);
	directory_begin(&people.directory);
	world_slot(SLOT_WORKER(0), 1, SLOT_DEAD);
	world_wake();
	for (since_ns = now_ns(); now_ns() - since_ns < PATIENCE_MS * NS_PER_MS;)
		usleep(10000);
	for (unsigned i = 0; i < ROWS; i++)
		send_row(i);
	for (unsigned i = 0; i < ROWS; i++)
		expect_recovering(i);
	/* What is not about people is not kept from working. */
	expect_status(client_do(&clients[0], "GET /livez"), 200);
	expect_problem(client_do(&clients[0], "GET /readyz"), 503, "shard-recovering");

	directory_end(&people.directory, ++people.number, true);
	world_slot(SLOT_WORKER(0), 2, SLOT_LIVE);
	world_wake();
	for (since_ns = now_ns(); client_do(&clients[0], "GET /readyz")->status != 200; usleep(2000))
		ck_assert_msg(now_ns() - since_ns < WORLD_TIMEOUT_NS, "not ready again");
	for (unsigned i = 0; i < ROWS; i++) {
		send_row(i);
		if (rows[i].op != OP_NONE) {
			world_take(rows[i].op);
			world_refuse(OUTCOME_TOO_MANY_GRANTS);
		}
		ck_assert_msg(
		    client_answer(&clients[i])->status == (rows[i].op == OP_NONE ? 200 : 503),
		    "%s: %s", rows[i].path, clients[i].response.body);
	}
}
END_TEST

/* A moment of it is no error: what only looks waits as well. */
START_TEST(while_it_is_on_its_way_back_lists_wait)
{
	static const char *const lists[] = { "GET /v1/users", "GET /v1/tokens", "GET /v1/sessions",
		"GET /v1/users/me" };

	expect_status(client_ask(&clients[0], "GET /v1/users/me", FIELDS, NULL), 200);
	directory_begin(&people.directory);
	world_slot(SLOT_WORKER(0), 1, SLOT_DEAD);
	world_wake();
	while (client_do(&clients[5], "GET /readyz")->status == 200)
		usleep(2000);
	for (unsigned i = 0; i < 4; i++)
		client_request(&clients[i], lists[i], FIELDS, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_msg(
		    client_try_answer(&clients[i], 100) == NULL, "%s did not wait", lists[i]);
	directory_end(&people.directory, ++people.number, false);
	world_slot(SLOT_WORKER(0), 2, SLOT_LIVE);
	world_wake();
	for (unsigned i = 0; i < 4; i++)
		expect_status(client_answer(&clients[i]), 200);
}
END_TEST

static Suite *
suite(void)
{
	Suite *suite = suite_create("front/people_away");
	TCase *tcase = tcase_create("people_away");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_call_about_people_is_tried_here);
	tcase_add_test(tcase, while_worker_0_is_away_they_are_503_and_then_they_work);
	tcase_add_test(tcase, while_it_is_on_its_way_back_lists_wait);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
