/*
 * listing: reads the older complete snapshots of all shards out of the journal, and lists the
 * records that they need of the segments that are to be cleaned.  In slices; for the cleaner.
 *
 *   listing_begin() -> listing_step() until it is not MORE -> listing_end()
 *
 * A record that were left out would be lost: payloads are verified, and images counted.
 */
#ifndef PERSISTD_LISTING_H
#define PERSISTD_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/backend.h"
#include "persistd/snapshots.h"
#include "persistd/survivors.h"

enum listing_step {
	LISTING_MORE,
	LISTING_DONE,
	LISTING_DAMAGED,          /* the snapshots cannot be read, or are not whole; after a diag */
};

/* The older snapshot of a shard. */
struct listing_shard {
	uint64_t begun_lsn;
	uint64_t ended_lsn;
	uint64_t images;          /* still to come */
	bool is_over;             /* its SNAPSHOT_ENDED was seen */
};

struct listing {
	struct backend *backend;
	struct survivors *survivors;
	uint32_t shards;
	struct listing_shard shard[WORKER_MAX];
	struct reader reader;
	/* The reader's batch is looked through from byte `at` of range `range` on. */
	uint32_t range, at;
	const char *bytes;        /* of that range */
};

/*
 * Begin to put into `survivors`, where survivors_begin() said which segments, what `snapshots` need
 * of them.  Batches up to stop_index are read.  0, or -1 after a diag.  Nothing is dropped until
 * listing_end().
 */
int listing_begin(struct listing *listing, struct backend *backend,
    const struct snapshots *snapshots, struct survivors *survivors, uint64_t stop_index);
void listing_end(struct listing *listing);

/* Not more than one batch is read, and one record of images looked at. */
enum listing_step listing_step(struct listing *listing);

#endif
