/*
 * Rights: tokens and their scopes, whose a queue is, and what its owner lets others do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/harness/accounts.h"
#include "tests/harness/session.h"
#include "tests/harness/unit.h"

static struct client *const client = &session.client;

/* Publish as text/plain with this token. */
static struct response *
publish(const char *token, const char *queue)
{
	char fields[200], request[160];

	snprintf(fields, sizeof(fields), "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n",
	    token);
	snprintf(request, sizeof(request), "POST /v1/queues/%s/messages", queue);
	return client_ask(client, request, fields, "a llama");
}

static struct response *
receive(const char *token, const char *queue)
{
	return accounts_ask(token, "{}", "POST /v1/queues/%s/messages:receive", queue);
}

/* ---- tokens ---- */

START_TEST(a_token_is_shown_once_listed_and_revoked)
{
	char owner[ACCOUNTS_TOKEN_BYTES], token[ACCOUNTS_TOKEN_BYTES], id[32];
	struct response *answer;

	accounts_new("token-owner", owner);
	answer = accounts_ask(owner,
	    "{\"name\":\"ci "
	    "\\u00e4\",\"scopes\":[\"publish:orders.*\",\"consume:#\"],\"expires_in\":\"30d\"}",
	    "POST /v1/tokens");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "user"), "token-owner");
	ck_assert_str_eq(response_text(answer, "name"), "ci ä");
	ck_assert_str_eq(response_text(answer, "scopes.0"), "publish:orders.*");
	ck_assert_uint_eq(strlen(response_text(answer, "token")), 46);
	ck_assert_int_eq(strncmp(response_text(answer, "token"), "mq_", 3), 0);
	ck_assert_str_eq(response_field(answer, "Cache-Control"), "no-store");
	strcpy(token, response_text(answer, "token"));
	snprintf(id, sizeof(id), "%s", response_text(answer, "id"));

	answer = accounts_ask(token, NULL, "GET /v1/users/me");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "name"), "token-owner");
	ck_assert_str_eq(response_text(answer, "credential.scopes.1"), "consume:#");
	ck_assert_str_eq(response_text(answer, "credential.id"), id);

	answer = accounts_ask(owner, NULL, "GET /v1/tokens");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "tokens"), 2);
	ck_assert_ptr_null(strstr(answer->body, token));
	ck_assert_ptr_null(strstr(answer->body, "\"token\":"));
	answer = accounts_ask(accounts_admin(), NULL, "GET /v1/tokens?user=token-owner&limit=1");
	ck_assert_uint_eq(response_count(answer, "tokens"), 1);
	ck_assert_ptr_nonnull(strstr(response_field(answer, "Link"),
	    "/v1/tokens?user=token-owner&cursor="));

	expect_status(accounts_ask(owner, NULL, "DELETE /v1/tokens/%s", id), 204);
	accounts_expect_ended(token);
	expect_problem(accounts_ask(owner, NULL, "DELETE /v1/tokens/%s", id), 404, "no-token");
	expect_problem(accounts_ask(owner, NULL, "DELETE /v1/tokens/what"), 404, "no-token");
	answer = accounts_ask(owner, NULL, "GET /v1/tokens");
	ck_assert_uint_eq(response_count(answer, "tokens"), 1);
}
END_TEST

static const struct {
	const char *json;
	const char *detail;
} refused_tokens[] = {
	{ "{}", "name: must be given" },
	{ "{\"name\":\"\"}", "name: 1 to 80" },
	{ "{\"name\":\"a\\nb\"}", "name: no control" },
	{ "{\"name\":\"t\",\"scopes\":[]}", "scopes: at least one" },
	{ "{\"name\":\"t\",\"scopes\":\"*\"}", "scopes: an array" },
	{ "{\"name\":\"t\",\"scopes\":[\"publish:a\",\"pubish:a\"]}", "scopes[1]: publish" },
	{ "{\"name\":\"t\",\"scopes\":[\"publish\"]}", "scopes[0]: publish" },
	{ "{\"name\":\"t\",\"scopes\":[\"publish:\"]}", "scopes[0]: publish" },
	{ "{\"name\":\"t\",\"scopes\":[\"publish:a b\"]}", "scopes[0]: publish" },
	{ "{\"name\":\"t\",\"scopes\":[\"publish:a*\"]}", "scopes[0]: publish" },
	{ "{\"name\":\"t\",\"scopes\":[\"Admin\"]}", "scopes[0]: publish" },
	{ "{\"name\":\"t\",\"expires_in\":\"0s\"}", "expires_in: a duration" },
	{ "{\"name\":\"t\",\"expires_in\":30}", "expires_in: a duration" },
	{ "{\"name\":\"t\",\"expires\":\"30d\"}", "there is no field expires" },
};

START_TEST(what_is_wrong_with_a_wish_for_a_token_is_said)
{
	for (size_t i = 0; i < sizeof(refused_tokens) / sizeof(refused_tokens[0]); i++) {
		struct response *answer = accounts_ask(accounts_admin(), refused_tokens[i].json,
		    "POST /v1/tokens");

		expect_problem(answer, 400, "bad-field");
		ck_assert_msg(strstr(response_text(answer, "detail"),
		    refused_tokens[i].detail) != NULL,
		    "%s: %s", refused_tokens[i].json, answer->body);
	}
	expect_status(accounts_ask(accounts_admin(), "{\"disabled\":true}", "PUT /v1/users/away"), 201);
	expect_problem(accounts_ask(accounts_admin(), "{\"name\":\"t\",\"user\":\"away\"}",
	    "POST /v1/tokens"), 400, "bad-field");
	expect_problem(accounts_ask(accounts_admin(), "{\"name\":\"t\",\"user\":\"never\"}",
	    "POST /v1/tokens"),
	    404, "no-user");
	expect_problem(accounts_ask(accounts_admin(), "{\"name\":\"t\",\"user\":\"a b\"}",
	    "POST /v1/tokens"), 400,
	    "bad-name");
}
END_TEST

START_TEST(a_token_ends_when_its_time_is_over)
{
	struct response *answer;
	char token[ACCOUNTS_TOKEN_BYTES];

	accounts_new("brief", token);
	answer = accounts_ask(token, "{\"name\":\"brief\",\"expires_in\":\"400ms\"}",
	    "POST /v1/tokens");
	expect_status(answer, 201);
	strcpy(token, response_text(answer, "token"));
	accounts_expect_ended(token);
}
END_TEST

START_TEST(a_token_may_no_more_than_its_scopes_say)
{
	char owner[ACCOUNTS_TOKEN_BYTES], token[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_new("narrow", owner);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/narrow"), 201);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/narrow.a"), 201);
	accounts_token("narrow", "\"publish:narrow.*\",\"browse:narrow.a\"", token);
	expect_status(publish(token, "narrow.a"), 201);
	answer = publish(token, "narrow");
	expect_problem(answer, 403, "forbidden");
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "publish:narrow"));
	expect_status(accounts_ask(token, NULL, "GET /v1/queues/narrow.a"), 200);
	expect_problem(receive(token, "narrow.a"), 403, "forbidden");
	expect_problem(accounts_ask(token, "{}", "PUT /v1/queues/narrow.b"), 403, "forbidden");
	expect_problem(accounts_ask(token, NULL, "DELETE /v1/queues/narrow.a"), 403, "forbidden");
	expect_problem(accounts_ask(token, NULL, "GET /v1/queues"), 403, "forbidden");
	/* Nor make itself more. */
	expect_problem(accounts_ask(token, "{\"name\":\"more\"}", "POST /v1/tokens"), 403,
	    "forbidden");
	expect_problem(accounts_ask(token, NULL, "GET /v1/tokens"), 403, "forbidden");
	expect_problem(accounts_ask(token, NULL, "POST /v1/sessions"), 403, "forbidden");
	expect_problem(accounts_ask(token, "{\"password\":\"a new password\"}", "PATCH /v1/users/me"),
	    403, "forbidden");
	expect_status(accounts_ask(token, NULL, "GET /v1/users/me"), 200);
	expect_status(accounts_ask(owner, NULL, "GET /v1/queues/narrow.a"), 200);
}
END_TEST

START_TEST(an_admins_narrowed_token_is_no_admins)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	accounts_token("admin", "\"consume:#\",\"publish:#\"", token);
	expect_problem(accounts_ask(token, NULL, "GET /v1/users"), 403, "forbidden");
	expect_problem(accounts_ask(token, "{}", "PUT /v1/users/by-a-narrow-token"), 403,
	    "forbidden");
	accounts_token("admin", "\"admin\"", token);
	expect_status(accounts_ask(token, NULL, "GET /v1/users"), 200);
	expect_status(accounts_ask(token, "{}", "PUT /v1/users/by-an-admin-token"), 201);
}
END_TEST

/* ---- whose a queue is ---- */

START_TEST(a_queue_of_another_is_not_there_and_its_name_cannot_be_found_out)
{
	static const char *const asks[] = { "GET /v1/queues/%s", "DELETE /v1/queues/%s",
		"PATCH /v1/queues/%s", "POST /v1/queues/%s:purge",
		"POST /v1/queues/%s/messages:receive", "GET /v1/queues/%s/grants",
		"PUT /v1/queues/%s/grants/hidden-owner", "GET /v1/queues/%s/grants/stranger",
		"DELETE /v1/queues/%s/grants/never" };
	char owner[ACCOUNTS_TOKEN_BYTES], stranger[ACCOUNTS_TOKEN_BYTES], request[160];
	struct response *answer;

	accounts_new("hidden-owner", owner);
	accounts_new("stranger", stranger);
	answer = accounts_ask(owner, "{}", "PUT /v1/queues/hidden-owner");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "owner"), "hidden-owner");
	ck_assert_uint_eq(response_count(answer, "rights"), 4);
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		const char *json = asks[i][0] == 'P'
		    ? strstr(asks[i], "/grants/") != NULL ? "{\"rights\":[\"browse\"]}" : "{}"
		    : NULL;
		unsigned status;
		char code[40];

		snprintf(request, sizeof(request), asks[i], "hidden-owner");
		answer = accounts_ask(stranger, json, "%s", request);
		status = answer->status;
		snprintf(code, sizeof(code), "%s", response_text(answer, "code"));
		ck_assert_msg(status == 404 && strcmp(code, "no-queue") == 0, "%s: %u %s", request,
		    status, code);
		snprintf(request, sizeof(request), asks[i], "nowhere");
		answer = accounts_ask(stranger, json, "%s", request);
		ck_assert_msg(answer->status == 404 && strcmp(response_text(answer, "code"),
		    "no-queue") == 0,
		    "%s: %u", request, answer->status);
	}
	expect_problem(publish(stranger, "hidden-owner"), 404, "no-queue");
	expect_problem(publish(stranger, "nowhere"), 404, "no-queue");
	answer = accounts_ask(stranger, NULL, "GET /v1/queues");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "queues"), 0);
	/* Nor by trying to create it. */
	expect_problem(accounts_ask(stranger, "{}", "PUT /v1/queues/hidden-owner"), 403, "forbidden");
	expect_problem(accounts_ask(stranger, "{}", "PUT /v1/queues/nowhere"), 403, "forbidden");
	expect_status(accounts_ask(accounts_admin(), NULL, "GET /v1/queues/hidden-owner"), 200);
}
END_TEST

START_TEST(a_user_creates_queues_of_names_that_are_given_to_create)
{
	char token[ACCOUNTS_TOKEN_BYTES];

	accounts_new("maker", token);
	expect_status(accounts_ask(token, "{}", "PUT /v1/queues/maker"), 201);
	expect_status(accounts_ask(token, "{}", "PUT /v1/queues/maker.one"), 201);
	expect_status(accounts_ask(token, "{}", "PUT /v1/queues/maker.one.two"), 201);
	expect_problem(accounts_ask(token, "{}", "PUT /v1/queues/maker-one"), 403, "forbidden");
	expect_status(accounts_ask(accounts_admin(), "{\"creates\":[\"shop.#\"]}",
	    "PATCH /v1/users/maker"), 200);
	/* Others may be asked of frontds that remember; within a second all know. */
	for (unsigned i = 0;
	     i < 100 && accounts_ask(token, "{}", "PUT /v1/queues/shop.a.b")->status == 403; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	expect_status(accounts_ask(token, "{}", "PUT /v1/queues/shop.a.b"), 200);
	expect_problem(accounts_ask(token, "{}", "PUT /v1/queues/maker.three"), 403, "forbidden");
	expect_status(accounts_ask(token, "{\"lease\":\"9s\"}", "PUT /v1/queues/maker.one"),
	    200); /* it is still its own */
}
END_TEST

START_TEST(an_admin_gives_a_queue_to_another)
{
	char giver[ACCOUNTS_TOKEN_BYTES], taker[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_new("giver", giver);
	accounts_new("taker", taker);
	expect_status(accounts_ask(giver, "{}", "PUT /v1/queues/giver"), 201);
	expect_problem(accounts_ask(giver, "{\"owner\":\"taker\"}", "PATCH /v1/queues/giver"), 403,
	    "forbidden");
	expect_problem(accounts_ask(accounts_admin(), "{\"owner\":\"never\"}",
	    "PATCH /v1/queues/giver"), 404,
	    "no-user");
	answer = accounts_ask(accounts_admin(), "{\"owner\":\"taker\"}", "PATCH /v1/queues/giver");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "owner"), "taker");
	expect_problem(accounts_ask(giver, NULL, "GET /v1/queues/giver"), 404, "no-queue");
	expect_status(accounts_ask(taker, "{\"lease\":\"7s\"}", "PATCH /v1/queues/giver"), 200);

	answer = accounts_ask(accounts_admin(), "{\"owner\":null}", "PATCH /v1/queues/giver");
	expect_status(answer, 200);
	ck_assert(json_is_null(response_member(answer, "owner")));
	expect_problem(accounts_ask(taker, NULL, "GET /v1/queues/giver"), 404, "no-queue");
	answer = accounts_ask(accounts_admin(), "{\"owner\":\"taker\"}",
	    "PUT /v1/queues/made-for-taker");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "owner"), "taker");
	expect_status(accounts_ask(taker, NULL, "DELETE /v1/queues/made-for-taker"), 204);
}
END_TEST

/* ---- grants ---- */

START_TEST(a_grant_gives_what_it_says_until_it_is_taken_away)
{
	char owner[ACCOUNTS_TOKEN_BYTES], friend[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_new("lender", owner);
	accounts_new("friend", friend);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/lender"), 201);
	answer = accounts_ask(owner, "{\"rights\":[\"publish\"]}",
	    "PUT /v1/queues/lender/grants/friend");
	expect_status(answer, 201);
	ck_assert_str_eq(response_text(answer, "user"), "friend");
	ck_assert_str_eq(response_text(answer, "rights.0"), "publish");
	expect_status(publish(friend, "lender"), 201);
	answer = receive(friend, "lender");
	expect_problem(answer, 403, "forbidden");
	ck_assert_ptr_nonnull(strstr(response_text(answer, "detail"), "consume"));
	expect_problem(accounts_ask(friend, NULL, "GET /v1/queues/lender"), 403, "forbidden");
	expect_problem(accounts_ask(friend, "{\"rights\":[\"consume\"]}",
	    "PUT /v1/queues/lender/grants/friend"),
	    403, "forbidden");

	answer = accounts_ask(owner, "{\"rights\":[\"consume\",\"browse\",\"consume\"]}",
	    "PUT /v1/queues/lender/grants/friend");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "rights"), 2);
	expect_problem(publish(friend, "lender"), 403, "forbidden");
	expect_status(receive(friend, "lender"), 200);
	answer = accounts_ask(friend, NULL, "GET /v1/queues/lender");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "owner"), "lender");
	ck_assert_uint_eq(response_count(answer, "rights"), 2);
	answer = accounts_ask(friend, NULL, "GET /v1/queues");
	ck_assert_uint_eq(response_count(answer, "queues"), 1);

	answer = accounts_ask(owner, NULL, "GET /v1/queues/lender/grants");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "grants"), 1);
	ck_assert_str_eq(response_text(answer, "grants.0.user"), "friend");
	answer = accounts_ask(owner, NULL, "GET /v1/queues/lender/grants/friend");
	expect_status(answer, 200);
	ck_assert_str_eq(response_text(answer, "rights.0"), "consume");
	expect_problem(accounts_ask(owner, NULL, "GET /v1/queues/lender/grants/lender"), 404,
	    "no-grant");

	expect_status(accounts_ask(owner, NULL, "DELETE /v1/queues/lender/grants/friend"), 204);
	expect_problem(accounts_ask(owner, NULL, "DELETE /v1/queues/lender/grants/friend"), 404,
	    "no-grant");
	expect_problem(receive(friend, "lender"), 404, "no-queue");
}
END_TEST

START_TEST(who_manages_a_queue_grants_and_nobody_else)
{
	char owner[ACCOUNTS_TOKEN_BYTES], manager[ACCOUNTS_TOKEN_BYTES], third[ACCOUNTS_TOKEN_BYTES];

	accounts_new("house", owner);
	accounts_new("manager", manager);
	accounts_new("third", third);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/house"), 201);
	expect_status(accounts_ask(owner, "{\"rights\":[\"manage\"]}",
	    "PUT /v1/queues/house/grants/manager"),
	    201);
	expect_status(accounts_ask(manager, "{\"rights\":[\"publish\"]}",
	    "PUT /v1/queues/house/grants/third"),
	    201);
	expect_status(publish(third, "house"), 201);
	expect_problem(publish(manager, "house"), 403, "forbidden");
	expect_problem(accounts_ask(third, NULL, "GET /v1/queues/house/grants"), 403, "forbidden");
	/* Who manages is told which users there are; it could be found out by granting anyway. */
	expect_problem(accounts_ask(manager, "{\"rights\":[\"publish\"]}",
	    "PUT /v1/queues/house/grants/never"),
	    404, "no-user");
	expect_problem(accounts_ask(third, "{\"rights\":[\"publish\"]}",
	    "PUT /v1/queues/house/grants/never"),
	    403, "forbidden");
}
END_TEST

START_TEST(rights_are_words_that_there_are)
{
	static const char *const bodies[] = { "{}", "{\"rights\":[]}", "{\"rights\":[\"read\"]}",
		"{\"rights\":\"publish\"}", "{\"rights\":[\"publish\",1]}", "{\"rights\":[\"*\"]}",
		"{\"right\":[\"publish\"]}" };

	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/queues/words"), 201);
	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/reader"), 201);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		expect_problem(accounts_ask(accounts_admin(), bodies[i],
		    "PUT /v1/queues/words/grants/reader"),
		    400, "bad-field");
	expect_problem(accounts_ask(accounts_admin(), "{\"rights\":[\"browse\"]}",
			   "PUT /v1/queues/words/grants/a%%20b"),
	    400, "bad-name");
}
END_TEST

START_TEST(who_takes_the_name_of_a_deleted_user_gets_nothing_of_it)
{
	char first[ACCOUNTS_TOKEN_BYTES], second[ACCOUNTS_TOKEN_BYTES];
	struct response *answer;

	accounts_new("phoenix", first);
	expect_status(accounts_ask(first, "{}", "PUT /v1/queues/phoenix"), 201);
	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/queues/shared-with-phoenix"), 201);
	expect_status(accounts_ask(accounts_admin(), "{\"rights\":[\"consume\"]}",
			  "PUT /v1/queues/shared-with-phoenix/grants/phoenix"),
	    201);
	expect_status(accounts_ask(accounts_admin(), NULL, "DELETE /v1/users/phoenix"), 204);
	accounts_expect_ended(first);
	answer = accounts_ask(accounts_admin(), NULL, "GET /v1/queues/phoenix");
	expect_status(answer, 200);
	ck_assert(json_is_null(response_member(answer, "owner")));
	answer = accounts_ask(accounts_admin(), NULL, "GET /v1/queues/shared-with-phoenix/grants");
	ck_assert_uint_eq(response_count(answer, "grants"), 0);

	accounts_new("phoenix", second);
	expect_problem(accounts_ask(first, NULL, "GET /v1/users/me"), 401, "unauthorized");
	expect_problem(accounts_ask(second, NULL, "GET /v1/queues/phoenix"), 404, "no-queue");
	expect_problem(accounts_ask(second, "{}", "PUT /v1/queues/phoenix"), 403, "forbidden");
	expect_problem(receive(second, "shared-with-phoenix"), 404, "no-queue");
}
END_TEST

START_TEST(a_queue_made_again_has_none_of_the_old_grants)
{
	char owner[ACCOUNTS_TOKEN_BYTES], guest[ACCOUNTS_TOKEN_BYTES];

	accounts_new("again", owner);
	accounts_new("guest", guest);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/again"), 201);
	expect_status(accounts_ask(owner, "{\"rights\":[\"browse\"]}",
	    "PUT /v1/queues/again/grants/guest"),
	    201);
	expect_status(accounts_ask(guest, NULL, "GET /v1/queues/again"), 200);
	expect_status(accounts_ask(owner, NULL, "DELETE /v1/queues/again"), 204);
	expect_status(accounts_ask(owner, "{}", "PUT /v1/queues/again"), 201);
	expect_problem(accounts_ask(guest, NULL, "GET /v1/queues/again"), 404, "no-queue");
}
END_TEST

/* ---- lists ---- */

/* The path in the answer's Link; "" where there is none. */
static void
next_of(struct response *answer, char path[300])
{
	const char *link = response_field(answer, "Link");

	path[0] = '\0';
	if (link != NULL)
		ck_assert_int_eq(sscanf(link, "<%299[^>]>; rel=\"next\"", path), 1);
}

START_TEST(a_list_does_not_tell_what_stands_behind_it)
{
	char mine[ACCOUNTS_TOKEN_BYTES], other[ACCOUNTS_TOKEN_BYTES], path[300], again[300];
	struct response *answer;

	accounts_new("lister", mine);
	accounts_new("neighbour", other);
	for (unsigned i = 0; i < 3; i++) {
		/* Of others before, between and behind, in each shard. */
		for (unsigned k = 0; k < 8; k++)
			expect_status(accounts_ask(other, "{}", "PUT /v1/queues/neighbour.%u.%u", i, k), 201);
		if (i < 2)
			expect_status(accounts_ask(mine, "{}", "PUT /v1/queues/lister.%u", i), 201);
	}
	answer = accounts_ask(mine, NULL, "GET /v1/queues?limit=2");
	expect_status(answer, 200);
	ck_assert_uint_eq(response_count(answer, "queues"), 2);
	ck_assert_ptr_null(response_field(answer, "Link"));
	answer = accounts_ask(mine, NULL, "GET /v1/queues?limit=1");
	ck_assert_uint_eq(response_count(answer, "queues"), 1);
	next_of(answer, path);
	ck_assert_ptr_nonnull(strstr(path, "cursor="));
	answer = accounts_ask(mine, NULL, "GET %s", path);
	ck_assert_uint_eq(response_count(answer, "queues"), 1);
	ck_assert_ptr_null(response_field(answer, "Link"));

	/* Neither may another user go on with it, nor another list; and no digit of it can be changed. */
	expect_problem(accounts_ask(other, NULL, "GET %s", path), 400, "bad-query");
	snprintf(again, sizeof(again), "/v1/tokens?%s", strstr(path, "cursor="));
	expect_problem(accounts_ask(mine, NULL, "GET %s", again), 400, "bad-query");
	char *digit = strstr(path, "cursor=") + strlen("cursor=") + 25;
	*digit = *digit == '0' ? '1' : '0';
	expect_problem(accounts_ask(mine, NULL, "GET %s", path), 400, "bad-query");
	expect_problem(accounts_ask(mine, NULL, "GET /v1/queues?cursor=0000000000001"), 400, "bad-query");
}
END_TEST

START_TEST(a_list_page_by_page_has_everything_once)
{
	char other[ACCOUNTS_TOKEN_BYTES], path[300] = "/v1/queues?limit=3&prefix=paged.";
	unsigned seen[20] = { 0 }, pages = 0;
	struct response *answer;

	accounts_new("paged", other);
	for (unsigned i = 0; i < 20; i++)
		expect_status(accounts_ask(other, "{}", "PUT /v1/queues/paged.%u", i), 201);
	for (; path[0] != '\0'; pages++) {
		answer = accounts_ask(other, NULL, "GET %s", path);
		expect_status(answer, 200);
		for (size_t i = 0; i < response_count(answer, "queues"); i++) {
			char member[64];

			snprintf(member, sizeof(member), "queues.%zu.name", i);
			seen[atoi(response_text(answer, member) + strlen("paged."))]++;
		}
		next_of(answer, path);
	}
	ck_assert_uint_eq(pages, 7);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(seen[i], 1);
}
END_TEST

static Suite *
suite(void)
{
	static const char *const options[] = { "auth.mode=required", NULL };
	TCase *tcase;
	Suite *suite = session_suite("http/rights", options, &tcase);

	tcase_add_test(tcase, a_token_is_shown_once_listed_and_revoked);
	tcase_add_test(tcase, what_is_wrong_with_a_wish_for_a_token_is_said);
	tcase_add_test(tcase, a_token_ends_when_its_time_is_over);
	tcase_add_test(tcase, a_token_may_no_more_than_its_scopes_say);
	tcase_add_test(tcase, an_admins_narrowed_token_is_no_admins);
	tcase_add_test(tcase, a_queue_of_another_is_not_there_and_its_name_cannot_be_found_out);
	tcase_add_test(tcase, a_user_creates_queues_of_names_that_are_given_to_create);
	tcase_add_test(tcase, an_admin_gives_a_queue_to_another);
	tcase_add_test(tcase, a_grant_gives_what_it_says_until_it_is_taken_away);
	tcase_add_test(tcase, who_manages_a_queue_grants_and_nobody_else);
	tcase_add_test(tcase, rights_are_words_that_there_are);
	tcase_add_test(tcase, who_takes_the_name_of_a_deleted_user_gets_nothing_of_it);
	tcase_add_test(tcase, a_queue_made_again_has_none_of_the_old_grants);
	tcase_add_test(tcase, a_list_does_not_tell_what_stands_behind_it);
	tcase_add_test(tcase, a_list_page_by_page_has_everything_once);
	return suite;
}

UNIT_MAIN(suite)
