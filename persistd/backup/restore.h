/*
 * restore: `chasqui-persistd --restore FROM DIR`: makes a data directory of a backup (`-`: stdin).
 * Everything in FROM is verified before it is written, and DIR afterwards as `--check` does it.
 *
 * What is made is another store: it has a uuid of its own, which every batch is sealed with anew,
 * so that neither shared memory nor files of the original can be taken for its.  DIR/store says
 * where it came from.  Leases end, as after a power cut, and receipts from before are refused: the
 * number of cold starts goes on GENERATION_STEP higher.
 *
 * DIR/store is written last: without it there is no store.
 */
#ifndef PERSISTD_BACKUP_RESTORE_H
#define PERSISTD_BACKUP_RESTORE_H

/* DIR must be empty or not there.  0, or after a diag an exit code of store.h. */
int restore_main(const char *from, const char *directory);

#endif
