/*
 * backend_file: the journal in segments of the data directory.
 */
#ifndef PERSISTD_BACKEND_FILE_H
#define PERSISTD_BACKEND_FILE_H

#include "persistd/backend.h"
#include "persistd/catalog.h"
#include "persistd/segment.h"
#include "persistd/windows.h"

/* Descriptors for cold reads that are kept open. */
#define READ_FDS 64

struct read_fd {
	uint64_t segment;          /* 0: none */
	int fd;                    /* for reads of one record */
	int window_fd;             /* for windows: direct, or the same */
};

struct backend_file {
	struct backend backend;         /* first: the ops cast back */
	struct store *store;
	struct disk *disk;
	struct catalog catalog;
	struct segments segments;
	struct lsn_index old;           /* what was there when we came */
	struct lsn_index live;          /* what was written since */
	struct copies copies;           /* of what was copied forward, the newest place */
	struct loader loader;           /* warm start: fills `old` in the background */
	bool is_indexing;
	bool is_trimming;               /* the lock that keeps backups away is ours */
	uint64_t trim_retry_ns;         /* when to ask for it again */
	struct snapshots *snapshots;    /* borrowed from whoever opened us */
	uint32_t readers;               /* that are open: nothing is dropped */
	struct read_fd read_fds[READ_FDS];
	uint64_t fetching[BACKEND_FETCHES]; /* segment that each read under way is from; 0: none */
	struct windows windows;
	struct lsn_location flown[IN_FLIGHT_MAX]; /* where the batch of each flight ends */
	struct lsn_location durable;    /* everything before it can be read */
};

/* Borrows store (open, locked) and disk.  0, or -1 and a diag. */
int backend_file_init(struct backend_file *file, struct store *store, struct disk *disk, const struct spare_options *options);

#endif
