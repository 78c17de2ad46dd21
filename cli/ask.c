#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/secret.h"
#include "cli/verbs.h"

int
ask(struct http_client *client, const struct http_call *call, struct http_answer *answer)
{
	int code = http_ask(client, call, answer);

	if (code != 0)
		return code;
	if (answer->status == 412 && call->on_412 != NULL)
		fprintf(stderr, "chasqui: %s\n", call->on_412);
	else if (http_is_done(answer))
		return 0;
	http_release(answer);
	return CLI_FAILED;
}

json_t *
ask_json(struct http_client *client, const struct http_call *call, int *code)
{
	struct http_answer answer;
	json_t *json = NULL;

	*code = ask(client, call, &answer);
	if (*code != CLI_OK)
		return NULL;
	if (answer.body_bytes != 0) {
		json = http_json(&answer);
		*code = json != NULL ? CLI_OK : CLI_FAILED;
	}
	http_release(&answer);
	return json;
}

int
ask_and_print(struct http_client *client, const struct http_call *call,
    const struct arguments *arguments)
{
	int code;
	json_t *json = ask_json(client, call, &code);

	if (json == NULL)
		return code;
	if (arguments->is_json)
		print_json(json);
	else
		print_members(json);
	json_decref(json);
	return CLI_OK;
}

int
ask_at(struct http_client *client, const char *method, char *path,
    const struct arguments *arguments)
{
	struct http_call call = { .method = method, .path = path };
	int code = ask_and_print(client, &call, arguments);

	curl_free(path);
	return code;
}

int
ask_with(struct http_client *client, struct http_call call, json_t *body,
    const struct arguments *arguments)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int code;

	call.body = text;
	call.body_bytes = strlen(text);
	code = ask_and_print(client, &call, arguments);
	explicit_bzero(text, call.body_bytes); /* it may hold a password */
	free(text);
	json_decref(body);
	return code;
}

/* The path of `Link: <...>; rel="next"`, copied; NULL: this was the last page. */
static char *
next_page(struct http_client *client)
{
	const char *link = http_header(client, "Link");
	const char *begin, *end, *path;

	if (link == NULL || strstr(link, "rel=\"next\"") == NULL)
		return NULL;
	begin = strchr(link, '<');
	end = begin != NULL ? strchr(begin, '>') : NULL;
	if (end == NULL)
		return NULL;
	/* The target may be absolute; what we want is on the broker we asked. */
	path = strstr(begin, "/v1/");
	if (path == NULL || path > end)
		return NULL;
	return strndup(path, (size_t)(end - path));
}

int
ask_list(struct http_client *client, const struct ask_list *list, const struct arguments *arguments)
{
	char *path = strdup(list->path);
	json_t *rows = json_array();
	bool is_first = true;
	int code = CLI_OK;

	while (path != NULL && code == CLI_OK) {
		struct http_call call = { .method = "GET", .path = path };

		if (is_first)
			call.query = list->query;
		is_first = false;
		json_t *page = ask_json(client, &call, &code);
		free(path);
		path = page != NULL ? next_page(client) : NULL;
		if (page != NULL &&
		    json_array_extend(rows, json_object_get(page, list->member)) != 0)
			code = CLI_FAILED;
		json_decref(page);
	}
	free(path);
	if (code == CLI_OK && arguments->is_json)
		print_json(rows);
	else if (code == CLI_OK)
		print_table(rows, list->columns, list->column_count);
	json_decref(rows);
	return code;
}

static int
give_secret(json_t *made, const struct arguments *arguments)
{
	const char *token = json_string_value(json_object_get(made, "token"));
	const char *id = json_string_value(json_object_get(made, "id"));
	const char *expires = json_string_value(json_object_get(made, "expires_at"));
	const char *file = arguments->save_file;

	if (token == NULL || id == NULL) {
		fprintf(stderr, "chasqui: the answer holds no token; is this a Chasqui?\n");
		return CLI_FAILED;
	}
	if (file != NULL && !secret_save(file, token)) {
		fprintf(stderr, "chasqui: %s was made and is lost; remove it\n", id);
		return CLI_FAILED;
	}
	if (arguments->is_json) {
		if (file != NULL)
			json_object_del(made, "token");
		print_json(made);
		return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
	}
	fprintf(stderr, "%s, expires %s; the token is %s%s\n", id,
	    expires != NULL ? expires : "never", file != NULL ? "in " : "shown this once",
	    file != NULL ? file : "");
	if (file == NULL)
		puts(token);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int
ask_secret(struct http_client *client, const char *path, json_t *wish,
    const struct arguments *arguments)
{
	char *body = wish != NULL ? json_dumps(wish, JSON_COMPACT) : NULL;
	struct http_call call = { .method = "POST", .path = path, .body = body };
	int code;

	json_decref(wish);
	if (body == NULL) {
		fprintf(stderr, "chasqui: a name or password is not UTF-8\n");
		return CLI_USAGE;
	}
	call.body_bytes = strlen(body);
	json_t *made = ask_json(client, &call, &code);
	explicit_bzero(body, call.body_bytes);
	free(body);
	if (made == NULL)
		return code;
	code = give_secret(made, arguments);
	json_decref(made);
	return code;
}

/* Sets a.b.c; false if the path is no path or goes through something that is no object. */
static bool
set_member(json_t *object, const char *path, size_t path_bytes, json_t *value)
{
	const char *dot = memchr(path, '.', path_bytes);
	size_t key_bytes = dot != NULL ? (size_t)(dot - path) : path_bytes;
	char key[64];
	json_t *inner;

	if (key_bytes == 0 || key_bytes >= sizeof(key))
		return false;
	memcpy(key, path, key_bytes);
	key[key_bytes] = '\0';
	if (dot == NULL)
		return json_object_set(object, key, value) == 0;
	inner = json_object_get(object, key);
	if (inner == NULL) {
		inner = json_object();
		json_object_set_new(object, key, inner);
	}
	return json_is_object(inner) &&
	    set_member(inner, dot + 1, path_bytes - key_bytes - 1, value);
}

json_t *
ask_words(char **words, int count)
{
	json_t *object = json_object();

	for (int i = 0; i < count; i++) {
		const char *equals = strchr(words[i], '=');
		json_t *value = NULL;

		if (equals != NULL)
			value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
		if (equals != NULL && value == NULL)
			value = json_string(equals + 1);
		bool is_set = value != NULL &&
		    set_member(object, words[i], (size_t)(equals - words[i]), value);
		json_decref(value);
		if (is_set)
			continue;
		fprintf(stderr, "chasqui: `%s` is not FIELD=VALUE, such as lease=30s\n", words[i]);
		json_decref(object);
		return NULL;
	}
	return object;
}
