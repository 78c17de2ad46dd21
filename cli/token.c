/*
 * chasqui token: keys for programs; over HTTP.  What is made goes to stdout alone, once, so that
 * `chasqui token create ci > file` or --save FILE keeps it; what is to be known about it goes to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/secret.h"
#include "cli/verbs.h"

static int
token_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "ID", "id" }, { "USER", "user" }, { "NAME", "name" }, { "SCOPES", "scopes" }, { "EXPIRES", "expires_at" },
		{ "LAST USED", "last_used_at" },
	};
	const char *query[] = { "user", arguments->word_count > 1 ? arguments->words[1] : NULL, NULL };

	return ask_list(client, &(struct ask_list){ .path = "/v1/tokens?limit=100", .member = "tokens", .query = query,
	    .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) }, arguments);
}

static json_t *
wish_of(const struct arguments *arguments)
{
	json_t *wish = json_pack("{s:s}", "name", arguments->words[1]);

	if (arguments->word_count > 2)
		json_object_set_new(wish, "user", json_string(arguments->words[2]));
	if (arguments->expires_in != NULL)
		json_object_set_new(wish, "expires_in", json_string(arguments->expires_in));
	if (arguments->scope_count != 0) {
		json_t *scopes = json_array();

		for (unsigned i = 0; i < arguments->scope_count; i++)
			json_array_append_new(scopes, json_string(arguments->scopes[i]));
		json_object_set_new(wish, "scopes", scopes);
	}
	return wish;
}

static int
token_create(struct http_client *client, const struct arguments *arguments)
{
	json_t *wish = wish_of(arguments);
	char *body = json_dumps(wish, JSON_COMPACT);
	int code;

	json_decref(wish);
	if (body == NULL) {
		fprintf(stderr, "chasqui: a name or scope is not UTF-8\n");
		return CLI_USAGE;
	}
	json_t *made = ask_json(client, &(struct http_call){ .method = "POST", .path = "/v1/tokens", .body = body,
	    .body_bytes = strlen(body) }, &code);
	free(body);
	if (made == NULL)
		return code;
	code = ask_give_secret(made, arguments);
	json_decref(made);
	return code;
}

static int
token_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "tokens", arguments->words[1], "");
	int code = ask_and_print(client, &(struct http_call){ .method = "DELETE", .path = path }, arguments);

	curl_free(path);
	return code;
}

static const struct http_verb token_verbs[] = {
	{ "ls", token_ls, 1, 2, false },
	{ "create", token_create, 2, 3, false },
	{ "rm", token_rm, 2, 2, false },
};

int
verb_token(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "Sxv", argc, argv))
		return verb_usage("token");
	return http_verb_run("token", token_verbs, sizeof(token_verbs) / sizeof(token_verbs[0]), &arguments);
}
