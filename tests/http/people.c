/*
 * People: users, passwords and sessions, as an admin and two users see them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/accounts.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

/* ---- users ---- */

START_TEST(the_token_of_the_first_start_is_an_admins)
{
	struct response *answer = accounts_ask(accounts_admin(), NULL, "GET /v1/users/me");

	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "admin");
	ck_assert_str_eq(response_text(answer, "role"), "admin");
	ck_assert_str_eq(response_text(answer, "credential.kind"), "token");
	ck_assert_str_eq(response_text(answer, "credential.scopes.0"), "*");
	ck_assert(json_is_null(response_member(answer, "credential.expires_at")));
	expect_problem(accounts_ask(NULL, NULL, "GET /v1/users/me"), 401, "unauthorized");
}
END_TEST

START_TEST(a_user_is_created_shown_replaced_changed_and_removed)
{
	struct response *answer = accounts_ask(accounts_admin(), "{\"password\":\"correct horse\"}",
	    "PUT /v1/users/first");

	expect_status(answer, 201);
	ck_assert_str_eq(response_field(answer, "Location"), "/v1/users/first");
	ck_assert_str_eq(response_text(answer, "name"), "first");
	ck_assert_str_eq(response_text(answer, "role"), "user");
	ck_assert(json_is_false(response_member(answer, "disabled")));
	ck_assert(json_is_true(response_member(answer, "has_password")));
	ck_assert_str_eq(response_text(answer, "creates.0"), "first");
	ck_assert_str_eq(response_text(answer, "creates.1"), "first.#");
	ck_assert_ptr_null(strstr(answer->body, "horse"));
	ck_assert_ptr_null(strstr(answer->body, "$y$"));

	answer = accounts_ask(accounts_admin(), NULL, "GET /v1/users/first");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "first");
	ck_assert_ptr_null(strstr(answer->body, "$y$"));

	/* A PUT gives what it does not name its default, but the password stays. */
	answer = accounts_ask(accounts_admin(), "{\"role\":\"admin\",\"creates\":[\"#\"]}",
	    "PUT /v1/users/first");
	expect_status(answer, 200);
	answer = accounts_ask(accounts_admin(), "{\"disabled\":true}", "PUT /v1/users/first");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "role"), "user");
	ck_assert_str_eq(response_text(answer, "creates.0"), "first");
	ck_assert(json_is_true(response_member(answer, "disabled")));
	ck_assert(json_is_true(response_member(answer, "has_password")));

	answer = accounts_ask(accounts_admin(), "{\"creates\":[\"shop.#\"],\"password\":null}",
	    "PATCH /v1/users/first");
	expect_status(answer, 200);
	ck_assert(json_is_true(response_member(answer, "disabled")));
	ck_assert(json_is_false(response_member(answer, "has_password")));
	ck_assert_str_eq(response_text(answer, "creates.0"), "shop.#");
	answer = accounts_ask(accounts_admin(), "{\"creates\":[]}", "PATCH /v1/users/first");
	ck_assert_uint_eq(response_count(answer, "creates"), 0);

	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/first"), 204);
	expect_problem(accounts_ask(accounts_admin(), NULL, "GET /v1/users/first"), 404, "no-user");
	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/first"), 404, "no-user");
	expect_problem(accounts_ask(accounts_admin(), "{}", "PATCH /v1/users/first"), 404, "no-user");
}
END_TEST

START_TEST(quotas_are_stored_and_shown)
{
	struct response *answer = accounts_ask(accounts_admin(),
	    "{\"quotas\":{\"queues\":3,\"stored_bytes\":\"1GiB\",\"connections\":10,"
	    "\"messages_per_second\":100,\"bytes_per_second\":65536}}",
	    "PUT /v1/users/limited");

	expect_status(answer, 201);
	answer = accounts_ask(accounts_admin(), NULL, "GET /v1/users/limited");
	ck_assert_int_eq(response_number(answer, "quotas.queues"), 3);
	ck_assert_int_eq(response_number(answer, "quotas.stored_bytes"), 1 << 30);
	ck_assert_int_eq(response_number(answer, "quotas.connections"), 10);
	ck_assert_int_eq(response_number(answer, "quotas.messages_per_second"), 100);
	ck_assert_int_eq(response_number(answer, "quotas.bytes_per_second"), 65536);

	answer = accounts_ask(accounts_admin(), "{\"quotas\":{\"queues\":null,\"connections\":11}}",
	    "PATCH /v1/users/limited");
	expect_status(answer, 200);
	ck_assert(json_is_null(response_member(answer, "quotas.queues")));
	ck_assert_int_eq(response_number(answer, "quotas.connections"), 11);
	ck_assert_int_eq(response_number(answer, "quotas.messages_per_second"), 100);
	answer = accounts_ask(accounts_admin(), "{\"quotas\":null}", "PATCH /v1/users/limited");
	ck_assert(json_is_null(response_member(answer, "quotas.connections")));
	expect_problem(accounts_ask(accounts_admin(), "{\"quotas\":{\"queues\":0}}",
	    "PATCH /v1/users/limited"),
	    400, "bad-field");
	expect_problem(accounts_ask(accounts_admin(), "{\"quotas\":{\"que\":1}}",
	    "PATCH /v1/users/limited"), 400,
	    "bad-field");
}
END_TEST

static struct response *
ask_if(const char *request, const char *condition, const char *tag, const char *json)
{
	char fields[400];

	snprintf(fields, sizeof(fields),
	    "Authorization: Bearer %s\r\nContent-Type: application/json\r\n%s: %s\r\n",
	    accounts_admin(), condition, tag);
	return client_ask(client, request, fields, json);
}

START_TEST(conditions_let_only_the_one_who_saw_the_last_version_write)
{
	struct response *answer = accounts_ask(accounts_admin(), "{}", "PUT /v1/users/tagged");
	char first[64], second[64];

	expect_status(answer, 201);
	snprintf(first, sizeof(first), "%s", response_field(answer, "ETag"));
	expect_problem(ask_if("PUT /v1/users/tagged", "If-None-Match", "*", "{}"), 412,
	    "precondition-failed");
	expect_status(ask_if("GET /v1/users/tagged", "If-None-Match", first, NULL), 304);
	answer = ask_if("PATCH /v1/users/tagged", "If-Match", first, "{\"disabled\":true}");
	expect_status(answer, 200);
	snprintf(second, sizeof(second), "%s", response_field(answer, "ETag"));
	ck_assert_str_ne(first, second);
	expect_status(ask_if("GET /v1/users/tagged", "If-None-Match", first, NULL), 200);
	expect_problem(ask_if("PATCH /v1/users/tagged", "If-Match", first, "{}"), 412,
	    "precondition-failed");
	expect_problem(ask_if("PUT /v1/users/tagged", "If-Match", first, "{}"), 412,
	    "precondition-failed");
	expect_problem(ask_if("DELETE /v1/users/tagged", "If-Match", first, NULL), 412,
	    "precondition-failed");
	expect_status(ask_if("DELETE /v1/users/tagged", "If-Match", second, NULL), 204);
	expect_status(ask_if("PUT /v1/users/tagged", "If-None-Match", "*", "{}"), 201);
}
END_TEST

static const struct {
	const char *json;
	const char *code;
	const char *detail;   /* a part of it */
} refused_bodies[] = {
	{ "{\"role\":\"root\"}", "bad-field", "role: user admin" },
	{ "{\"disabled\":1}", "bad-field", "disabled: true or false" },
	{ "{\"creates\":\"#\"}", "bad-field", "creates: an array" },
	{ "{\"creates\":[\"a\",\"b..c\"]}", "bad-field", "creates[1]: a pattern" },
	{ "{\"creates\":[\"a b\"]}", "bad-field", "creates[0]: a pattern" },
	{ "{\"creates\":[\"a*\"]}", "bad-field", "creates[0]: a pattern" },
	{ "{\"creates\":[7]}", "bad-field", "creates[0]: a pattern" },
	{ "{\"creates\":[\"\"]}", "bad-field", "creates[0]: a pattern" },
	{ "{\"password\":\"short\"}", "bad-field", "8" },
	{ "{\"password\":true}", "bad-field", "password: a string" },
	{ "{\"quotas\":[]}", "bad-field", "quotas: an object" },
	{ "{\"quotas\":{\"stored_bytes\":\"much\"}}", "bad-field", "quotas.stored_bytes: a size" },
	{ "{\"current_password\":\"what it was\"}", "bad-field", "current_password" },
	{ "{\"password\":\"a new one\",\"current_password\":\"an old one\"}", "bad-field",
	    "current_password" },
	{ "{\"nonsense\":1}", "bad-field", "there is no field nonsense" },
	{ "{\"role\":\"user\",\"role\":\"admin\"}", "bad-json", "" },
	{ "{\"role\":", "bad-json", "" },
	{ "[]", "bad-json", "" },
};

START_TEST(what_is_wrong_with_a_body_is_said)
{
	struct response *answer;

	for (size_t i = 0; i < sizeof(refused_bodies) / sizeof(refused_bodies[0]); i++) {
		answer = accounts_ask(accounts_admin(), refused_bodies[i].json,
		    "PUT /v1/users/refused");
		expect_problem(answer, 400, refused_bodies[i].code);
		ck_assert_msg(strstr(response_text(answer, "detail"),
		    refused_bodies[i].detail) != NULL,
		    "%s: %s", refused_bodies[i].json, answer->body);
	}
	expect_problem(accounts_ask(accounts_admin(), NULL, "GET /v1/users/refused"), 404, "no-user");
	expect_problem(client_ask(client, "PUT /v1/users/refused", NULL, "{}"), 401,
	    "unauthorized");
}
END_TEST

START_TEST(names_are_as_those_of_queues_and_me_is_nobodys)
{
	static const char *const bad[] = { ".hidden", "a%20b", "a%2Fb", "%C3%A4", "me" };
	char name[82];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_problem(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/%s", bad[i]), 400,
		    "bad-name");
		expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/%s", bad[i]), 400,
		    "bad-name");
	}
	memset(name, 'n', sizeof(name) - 1);
	name[81] = '\0';
	expect_problem(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/%s", name), 400, "bad-name");
	name[80] = '\0';
	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/%s", name), 201);
	expect_status(accounts_ask(accounts_admin(), NULL, "GET /v1/users/%s", name), 200);
	/* Case counts. */
	accounts_user("Case", "password one");
	accounts_user("case", "password two");
}
END_TEST

START_TEST(the_list_comes_in_pages_with_a_prefix)
{
	char path[256] = "/v1/users?prefix=page-&limit=4", *end;
	unsigned seen = 0, pages = 0;
	struct response *answer;

	for (unsigned i = 0; i < 10; i++)
		expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/page-%u", i), 201);
	do {
		const char *link;

		answer = accounts_ask(accounts_admin(), NULL, "GET %s", path);
		expect_status(answer, 200);
		ck_assert_uint_le(response_count(answer, "users"), 4);
		for (size_t i = 0; i < response_count(answer, "users"); i++) {
			char member[32];

			snprintf(member, sizeof(member), "users.%zu.name", i);
			const char *name = response_text(answer, member);
			ck_assert_msg(strncmp(name, "page-", 5) == 0 &&
			    (seen & 1u << (name[5] - '0')) == 0,
			    "%s", name);
			seen |= 1u << (name[5] - '0');
		}
		pages++;
		link = response_field(answer, "Link");
		if (link == NULL)
			break;
		snprintf(path, sizeof(path), "%s", link + 1);
		end = strchr(path, '>');
		ck_assert_ptr_nonnull(end);
		*end = '\0';
	} while (pages < 20);
	ck_assert_uint_eq(seen, (1u << 10) - 1);
	ck_assert_uint_ge(pages, 3);
	expect_problem(accounts_ask(accounts_admin(), NULL, "GET /v1/users?limit=0"), 400, "bad-query");
	expect_problem(accounts_ask(accounts_admin(), NULL, "GET /v1/users?cursor=nonsense"), 400,
	    "bad-query");
	expect_problem(accounts_ask(accounts_admin(), NULL, "GET /v1/users?colour=red"), 400,
	    "bad-query");
}
END_TEST

START_TEST(head_options_and_wrong_methods_are_answered_as_everywhere)
{
	static const struct {
		const char *path;
		const char *allow;
	} paths[] = {
		{ "/v1/users", "GET, HEAD, OPTIONS" },
		{ "/v1/users/admin", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
		{ "/v1/users/me", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS" },
		{ "/v1/tokens", "GET, HEAD, POST, OPTIONS" },
		{ "/v1/sessions", "GET, HEAD, POST, DELETE, OPTIONS" },
		{ "/v1/tokens/0000000000001", "DELETE, OPTIONS" },
		{ "/v1/sessions/current", "DELETE, OPTIONS" },
		{ "/v1/queues/q/grants", "GET, HEAD, OPTIONS" },
		{ "/v1/queues/q/grants/u", "GET, HEAD, PUT, DELETE, OPTIONS" },
	};
	struct response *answer;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		answer = accounts_ask(accounts_admin(), NULL, "OPTIONS %s", paths[i].path);
		expect_status(answer, 204);
		ck_assert_str_eq(response_field(answer, "Allow"), paths[i].allow);
		answer = accounts_ask(accounts_admin(), "{}", "%s %s",
		    strstr(paths[i].allow, "PATCH") != NULL ? "POST" : "PATCH", paths[i].path);
		expect_problem(answer, 405, "method-not-allowed");
		ck_assert_str_eq(response_field(answer, "Allow"), paths[i].allow);
	}
	answer = accounts_ask(accounts_admin(), NULL, "HEAD /v1/users/admin");
	expect_status(answer, 200);
	ck_assert_uint_eq(answer->body_bytes, 0);
	ck_assert_int_gt(atoi(response_field(answer, "Content-Length")), 100);
}
END_TEST

/* ---- what a user may ---- */

START_TEST(a_user_sees_and_changes_nobody_else_and_learns_not_even_who_there_is)
{
	static const char *const requests[] = { "GET /v1/users/%s", "PUT /v1/users/%s",
		"PATCH /v1/users/%s", "DELETE /v1/users/%s", "GET /v1/tokens?user=%s",
		"GET /v1/sessions?user=%s", "DELETE /v1/sessions?user=%s" };
	char token[ACCOUNTS_TOKEN_BYTES], there[400], request[128];
	struct response *answer;

	accounts_new("curious", token);
	accounts_user("other", "password of other");
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		snprintf(request, sizeof(request), requests[i], "other");
		answer = accounts_ask(token, request[0] == 'P' ? "{}" : NULL, "%s", request);
		expect_problem(answer, 403, "forbidden");
		snprintf(there, sizeof(there), "%s", answer->body);
		snprintf(request, sizeof(request), requests[i], "never");
		answer = accounts_ask(token, request[0] == 'P' ? "{}" : NULL, "%s", request);
		expect_problem(answer, 403, "forbidden");
		ck_assert_str_eq(answer->body, there);
	}
	expect_problem(accounts_ask(token, NULL, "GET /v1/users"), 403, "forbidden");
	expect_problem(accounts_ask(token, "{\"name\":\"t\",\"user\":\"other\"}", "POST /v1/tokens"),
	    403, "forbidden");
	expect_problem(accounts_ask(token, "{\"name\":\"t\",\"user\":\"never\"}", "POST /v1/tokens"),
	    403, "forbidden");

	answer = accounts_ask(token, NULL, "GET /v1/users/curious");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "curious");
	expect_problem(accounts_ask(token, "{\"role\":\"admin\"}", "PATCH /v1/users/curious"), 403,
	    "forbidden");
	expect_problem(accounts_ask(token, "{\"role\":\"admin\"}", "PATCH /v1/users/me"), 403,
	    "forbidden");
	expect_problem(accounts_ask(token, "{\"quotas\":null}", "PATCH /v1/users/me"), 403,
	    "forbidden");
	expect_problem(accounts_ask(token, "{\"role\":\"admin\"}", "PUT /v1/users/curious"), 403,
	    "forbidden");
}
END_TEST

START_TEST(the_own_password_is_changed_by_who_knows_it)
{
	char session_token[ACCOUNTS_TOKEN_BYTES], token[ACCOUNTS_TOKEN_BYTES];

	accounts_user("changing", "before before");
	accounts_login("changing", "before before", session_token);
	accounts_token("changing", "\"*\"", token);
	expect_problem(accounts_ask(token, "{\"password\":\"after after\"}", "PATCH /v1/users/me"),
	    403, "forbidden");
	expect_problem(accounts_ask(token,
	    "{\"password\":\"after after\",\"current_password\":\"a wrong one\"}",
		"PATCH /v1/users/changing"),
	    403, "forbidden");
	expect_problem(accounts_ask(token, "{\"current_password\":\"before before\"}",
	    "PATCH /v1/users/me"),
	    400, "bad-field");
	expect_status(accounts_ask(session_token, NULL, "GET /v1/users/me"), 200);

	expect_status(accounts_ask(token,
		"{\"password\":\"after \\u0061fter\",\"current_password\":\"before before\"}",
		"PATCH /v1/users/me"),
	    200);
	accounts_expect_ended(session_token);
	expect_status(accounts_ask(token, NULL, "GET /v1/users/me"),
	    200); /* tokens have nothing to do with the password */
	expect_problem(accounts_ask(NULL, "{\"user\":\"changing\",\"password\":\"before before\"}",
			   "POST /v1/sessions"),
	    401, "unauthorized");
	accounts_login("changing", "after after", session_token);
	expect_status(accounts_ask(session_token, NULL, "GET /v1/users/me"), 200);
}
END_TEST

START_TEST(who_has_no_password_yet_sets_the_first_one)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	accounts_new("tokens-only", token);
	expect_problem(accounts_ask(NULL, "{\"user\":\"tokens-only\",\"password\":\"any password\"}",
			   "POST /v1/sessions"),
	    401, "unauthorized");
	expect_status(accounts_ask(token, "{\"password\":\"the first one\"}", "PATCH /v1/users/me"),
	    200);
	accounts_login("tokens-only", "the first one", token);
}
END_TEST

START_TEST(the_last_enabled_admin_stays)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/admin"), 409,
	    "last-admin");
	expect_problem(accounts_ask(accounts_admin(), "{\"disabled\":true}", "PATCH /v1/users/admin"),
	    409, "last-admin");
	expect_problem(accounts_ask(accounts_admin(), "{\"role\":\"user\"}", "PATCH /v1/users/me"), 409,
	    "last-admin");
	expect_problem(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/admin"), 409, "last-admin");

	accounts_new("deputy", token);
	expect_status(accounts_ask(accounts_admin(), "{\"role\":\"admin\",\"disabled\":true}",
			  "PATCH /v1/users/deputy"),
	    200);
	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/admin"), 409,
	    "last-admin");
	expect_status(accounts_ask(accounts_admin(), "{\"disabled\":false}", "PATCH /v1/users/deputy"),
	    200);
	expect_status(accounts_ask(accounts_admin(), "{\"role\":\"user\"}", "PATCH /v1/users/admin"),
	    200);
	expect_status(accounts_ask(token, "{\"role\":\"admin\"}", "PATCH /v1/users/admin"), 200);
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/deputy"), 204);
	accounts_expect_ended(token);
}
END_TEST

START_TEST(a_disabled_user_is_out_at_once_and_sessions_stay_ended)
{
	char session_token[ACCOUNTS_TOKEN_BYTES], token[ACCOUNTS_TOKEN_BYTES];

	accounts_user("pausing", "password of pausing");
	accounts_login("pausing", "password of pausing", session_token);
	accounts_token("pausing", "\"*\"", token);
	expect_status(accounts_ask_basic("pausing", "password of pausing", NULL, "GET /v1/users/me"),
	    200);
	expect_status(accounts_ask(accounts_admin(), "{\"disabled\":true}", "PATCH /v1/users/pausing"),
	    200);
	accounts_expect_ended(session_token);
	accounts_expect_ended(token);
	expect_problem(accounts_ask_basic("pausing", "password of pausing", NULL, "GET /v1/users/me"),
	    401, "unauthorized");
	expect_problem(accounts_ask(NULL,
	    "{\"user\":\"pausing\",\"password\":\"password of pausing\"}",
		"POST /v1/sessions"),
	    401, "unauthorized");
	expect_status(accounts_ask(accounts_admin(), "{\"disabled\":false}", "PATCH /v1/users/pausing"),
	    200);
	expect_problem(accounts_ask(session_token, NULL, "GET /v1/users/me"), 401, "unauthorized");
	expect_status(accounts_ask(token, NULL, "GET /v1/users/me"), 200);
}
END_TEST

/* ---- sessions ---- */

START_TEST(a_session_begins_with_a_password_and_ends_with_delete)
{
	struct response *answer;
	char token[ACCOUNTS_TOKEN_BYTES], id[32];

	accounts_user("visitor", "password of visitor");
	answer = accounts_ask(NULL, "{\"user\":\"visitor\",\"password\":\"password of visitor\"}",
	    "POST /v1/sessions");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "user"), "visitor");
	ck_assert_uint_eq(strlen(response_text(answer, "token")), 47);
	ck_assert_int_eq(strncmp(response_text(answer, "token"), "mqs_", 4), 0);
	ck_assert_str_eq(response_field(answer, "Cache-Control"), "no-store");
	ck_assert_str_gt(response_text(answer, "expires_at"), response_text(answer,
	    "idle_expires_at"));
	strcpy(token, response_text(answer, "token"));
	snprintf(id, sizeof(id), "%s", response_text(answer, "id"));

	answer = accounts_ask(token, NULL, "GET /v1/users/me");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "visitor");
	ck_assert_str_eq(response_text(answer, "credential.kind"), "session");
	ck_assert_str_eq(response_text(answer, "credential.id"), id);
	answer = accounts_ask(token, NULL, "GET /v1/sessions");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "sessions"), 1);
	ck_assert_str_eq(response_text(answer, "sessions.0.id"), id);
	ck_assert(json_is_true(response_member(answer, "sessions.0.current")));
	ck_assert_ptr_null(response_member(answer, "sessions.0.token"));

	expect_status(accounts_ask(token, NULL, "DELETE /v1/sessions/current"), 204);
	accounts_expect_ended(token);
	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/sessions/%s", id), 404,
	    "no-session");
	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/sessions/current"), 404,
	    "no-session");
	expect_problem(accounts_ask(accounts_admin(), NULL, "DELETE /v1/sessions/what"), 404,
	    "no-session");
}
END_TEST

START_TEST(one_session_ends_another_or_all)
{
	char first[ACCOUNTS_TOKEN_BYTES], second[ACCOUNTS_TOKEN_BYTES], third[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_user("several", "password of several");
	accounts_login("several", "password of several", first);
	answer = accounts_ask_basic("several", "password of several", NULL, "POST /v1/sessions");
	expect_status(answer, 201);
	strcpy(second, response_text(answer, "token"));
	expect_status(accounts_ask(first, NULL, "DELETE /v1/sessions/%s", response_text(answer,
	    "id")), 204);
	accounts_expect_ended(second);
	accounts_login("several", "password of several", third);
	expect_status(accounts_ask(first, NULL, "DELETE /v1/sessions"), 204);
	accounts_expect_ended(first);
	accounts_expect_ended(third);
	accounts_login("several", "password of several", first);
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/sessions?user=several"), 204);
	accounts_expect_ended(first);
}
END_TEST

START_TEST(a_session_needs_one_name_and_its_password)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	accounts_user("entering", "password of entering");
	accounts_token("entering", "\"*\"", token);
	expect_problem(accounts_ask(NULL,
	    "{\"user\":\"entering\",\"password\":\"not the right one\"}",
		"POST /v1/sessions"),
	    401, "unauthorized");
	expect_problem(accounts_ask(NULL,
	    "{\"user\":\"nobody-at-all\",\"password\":\"password of entering\"}",
		"POST /v1/sessions"),
	    401, "unauthorized");
	expect_problem(accounts_ask(NULL, "{\"user\":\"entering\"}", "POST /v1/sessions"), 401,
	    "unauthorized");
	expect_problem(accounts_ask(NULL, NULL, "POST /v1/sessions"), 401, "unauthorized");
	expect_problem(accounts_ask(NULL, "{\"user\":1,\"password\":2}", "POST /v1/sessions"), 400,
	    "bad-field");
	expect_problem(accounts_ask_basic("entering", "password of entering",
			   "{\"user\":\"entering\",\"password\":\"password of entering\"}",
			   "POST /v1/sessions"),
	    400, "bad-field");
	expect_problem(accounts_ask(token, NULL, "POST /v1/sessions"), 403, "forbidden");
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "auth.mode=required", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/people", options, &tcase);

	tcase_add_test(tcase, the_token_of_the_first_start_is_an_admins);
	tcase_add_test(tcase, a_user_is_created_shown_replaced_changed_and_removed);
	tcase_add_test(tcase, quotas_are_stored_and_shown);
	tcase_add_test(tcase, conditions_let_only_the_one_who_saw_the_last_version_write);
	tcase_add_test(tcase, what_is_wrong_with_a_body_is_said);
	tcase_add_test(tcase, names_are_as_those_of_queues_and_me_is_nobodys);
	tcase_add_test(tcase, the_list_comes_in_pages_with_a_prefix);
	tcase_add_test(tcase, head_options_and_wrong_methods_are_answered_as_everywhere);
	tcase_add_test(tcase, a_user_sees_and_changes_nobody_else_and_learns_not_even_who_there_is);
	tcase_add_test(tcase, the_own_password_is_changed_by_who_knows_it);
	tcase_add_test(tcase, who_has_no_password_yet_sets_the_first_one);
	tcase_add_test(tcase, the_last_enabled_admin_stays);
	tcase_add_test(tcase, a_disabled_user_is_out_at_once_and_sessions_stay_ended);
	tcase_add_test(tcase, a_session_begins_with_a_password_and_ends_with_delete);
	tcase_add_test(tcase, one_session_ends_another_or_all);
	tcase_add_test(tcase, a_session_needs_one_name_and_its_password);
	return suite;
}

UNIT_MAIN(suite)
