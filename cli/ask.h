/*
 * ask: what verbs over HTTP do with a call: ask, complain, print what came.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/http.h"
#include "cli/print.h"

/* 0 and the answer if it was done, to be released; else an exit code after a line on stderr. */
int ask(struct http_client *client, const struct http_call *call, struct http_answer *answer);

/*
 * The JSON of the answer, owned; NULL after a line on stderr, or with *code 0 where the answer has
 * none.
 */
json_t *ask_json(struct http_client *client, const struct http_call *call, int *code);

/* Ask and print the JSON of the answer. */
int ask_and_print(struct http_client *client, const struct http_call *call,
    const struct arguments *arguments);

/* The same without a body, for a path of http_path() that is taken. */
int ask_at(struct http_client *client, const char *method, char *path,
    const struct arguments *arguments);

/* Send `body`, which is taken. */
int ask_with(struct http_client *client, struct http_call call, json_t *body,
    const struct arguments *arguments);

/*
 * A list, all its pages: `member` of each answer; query goes with the first.  Printed as a table of
 * these columns.
 */
struct ask_list {
	const char *path;
	const char *member;
	const char *query[3];           /* name, value, NULL; a NULL value is left out */
	const struct column *columns;
	size_t column_count;
};
int ask_list(struct http_client *client, const struct ask_list *list,
    const struct arguments *arguments);

/*
 * POST `wish`, which is taken, to what makes a secret.  Of the answer `token` goes to stdout, or
 * with --save to a file, and the rest to stderr; with --json all of it to stdout.
 */
int ask_secret(struct http_client *client, const char *path, json_t *wish,
    const struct arguments *arguments);

/*
 * FIELD=VALUE words as an object: a value that is JSON as such, else a string; a.b=1 is member b of
 * a.  NULL after a line on stderr.  Owned.
 */
json_t *ask_words(char **words, int count);

#endif
