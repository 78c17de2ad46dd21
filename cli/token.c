/*
 * chasqui token: keys for programs; over HTTP.  What is made goes to stdout alone, once, so that
 * `chasqui token create ci > file` or --save FILE keeps it; what is to be known about it goes to
 * stderr.
 */
#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/verbs.h"

static int
token_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "ID", "id" },
		{ "USER", "user" },
		{ "NAME", "name" },
		{ "SCOPES", "scopes" },
		{ "EXPIRES", "expires_at" },
		{ "LAST USED", "last_used_at" },
	};
	const struct ask_list list = { .path = "/v1/tokens?limit=100", .member = "tokens",
		.query = { "user", arguments->word_count > 1 ? arguments->words[1] : NULL },
		.columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) };

	return ask_list(client, &list, arguments);
}

static int
token_create(struct http_client *client, const struct arguments *arguments)
{
	json_t *wish = json_object(), *scopes = json_array();

	json_object_set_new(wish, "name", json_string(arguments->words[1]));
	if (arguments->word_count > 2)
		json_object_set_new(wish, "user", json_string(arguments->words[2]));
	if (arguments->expires_in != NULL)
		json_object_set_new(wish, "expires_in", json_string(arguments->expires_in));
	for (unsigned i = 0; i < arguments->scope_count; i++)
		json_array_append_new(scopes, json_string(arguments->scopes[i]));
	if (arguments->scope_count != 0)
		json_object_set(wish, "scopes", scopes);
	json_decref(scopes);
	return ask_secret(client, "/v1/tokens", wish, arguments);
}

static int
token_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "tokens", arguments->words[1], "");

	return ask_at(client, "DELETE", path, arguments);
}

static const struct http_verb token_verbs[] = {
	{ "ls", token_ls, 1, 2, false },
	{ "create", token_create, 2, 3, false },
	{ "rm", token_rm, 2, 2, false },
};

int
verb_token(int argc, char **argv)
{
	const size_t count = sizeof(token_verbs) / sizeof(token_verbs[0]);
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "Sxv", argc, argv))
		return verb_usage("token");
	return http_verb_run("token", token_verbs, count, &arguments);
}
