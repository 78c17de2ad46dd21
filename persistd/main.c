/*
 * chasqui-persistd: the only hand on the data directory.  Run by `chasqui up`; by hand only as
 *
 *   chasqui-persistd --check DIR [--repair]      verify the journal of a broker that is stopped
 *   chasqui-persistd --backup DIR TO INSTANCE RATE   copy a journal into one file; INSTANCE "": it is stopped
 *   chasqui-persistd --restore FROM DIR          make a data directory of such a file
 *   chasqui-persistd --check-backup FROM         verify one
 *
 * TO and FROM may be `-`; RATE is in bytes a second, 0 as fast as it goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "persistd/backup/backup.h"
#include "persistd/backup/restore.h"
#include "persistd/check.h"
#include "persistd/persist.h"
#include "persistd/store.h"
#include "shm/diag.h"

_Static_assert((int)DISK_DIRECT_AUTO == (int)CONF_DIRECT_AUTO && (int)DISK_DIRECT_OFF == (int)CONF_DIRECT_OFF,
    "data.direct is handed over as a number");
_Static_assert((int)EXIT_CORRUPT == EX_DATAERR && (int)EXIT_JOURNAL == EX_SOFTWARE && (int)EXIT_LOCKED == EX_TEMPFAIL &&
    (int)EXIT_CONFIG == EX_CONFIG, "our exit codes are those of sysexits.h");

static int
run(int argc, char **argv)
{
	struct conf_error error;
	struct role role;
	struct conf conf;

	if (role_start(&role, ROLE_PERSIST, argc, argv) != 0)
		return EXIT_CONFIG;
	if (conf_load_fd(CONF_FD, "configuration", &conf, &error) != 0) {
		diag(DIAG_ERROR, "%s", error.text);
		return EXIT_CONFIG;
	}
	diag_set_level((enum diag_level)conf.log_level);
	role_step_over(&role, "configuration");
	struct persist_options options = {
		.directory = conf.data_directory,
		.segment_bytes = conf.data_segment_bytes,
		.batch_bytes = (uint32_t)conf.data_batch_bytes,
		.in_flight = (uint32_t)conf.data_in_flight,
		.spare_segments = (uint32_t)conf.data_spare_segments,
		.ready_bytes = conf.data_ready_bytes,
		.snapshot_bytes = conf.data_snapshot_bytes,
		.direct = (enum disk_direct)conf.data_direct,
	};
	return persist_main(&role, &options);
}

static int
backup(char **words)
{
	struct backup_options options = { .directory = words[0], .to = words[1],
		.instance = words[2][0] != '\0' ? words[2] : NULL, .bytes_per_second = strtoull(words[3], NULL, 10) };

	return backup_main(&options);
}

/* Run by the command line on files, without a broker.  -1: it is none of these. */
static int
run_tool(int argc, char **argv)
{
	if (strcmp(argv[1], "--check") == 0 && (argc == 3 || (argc == 4 && strcmp(argv[3], "--repair") == 0)))
		return check_main(argv[2], argc == 4);
	if (strcmp(argv[1], "--backup") == 0 && argc == 6)
		return backup(argv + 2);
	if (strcmp(argv[1], "--restore") == 0 && argc == 4)
		return restore_main(argv[2], argv[3]);
	if (strcmp(argv[1], "--check-backup") == 0 && argc == 3)
		return backup_check_main(argv[2]);
	return -1;
}

static bool
is_tool(const char *word)
{
	return strcmp(word, "--check") == 0 || strcmp(word, "--backup") == 0 || strcmp(word, "--restore") == 0 ||
	    strcmp(word, "--check-backup") == 0;
}

int
main(int argc, char **argv)
{
	if (argc < 2 || !is_tool(argv[1]))
		return run(argc, argv);
	int code = run_tool(argc, argv);
	if (code >= 0)
		return code;
	fprintf(stderr, "usage: chasqui-persistd --check DIR [--repair] | --backup DIR TO INSTANCE RATE | --restore FROM DIR | "
	    "--check-backup FROM\n");
	return EX_USAGE;
}
