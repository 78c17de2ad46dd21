/*
 * chasqui-persistd: the only hand on the data directory.  Run by `chasqui up`; by hand only as
 *
 *   chasqui-persistd --check DIR [--repair]      verify the journal of a broker that is stopped
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
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
	struct persist_options options = {
		.directory = conf.data_directory,
		.segment_bytes = conf.data_segment_bytes,
		.batch_bytes = (uint32_t)conf.data_batch_bytes,
		.in_flight = (uint32_t)conf.data_in_flight,
		.spare_segments = (uint32_t)conf.data_spare_segments,
		.snapshot_bytes = conf.data_snapshot_bytes,
		.direct = (enum disk_direct)conf.data_direct,
	};
	return persist_main(&role, &options);
}

int
main(int argc, char **argv)
{
	bool repairs = argc == 4 && strcmp(argv[3], "--repair") == 0;

	if (argc >= 2 && strcmp(argv[1], "--check") == 0) {
		if (argc == 3 || repairs)
			return check_main(argv[2], repairs);
		fprintf(stderr, "usage: chasqui-persistd --check DIR [--repair]\n");
		return EX_USAGE;
	}
	return run(argc, argv);
}
