/*
 * verbs: what `chasqui VERB` can be.  Each takes its own argv (argv[0] is the verb) and gives the exit code of the program.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "shm/version.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,       /* it was tried and did not work, or the broker refused it; stderr says why */
	CLI_USAGE = 2,        /* the command line is wrong */
	CLI_NOT_RUNNING = 69, /* there is no such broker (EX_UNAVAILABLE) */
	CLI_CONFIG = 78,      /* the configuration is wrong (EX_CONFIG) */
};

int verb_up(int argc, char **argv);
int verb_down(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_stats(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_queue(int argc, char **argv);
int verb_msg(int argc, char **argv);
int verb_user(int argc, char **argv);
int verb_token(int argc, char **argv);
int verb_session(int argc, char **argv);
int verb_grant(int argc, char **argv);
int verb_snapshot(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_help(int argc, char **argv);
int verb_version(int argc, char **argv);

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis; /* several lines where a verb has verbs of its own */
	const char *help;
};

/* NULL: there is no such verb. */
const struct verb *verb_find(const char *name);

/* The line after `usage:` of a verb, on stderr.  Gives CLI_USAGE. */
int verb_usage(const char *verb);

#endif
