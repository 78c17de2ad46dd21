/*
 * store: the data directory as a whole: its lock, its identity (DIR/store) and what has to exist in it (journal/current).
 */
#ifndef PERSISTD_STORE_H
#define PERSISTD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/format.h"

struct store {
	char directory[256];          /* for messages */
	int dir_fd;
	int journal_fd;               /* DIR/journal */
	int lock_fd;
	uint8_t uuid[16];
	uint32_t shards;
	uint32_t version;             /* of DIR/store: which records there may be */
	struct current_file current;
	bool has_current;             /* false: the file is missing or damaged; current then holds zeros */
};

/* Exit codes of persistd, of its --check and of backups, as docs/operations.md lists them. */
enum store_exit {
	EXIT_CORRUPT = 65,  /* the journal is damaged: `chasqui check --repair` */
	EXIT_JOURNAL = 70,  /* a write failed, or a bug: the successor reads again */
	EXIT_TARGET = 73,   /* what a backup or a restore should make cannot be made */
	EXIT_LOCKED = 75,   /* somebody else works on the directory */
	EXIT_CONFIG = 78,   /* wrong configuration or system */
};

/*
 * Bytes of DIR/lock.  A backup of a running broker holds STORE_LOCK_BACKUP shared from before it
 * reads `current` until it has read all it wants; who drops segments holds it alone meanwhile.
 */
enum store_lock_byte { LOCK_BYTE_SUPERVISOR, LOCK_BYTE_PERSISTD, LOCK_BYTE_BACKUP };

enum store_lock { STORE_LOCK_PERSISTD, STORE_LOCK_ALL, STORE_LOCK_BACKUP, STORE_LOCK_NONE };

/*
 * Open DIR.  With `shards` not 0 it, DIR/store and DIR/journal are made where they are missing (a supervisor has made the
 * first two).  Checks uuid and shards, where they are given, against DIR/store; reads journal/current.  Takes byte 1
 * of DIR/lock (STORE_LOCK_ALL: byte 0 as well; STORE_LOCK_BACKUP: byte 2 and no other), waiting up to 5 s for a
 * predecessor to be gone.
 * 0, or after a diag an exit code; then nothing is left open.
 */
int store_open(struct store *store, const char *directory, const uint8_t *uuid, uint32_t shards, enum store_lock lock);
/* The same with DIR open already; takes dir_fd.  `directory` is for messages. */
int store_open_at(struct store *store, int dir_fd, const char *directory, const uint8_t *uuid, uint32_t shards,
    enum store_lock lock);
void store_close(struct store *store);

/*
 * Before and after segments are dropped.  False: a backup reads them; ask again later.  Between the
 * two no backup begins.
 */
bool store_trim_begin(struct store *store);
void store_trim_end(struct store *store);

/* Write journal/current from store->current.  Blocks some milliseconds.  0, or -1 and a diag. */
int store_save_current(struct store *store);

/* Fill in magic, version, uuid and hash of store->current, as it is about to be written. */
void store_seal_current(struct store *store);

/* The uuid as 32 hexadecimal digits. */
void store_uuid_text(const uint8_t uuid[16], char text[33]);

#endif
