/*
 * chasqui check: the daemons verify what they own: persistd the journal in a data directory, workerd the shard regions that
 * a broker has left behind.  Never while it runs: both would see things half done.  And a backup, at any time.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/supervisor/children.h"
#include "cli/instance.h"
#include "cli/verbs.h"
#include "conf/conf.h"

/* The broker whose things these are lives. */
static bool
is_running(const char *instance)
{
	struct registry registry;
	bool lives;

	if (registry_attach(&registry, instance, NULL, REGION_READ_ONLY) != 0)
		return false;
	lives = instance_supervisor(&registry) != 0;
	registry_detach(&registry);
	return lives;
}

/*
 * Run a daemon's program to its end with our stdin, stdout and stderr; argv[0] is its name.  Its exit code, 128 + signal if
 * that ended it, or -1 after a line on stderr.
 */
static int
run_program(char *const argv[])
{
	char path[PATH_MAX];
	int status;
	pid_t pid;

	if (child_program(path, argv[0]) != 0)
		return -1;
	fflush(stdout);
	errno = posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (errno != 0) {
		fprintf(stderr, "chasqui: cannot run %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			fprintf(stderr, "chasqui: lost sight of %s: %s\n", path, strerror(errno));
			return -1;
		}
	}
	if (WIFSIGNALED(status))
		fprintf(stderr, "chasqui: %s was ended by signal %d\n", path, WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
check_journal(const char *directory, bool repairs)
{
	char *argv[] = { "chasqui-persistd", "--check", (char *)directory, repairs ? "--repair" : NULL, NULL };

	return run_program(argv);
}

/* A backup is a file, or comes through a pipe. */
static bool
is_backup(const char *name)
{
	struct stat status;

	return strcmp(name, "-") == 0 || (stat(name, &status) == 0 && !S_ISDIR(status.st_mode));
}

static int
check_backup(const char *name)
{
	char *argv[] = { "chasqui-persistd", "--check-backup", (char *)name, NULL };

	return run_program(argv);
}

/* Every shard region of the instance.  0 if all are well. */
static int
check_shards(const char *instance)
{
	char pattern[CONF_TEXT_BYTES + 32];
	glob_t found;
	int code = 0;

	snprintf(pattern, sizeof(pattern), "/dev/shm/chasqui.%s.shard.*", instance);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *argv[] = { "chasqui-workerd", "--check-segment", found.gl_pathv[i], NULL };

		if (run_program(argv) != 0)
			code = -1;
	}
	globfree(&found);
	return code;
}

int
verb_check(int argc, char **argv)
{
	struct arguments arguments;
	const char *instance;
	struct conf conf;
	bool is_well;

	if (!arguments_parse(&arguments, "icoR", argc, argv) || arguments.word_count > 1)
		return verb_usage("check");
	if (!arguments_conf(&arguments, &conf))
		return CLI_CONFIG;
	if (arguments.word_count == 1 && is_backup(arguments.words[0]))
		return check_backup(arguments.words[0]) == 0 ? CLI_OK : CLI_FAILED;
	/* A directory alone may be a copy from anywhere: no broker's shared memory belongs to it. */
	if (arguments.word_count == 1)
		return check_journal(arguments.words[0], arguments.repairs) == 0 ? CLI_OK : CLI_FAILED;
	instance = strcmp(arguments.instance, "default") != 0 ? arguments.instance : conf.instance_name;
	if (is_running(instance)) {
		fprintf(stderr, "chasqui: broker `%s` is running; stop it first: chasqui down -i %s\n", instance, instance);
		return CLI_FAILED;
	}
	is_well = check_journal(conf.data_directory, arguments.repairs) == 0;
	is_well &= check_shards(instance) == 0;
	return is_well ? CLI_OK : CLI_FAILED;
}
