#include "cli/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/instance.h"
#include "cli/verbs.h"

#define CONNECT_TIMEOUT_S 5L
#define TIMEOUT_S 120L /* the longest long poll is 60 s */
#define ANSWER_BYTES_MAX (64u << 20)

/* Where it is; of the broker on this machine also where its data are.  False after a line on stderr. */
static bool
find_broker(struct http_client *client, const struct arguments *arguments, char directory[REGISTRY_PATH_BYTES])
{
	struct registry registry;

	*directory = '\0';
	client->arguments = arguments;
	if (arguments->url != NULL) {
		snprintf(client->base, sizeof(client->base), "%s", arguments->url);
		if (client->base[0] != '\0' && client->base[strlen(client->base) - 1] == '/')
			client->base[strlen(client->base) - 1] = '\0';
		return true;
	}
	if (!instance_attach(&registry, arguments->instance))
		return false;
	/* Nobody listens in on loopback, and there the name in the certificate is seldom the right one. */
	if (registry.shared->listen[0] != '\0')
		snprintf(client->base, sizeof(client->base), "http://%.64s", registry.shared->listen);
	else
		snprintf(client->base, sizeof(client->base), "https://%.64s", registry.shared->listen_tls);
	snprintf(directory, REGISTRY_PATH_BYTES, "%s", registry.shared->data_directory);
	registry_detach(&registry);
	return true;
}

int
http_open(struct http_client *client, const struct arguments *arguments, bool as_nobody)
{
	char directory[REGISTRY_PATH_BYTES];
	int code;

	memset(client, 0, sizeof(*client));
	if (!find_broker(client, arguments, directory))
		return CLI_NOT_RUNNING;
	code = as_nobody ? 0 : credentials_find(&client->credentials, arguments, directory);
	if (code != 0)
		return code;
	client->curl = curl_easy_init();
	if (client->curl == NULL) {
		fprintf(stderr, "chasqui: cannot start libcurl: out of memory\n");
		return CLI_FAILED;
	}
	return 0;
}

void
http_close(struct http_client *client)
{
	curl_easy_cleanup(client->curl);
	credentials_wipe(&client->credentials);
}

char *
http_path_of(struct http_client *client, const char *collection, const char *name, const char *rest)
{
	char *escaped = curl_easy_escape(client->curl, name, 0);
	char *path = curl_maprintf("/v1/%s/%s%s", collection, escaped, rest);

	curl_free(escaped);
	return path;
}

char *
http_path(struct http_client *client, const char *queue, const char *rest)
{
	return http_path_of(client, "queues", queue, rest);
}

static size_t
take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_answer *answer = context;
	char *body;

	count *= size;
	if (answer->body_bytes + count > ANSWER_BYTES_MAX)
		return 0;
	body = realloc(answer->body, answer->body_bytes + count + 1);
	if (body == NULL)
		return 0;
	memcpy(body + answer->body_bytes, bytes, count);
	answer->body = body;
	answer->body_bytes += count;
	body[answer->body_bytes] = '\0';
	return count;
}

/* Base, path and query.  Give it to curl_free(). */
static char *
url_of(struct http_client *client, const struct http_call *call)
{
	char *url = curl_maprintf("%s%s", client->base, call->path);
	const char *joint = strchr(call->path, '?') != NULL ? "&" : "?";

	for (const char *const *q = call->query; q != NULL && *q != NULL; q += 2) {
		char *value;
		char *longer;

		if (q[1] == NULL)
			continue;
		value = curl_easy_escape(client->curl, q[1], 0);
		longer = curl_maprintf("%s%s%s=%s", url, joint, q[0], value);
		curl_free(value);
		curl_free(url);
		url = longer;
		joint = "&";
	}
	return url;
}

static struct curl_slist *
headers_of(const struct http_client *client, const struct http_call *call)
{
	struct curl_slist *headers = NULL;
	char line[512];

	snprintf(line, sizeof(line), "Accept: %s", call->accept != NULL ? call->accept : "application/json");
	headers = curl_slist_append(headers, line);
	if (client->credentials.header[0] != '\0')
		headers = curl_slist_append(headers, client->credentials.header);
	if (call->body != NULL) {
		snprintf(line, sizeof(line), "Content-Type: %s",
		    call->content_type != NULL ? call->content_type : "application/json");
		headers = curl_slist_append(headers, line);
	}
	for (const struct curl_slist *more = call->headers; more != NULL; more = more->next)
		headers = curl_slist_append(headers, more->data);
	return headers;
}

/* Of https://; without --ca those of the system are believed. */
static void
set_tls(const struct http_client *client)
{
	const struct arguments *arguments = client->arguments;

	curl_easy_setopt(client->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (arguments->authority_file != NULL)
		curl_easy_setopt(client->curl, CURLOPT_CAINFO, arguments->authority_file);
	if (arguments->certificate_file != NULL)
		curl_easy_setopt(client->curl, CURLOPT_SSLCERT, arguments->certificate_file);
	if (arguments->key_file != NULL)
		curl_easy_setopt(client->curl, CURLOPT_SSLKEY, arguments->key_file);
}

/* Why it came to nothing: libcurl's own words, and a cure where the certificate is the trouble. */
static void
complain(const struct http_client *client, CURLcode code, const char *detail)
{
	fprintf(stderr, "chasqui: %s: %s%s\n", client->base, detail[0] != '\0' ? detail : curl_easy_strerror(code),
	    code == CURLE_PEER_FAILED_VERIFICATION ? "; --ca FILE names the authority of the broker's certificate, and the "
						     "address must be one of those that the certificate is for" : "");
}

int
http_ask(struct http_client *client, const struct http_call *call, struct http_answer *answer)
{
	struct curl_slist *headers = headers_of(client, call);
	char *url = url_of(client, call);
	char detail[CURL_ERROR_SIZE] = "";
	CURLcode code;

	memset(answer, 0, sizeof(*answer));
	answer->client = client;
	/* Keeps the connection. */
	curl_easy_reset(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	/* A broker is beside us, not behind the proxy that the environment names for the web. */
	curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, detail);
	set_tls(client);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, answer);
	if (call->body != NULL) {
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
		curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, call->body);
	}
	code = curl_easy_perform(client->curl);
	curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	curl_free(url);
	if (code != CURLE_OK) {
		complain(client, code, detail);
		http_release(answer);
		return code == CURLE_COULDNT_CONNECT ? CLI_NOT_RUNNING : CLI_FAILED;
	}
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	return 0;
}

void
http_release(struct http_answer *answer)
{
	free(answer->body);
	memset(answer, 0, sizeof(*answer));
}

const char *
http_header(struct http_client *client, const char *name)
{
	struct curl_header *header;

	if (curl_easy_header(client->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	return header->value;
}

bool
http_is_done(const struct http_answer *answer)
{
	const char *detail;
	const char *title;
	const char *code;
	json_t *problem;
	char advice[512] = "";

	if (answer->status >= 200 && answer->status <= 299)
		return true;
	problem = answer->body != NULL ? json_loadb(answer->body, answer->body_bytes, 0, NULL) : NULL;
	title = json_string_value(json_object_get(problem, "title"));
	detail = json_string_value(json_object_get(problem, "detail"));
	code = json_string_value(json_object_get(problem, "code"));
	if (title != NULL && detail != NULL && strcmp(title, detail) == 0)
		detail = NULL;
	if (answer->status == 401 || answer->status == 403)
		credentials_advise(&answer->client->credentials, answer->status, advice, sizeof(advice));
	fprintf(stderr, "chasqui: %ld %s: %s%s%s%s%s\n", answer->status, code != NULL ? code : "error",
	    title != NULL ? title : "", title != NULL && detail != NULL ? ": " : "", detail != NULL ? detail : "",
	    *advice != '\0' ? "; " : "", advice);
	json_decref(problem);
	return false;
}

json_t *
http_json(const struct http_answer *answer)
{
	json_error_t error;
	json_t *json = NULL;

	if (answer->body != NULL)
		json = json_loadb(answer->body, answer->body_bytes, 0, &error);
	if (json == NULL)
		fprintf(stderr, "chasqui: the answer is not JSON; is this a Chasqui?\n");
	return json;
}

int
http_verb_run(const char *verb, const struct http_verb *verbs, size_t verb_count, const struct arguments *arguments)
{
	struct http_client client;
	size_t i = 0;

	while (arguments->word_count > 0 && i < verb_count && strcmp(verbs[i].name, arguments->words[0]) != 0)
		i++;
	if (arguments->word_count == 0 || i == verb_count)
		return verb_usage(verb);
	if (arguments->word_count < verbs[i].min_words || arguments->word_count > verbs[i].max_words)
		return verb_usage(verb);
	int code = http_open(&client, arguments, verbs[i].as_nobody);
	if (code != 0)
		return code;
	code = verbs[i].run(&client, arguments);
	http_close(&client);
	return code;
}
