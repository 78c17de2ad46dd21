/*
 * cleaner: copies what is still needed of the oldest segments to the end of the journal, so that
 * they can be dropped: one old message does not keep what was written around it.
 *
 * Below the segment in which the older complete snapshots begin (snapshots.h) a segment holds
 * nothing that is needed but records of messages.  While these segments are larger than twice what
 * is needed of them + 4 segments, the oldest are cleaned: the records of messages that the older
 * snapshots have, and that lie there, are appended in batches of copies (BATCH_COPY, F11).  When
 * these are durable nothing in the segment is needed, and it is dropped like any other.  Always the
 * oldest ones, so that numbers stay without gaps; a copy is copied again when its segment has
 * become the oldest.  When the line is reached, more than twice as much was dropped as was copied:
 * a byte that is won costs less than one that is written.
 *
 *   IDLE     --plan(): the oldest segments are too large for what they hold--> LISTING
 *   LISTING  --all images of the older snapshots were looked at--> SORTING
 *   SORTING  --survivors_sort()--> READING; none: IDLE
 *   READING  --all records of a slice are in memory, and whole--> READY
 *   READY    --cleaner_is_due(), cleaner_fill()--> FLYING
 *   FLYING   --the batch is durable--> READING the next slice; none is left: IDLE
 *   LISTING, READING --what is there is damaged or cannot be read--> BLOCKED
 *   BLOCKED  --another snapshot has ended--> IDLE
 *
 * In nobody's way: one batch of copies is under way at a time, it takes a flight only when clients
 * leave one (or when it has waited for long), and only twice as many bytes as clients write, and
 * CLEANER_BYTES_PER_US more; half a segment of prepared room is left to others, so that on a full
 * disk acknowledging goes on, and cleaning as far as it frees more than it takes.
 *
 * Dying at any moment loses nothing: copies that got onto the disk count, those that did not are
 * made again, and a segment is dropped only when what was in it is durable elsewhere.  A message
 * that is acknowledged meanwhile is copied for nothing.  A record that is damaged is not copied: it
 * is said where it lies, and its segment and those after it stay.
 */
#ifndef PERSISTD_CLEANER_H
#define PERSISTD_CLEANER_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/fetch.h"
#include "persistd/journal.h"
#include "persistd/listing.h"
#include "persistd/snapshots.h"
#include "persistd/survivors.h"
#include "shm/stats.h"

/* So much is copied even when clients write nothing. */
#define CLEANER_BYTES_PER_US 16u

/* A batch of copies, unless one record is larger. */
#define CLEANER_SLICE_BYTES (128u << 10)

/* Its reads: {DISK_FETCH, CLEANER_FETCH}, the number behind those of fetch.h. */
#define CLEANER_FETCH FETCH_SLOTS
_Static_assert(CLEANER_FETCH < BACKEND_FETCHES, "a read of each may be under way");

enum cleaner_state {
	CLEANER_IDLE,
	CLEANER_LISTING,
	CLEANER_SORTING,
	CLEANER_READING,
	CLEANER_READY,
	CLEANER_FLYING,
	CLEANER_BLOCKED,
};

struct cleaner {
	struct backend *backend;
	const struct journal *journal;
	struct snapshots *snapshots;
	struct stats_shared *stats;
	uint64_t segment_bytes;   /* of those that are made */
	enum cleaner_state state;
	uint64_t planned_ns;      /* when plan() last looked */

	uint64_t next_segment;    /* the oldest that is not clean yet */
	uint64_t listed_count;    /* snapshots that had ended when LISTING began */
	struct listing listing;
	struct survivors survivors;

	uint32_t first;           /* of the slice, in survivors.records */
	uint32_t count;           /* in the slice */
	uint32_t read_count;      /* in memory of them */
	bool is_fetching;         /* a completion {DISK_FETCH, CLEANER_FETCH} comes */
	char *slice;              /* the records of the slice, back to back */
	uint32_t slice_bytes;
	uint64_t flying_index;    /* FLYING: of the batch */
	uint64_t flying_bytes;

	uint64_t credit_bytes;    /* may be copied now */
	uint64_t paced_ns;        /* up to when it was given */
	uint64_t paced_bytes;     /* journal bytes then, our own left out */
	uint64_t own_bytes;
};

/* Borrows all of them.  0, or -1 and a diag. */
int cleaner_open(struct cleaner *cleaner, struct backend *backend, const struct journal *journal,
    struct snapshots *snapshots, struct stats_shared *stats);

/* After the disk's ring was closed, or with nothing under way. */
void cleaner_close(struct cleaner *cleaner);

/* A slice of what there is to do beside appending.  True if anything moved. */
bool cleaner_step(struct cleaner *cleaner, uint64_t now_ns);

/* The completion of a read. */
void cleaner_completed(struct cleaner *cleaner, int32_t result);

/*
 * A batch of copies can be appended now; *has_waited: it should go before others, for they have
 * left no flight for it so far.
 */
bool cleaner_is_due(const struct cleaner *cleaner, bool *has_waited);

/* Fill an empty batch, which is then appended as batch `index` with BATCH_COPY. */
void cleaner_fill(struct cleaner *cleaner, struct batch *batch, uint64_t index);

/*
 * Nanoseconds until cleaner_step() is worth calling, UINT64_MAX if only a completion changes
 * anything.
 */
uint64_t cleaner_due_ns(const struct cleaner *cleaner, uint64_t now_ns);

#endif
