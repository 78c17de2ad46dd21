/*
 * chasqui msg: put, get, ack, nack; over HTTP.
 *
 * get prints a message and only then acknowledges it: if we die between, it comes again.  It takes one at a time, raw, so
 * what goes to stdout is the body, byte for byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/http.h"
#include "cli/print.h"
#include "cli/secret.h"
#include "cli/verbs.h"

#define FILE_BYTES_MAX (16u << 20)

/* All of a file, or of stdin for "-".  NULL after a line on stderr.  Owned. */
static char *
read_file(const char *path, size_t *count)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *bytes = malloc(FILE_BYTES_MAX);

	if (file == NULL || bytes == NULL) {
		fprintf(stderr, "chasqui: cannot read %s: %s\n", path, strerror(errno));
		goto fail;
	}
	*count = fread(bytes, 1, FILE_BYTES_MAX, file);
	if (ferror(file) || *count == FILE_BYTES_MAX) {
		fprintf(stderr, "chasqui: cannot read %s: %s\n", path, ferror(file) ? strerror(errno) : "it is too large");
		goto fail;
	}
	if (file != stdin)
		fclose(file);
	return bytes;

fail:
	if (file != NULL && file != stdin)
		fclose(file);
	free(bytes);
	return NULL;
}

/* -a NAME=VALUE and --delay as headers.  False after a line on stderr. */
static bool
headers_of(const struct arguments *arguments, struct curl_slist **headers)
{
	char line[4096];

	if (arguments->delay != NULL) {
		snprintf(line, sizeof(line), "Mq-Delay: %s", arguments->delay);
		*headers = curl_slist_append(*headers, line);
	}
	for (unsigned i = 0; i < arguments->attribute_count; i++) {
		const char *attribute = arguments->attributes[i];
		const char *equals = strchr(attribute, '=');

		if (equals == NULL || equals == attribute || strlen(attribute) > sizeof(line) - 32) {
			fprintf(stderr, "chasqui: -a %s is not NAME=VALUE\n", attribute);
			return false;
		}
		snprintf(line, sizeof(line), "Mq-Attr-%.*s%s%s", (int)(equals - attribute), attribute,
		    equals[1] != '\0' ? ": " : ";", equals + 1);
		*headers = curl_slist_append(*headers, line);
	}
	return true;
}

static int
print_put(const struct http_answer *answer, const struct arguments *arguments)
{
	json_t *published = http_json(answer);
	const char *id = json_string_value(json_object_get(published, "id"));

	if (published == NULL)
		return CLI_FAILED;
	if (arguments->is_json)
		print_json(published);
	else
		printf("%s\n", id != NULL ? id : "");
	json_decref(published);
	return CLI_OK;
}

static int
msg_put(struct http_client *client, const struct arguments *arguments)
{
	struct curl_slist *headers = NULL;
	char *path = http_path(client, arguments->words[1], "/messages");
	struct http_call call = { .method = "POST", .path = path, .content_type = arguments->content_type };
	struct http_answer answer;
	char *file = NULL;
	int code = CLI_USAGE;

	if (!headers_of(arguments, &headers))
		goto out;
	if (arguments->word_count == 3 && arguments->body_file == NULL) {
		call.body = arguments->words[2];
		call.body_bytes = strlen(arguments->words[2]);
	} else {
		file = read_file(arguments->body_file != NULL ? arguments->body_file : "-", &call.body_bytes);
		code = CLI_FAILED;
		if (file == NULL)
			goto out;
		call.body = file;
	}
	if (call.content_type == NULL)
		call.content_type = file != NULL ? "application/octet-stream" : "text/plain; charset=utf-8";
	call.headers = headers;
	code = http_ask(client, &call, &answer);
	if (code != 0)
		goto out;
	code = http_is_done(&answer) ? print_put(&answer, arguments) : CLI_FAILED;
	http_release(&answer);
out:
	free(file);
	curl_slist_free_all(headers);
	curl_free(path);
	return code;
}

/* The JSON of a receive for `max` messages.  Owned. */
static char *
receive_body(const struct arguments *arguments, unsigned long max, bool waits)
{
	json_t *receive = json_pack("{s:I}", "max", (json_int_t)max);
	char *body;

	if (arguments->lease != NULL)
		json_object_set_new(receive, "lease", json_string(arguments->lease));
	if (arguments->wait != NULL && waits)
		json_object_set_new(receive, "wait", json_string(arguments->wait));
	body = json_dumps(receive, JSON_COMPACT);
	json_decref(receive);
	return body;
}

static int
receive(struct http_client *client, const struct arguments *arguments, unsigned long max, const char *accept, bool waits,
    struct http_answer *answer)
{
	char *path = http_path(client, arguments->words[1], "/messages:receive");
	char *body = receive_body(arguments, max, waits);
	struct http_call call = {
		.method = "POST", .path = path, .accept = accept, .body = body, .body_bytes = strlen(body),
	};
	int code = http_ask(client, &call, answer);

	free(body);
	curl_free(path);
	if (code == 0 && !http_is_done(answer)) {
		http_release(answer);
		code = CLI_FAILED;
	}
	return code;
}

static int
ack_one(struct http_client *client, const char *queue, const char *receipt)
{
	struct http_answer answer;
	char *escaped = curl_easy_escape(client->curl, receipt, 0);
	char *rest = curl_maprintf("/leases/%s", escaped);
	char *path = http_path(client, queue, rest);
	int code = http_ask(client, &(struct http_call){ .method = "DELETE", .path = path }, &answer);

	curl_free(escaped);
	curl_free(rest);
	curl_free(path);
	if (code != 0)
		return code;
	code = http_is_done(&answer) ? CLI_OK : CLI_FAILED;
	http_release(&answer);
	return code;
}

/* One message to stdout; its receipt to stderr if the lease is kept, else acknowledge it. */
static int
give_out(struct http_client *client, const struct arguments *arguments, const struct http_answer *answer)
{
	const char *header = http_header(client, "Mq-Receipt");
	char receipt[128];

	snprintf(receipt, sizeof(receipt), "%s", header != NULL ? header : "");
	if (answer->body_bytes > 0)
		fwrite(answer->body, 1, answer->body_bytes, stdout);
	/* A file gets the bytes as they are; on a screen, and between messages, a line ends. */
	if (isatty(STDOUT_FILENO) || arguments->max != NULL)
		putchar('\n');
	if (fflush(stdout) != 0) {
		fprintf(stderr, "chasqui: cannot write the message: %s; it is not acknowledged\n", strerror(errno));
		return CLI_FAILED;
	}
	if (arguments->keeps_lease) {
		fprintf(stderr, "receipt %s\n", receipt);
		return CLI_OK;
	}
	return ack_one(client, arguments->words[1], receipt);
}

/* All in one answer, as it comes, with receipts: for programs, which acknowledge themselves. */
static int
get_json(struct http_client *client, const struct arguments *arguments, unsigned long max)
{
	struct http_answer answer;
	int code = receive(client, arguments, max, "application/json", true, &answer);
	json_t *messages;
	json_t *message;
	size_t i;

	if (code != CLI_OK)
		return code;
	if (answer.status == 204) {
		http_release(&answer);
		printf("{\"messages\": []}\n");
		return CLI_FAILED;
	}
	messages = http_json(&answer);
	http_release(&answer);
	if (messages == NULL)
		return CLI_FAILED;
	print_json(messages);
	if (fflush(stdout) != 0)
		code = CLI_FAILED;
	json_array_foreach (json_object_get(messages, "messages"), i, message) {
		const char *receipt = json_string_value(json_object_get(message, "receipt"));

		if (code == CLI_OK && !arguments->keeps_lease && receipt != NULL)
			code = ack_one(client, arguments->words[1], receipt);
	}
	json_decref(messages);
	return code;
}

static int
msg_get(struct http_client *client, const struct arguments *arguments)
{
	unsigned long max = 1;
	int code = CLI_OK;
	char *end;

	if (arguments->max != NULL) {
		max = strtoul(arguments->max, &end, 10);
		if (*arguments->max < '0' || *arguments->max > '9' || *end != '\0' || max == 0) {
			fprintf(stderr, "chasqui: -n %s is not a number of messages\n", arguments->max);
			return CLI_USAGE;
		}
	}
	if (arguments->is_json)
		return get_json(client, arguments, max);
	for (unsigned long i = 0; i < max && code == CLI_OK; i++) {
		struct http_answer answer;

		code = receive(client, arguments, 1, "application/octet-stream", i == 0, &answer);
		if (code != CLI_OK)
			break;
		if (answer.status == 204) {
			http_release(&answer);
			if (i == 0) {
				fprintf(stderr, "chasqui: nothing to receive in %s\n", arguments->words[1]);
				code = CLI_FAILED;
			}
			break;
		}
		code = give_out(client, arguments, &answer);
		http_release(&answer);
	}
	return code;
}

static int
msg_ack(struct http_client *client, const struct arguments *arguments)
{
	int worst = CLI_OK;

	for (int i = 2; i < arguments->word_count; i++) {
		int code = ack_one(client, arguments->words[1], arguments->words[i]);

		if (code != CLI_OK)
			worst = code;
	}
	return worst;
}

static int
msg_nack(struct http_client *client, const struct arguments *arguments)
{
	char *receipt = curl_easy_escape(client->curl, arguments->words[2], 0);
	char *rest = curl_maprintf("/leases/%s:nack", receipt);
	char *path = http_path(client, arguments->words[1], rest);
	json_t *nack = json_pack("{s:s}", "mode", arguments->mode != NULL ? arguments->mode : "release");
	struct http_answer answer;
	char *body;
	int code;

	if (arguments->delay != NULL)
		json_object_set_new(nack, "delay", json_string(arguments->delay));
	body = json_dumps(nack, JSON_COMPACT);
	struct http_call call = { .method = "POST", .path = path, .body = body, .body_bytes = strlen(body) };

	code = http_ask(client, &call, &answer);
	if (code == 0) {
		code = http_is_done(&answer) ? CLI_OK : CLI_FAILED;
		http_release(&answer);
	}
	free(body);
	json_decref(nack);
	curl_free(path);
	curl_free(rest);
	curl_free(receipt);
	return code;
}

static const struct http_verb msg_verbs[] = {
	{ "put", msg_put, 2, 3, false },
	{ "get", msg_get, 2, 2, false },
	{ "ack", msg_ack, 3, 1000, false },
	{ "nack", msg_nack, 3, 3, false },
};

/* The body of a put comes from stdin. */
static bool
reads_body(const struct arguments *arguments)
{
	if (arguments->word_count < 2 || strcmp(arguments->words[0], "put") != 0)
		return false;
	return arguments->body_file != NULL ? strcmp(arguments->body_file, "-") == 0 : arguments->word_count == 2;
}

int
verb_msg(int argc, char **argv)
{
	struct arguments arguments;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "ftadlwnmk", argc, argv))
		return verb_usage("msg");
	if (arguments.user != NULL && reads_body(&arguments) && secret_is_piped(arguments.reads_password)) {
		fprintf(stderr, "chasqui: stdin cannot be both the password and the message; use --token-file\n");
		return CLI_USAGE;
	}
	return http_verb_run("msg", msg_verbs, sizeof(msg_verbs) / sizeof(msg_verbs[0]), &arguments);
}
