/*
 * copies: where records lie that the cleaner copied forward (cleaner.h): runs of records that stand
 * back to back in the stream of their shard and in their copy, 24 bytes each, per shard in order of
 * LSN.
 *
 * A record may be copied again and again; what counts is the newest copy, and they have to be added
 * in the order in which they became durable.  Runs do not overlap.  They stand in sorted chunks, so
 * that one is found by two binary searches, and adding one moves a few KiB, however many there are.
 */
#ifndef PERSISTD_COPIES_H
#define PERSISTD_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"
#include "persistd/lsn_index.h"

struct copies_run {
	uint64_t lsn;
	uint32_t bytes;           /* a run is never longer than a batch */
	uint32_t segment;
	uint32_t offset_words;    /* offset / 8, as in struct lsn_entry */
	uint32_t reserved;
};
_Static_assert(sizeof(struct copies_run) == 24, "24 bytes a run, as said above");

#define COPIES_CHUNK_RUNS 256u

struct copies_chunk {
	uint32_t count;           /* never 0 */
	struct copies_run runs[COPIES_CHUNK_RUNS];
};

struct copies_shard {
	struct copies_chunk **chunks;
	uint32_t count;
	uint32_t capacity;
};

struct copies {
	struct copies_shard shard[WORKER_MAX];
	uint64_t runs;            /* of all shards, with forgotten ones not swept yet */
	uint64_t floor;           /* what lies in segments below it is forgotten */
	bool is_sweeping;         /* some of that still takes memory */
	uint32_t sweep_shard;     /* where the sweep goes on */
	uint32_t sweep_chunk;
};

void copies_init(struct copies *copies);
void copies_free(struct copies *copies);

/*
 * Add the records of a batch of copies (batch_copies_are_sound()), payload behind its header in
 * memory, that lies at `offset` of `segment`.  -1 without memory, after a diag: then some may be
 * missing.
 */
int copies_add(struct copies *copies, const struct batch_header *header, uint64_t segment,
    uint64_t offset);

/* Where the newest copy of [lsn, lsn + bytes) lies; false if none is whole within one run. */
bool copies_find(const struct copies *copies, uint32_t shard, uint64_t lsn, uint32_t bytes,
    struct lsn_location *location);

/* Segments below `floor` are gone, and what was copied into them. */
void copies_forget(struct copies *copies, uint64_t floor);

/* Give back some of the memory of what is forgotten.  True while there may be more. */
bool copies_sweep(struct copies *copies);

#endif
