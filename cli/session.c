/*
 * chasqui session: logging in and out; over HTTP.  Nobody keeps a session but who is told to:
 * --save FILE.
 */
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/secret.h"
#include "cli/verbs.h"

static int
session_login(struct http_client *client, const struct arguments *arguments)
{
	const char *user = arguments->words[1];
	char prompt[128], password[SECRET_BYTES];

	snprintf(prompt, sizeof(prompt), "password of %.80s", user);
	if (!secret_password(prompt, false, arguments->reads_password, password))
		return CLI_FAILED;
	json_t *login = json_pack("{s:s, s:s}", "user", user, "password", password);
	secret_wipe(password);
	return ask_secret(client, "/v1/sessions", login, arguments);
}

static int
session_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "ID", "id" },
		{ "USER", "user" },
		{ "CURRENT", "current" },
		{ "CREATED", "created_at" },
		{ "LAST USED", "last_used_at" },
		{ "IDLE UNTIL", "idle_expires_at" },
		{ "EXPIRES", "expires_at" },
	};
	const struct ask_list list = { .path = "/v1/sessions?limit=100", .member = "sessions",
		.query = { "user", arguments->word_count > 1 ? arguments->words[1] : NULL },
		.columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) };

	return ask_list(client, &list, arguments);
}

static int
session_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "sessions", arguments->words[1], "");

	return ask_at(client, "DELETE", path, arguments);
}

static const struct http_verb session_verbs[] = {
	{ "login", session_login, 2, 2, true },
	{ "ls", session_ls, 1, 2, false },
	{ "rm", session_rm, 2, 2, false },
};

int
verb_session(int argc, char **argv)
{
	const size_t count = sizeof(session_verbs) / sizeof(session_verbs[0]);
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "v", argc, argv))
		return verb_usage("session");
	return http_verb_run("session", session_verbs, count, &arguments);
}
