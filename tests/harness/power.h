#ifndef TESTS_HARNESS_POWER_H
#define TESTS_HARNESS_POWER_H

/*
 * power: what a recording (io_log.h) leaves of the data directory when the power is cut at any point of it.
 *
 * There for certain: what was there at the beginning; a write whose RWF_DSYNC has come to its end; what had ended before an
 * fsync of its file or directory began, once that fsync has ended.  Anything else that was begun may be there or not: of
 * a write any of its blocks, of names any of the changes (a rename is one), in any order.
 */

#include <stdbool.h>
#include <stdint.h>

#include "persistd/journal_position.h"
#include "tests/harness/io_log.h"

enum power_names {
	POWER_NAMES_IN_ORDER,   /* a journaling file system: the first so many changes of a directory */
	POWER_NAMES_ANY,        /* POSIX: any of them */
};

struct power {
	const struct io_shared *io;
	uint64_t at;                        /* what lies before it in the log has happened */
	uint64_t sequence;
	struct journal_position announced;  /* acknowledged so far */
	uint64_t announcements;
	struct power_file *files;           /* [io file] */
	struct power_change *open;          /* begun, not ended */
	const struct batch_header **batches; /* handed to the disk so far, in that order */
	uint32_t batch_count;
	uint32_t *batch_of;                 /* by hash: number in batches, + 1 */
};

/* At the beginning of the recording. */
void power_open(struct power *power, const struct io_shared *io);
void power_close(struct power *power);

/* Past one more record.  False at the end. */
bool power_step(struct power *power);

/* Something is neither certainly there nor certainly not: cuts here differ. */
bool power_is_open(const struct power *power);

/* Make `directory`, which is empty, what a power cut here may leave; the seed chooses.  Fails the process on an error. */
void power_cut(const struct power *power, const char *directory, uint64_t seed, enum power_names names);

/* The batch with that hash, header first, if it has been handed to the disk so far; else NULL. */
const struct batch_header *power_batch(const struct power *power, uint64_t hash);

#endif
