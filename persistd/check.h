/*
 * check: `chasqui-persistd --check DIR [--repair]`: verifies a store that no broker runs on, every checksum and every record,
 * and says on stdout what it found, with file and offset.
 *
 * Repair destroys nothing.  It writes what a start after a power cut writes: a new epoch that continues after the last batch
 * before the damage, so that everything behind is void; whole segments behind it are renamed to *.dropped.  It says what that
 * drops, batch by batch.
 */
#ifndef PERSISTD_CHECK_H
#define PERSISTD_CHECK_H

#include <stdbool.h>

/* 0: whole, or repaired.  EXIT_CORRUPT: damaged.  Another exit code of store.h after a diag. */
int check_main(const char *directory, bool repairs);

#endif
