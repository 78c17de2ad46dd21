#include "cli/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Letters that have no short form stand for the long one only. */
static const struct option long_options[] = {
	{ "instance", required_argument, NULL, 'i' },
	{ "url", required_argument, NULL, 'u' },
	{ "ca", required_argument, NULL, 'C' },
	{ "cert", required_argument, NULL, 'X' },
	{ "key", required_argument, NULL, 'K' },
	{ "json", no_argument, NULL, 'j' },
	{ "config", required_argument, NULL, 'c' },
	{ "option", required_argument, NULL, 'o' },
	{ "file", required_argument, NULL, 'f' },
	{ "type", required_argument, NULL, 't' },
	{ "attribute", required_argument, NULL, 'a' },
	{ "delay", required_argument, NULL, 'd' },
	{ "lease", required_argument, NULL, 'l' },
	{ "wait", required_argument, NULL, 'w' },
	{ "max", required_argument, NULL, 'n' },
	{ "mode", required_argument, NULL, 'm' },
	{ "state", required_argument, NULL, 's' },
	{ "older-than", required_argument, NULL, 'O' },
	{ "timeout", required_argument, NULL, 'T' },
	{ "keep-lease", no_argument, NULL, 'k' },
	{ "data", required_argument, NULL, 'D' },
	{ "rate", required_argument, NULL, 'B' },
	{ "repair", no_argument, NULL, 'R' },
	{ "replace", no_argument, NULL, 'r' },
	{ "existing", no_argument, NULL, 'E' },
	{ "user", required_argument, NULL, 'U' },
	{ "token-file", required_argument, NULL, 'F' },
	{ "password-stdin", no_argument, NULL, 'P' },
	{ "no-password", no_argument, NULL, 'N' },
	{ "scope", required_argument, NULL, 'S' },
	{ "expires-in", required_argument, NULL, 'x' },
	{ "save", required_argument, NULL, 'v' },
	{ "new-admin-token", no_argument, NULL, 'A' },
	{ NULL, 0, NULL, 0 },
};

static bool
list_add(const char **list, unsigned *count, const char *word)
{
	if (*count == ARGUMENTS_LIST_MAX) {
		fprintf(stderr, "chasqui: more than %d of one option\n", ARGUMENTS_LIST_MAX);
		return false;
	}
	list[(*count)++] = word;
	return true;
}

/* Where the argument of an option goes; NULL for those that are no single string. */
static const char **
string_of(struct arguments *arguments, int letter)
{
	switch (letter) {
	case 'i': return &arguments->instance;
	case 'u': return &arguments->url;
	case 'C': return &arguments->authority_file;
	case 'X': return &arguments->certificate_file;
	case 'K': return &arguments->key_file;
	case 'c': return &arguments->conf_file;
	case 'f': return &arguments->body_file;
	case 't': return &arguments->content_type;
	case 'd': return &arguments->delay;
	case 'l': return &arguments->lease;
	case 'w': return &arguments->wait;
	case 'n': return &arguments->max;
	case 'm': return &arguments->mode;
	case 's': return &arguments->state;
	case 'O': return &arguments->older_than;
	case 'T': return &arguments->timeout;
	case 'U': return &arguments->user;
	case 'F': return &arguments->token_file;
	case 'x': return &arguments->expires_in;
	case 'v': return &arguments->save_file;
	case 'D': return &arguments->data_directory;
	case 'B': return &arguments->rate;
	default: return NULL;
	}
}

static bool *
flag_of(struct arguments *arguments, int letter)
{
	switch (letter) {
	case 'j': return &arguments->is_json;
	case 'k': return &arguments->keeps_lease;
	case 'R': return &arguments->repairs;
	case 'r': return &arguments->replaces;
	case 'E': return &arguments->uses_existing;
	case 'P': return &arguments->reads_password;
	case 'N': return &arguments->has_no_password;
	case 'A': return &arguments->makes_admin_token;
	default: return NULL;
	}
}

static bool
take(struct arguments *arguments, int letter, const char *argument)
{
	const char **string = string_of(arguments, letter);
	bool *flag = flag_of(arguments, letter);

	if (string != NULL)
		*string = argument;
	else if (flag != NULL)
		*flag = true;
	else if (letter == 'a')
		return list_add(arguments->attributes, &arguments->attribute_count, argument);
	else if (letter == 'S')
		return list_add(arguments->scopes, &arguments->scope_count, argument);
	else
		return list_add(arguments->assignments, &arguments->assignment_count, argument);
	return true;
}

bool
arguments_parse(struct arguments *arguments, const char *allowed, int argc, char **argv)
{
	int letter;

	memset(arguments, 0, sizeof(*arguments));
	arguments->instance = "default";
	optind = 1;
	/* getopt_long itself says what it does not know. */
	while ((letter = getopt_long(argc, argv, "i:jc:o:f:t:a:n:", long_options, NULL)) != -1) {
		if (letter == '?')
			return false;
		if (strchr(allowed, letter) == NULL) {
			fprintf(stderr, "chasqui: %s does not take %s\n", argv[0], argv[optind - 1]);
			return false;
		}
		if (!take(arguments, letter, optarg))
			return false;
	}
	arguments->words = argv + optind;
	arguments->word_count = argc - optind;
	return true;
}

bool
arguments_conf(const struct arguments *arguments, struct conf *conf)
{
	struct conf_error error;

	conf_defaults(conf);
	if (arguments->conf_file != NULL && conf_load_file(arguments->conf_file, conf, &error) != 0)
		goto fail;
	for (unsigned i = 0; i < arguments->assignment_count; i++) {
		if (conf_set(conf, arguments->assignments[i], &error) != 0)
			goto fail;
	}
	return true;

fail:
	fprintf(stderr, "chasqui: %s\n", error.text);
	return false;
}
