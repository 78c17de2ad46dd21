/*
 * chasqui bench: how fast a live broker is, from where this runs.
 *
 *   make a queue of our own -> (consume: fill it) -> measure -> delete it, also when interrupted
 *
 * A queue that exists is refused, unless --existing: publishing into it and consuming from it would touch somebody's messages.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/http.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "cli/traffic/driver.h"

#define QUEUE_BYTES 81
#define HOST_BYTES 128
#define E2E_RATE 1000.0
#define LATENCY_DIGITS 10.0 /* tenths of a microsecond */

struct bench {
	struct traffic_options traffic;
	char queue[QUEUE_BYTES];
	char host[HOST_BYTES];
	char authority[HOST_BYTES + 8];
	char port[8];
	char authorization[CREDENTIALS_HEADER_BYTES + 2]; /* with its line end; "" without credentials */
	const char *durability;   /* NULL: the queue's default */
};

static volatile sig_atomic_t is_interrupted;

static void
interrupt(int signal)
{
	(void)signal;
	is_interrupted = 1;
}

/* --- the command line --- */

/* FIELD=VALUE with a number within bounds. */
struct field {
	const char *name;
	double least, most;
	uint32_t *count;          /* one of the two */
	double *real;
};

static bool
take_number(const struct field *field, const char *value)
{
	char *end;
	double number;

	errno = 0;
	number = strtod(value, &end);
	if (end == value || *end != '\0' || errno != 0 || !(number >= field->least && number <= field->most) ||
	    (field->count != NULL && number != (double)(uint32_t)number)) {
		fprintf(stderr, "chasqui: %s=%s is not a %snumber from %.12g to %.12g\n", field->name, value,
		    field->count != NULL ? "whole " : "", field->least, field->most);
		return false;
	}
	if (field->count != NULL)
		*field->count = (uint32_t)number;
	else
		*field->real = number;
	return true;
}

static bool
take_text(struct bench *bench, const char *name, const char *value, bool *is_known)
{
	*is_known = true;
	if (strcmp(name, "queue") == 0) {
		if (*value == '\0' || strlen(value) >= QUEUE_BYTES) {
			fprintf(stderr, "chasqui: a queue's name has 1 to %d characters\n", QUEUE_BYTES - 1);
			return false;
		}
		strcpy(bench->queue, value);
		return true;
	}
	if (strcmp(name, "durability") == 0) {
		bench->durability = value;
		return true;
	}
	*is_known = false;
	return true;
}

static bool
take_word(struct bench *bench, const char *word)
{
	struct traffic_options *traffic = &bench->traffic;
	const struct field fields[] = {
		{ "connections", 1, TRAFFIC_CONNECTIONS_MAX, &traffic->connections, NULL },
		{ "window", 1, TRAFFIC_WINDOW_MAX, &traffic->window, NULL },
		{ "size", TRAFFIC_STAMP_BYTES, 1 << 20, &traffic->size, NULL },
		{ "batch", 1, TRAFFIC_BATCH_MAX, &traffic->batch, NULL },
		{ "seconds", 0.1, 86400, NULL, &traffic->seconds },
		{ "rate", 0.1, 1e9, NULL, &traffic->rate },
	};
	const char *equals = strchr(word, '=');
	char name[32];
	bool is_known;

	if (equals == NULL || (size_t)(equals - word) >= sizeof(name)) {
		fprintf(stderr, "chasqui: `%s` is not FIELD=VALUE, such as connections=64\n", word);
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - word), word);
	if (!take_text(bench, name, equals + 1, &is_known))
		return false;
	if (is_known)
		return true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, name) == 0)
			return take_number(&fields[i], equals + 1);
	fprintf(stderr, "chasqui: bench has no field %s; see chasqui help bench\n", name);
	return false;
}

static bool
take_words(struct bench *bench, const struct arguments *arguments)
{
	struct traffic_options *traffic = &bench->traffic;
	int at = 0;

	if (arguments->word_count > 0 && strchr(arguments->words[0], '=') == NULL) {
		bool is_known = traffic_mode_of(arguments->words[at++], &traffic->mode);

		if (!is_known || traffic->mode == TRAFFIC_QUEUES || traffic->mode == TRAFFIC_RATE) {
			fprintf(stderr, "chasqui: %s is not publish, consume or e2e\n", arguments->words[0]);
			return false;
		}
	}
	for (; at < arguments->word_count; at++)
		if (!take_word(bench, arguments->words[at]))
			return false;
	if (traffic->mode == TRAFFIC_CONSUME && traffic->rate > 0) {
		fprintf(stderr, "chasqui: consume takes what is there as fast as it can: no rate\n");
		return false;
	}
	if (traffic->mode == TRAFFIC_CONSUME && traffic->batch > 100) {
		fprintf(stderr, "chasqui: a receive gives at most 100 messages\n");
		return false;
	}
	if (traffic->mode == TRAFFIC_PUBLISH && traffic->rate > 0)
		traffic->mode = TRAFFIC_RATE;
	if (traffic->mode == TRAFFIC_E2E && traffic->rate == 0)
		traffic->rate = E2E_RATE;
	if (traffic->mode == TRAFFIC_E2E && (traffic->connections < 2 || traffic->batch != 1)) {
		fprintf(stderr, "chasqui: e2e needs publishers and consumers, 2 connections at least, and no batch\n");
		return false;
	}
	if (arguments->uses_existing && bench->queue[0] == '\0') {
		fprintf(stderr, "chasqui: --existing needs queue=NAME\n");
		return false;
	}
	if (arguments->uses_existing && bench->durability != NULL) {
		fprintf(stderr, "chasqui: the durability of a queue that exists stays as it is\n");
		return false;
	}
	return true;
}

/* Host and port of the broker's URL.  False after a line on stderr. */
static bool
take_url(struct bench *bench, const char *base)
{
	CURLU *url = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	bool is_good = url != NULL && curl_url_set(url, CURLUPART_URL, base, CURLU_DEFAULT_SCHEME) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
	    strlen(host) < HOST_BYTES && strlen(port) < sizeof(bench->port);

	if (is_good) {
		size_t brackets = host[0] == '[';

		snprintf(bench->authority, sizeof(bench->authority), "%s:%s", host, port);
		snprintf(bench->host, sizeof(bench->host), "%.*s", (int)(strlen(host) - 2 * brackets), host + brackets);
		strcpy(bench->port, port);
		bench->traffic.is_tls = strcmp(scheme, "https") == 0;
	} else {
		fprintf(stderr, "chasqui: %s is not the http:// or https:// URL of a broker\n", base);
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(url);
	return is_good;
}

/* --- the queue --- */

static int
ask(struct http_client *client, const struct http_call *call)
{
	struct http_answer answer;
	int code = http_ask(client, call, &answer);

	if (code != 0)
		return code;
	code = http_is_done(&answer) ? CLI_OK : CLI_FAILED;
	if (answer.status == 412)
		fprintf(stderr, "chasqui: bench works on a queue of its own; --existing if you mean this one\n");
	http_release(&answer);
	return code;
}

static int
queue_make(struct http_client *client, const struct bench *bench)
{
	struct curl_slist *headers = curl_slist_append(NULL, "If-None-Match: *");
	char *path = http_path(client, bench->queue, "");
	json_t *config = json_object();
	char *body;
	int code;

	if (bench->durability != NULL)
		json_object_set_new(config, "durability", json_string(bench->durability));
	body = json_dumps(config, JSON_COMPACT);
	code = ask(client, &(struct http_call){ .method = "PUT", .path = path, .headers = headers, .body = body,
	    .body_bytes = strlen(body) });
	free(body);
	json_decref(config);
	curl_free(path);
	curl_slist_free_all(headers);
	return code;
}

static int
queue_ask(struct http_client *client, const struct bench *bench, const char *method)
{
	char *path = http_path(client, bench->queue, "");
	int code = ask(client, &(struct http_call){ .method = method, .path = path });

	curl_free(path);
	return code;
}

/* --- running and telling --- */

static double
tenth(double value)
{
	return (double)(int64_t)(value * LATENCY_DIGITS + 0.5) / LATENCY_DIGITS;
}

static json_t *
latency_json(const struct latency *latency)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50", tenth(latency_quantile_us(latency, 0.5)), "p90",
	    tenth(latency_quantile_us(latency, 0.9)), "p99", tenth(latency_quantile_us(latency, 0.99)), "p999",
	    tenth(latency_quantile_us(latency, 0.999)), "max", tenth((double)latency->max_ns / 1e3));
}

static void
print_result(const struct bench *bench, const struct traffic_result *result, bool is_json)
{
	const struct traffic_options *traffic = &bench->traffic;
	double rate = result->seconds > 0 ? (double)result->operations / result->seconds : 0;
	json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f}", "mode", traffic_mode_name(traffic->mode), "broker",
	    bench->authority, "queue", bench->queue, "connections", (json_int_t)traffic->connections, "window",
	    (json_int_t)traffic->window, "size", (json_int_t)traffic->size, "batch", (json_int_t)traffic->batch, "seconds",
	    (double)(int64_t)(result->seconds * 1000 + 0.5) / 1000);

	if (traffic->rate > 0)
		json_object_set_new(json, "offered_per_second", json_real(traffic->rate));
	json_object_set_new(json, "messages", json_integer((json_int_t)result->operations));
	json_object_set_new(json, "per_second", json_integer((json_int_t)(rate + 0.5)));
	json_object_set_new(json, "latency_us", latency_json(&result->latency));
	if (traffic->mode == TRAFFIC_E2E)
		json_object_set_new(json, "publish_latency_us", latency_json(&result->publish_latency));
	json_object_set_new(json, "missing", json_integer((json_int_t)result->missing));
	json_object_set_new(json, "refused", json_integer((json_int_t)result->refused));
	if (is_json)
		print_json(json);
	else
		print_members(json);
	json_decref(json);
}

/* 0 or an exit code.  What was measured is in *result either way. */
static int
run(const struct traffic_options *options, struct traffic_result *result)
{
	int code = traffic_run(options, result) == 0 ? CLI_OK : CLI_FAILED;

	if (result->trouble[0] == '\0')
		return code;
	fprintf(stderr, "chasqui: %s\n", result->trouble);
	return CLI_FAILED;
}

/* What is to be consumed: as much as can be published in the same time. */
static int
fill(const struct bench *bench)
{
	struct traffic_options traffic = bench->traffic;
	struct traffic_result result;

	traffic.mode = TRAFFIC_PUBLISH;
	traffic.batch = 1;
	fprintf(stderr, "chasqui: filling %s for %g s\n", bench->queue, traffic.seconds);
	return run(&traffic, &result);
}

static int
measure(const struct bench *bench, const struct arguments *arguments)
{
	struct traffic_result result;
	int code = CLI_OK;

	if (bench->traffic.mode == TRAFFIC_CONSUME && !arguments->uses_existing)
		code = fill(bench);
	if (code != CLI_OK || is_interrupted)
		return code;
	code = run(&bench->traffic, &result);
	if (result.seconds > 0)
		print_result(bench, &result, arguments->is_json);
	return code;
}

/* An interrupted run still tells what it saw and deletes its queue. */
static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int
verb_bench(int argc, char **argv)
{
	struct bench bench = {
		.traffic = { .driver = &traffic_http, .argument = "", .connections = 64, .window = 1, .size = 1024, .batch = 1,
			.seconds = 5, .warmup_seconds = 0.5, .stop = &is_interrupted },
	};
	struct arguments arguments;
	struct http_client client;
	int code;

	if (!arguments_parse(&arguments, HTTP_OPTIONS_TAKEN "E", argc, argv))
		return verb_usage("bench");
	if (!take_words(&bench, &arguments))
		return CLI_USAGE;
	code = http_open(&client, &arguments, false);
	if (code != 0)
		return code;
	if (!take_url(&bench, client.base)) {
		http_close(&client);
		return CLI_USAGE;
	}
	if (bench.queue[0] == '\0')
		snprintf(bench.queue, sizeof(bench.queue), "bench-%lld-%d", (long long)time(NULL), (int)getpid());
	bench.traffic.host = bench.host;
	bench.traffic.authority = bench.authority;
	bench.traffic.port = bench.port;
	bench.traffic.queue = bench.queue;
	bench.traffic.authority_file = arguments.authority_file;
	bench.traffic.certificate_file = arguments.certificate_file;
	bench.traffic.key_file = arguments.key_file;
	bench.traffic.authorization = bench.authorization;
	if (client.credentials.header[0] != '\0')
		snprintf(bench.authorization, sizeof(bench.authorization), "%s\r\n", client.credentials.header);
	catch_signals();
	code = arguments.uses_existing ? queue_ask(&client, &bench, "GET") : queue_make(&client, &bench);
	if (code == CLI_OK) {
		code = measure(&bench, &arguments);
		if (!arguments.uses_existing && queue_ask(&client, &bench, "DELETE") != CLI_OK) {
			fprintf(stderr, "chasqui: the queue %s is still there\n", bench.queue);
			code = CLI_FAILED;
		}
	}
	http_close(&client);
	return code;
}
