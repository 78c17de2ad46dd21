/*
 * chasqui backup, chasqui restore: what they do is persistd's; here is only which directory is
 * meant and whether its broker runs.  This process becomes the daemon's program, so that signals
 * and the exit code are its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/instance.h"
#include "cli/supervisor/children.h"
#include "cli/verbs.h"
#include "conf/value.h"

/* Returns only if that cannot be done. */
static int
become(char *const argv[])
{
	char path[PATH_MAX];

	if (child_program(path, argv[0]) != 0)
		return CLI_FAILED;
	execv(path, argv);
	fprintf(stderr, "chasqui: cannot run %s: %s\n", path, strerror(errno));
	return CLI_FAILED;
}

/* What a wrong configuration calls for, or 0. */
static int
find_directory(const struct arguments *arguments, struct conf *conf)
{
	if (!arguments_conf(arguments, conf))
		return CLI_CONFIG;
	if (arguments->data_directory == NULL)
		return 0;
	if (strlen(arguments->data_directory) >= sizeof(conf->data_directory)) {
		fprintf(stderr, "chasqui: the name of the data directory is too long\n");
		return CLI_CONFIG;
	}
	strcpy(conf->data_directory, arguments->data_directory);
	return 0;
}

static bool
is_directory_given(const struct arguments *arguments)
{
	return arguments->data_directory != NULL || arguments->conf_file != NULL ||
	    arguments->assignment_count != 0;
}

/* The directory that the broker of this name works on, absolute.  False: it does not run. */
static bool
find_running(const char *instance, char directory[REGISTRY_PATH_BYTES])
{
	struct registry registry;
	bool is_running;

	if (registry_attach(&registry, instance, NULL, REGION_READ_ONLY) != 0)
		return false;
	registry_detach(&registry);
	/* Once more, for what it says when that one is of another version. */
	if (!instance_attach(&registry, instance))
		return false;
	is_running = instance_supervisor(&registry) != 0;
	memcpy(directory, registry.shared->data_directory, REGISTRY_PATH_BYTES);
	registry_detach(&registry);
	return is_running;
}

static bool
is_same_directory(const char *one, const char *absolute)
{
	char path[PATH_MAX];

	return realpath(one, path) != NULL && strcmp(path, absolute) == 0;
}

int
verb_backup(int argc, char **argv)
{
	char running[REGISTRY_PATH_BYTES], rate_text[24];
	struct arguments arguments;
	uint64_t rate = 0;
	struct conf conf;

	if (!arguments_parse(&arguments, "icoDB", argc, argv) || arguments.word_count != 1)
		return verb_usage("backup");
	if (arguments.rate != NULL && (!value_parse_size(arguments.rate, &rate) || rate == 0)) {
		fprintf(stderr, "chasqui: --rate is bytes a second, such as 50MiB\n");
		return CLI_USAGE;
	}
	int code = find_directory(&arguments, &conf);
	if (code != 0)
		return code;
	const char *instance = strcmp(arguments.instance, "default") != 0 ? arguments.instance :
	    conf.instance_name;
	const char *directory = conf.data_directory;
	bool is_running = find_running(instance, running);

	if (!is_directory_given(&arguments)) {
		if (!is_running) {
			fprintf(stderr,
			    "chasqui: broker `%s` is not running; -i NAME names another, --data DIRECTORY the data "
				"of one that is stopped\n", instance);
			return CLI_NOT_RUNNING;
		}
		directory = running;
	}
	is_running = is_running && is_same_directory(directory, running);
	snprintf(rate_text, sizeof(rate_text), "%" PRIu64, rate);
	char *words[] = { "chasqui-persistd", "--backup", (char *)directory, arguments.words[0],
		is_running ? (char *)instance : "", rate_text, NULL };

	return become(words);
}

int
verb_restore(int argc, char **argv)
{
	struct arguments arguments;
	struct conf conf;

	if (!arguments_parse(&arguments, "coD", argc, argv) || arguments.word_count != 1)
		return verb_usage("restore");
	if (!is_directory_given(&arguments)) {
		fprintf(stderr,
		    "chasqui: where to? --data DIRECTORY, or -c FILE for the data.directory in it\n");
		return verb_usage("restore");
	}
	int code = find_directory(&arguments, &conf);
	if (code != 0)
		return code;
	char *words[] = { "chasqui-persistd", "--restore", arguments.words[0], conf.data_directory,
	    NULL };

	return become(words);
}
