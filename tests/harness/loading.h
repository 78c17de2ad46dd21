#ifndef TESTS_HARNESS_LOADING_H
#define TESTS_HARNESS_LOADING_H

/*
 * loading: a second shard that is put together from the snapshots of a first one: what persistd and
 * a cold start do, record by record and without either.  It follows the first one's stream; when a
 * snapshot has come to its end it starts anew from that one and the records above its
 * SNAPSHOT_BEGUN.
 */

#include "tests/harness/engine.h"

struct loading_bytes {
	char *bytes;
	size_t count, size;
};

struct loading {
	struct engine *engine;          /* the second one; its options are the first one's */
	bool is_bare;                   /* only the snapshot is loaded, no record above it */
	struct loading_bytes snapshot;  /* records of the one that is being followed */
	struct loading_bytes above;     /* all others above its SNAPSHOT_BEGUN */
	uint64_t begun_lsn;             /* 0: none is followed */
	uint64_t next_lsn;              /* where the stream goes on */
	uint64_t loaded;                /* how often; from then on it is what the first one is */
	uint64_t pieces;                /* SNAPSHOT_IMAGES records that were fed */
};

void loading_open(struct loading *loading, const struct engine_options *options);
void loading_close(struct loading *loading);

/*
 * The shard anew from these records of a snapshot.  NULL, or what is wrong with them:
 * load_record(), or that there is no end.
 */
const char *loading_load(struct engine *engine, const struct loading_bytes *snapshot);

/* The next record, PUBLISHED without its payload or with it. */
void loading_feed(struct loading *loading, const struct record *record);

/* All that is new in the stream of the first one. */
void loading_follow(struct loading *loading, const struct engine *first);

#endif
