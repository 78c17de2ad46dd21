/* chasqui user: who may use a broker; over HTTP. */
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/ask.h"
#include "cli/secret.h"
#include "cli/verbs.h"

static int
user_ls(struct http_client *client, const struct arguments *arguments)
{
	static const struct column columns[] = {
		{ "USER", "name" }, { "ROLE", "role" }, { "DISABLED", "disabled" }, { "PASSWORD", "has_password" },
		{ "CREATES", "creates" }, { "CREATED", "created_at" },
	};
	const char *query[] = { "prefix", arguments->word_count > 1 ? arguments->words[1] : NULL, NULL };

	return ask_list(client, &(struct ask_list){ .path = "/v1/users?limit=100", .member = "users", .query = query,
	    .columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) }, arguments);
}

static int
user_show(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "users", arguments->word_count > 1 ? arguments->words[1] : "me", "");
	int code = ask_and_print(client, &(struct http_call){ .method = "GET", .path = path }, arguments);

	curl_free(path);
	return code;
}

/* creates=a,b.* is easier to type than a JSON array. */
static void
split_creates(json_t *fields)
{
	const char *at = json_string_value(json_object_get(fields, "creates"));
	json_t *patterns;

	if (at == NULL)
		return;
	patterns = json_array();
	for (; *at != '\0'; at += *at == ',') {
		size_t bytes = strcspn(at, ",");

		json_array_append_new(patterns, json_stringn(at, bytes));
		at += bytes;
	}
	json_object_set_new(fields, "creates", patterns);
}

/* Words and, of a new user, a password.  NULL after a line on stderr; then *code. */
static json_t *
fields_of(const struct arguments *arguments, int *code)
{
	json_t *fields = ask_words(arguments->words + 2, arguments->word_count - 2);

	*code = CLI_USAGE;
	if (fields == NULL)
		return NULL;
	if (json_object_get(fields, "password") != NULL) {
		fprintf(stderr, "chasqui: a password on the command line can be read by everyone on this machine; it is asked for, "
			"or read from stdin\n");
		json_decref(fields);
		return NULL;
	}
	split_creates(fields);
	return fields;
}

static bool
add_password(json_t *fields, const char *member, const char *prompt, bool is_new, bool from_stdin)
{
	char password[SECRET_BYTES];

	if (!secret_password(prompt, is_new, from_stdin, password))
		return false;
	json_t *text = json_string(password);
	secret_wipe(password);
	if (text == NULL)
		fprintf(stderr, "chasqui: the password is not UTF-8\n");
	return text != NULL && json_object_set_new(fields, member, text) == 0;
}

static int
user_create(struct http_client *client, const struct arguments *arguments)
{
	struct curl_slist *headers = NULL;
	char prompt[128], *path;
	int code;
	json_t *fields = fields_of(arguments, &code);

	if (fields == NULL)
		return code;
	snprintf(prompt, sizeof(prompt), "password for %.80s", arguments->words[1]);
	if (!arguments->has_no_password && !add_password(fields, "password", prompt, true, arguments->reads_password)) {
		json_decref(fields);
		return CLI_FAILED;
	}
	headers = curl_slist_append(headers, "If-None-Match: *");
	path = http_path_of(client, "users", arguments->words[1], "");
	code = ask_with(client, (struct http_call){ .method = "PUT", .path = path, .headers = headers,
	    .on_412 = "the user exists already; chasqui user set changes it" }, fields, arguments);
	curl_free(path);
	curl_slist_free_all(headers);
	return code;
}

static int
user_patch(struct http_client *client, const struct arguments *arguments, const char *name, json_t *fields)
{
	char *path = http_path_of(client, "users", name, "");
	int code = ask_with(client, (struct http_call){ .method = "PATCH", .path = path }, fields, arguments);

	curl_free(path);
	return code;
}

static int
user_set(struct http_client *client, const struct arguments *arguments)
{
	int code;
	json_t *fields = fields_of(arguments, &code);

	return fields != NULL ? user_patch(client, arguments, arguments->words[1], fields) : code;
}

static int
user_disable(struct http_client *client, const struct arguments *arguments)
{
	return user_patch(client, arguments, arguments->words[1], json_pack("{s:b}", "disabled", true));
}

static int
user_enable(struct http_client *client, const struct arguments *arguments)
{
	return user_patch(client, arguments, arguments->words[1], json_pack("{s:b}", "disabled", false));
}

static int
user_rm(struct http_client *client, const struct arguments *arguments)
{
	char *path = http_path_of(client, "users", arguments->words[1], "");
	int code = ask_and_print(client, &(struct http_call){ .method = "DELETE", .path = path }, arguments);

	curl_free(path);
	return code;
}

/* Own password or that of another?  Who changes his own has to know the one before. */
static int
user_passwd(struct http_client *client, const struct arguments *arguments)
{
	int code;
	json_t *me = ask_json(client, &(struct http_call){ .method = "GET", .path = "/v1/users/me" }, &code);
	const char *name = json_string_value(json_object_get(me, "name"));
	json_t *fields;
	char prompt[128];
	bool is_own;

	if (name == NULL && arguments->word_count < 2) {
		if (code == CLI_OK)
			fprintf(stderr, "chasqui: this broker asks for no credentials, so nobody is `me`; name the user\n");
		json_decref(me);
		return code != CLI_OK ? code : CLI_USAGE;
	}
	is_own = name != NULL && (arguments->word_count < 2 || strcmp(arguments->words[1], name) == 0);
	fields = json_object();
	if (is_own && json_is_true(json_object_get(me, "has_password")) &&
	    !add_password(fields, "current_password", "current password", false, arguments->reads_password))
		goto fail;
	snprintf(prompt, sizeof(prompt), "new password for %.80s", is_own ? name : arguments->words[1]);
	if (!add_password(fields, "password", prompt, true, arguments->reads_password))
		goto fail;
	code = user_patch(client, arguments, is_own ? name : arguments->words[1], fields);
	json_decref(me);
	return code;

fail:
	json_decref(fields);
	json_decref(me);
	return CLI_FAILED;
}

static const struct http_verb user_verbs[] = {
	{ "ls", user_ls, 1, 2, false },
	{ "show", user_show, 1, 2, false },
	{ "create", user_create, 2, 20, false },
	{ "passwd", user_passwd, 1, 2, false },
	{ "set", user_set, 3, 20, false },
	{ "disable", user_disable, 2, 2, false },
	{ "enable", user_enable, 2, 2, false },
	{ "rm", user_rm, 2, 2, false },
};

int
verb_user(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "N", argc, argv))
		return verb_usage("user");
	return http_verb_run("user", user_verbs, sizeof(user_verbs) / sizeof(user_verbs[0]), &arguments);
}
