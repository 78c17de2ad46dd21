/*
 * The tables of people, full: users, credentials (tokens and sessions share one), grants.  One too many is refused and says so,
 * who is in goes on, one less makes room; and a full table is full again after a power cut, no more and no less.
 */
#include <string.h>

#include "tests/harness/accounts.h"
#include "tests/harness/deadline.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

enum { USERS = 16, CREDENTIALS = 16, GRANTS = 16 };

/* The smallest that there are; one shard, so that all grants share one table. */
static const char *const options[] = { "auth.mode=required", "auth.users=16", "auth.credentials=16", "worker.grants=16",
	"auth.password_cost=1", NULL };

static void
expect_full(struct response *answer, const char *code)
{
	expect_problem(answer, 503, code);
	ck_assert_msg(response_field(answer, "Retry-After") != NULL, "%s without Retry-After", code);
}

static struct response *
put_user(unsigned number)
{
	return accounts_ask(accounts_admin(), "{\"password\":\"llama-llama\"}", "PUT /v1/users/user-%u", number);
}

/* Until there is no room any more: how many were made. */
static unsigned
fill_users(unsigned first)
{
	struct response *answer;
	unsigned number = first;

	while (answer = put_user(number), answer->status == 201)
		ck_assert_uint_le(++number, USERS);
	expect_full(answer, "too-many-users");
	return number - first;
}

static void
expect_in(const char *token, bool is_in)
{
	expect_status(accounts_ask(token, NULL, "GET /v1/users/me"), is_in ? 200 : 401);
}

static void
start_cold(void)
{
	client_close(&session.client);
	broker_kill_all(&session.broker);
	broker_wipe(&session.broker);
	broker_start(&session.broker);
	client_open(&session.client, session.broker.port);
}

START_TEST(one_user_too_many_is_refused_and_one_less_makes_room)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	ck_assert_uint_eq(fill_users(1), USERS - 1); /* and the admin */
	accounts_login("user-1", "llama-llama", token);
	expect_in(token, true);
	/* What changes nobody's number is done as ever. */
	expect_status(accounts_ask(accounts_admin(), "{\"disabled\":true}", "PATCH /v1/users/user-2"), 200);
	expect_status(put_user(2), 200);
	for (unsigned round = 0; round < 2; round++) {
		expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/user-3"), 204);
		expect_status(put_user(3), 201);
		expect_full(put_user(USERS), "too-many-users");
		expect_in(token, true);
		start_cold();
		expect_full(put_user(USERS), "too-many-users");
		expect_in(token, true);
	}
	for (unsigned i = 1; i < USERS; i++)
		expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/user-%u", i), 204);
	expect_in(token, false);
	ck_assert_uint_eq(fill_users(1), USERS - 1);
}
END_TEST

static struct response *
post_token(void)
{
	return accounts_ask(accounts_admin(), "{\"name\":\"t\"}", "POST /v1/tokens");
}

static void
keep_made(struct response *answer, char token[ACCOUNTS_TOKEN_BYTES], char id[32])
{
	ck_assert_uint_lt(strlen(response_text(answer, "token")), ACCOUNTS_TOKEN_BYTES);
	strcpy(token, response_text(answer, "token"));
	snprintf(id, 32, "%s", response_text(answer, "id"));
}

START_TEST(one_credential_too_many_is_refused_and_one_less_makes_room)
{
	char tokens[CREDENTIALS][ACCOUNTS_TOKEN_BYTES], ids[CREDENTIALS][32];
	const char *login = "{\"user\":\"bill\",\"password\":\"llama-llama\"}";
	struct response *answer;
	unsigned count = 0;

	accounts_user("bill", "llama-llama");
	while (answer = count % 2 == 0 ? post_token() : accounts_ask(NULL, login, "POST /v1/sessions"), answer->status == 201) {
		ck_assert_uint_lt(count, CREDENTIALS);
		keep_made(answer, tokens[count], ids[count]);
		count++;
	}
	expect_full(answer, "too-many-tokens");
	ck_assert_uint_eq(count, CREDENTIALS - 1); /* and the admin's own */
	expect_full(post_token(), "too-many-tokens");
	expect_full(accounts_ask(NULL, login, "POST /v1/sessions"), "too-many-tokens");
	/* With a password he is let in all the same. */
	expect_status(accounts_ask_basic("bill", "llama-llama", NULL, "GET /v1/users/me"), 200);
	start_cold();
	for (unsigned i = 0; i < count; i++)
		expect_in(tokens[i], true);
	expect_full(post_token(), "too-many-tokens");
	/* Its slot is free at once; of many that end together it is when they were swept: soon. */
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/tokens/%s", ids[0]), 204);
	expect_in(tokens[0], false);
	answer = post_token();
	expect_status(answer, 201);
	keep_made(answer, tokens[0], ids[0]);
	expect_full(post_token(), "too-many-tokens");
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/sessions?user=bill"), 204);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	while (answer = accounts_ask(NULL, login, "POST /v1/sessions"), answer->status != 201) {
		expect_full(answer, "too-many-tokens");
		ck_assert(deadline_pause(deadline_ms));
	}
	expect_in(tokens[0], true);
}
END_TEST

static struct response *
put_grant(unsigned queue, unsigned user, const char *rights)
{
	char json[64];

	snprintf(json, sizeof(json), "{\"rights\":[\"%s\"]}", rights);
	return accounts_ask(accounts_admin(), json, "PUT /v1/queues/door-%u/grants/guest-%u", queue, user);
}

START_TEST(one_grant_too_many_is_refused_and_one_less_makes_room)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	for (unsigned queue = 0; queue < 5; queue++)
		expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/queues/door-%u", queue), 201);
	for (unsigned user = 0; user < 4; user++)
		expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/guest-%u", user), 201);
	accounts_token("guest-0", "\"*\"", token);
	for (unsigned i = 0; i < GRANTS; i++)
		expect_status(put_grant(i / 4, i % 4, "publish"), 201);
	for (unsigned round = 0; round < 2; round++) {
		expect_full(put_grant(4, 0, "publish"), "too-many-grants");
		/* It gave nothing; what was given stands, and can be changed. */
		expect_problem(accounts_ask(token, "x", "POST /v1/queues/door-4/messages"), 404, "no-queue");
		expect_status(accounts_ask(token, "x", "POST /v1/queues/door-3/messages"), 201);
		expect_status(put_grant(3, 1, round == 0 ? "consume" : "publish"), 200);
		start_cold();
	}
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/queues/door-0/grants/guest-3"), 204);
	expect_status(put_grant(4, 0, "publish"), 201);
	expect_status(accounts_ask(token, "x", "POST /v1/queues/door-4/messages"), 201);
	expect_full(put_grant(4, 1, "publish"), "too-many-grants");
	/* A queue takes its grants along. */
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/queues/door-1"), 204);
	uint64_t deadline_ms = deadline_in(CLIENT_TIMEOUT_MS);
	struct response *answer;
	while (answer = put_grant(4, 1, "publish"), answer->status != 201) {
		expect_full(answer, "too-many-grants");
		ck_assert(deadline_pause(deadline_ms));
	}
}
END_TEST

/* Each its own broker, for each takes it down. */
static void
setup(void)
{
	broker_up(&session.broker, options);
	client_open(&session.client, session.broker.port);
}

static void
teardown(void)
{
	client_close(&session.client);
	broker_free(&session.broker);
}

static Suite *
suite(void)
{
	Suite *suite = suite_create("fault/people_tables");
	TCase *tcase = tcase_create("full");

	tcase_set_timeout(tcase, SESSION_TEST_SECONDS);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, one_user_too_many_is_refused_and_one_less_makes_room);
	tcase_add_test(tcase, one_credential_too_many_is_refused_and_one_less_makes_room);
	tcase_add_test(tcase, one_grant_too_many_is_refused_and_one_less_makes_room);
	suite_add_tcase(suite, tcase);
	return suite;
}

UNIT_MAIN(suite)
