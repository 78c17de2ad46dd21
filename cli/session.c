/* chasqui session: logging in and out; over HTTP.  A session is kept by nobody but who is told to: --save FILE. */
#include <stdio.h>
#include <stdlib.h>
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
	int code;

	snprintf(prompt, sizeof(prompt), "password of %.80s", user);
	if (!secret_password(prompt, false, arguments->reads_password, password))
		return CLI_FAILED;
	json_t *login = json_pack("{s:s, s:s}", "user", user, "password", password);
	char *body = login != NULL ? json_dumps(login, JSON_COMPACT) : NULL;
	secret_wipe(password);
	json_decref(login);
	if (body == NULL) {
		fprintf(stderr, "chasqui: name or password is not UTF-8\n");
		return CLI_USAGE;
	}
	json_t *made = ask_json(client, &(struct http_call){ .method = "POST", .path = "/v1/sessions", .body = body,
	    .body_bytes = strlen(body) }, &code);
	explicit_bzero(body, strlen(body));
	free(body);
	if (made == NULL)
		return code;
	code = ask_give_secret(made, arguments);
	json_decref(made);
	return code;
}

static int
session_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "ID", "id" }, { "USER", "user" }, { "CURRENT", "current" }, { "CREATED", "created_at" },
		{ "LAST USED", "last_used_at" }, { "IDLE UNTIL", "idle_expires_at" }, { "EXPIRES", "expires_at" },
	};
	const char *query[] = { "user", arguments->word_count > 1 ? arguments->words[1] : NULL, NULL };

	return ask_list(client, &(struct ask_list){ .path = "/v1/sessions?limit=100", .member = "sessions", .query = query,
	    .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) }, arguments);
}

static int
session_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "sessions", arguments->words[1], "");
	int code = ask_and_print(client, &(struct http_call){ .method = "DELETE", .path = path }, arguments);

	curl_free(path);
	return code;
}

static const struct http_verb session_verbs[] = {
	{ "login", session_login, 2, 2, true },
	{ "ls", session_ls, 1, 2, false },
	{ "rm", session_rm, 2, 2, false },
};

int
verb_session(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "v", argc, argv))
		return verb_usage("session");
	return http_verb_run("session", session_verbs, sizeof(session_verbs) / sizeof(session_verbs[0]), &arguments);
}
