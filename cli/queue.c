/* chasqui queue: ls, show, create, rm, purge; over HTTP. */
#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/verbs.h"

static int
queue_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "QUEUE", "name" },           { "READY", "stats.ready" },     { "DELAYED", "stats.delayed" },
		{ "LEASED", "stats.leased" },  { "DEAD", "stats.dead" },       { "WAITERS", "stats.waiters" },
		{ "BYTES", "stats.bytes" },    { "PUBLISHED", "stats.published" }, { "ACKED", "stats.acked" },
		{ "DURABILITY", "durability" },
	};
	const struct ask_list list = { .path = "/v1/queues?limit=100", .member = "queues",
		.query = { "prefix", arguments->word_count > 1 ? arguments->words[1] : NULL },
		.columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) };

	return ask_list(client, &list, arguments);
}

static int
queue_show(struct http_client *client, const struct arguments *arguments)
{
	return ask_at(client, "GET", http_path(client, arguments->words[1], ""), arguments);
}

static int
queue_create(struct http_client *client, const struct arguments *arguments)
{
	json_t *config = ask_words(arguments->words + 2, arguments->word_count - 2);
	struct curl_slist *headers = NULL;
	char *path;
	int code;

	if (config == NULL)
		return CLI_USAGE;
	if (!arguments->replaces)
		headers = curl_slist_append(headers, "If-None-Match: *");
	path = http_path(client, arguments->words[1], "");
	code = ask_with(client, (struct http_call){ .method = "PUT", .path = path, .headers = headers,
	    .on_412 = "the queue exists already; --replace gives it this configuration" }, config, arguments);
	curl_free(path);
	curl_slist_free_all(headers);
	return code;
}

static int
queue_rm(struct http_client *client, const struct arguments *arguments)
{
	return ask_at(client, "DELETE", http_path(client, arguments->words[1], ""), arguments);
}

static int
queue_purge(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path(client, arguments->words[1], ":purge");
	json_t *what = json_object();
	int code;

	if (arguments->state != NULL)
		json_object_set_new(what, "state", json_string(arguments->state));
	if (arguments->older_than != NULL)
		json_object_set_new(what, "older_than", json_string(arguments->older_than));
	code = ask_with(client, (struct http_call){ .method = "POST", .path = path }, what, arguments);
	curl_free(path);
	return code;
}

static const struct http_verb queue_verbs[] = {
	{ "ls", queue_ls, 1, 2, false },
	{ "show", queue_show, 2, 2, false },
	{ "create", queue_create, 2, 100, false },
	{ "rm", queue_rm, 2, 2, false },
	{ "purge", queue_purge, 2, 2, false },
};

int
verb_queue(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "rsO", argc, argv))
		return verb_usage("queue");
	return http_verb_run("queue", queue_verbs, sizeof(queue_verbs) / sizeof(queue_verbs[0]), &arguments);
}
