/*
 * backup: `chasqui-persistd --backup DIR TO INSTANCE RATE`: copies the journal
 * of a data directory into one file (file.h), up to a batch that is on stable storage, and verifies
 * every checksum on the way and once more what was written.  It only reads in DIR.
 *
 *   of a broker that runs (INSTANCE): up to the batch that was durable when it began, so that
 *   everything acknowledged before is in it.  Meanwhile the broker drops no segments
 *   (store_trim_begin), unless its disk gets full.
 *   of a stopped one: to the end that a cold start finds; DIR is locked, no broker can start.
 *
 *   TO         a file that does not exist; TO.partial until it is whole, verified and synced
 *   TO = `-`   stdout; what is printed goes to stderr, and nothing is read again
 */
#ifndef PERSISTD_BACKUP_BACKUP_H
#define PERSISTD_BACKUP_BACKUP_H

#include <stdint.h>

struct backup_options {
	const char *directory;
	const char *to;
	const char *instance;          /* NULL: the broker is stopped */
	uint64_t bytes_per_second;     /* 0: as fast as it goes */
};

/* 0, or after a diag an exit code of store.h. */
int backup_main(const struct backup_options *options);

/*
 * Verify a backup (`-`: stdin), and say on stdout what it holds. 0, EXIT_CORRUPT, EXIT_JOURNAL,
 * EXIT_CONFIG.
 */
int backup_check_main(const char *from);

#endif
