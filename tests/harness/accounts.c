#include "tests/harness/accounts.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frontd/http/text.h"
#include "tests/harness/session.h"

#define FIELDS_BYTES 512
#define ENDED_MS 1000

const char *
accounts_admin(void)
{
	static char token[ACCOUNTS_TOKEN_BYTES];
	char path[256];
	FILE *file;

	if (token[0] != '\0')
		return token;
	snprintf(path, sizeof(path), "%s/admin-token", session.broker.data);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "there is no %s", path);
	ck_assert_ptr_nonnull(fgets(token, sizeof(token), file));
	fclose(file);
	token[strcspn(token, "\n")] = '\0';
	return token;
}

static struct response *
ask_with(const char *authorization, const char *json, const char *request)
{
	char fields[FIELDS_BYTES];

	snprintf(fields, sizeof(fields), "%s%s%s%s", authorization != NULL ? "Authorization: " : "",
	    authorization != NULL ? authorization : "", authorization != NULL ? "\r\n" : "",
	    json != NULL ? "Content-Type: application/json\r\n" : "");
	return client_ask(&session.client, request, fields, json);
}

struct response *
accounts_ask(const char *token, const char *json, const char *request, ...)
{
	char line[512], authorization[128];
	va_list arguments;

	va_start(arguments, request);
	vsnprintf(line, sizeof(line), request, arguments);
	va_end(arguments);
	snprintf(authorization, sizeof(authorization), "Bearer %s", token != NULL ? token : "");
	return ask_with(token != NULL ? authorization : NULL, json, line);
}

struct response *
accounts_ask_basic(const char *user, const char *password, const char *json, const char *request)
{
	char pair[160], authorization[256] = "Basic ";
	int count = snprintf(pair, sizeof(pair), "%s:%s", user, password);
	size_t bytes = text_base64_encode((struct http_slice){ pair, (size_t)count },
	    (struct http_span){ authorization + 6, sizeof(authorization) - 7 });

	ck_assert(bytes != TEXT_FAILED);
	authorization[6 + bytes] = '\0';
	return ask_with(authorization, json, request);
}

void
accounts_user(const char *user, const char *password)
{
	char json[160];

	snprintf(json, sizeof(json), "{\"password\":\"%s\"}", password);
	expect_status(accounts_ask(accounts_admin(), json, "PUT /v1/users/%s", user), 201);
}

static void
take_token(struct response *answer, char token[ACCOUNTS_TOKEN_BYTES])
{
	expect_status(answer, 201);
	ck_assert_uint_lt(strlen(response_text(answer, "token")), ACCOUNTS_TOKEN_BYTES);
	strcpy(token, response_text(answer, "token"));
}

void
accounts_token(const char *user, const char *scopes, char token[ACCOUNTS_TOKEN_BYTES])
{
	char json[640];

	snprintf(json, sizeof(json), "{\"name\":\"test\",\"user\":\"%s\",\"scopes\":[%s]}", user,
	    scopes);
	take_token(accounts_ask(accounts_admin(), json, "POST /v1/tokens"), token);
}

void
accounts_new(const char *user, char token[ACCOUNTS_TOKEN_BYTES])
{
	expect_status(accounts_ask(accounts_admin(), "{}", "PUT /v1/users/%s", user), 201);
	accounts_token(user, "\"*\"", token);
}

void
accounts_login(const char *user, const char *password, char token[ACCOUNTS_TOKEN_BYTES])
{
	char json[256];

	snprintf(json, sizeof(json), "{\"user\":\"%s\",\"password\":\"%s\"}", user, password);
	take_token(accounts_ask(NULL, json, "POST /v1/sessions"), token);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
accounts_expect_ended(const char *token)
{
	uint64_t begun_ms = now_ms();
	unsigned status;

	do {
		/* One that has rested with what has ended is closed, perhaps just now. */
		client_close(&session.client);
		client_open(&session.client, session.broker.port);
		status = accounts_ask(token, NULL, "GET /v1/users/me")->status;
	} while (status != 401 && now_ms() - begun_ms < ENDED_MS);
	ck_assert_msg(status == 401, "%d ms later it is still answered %u", ENDED_MS, status);
}
