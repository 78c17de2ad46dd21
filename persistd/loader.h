/*
 * loader: reads a journal from its beginning, fills the index, and judges where it ends.
 *
 *   cold   loader_open(stop = LOADER_TO_THE_END), loader_step() until it is not MORE: all batches verified with payload;
 *          the end is the tail after a power cut, or damage
 *   warm   loader_open(stop = the durable index), a loader_step() now and then while the journal serves already
 *
 * The judgement: let m be the first batch that is not whole.  If anything that is whole was written when m was known to be
 * durable, m was acknowledged: damage (F3).  Otherwise m and what follows was on its way when the power went: the tail.
 */
#ifndef PERSISTD_LOADER_H
#define PERSISTD_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/copies.h"
#include "persistd/journal_position.h"
#include "persistd/lsn_index.h"
#include "persistd/reader.h"
#include "persistd/snapshots.h"

#define LOADER_TO_THE_END UINT64_MAX

/* What is wrong, and where: for the operator. */
struct loader_finding {
	uint64_t segment;
	uint64_t offset;
	uint64_t index;            /* the first batch that is lost */
	char text[640];            /* file, offset, what is wrong, how one knows */
};

/* A whole batch of which is not known that it is on stable storage: it may only be in a cache. */
struct loader_pending {
	uint64_t segment;
	uint64_t offset;
	union {
		struct batch_header header; /* with its ranges */
		char bytes[BATCH_HEADER_BYTES_MAX];
	};
};

enum loader_step {
	LOADER_MORE,
	LOADER_DONE,
	LOADER_CORRUPT, /* loader->finding */
	LOADER_FAILED,  /* the disk refused to read, or no memory; a diag was made */
};

struct loader {
	const struct store *store;
	const struct catalog *catalog;
	struct lsn_index *index;          /* NULL: not wanted (check) */
	struct copies *copies;            /* set after loader_open(); NULL: not wanted */
	struct snapshots *snapshots;      /* NULL: nobody asks; set after loader_open() */
	struct reader reader;
	struct journal_position position; /* behind the last whole batch */
	uint64_t durable_index;           /* known to be durable by the last whole batch */
	uint64_t durable_hash;            /* of that batch */
	struct loader_pending pending[IN_FLIGHT_MAX]; /* those after durable_index */
	uint32_t pending_count;
	uint64_t batches;
	bool ignores_missing;             /* check --repair: go on although segments are missing (F6) */
	bool is_clean;                    /* the last batch is the marker of a clean stop */
	struct loader_finding finding;
};

/* 0, or -1 and a diag. */
int loader_open(struct loader *loader, const struct store *store, const struct catalog *catalog, struct lsn_index *index,
    uint64_t stop_index);
void loader_close(struct loader *loader);

/* One batch further. */
enum loader_step loader_step(struct loader *loader);

#endif
