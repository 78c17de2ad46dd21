/* chasqui queue: ls, show, create, rm, purge; over HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/http.h"
#include "cli/print.h"
#include "cli/verbs.h"

/* Ask; 0 and the answer if it was done, else an exit code. */
static int
ask(struct http_client *client, const struct http_call *call, struct http_answer *answer)
{
	int code = http_ask(client, call, answer);

	if (code != 0)
		return code;
	if (answer->status == 412) {
		fprintf(stderr, "chasqui: the queue exists already; --replace gives it this configuration\n");
		http_release(answer);
		return CLI_FAILED;
	}
	if (!http_is_done(answer)) {
		http_release(answer);
		return CLI_FAILED;
	}
	return 0;
}

/* The path of `Link: <...>; rel="next"`, copied; NULL: this was the last page. */
static char *
next_page(struct http_client *client)
{
	const char *link = http_header(client, "Link");
	const char *begin = link != NULL && strstr(link, "rel=\"next\"") != NULL ? strchr(link, '<') : NULL;
	const char *end = begin != NULL ? strchr(begin, '>') : NULL;
	const char *path;

	if (end == NULL)
		return NULL;
	/* The target may be absolute; what we want is on the broker we asked. */
	path = strstr(begin, "/v1/");
	if (path == NULL || path > end)
		return NULL;
	return strndup(path, (size_t)(end - path));
}

static int
queue_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "QUEUE", "name" },           { "READY", "stats.ready" },     { "DELAYED", "stats.delayed" },
		{ "LEASED", "stats.leased" },  { "DEAD", "stats.dead" },       { "WAITERS", "stats.waiters" },
		{ "BYTES", "stats.bytes" },    { "PUBLISHED", "stats.published" }, { "ACKED", "stats.acked" },
		{ "DURABILITY", "durability" },
	};
	const char *query[] = { "prefix", arguments->word_count > 1 ? arguments->words[1] : NULL, NULL };
	char *path = strdup("/v1/queues?limit=100");
	json_t *queues = json_array();
	int code = CLI_OK;

	while (path != NULL && code == CLI_OK) {
		bool is_first = json_array_size(queues) == 0;
		struct http_call call = { .method = "GET", .path = path, .query = is_first ? query : NULL };
		struct http_answer answer;
		json_t *page;

		code = ask(client, &call, &answer);
		if (code != CLI_OK)
			break;
		free(path);
		path = next_page(client);
		page = http_json(&answer);
		http_release(&answer);
		if (page == NULL || json_array_extend(queues, json_object_get(page, "queues")) != 0)
			code = CLI_FAILED;
		json_decref(page);
	}
	free(path);
	if (code == CLI_OK && arguments->is_json)
		print_json(queues);
	else if (code == CLI_OK)
		print_table(queues, columns, sizeof(columns) / sizeof(columns[0]));
	json_decref(queues);
	return code;
}

/* Ask and print the JSON of the answer. */
static int
ask_and_print(struct http_client *client, const struct http_call *call, const struct arguments *arguments)
{
	struct http_answer answer;
	int code = ask(client, call, &answer);
	json_t *json;

	if (code != CLI_OK)
		return code;
	if (answer.body_bytes == 0) {
		http_release(&answer);
		return CLI_OK;
	}
	json = http_json(&answer);
	http_release(&answer);
	if (json == NULL)
		return CLI_FAILED;
	if (arguments->is_json)
		print_json(json);
	else
		print_members(json);
	json_decref(json);
	return CLI_OK;
}

static int
queue_show(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path(client, arguments->words[1], "");
	int code = ask_and_print(client, &(struct http_call){ .method = "GET", .path = path }, arguments);

	curl_free(path);
	return code;
}

/* FIELD=VALUE words as an object: a value that is JSON as such, else a string.  NULL after a line on stderr. */
static json_t *
config_of_words(char **words, int count)
{
	json_t *config = json_object();

	for (int i = 0; i < count; i++) {
		char *equals = strchr(words[i], '=');
		char field[64];
		json_t *value;

		if (equals == NULL || equals == words[i] || (size_t)(equals - words[i]) >= sizeof(field)) {
			fprintf(stderr, "chasqui: `%s` is not FIELD=VALUE, such as lease=30s\n", words[i]);
			json_decref(config);
			return NULL;
		}
		memcpy(field, words[i], (size_t)(equals - words[i]));
		field[equals - words[i]] = '\0';
		value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
		json_object_set_new(config, field, value != NULL ? value : json_string(equals + 1));
	}
	return config;
}

static int
queue_create(struct http_client *client, const struct arguments *arguments)
{
	json_t *config = config_of_words(arguments->words + 2, arguments->word_count - 2);
	struct curl_slist *headers = NULL;
	char *body;
	char *path;
	int code;

	if (config == NULL)
		return CLI_USAGE;
	if (!arguments->replaces)
		headers = curl_slist_append(headers, "If-None-Match: *");
	body = json_dumps(config, JSON_COMPACT);
	path = http_path(client, arguments->words[1], "");
	struct http_call call = {
		.method = "PUT", .path = path, .headers = headers, .body = body, .body_bytes = strlen(body),
	};

	code = ask_and_print(client, &call, arguments);
	curl_free(path);
	free(body);
	json_decref(config);
	curl_slist_free_all(headers);
	return code;
}

static int
queue_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path(client, arguments->words[1], "");
	int code = ask_and_print(client, &(struct http_call){ .method = "DELETE", .path = path }, arguments);

	curl_free(path);
	return code;
}

static int
queue_purge(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path(client, arguments->words[1], ":purge");
	json_t *what = json_object();
	char *body;
	int code;

	if (arguments->state != NULL)
		json_object_set_new(what, "state", json_string(arguments->state));
	if (arguments->older_than != NULL)
		json_object_set_new(what, "older_than", json_string(arguments->older_than));
	body = json_dumps(what, JSON_COMPACT);
	struct http_call call = { .method = "POST", .path = path, .body = body, .body_bytes = strlen(body) };

	code = ask_and_print(client, &call, arguments);
	json_decref(what);
	free(body);
	curl_free(path);
	return code;
}

static const struct http_verb queue_verbs[] = {
	{ "ls", queue_ls, 1, 2 },
	{ "show", queue_show, 2, 2 },
	{ "create", queue_create, 2, 100 },
	{ "rm", queue_rm, 2, 2 },
	{ "purge", queue_purge, 2, 2 },
};

int
verb_queue(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, "ijuAPKrsO", argc, argv))
		return verb_usage("queue");
	return http_verb_run("queue", queue_verbs, sizeof(queue_verbs) / sizeof(queue_verbs[0]), &arguments);
}
