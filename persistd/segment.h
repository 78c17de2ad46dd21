/*
 * segment: the file that the journal is being written to: how an epoch begins, where the next batch goes, and how the
 * journal changes over to the next file.
 */
#ifndef PERSISTD_SEGMENT_H
#define PERSISTD_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/catalog.h"
#include "persistd/disk.h"
#include "persistd/loader.h"
#include "persistd/spare.h"

struct segments {
	struct store *store;
	struct disk *disk;
	struct catalog *catalog;
	struct spares spares;
	struct segment_file active;
	int retired_fd;          /* of the segment before */
	uint64_t epoch;
	uint64_t opened;         /* how many this process has begun */
};

/* What an epoch goes on from. */
struct epoch_start {
	uint64_t epoch;
	uint64_t time_ms;
	uint64_t continues_index;              /* everything up to this batch is on stable storage */
	uint64_t continues_hash;
	uint64_t last_segment;                 /* later ones hold nothing that counts; floor - 1 in a new store */
	const struct loader_pending *pending;  /* batches that follow and have to be written again */
	uint32_t pending_count;
	bool is_cold;                          /* this start gets a new generation */
	struct lsn_index *index;               /* where the batches that are written again lie; NULL: not wanted */
	struct copies *copies;                 /* the same of batches of copies */
};

/* 0, or -1 and a diag. */
int segments_open(struct segments *segments, struct store *store, struct disk *disk, struct catalog *catalog,
    const struct spare_options *options);
void segments_close(struct segments *segments);

/*
 * Begin an epoch in a segment of its own, with the pending batches in it, all on stable storage on return: a file complete
 * under another name, then renamed, so that it counts as a whole or not at all.  It is small, for making it blocks (some
 * 10 ms): the next ones are made in the background.  *position steps over the rewritten batches.
 * 0, or -1 and a diag.
 */
int segments_begin_epoch(struct segments *segments, const struct epoch_start *start, struct journal_position *position);

/*
 * Queue the write of a sealed batch, behind the one before, or at the beginning of the next segment with its header.
 * False when there is no room in this segment and no next one yet.
 */
bool segments_write(struct segments *segments, struct batch *batch, struct disk_tag tag);

#endif
