#ifndef TESTS_HARNESS_POWER_CHECK_H
#define TESTS_HARNESS_POWER_CHECK_H

/*
 * power_check: reads what a power cut left (power.h), in this process, as a cold start does, and fails the test unless
 *
 *   every batch that was acknowledged by then is there, byte for byte, and every other one was written so;
 *   they hold whole transactions, and workers can replay them into whole shards;
 *   the journal opens, takes another batch, and is all there when it is read once more.
 *
 * A failure leaves recording and directory, and says how to repeat it.  A program that uses this is linked with io_wrap.c.
 */

#include "tests/harness/power.h"

/* A directory for cuts, and the file name for a recording beside it, on a tmpfs where there is one. */
void power_check_begin(char log[300]);
void power_check_end(void);

/* So far: shards that were rebuilt from a snapshot, and of a journal whose first segments are gone. */
void power_check_counts(unsigned *restored, unsigned *trimmed);

/* The recording is this one, wherever it came from; the cuts are made in this directory.  NULL: as they were. */
void power_check_use(const char *log, const char *directory);

/* Rebuild the directory. */
void power_check_cut(const struct power *power, uint64_t seed, enum power_names names);

/* Rebuild, read, open, read. */
void power_check(const struct power *power, uint64_t seed, enum power_names names);

/* Rebuild; then the power goes again while it is being opened, at some of the places of that.  How many. */
unsigned power_check_recovery(const struct power *power, uint64_t seed, enum power_names names);

/* Fail the test, with what it takes to repeat the cut at hand. */
void power_complain(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
