/*
 * arguments: the command line of a verb.  An option is called the same in every verb that takes it.
 */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdbool.h>

#include "conf/conf.h"

#define ARGUMENTS_LIST_MAX 128

/* All strings are borrowed from argv; NULL where not given. */
struct arguments {
	const char *instance;     /* never NULL */
	const char *url;
	const char *authority_file;   /* --ca, for https:// */
	const char *certificate_file; /* --cert and --key: the client's own */
	const char *key_file;
	const char *conf_file;
	const char *body_file;
	const char *content_type;
	const char *delay;
	const char *lease;
	const char *wait;
	const char *max;
	const char *mode;
	const char *state;
	const char *older_than;
	const char *timeout;
	const char *user;         /* who asks, with a password */
	const char *token_file;
	const char *expires_in;
	const char *save_file;
	const char *data_directory; /* --data */
	const char *rate;
	bool is_json;
	bool keeps_lease;
	bool repairs;
	bool replaces;
	bool uses_existing;
	bool reads_password;      /* from stdin, even from a terminal */
	bool has_no_password;
	bool makes_admin_token;
	const char *attributes[ARGUMENTS_LIST_MAX];  /* -a NAME=VALUE */
	unsigned attribute_count;
	const char *scopes[ARGUMENTS_LIST_MAX];      /* --scope publish:orders.* */
	unsigned scope_count;
	const char *assignments[ARGUMENTS_LIST_MAX]; /* -o section.key=value */
	unsigned assignment_count;
	char **words;             /* what is no option */
	int word_count;
};

/*
 * Parse argv (argv[0] is the verb).  `allowed` names the options that this verb takes, by their letters in arguments.c.
 * False after a line on stderr; then give verb_usage().
 */
bool arguments_parse(struct arguments *arguments, const char *allowed, int argc, char **argv);

/* The configuration that -c and -o give.  False after a line on stderr. */
bool arguments_conf(const struct arguments *arguments, struct conf *conf);

#endif
