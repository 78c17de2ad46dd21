/* chasqui grant: what others may do with a queue; over HTTP. */
#include <string.h>

#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/verbs.h"

/* "/v1/queues/{queue}/grants/{user}".  Give it to curl_free(). */
static char *
grant_path(struct http_client *client, const struct arguments *arguments)
{
	char *user = curl_easy_escape(client->curl, arguments->words[2], 0);
	char *rest = curl_maprintf("/grants/%s", user);
	char *path = http_path(client, arguments->words[1], rest);

	curl_free(rest);
	curl_free(user);
	return path;
}

static int
grant_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = { { "USER", "user" }, { "RIGHTS", "rights" } };
	char *path = http_path(client, arguments->words[1], "/grants");
	const struct ask_list list = { .path = path, .member = "grants", .columns = columns,
		.column_count = sizeof(columns) / sizeof(columns[0]) };
	int code = ask_list(client, &list, arguments);

	curl_free(path);
	return code;
}

/* Rights as words of their own, or with commas between. */
static json_t *
rights_of(char **words, int count)
{
	json_t *rights = json_array();

	for (int i = 0; i < count; i++)
		for (const char *at = words[i]; *at != '\0'; at += *at == ',') {
			size_t bytes = strcspn(at, ",");

			json_array_append_new(rights, json_stringn(at, bytes));
			at += bytes;
		}
	return rights;
}

static int
grant_set(struct http_client *client, const struct arguments *arguments)
{
	char *path = grant_path(client, arguments);
	json_t *rights = rights_of(arguments->words + 3, arguments->word_count - 3);
	struct http_call call = { .method = "PUT", .path = path };
	int code = ask_with(client, call, json_pack("{s:o}", "rights", rights), arguments);

	curl_free(path);
	return code;
}

static int
grant_rm(struct http_client *client, const struct arguments *arguments)
{
	return ask_at(client, "DELETE", grant_path(client, arguments), arguments);
}

static const struct http_verb grant_verbs[] = {
	{ "ls", grant_ls, 2, 2, false },
	{ "set", grant_set, 4, 7, false },
	{ "rm", grant_rm, 3, 3, false },
};

int
verb_grant(int argc, char **argv)
{
	const size_t count = sizeof(grant_verbs) / sizeof(grant_verbs[0]);
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN, argc, argv))
		return verb_usage("grant");
	return http_verb_run("grant", grant_verbs, count, &arguments);
}
