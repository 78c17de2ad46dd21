/*
 * reload: where a broker's configuration comes from, reading it again, and what of a new one can work at once.
 */
#ifndef CLI_RELOAD_H
#define CLI_RELOAD_H

#include "conf/conf.h"

/* The command line's part; the texts are argv's. */
struct conf_source {
	const char *file;               /* -c; NULL: the defaults */
	const char *const *assignments; /* -o */
	unsigned assignment_count;
};

/* File, then assignments, then the checks.  0, or -1 and the error. */
int conf_source_load(const struct conf_source *source, struct conf *conf, struct conf_error *error);

struct reload_result {
	unsigned reloaded;
	unsigned needs_restart;
};

/*
 * Take over into `running` what differs in `wanted` and can be changed at run time; say in a line for each key that differs
 * whether it was reloaded or needs a restart.
 */
struct reload_result reload_apply(struct conf *running, const struct conf *wanted);

/*
 * Replace the text in the daemons' descriptor, which they have open already.  0, or -1 and a diag.  Must not run while a daemon
 * starts: it could read half of each.
 */
int reload_write(const struct conf *conf, int conf_fd);

#endif
