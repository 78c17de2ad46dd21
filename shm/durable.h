/*
 * durable: region `durable`, what persistd tells the others: how far each shard's stream is on stable storage, and how the
 * journal is.  persistd writes; frontds, workers and the CLI read.
 */
#ifndef SHM_DURABLE_H
#define SHM_DURABLE_H

#include <stdint.h>

#include "shm/region.h"
#include "shm/ring.h"

enum journal_state {
	JOURNAL_STARTING, /* persistd is reading; nothing becomes durable yet */
	JOURNAL_OK,
	JOURNAL_DISK_FULL, /* only the reserved segment is left: publishes are refused */
	JOURNAL_FAILED,   /* a write failed: nothing becomes durable until a successor has read the tail again */
	JOURNAL_STATE_COUNT
};

/* In one word, for people. */
const char *journal_state_name(uint64_t state);

struct durable_lsn {
	_Alignas(CACHE_LINE_PAIR) uint64_t lsn; /* all records below are on stable storage */
	/* The newest snapshot that is complete on stable storage.  0: none, or the next two are being written. */
	uint64_t snapshot_lsn;
	uint64_t snapshot_ms;   /* broker time when it was begun */
	uint64_t snapshot_bytes;
};

/*
 * Where a successor goes on.  Many words that have to agree, and SIGKILL may strike between any two: so there are two, the
 * one not in use is written, and then the one word point_now makes it the one in use.
 */
struct durable_point {
	uint64_t index;             /* last durable batch */
	uint64_t hash;              /* of it: where the chain goes on */
	uint64_t segment;           /* that holds it */
	uint64_t reserved;
	uint64_t lsn[WORKER_MAX];
};

struct durable_shared {
	_Alignas(CACHE_LINE_PAIR) uint32_t journal_state; /* enum journal_state; store-release after the lsns */
	uint32_t reserved;
	uint64_t persist_epoch;     /* of the persistd that wrote last */
	/* Stored for every batch, while each publish reads journal_state: not in one line with it. */
	_Alignas(CACHE_LINE_PAIR) uint64_t batch_index; /* last durable batch */
	uint64_t segment;           /* number of the segment being written */
	uint64_t batch_hash;        /* of the last durable batch: where a successor's chain goes on */
	struct durable_lsn shard[WORKER_MAX];
	/* persistd's own: valid where persist_epoch is not 0. */
	struct durable_point point[2];
	uint64_t point_now;         /* 0 or 1 */
};

struct durable {
	struct region region;
	struct durable_shared *shared;
};

/* What is known of the newest complete snapshot of a shard; lsn 0: nothing. */
struct durable_snapshot {
	uint64_t lsn;
	uint64_t begun_ms;
	uint64_t bytes;
};
struct durable_snapshot durable_snapshot(const struct durable_shared *shared, uint32_t shard);

int durable_create(const char *instance, uint32_t workers, const struct region_identity *store);
int durable_attach(struct durable *durable, const char *instance, uint32_t workers, const struct region_identity *store,
    enum region_access access);
void durable_detach(struct durable *durable);

#endif
