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
		{ "USER", "name" },
		{ "ROLE", "role" },
		{ "DISABLED", "disabled" },
		{ "PASSWORD", "has_password" },
		{ "CREATES", "creates" },
		{ "CREATED", "created_at" },
	};
	const struct ask_list list = { .path = "/v1/users?limit=100", .member = "users",
		.query = { "prefix", arguments->word_count > 1 ? arguments->words[1] : NULL },
		.columns = columns, .column_count = sizeof(columns) / sizeof(columns[0]) };

	return ask_list(client, &list, arguments);
}

/* Of the one that is named, else of who asks. */
static char *
user_path(struct http_client *client, const struct arguments *arguments)
{
	const char *name = arguments->word_count > 1 ? arguments->words[1] : "me";

	return http_path_of(client, "users", name, "");
}

static int
user_show(struct http_client *client, const struct arguments *arguments)
{
	return ask_at(client, "GET", user_path(client, arguments), arguments);
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

/* FIELD=VALUE words but passwords.  NULL after a line on stderr. */
static json_t *
fields_of(const struct arguments *arguments)
{
	json_t *fields = ask_words(arguments->words + 2, arguments->word_count - 2);

	if (json_object_get(fields, "password") != NULL) {
		fprintf(stderr, "chasqui: everyone on this machine can read a password on the command "
				"line; it is asked for, or read from stdin\n");
		json_decref(fields);
		return NULL;
	}
	if (fields != NULL)
		split_creates(fields);
	return fields;
}

struct question {
	const char *member;  /* of the fields */
	const char *prompt;
	bool is_new;
};

/* False after a line on stderr. */
static bool
add_password(json_t *fields, const struct question *question, const struct arguments *arguments)
{
	char password[SECRET_BYTES];
	json_t *text;

	if (!secret_password(question->prompt, question->is_new, arguments->reads_password,
		password))
		return false;
	text = json_string(password);
	secret_wipe(password);
	if (text == NULL)
		fprintf(stderr, "chasqui: the password is not UTF-8\n");
	return text != NULL && json_object_set_new(fields, question->member, text) == 0;
}

static int
user_create(struct http_client *client, const struct arguments *arguments)
{
	char prompt[128], *path;
	const struct question question = { "password", prompt, true };
	json_t *fields = fields_of(arguments);

	if (fields == NULL)
		return CLI_USAGE;
	snprintf(prompt, sizeof(prompt), "password for %.80s", arguments->words[1]);
	if (!arguments->has_no_password && !add_password(fields, &question, arguments)) {
		json_decref(fields);
		return CLI_FAILED;
	}
	path = user_path(client, arguments);
	struct http_call call = { .method = "PUT", .path = path,
		.headers = curl_slist_append(NULL, "If-None-Match: *"),
		.on_412 = "the user exists already; chasqui user set changes it" };
	int code = ask_with(client, call, fields, arguments);
	curl_slist_free_all(call.headers);
	curl_free(path);
	return code;
}

/* Takes the fields. */
static int
user_patch(struct http_client *client, const struct arguments *arguments, json_t *fields)
{
	char *path = user_path(client, arguments);
	struct http_call call = { .method = "PATCH", .path = path };
	int code = ask_with(client, call, fields, arguments);

	curl_free(path);
	return code;
}

static int
user_set(struct http_client *client, const struct arguments *arguments)
{
	json_t *fields = fields_of(arguments);

	return fields != NULL ? user_patch(client, arguments, fields) : CLI_USAGE;
}

static int
user_disable(struct http_client *client, const struct arguments *arguments)
{
	return user_patch(client, arguments, json_pack("{s:b}", "disabled", true));
}

static int
user_enable(struct http_client *client, const struct arguments *arguments)
{
	return user_patch(client, arguments, json_pack("{s:b}", "disabled", false));
}

static int
user_rm(struct http_client *client, const struct arguments *arguments)
{
	return ask_at(client, "DELETE", user_path(client, arguments), arguments);
}

/* Who changes the own password has to know the one before. */
static bool
ask_passwords(json_t *fields, const json_t *me, const struct arguments *arguments)
{
	const char *own = json_string_value(json_object_get(me, "name"));
	const char *name = arguments->word_count > 1 ? arguments->words[1] : own;
	bool is_own = own != NULL && strcmp(own, name) == 0;
	char prompt[128];
	const struct question before = { "current_password", "current password", false };
	const struct question after = { "password", prompt, true };

	snprintf(prompt, sizeof(prompt), "new password for %.80s", name);
	if (is_own && json_is_true(json_object_get(me, "has_password")) &&
	    !add_password(fields, &before, arguments))
		return false;
	return add_password(fields, &after, arguments);
}

static int
user_passwd(struct http_client *client, const struct arguments *arguments)
{
	const struct http_call whoami = { .method = "GET", .path = "/v1/users/me" };
	int code;
	json_t *me = ask_json(client, &whoami, &code), *fields;

	if (me == NULL)
		return code;
	if (arguments->word_count < 2 && !json_is_string(json_object_get(me, "name"))) {
		fprintf(stderr, "chasqui: this broker asks nobody who he is; name the user\n");
		json_decref(me);
		return CLI_USAGE;
	}
	fields = json_object();
	if (ask_passwords(fields, me, arguments)) {
		code = user_patch(client, arguments, fields);
	} else {
		json_decref(fields);
		code = CLI_FAILED;
	}
	json_decref(me);
	return code;
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
	const size_t count = sizeof(user_verbs) / sizeof(user_verbs[0]);
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "N", argc, argv))
		return verb_usage("user");
	return http_verb_run("user", user_verbs, count, &arguments);
}
