/*
 * http: one broker over HTTP, by libcurl, one request after the other on one connection.
 */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <curl/curl.h>
#include <curl/mprintf.h>
#include <jansson.h>
#include <stddef.h>

#include "cli/arguments.h"
#include "cli/credentials.h"

/* The options that every verb over HTTP takes: which broker, how, as whom, and --json. */
#define HTTP_OPTIONS_TAKEN "ijuUFPCXK"

struct http_client {
	CURL *curl;
	struct credentials credentials;
	char base[256];            /* "http://127.0.0.1:4000" */
	const struct arguments *arguments; /* borrowed: what https:// needs */
};

struct http_call {
	const char *method;
	const char *path;          /* from http_path(), or a Link's; with its query */
	const char *accept;        /* NULL: application/json */
	const char *content_type;  /* NULL: application/json where there is a body */
	struct curl_slist *headers; /* borrowed; more headers */
	const void *body;
	size_t body_bytes;
	const char *on_412;        /* what it means that a condition of ours did not hold; NULL: as the broker says */
	const char *const *query;  /* name, value, name, value, NULL; NULL: none.  NULL values are left out */
};

struct http_answer {
	const struct http_client *client; /* borrowed: who asked */
	long status;
	char *body;                /* owned; ends with a NUL that does not count */
	size_t body_bytes;
};

/*
 * Find the broker: --url, else where the instance says it listens; and our credentials for it, unless it is asked as nobody.
 * 0, or an exit code after a line on stderr.
 */
int http_open(struct http_client *client, const struct arguments *arguments, bool as_nobody);
void http_close(struct http_client *client);

/* "/v1/{collection}/{name}{rest}", the name escaped.  Give it to curl_free(). */
char *http_path_of(struct http_client *client, const char *collection, const char *name, const char *rest);

/* "/v1/queues/{queue}{rest}" */
char *http_path(struct http_client *client, const char *queue, const char *rest);

/* Ask.  0 with an answer of whatever status, to be released; or an exit code after a line on stderr. */
int http_ask(struct http_client *client, const struct http_call *call, struct http_answer *answer);
void http_release(struct http_answer *answer);

/* A header of the answer, borrowed until the next http_ask(); NULL if it has none. */
const char *http_header(struct http_client *client, const char *name);

/* True for 2xx; else the problem document goes to stderr as a line. */
bool http_is_done(const struct http_answer *answer);

/* The body as JSON, or NULL after a line on stderr.  Owned. */
json_t *http_json(const struct http_answer *answer);

/* A verb of a verb, such as `queue ls`. */
struct http_verb {
	const char *name;
	int (*run)(struct http_client *client, const struct arguments *arguments);
	int min_words;             /* its name included */
	int max_words;
	bool as_nobody;            /* without credentials */
};

/* Run the one that arguments->words[0] names, with a client of its own.  Its exit code, or verb_usage(verb). */
int http_verb_run(const char *verb, const struct http_verb *verbs, size_t verb_count, const struct arguments *arguments);

#endif
