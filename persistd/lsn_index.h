/*
 * lsn_index: where on disk the bytes of an LSN are: for each range of each batch an entry of 16 bytes, per shard in order
 * of LSN, looked up by binary search.  Memory: 0.4 % of the journal when every batch holds one small record, far less under
 * load.  What was copied forward is in another index (copies.h).
 */
#ifndef PERSISTD_LSN_INDEX_H
#define PERSISTD_LSN_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/batch.h"

struct lsn_location {
	uint64_t segment;
	uint64_t offset;          /* in its file */
};

struct lsn_entry {
	uint64_t lsn;
	uint32_t segment;
	uint32_t offset_words;    /* offset / 8: a segment has at most 4 GiB */
};

struct lsn_index_shard {
	struct lsn_entry **chunks; /* each LSN_CHUNK entries, so that growing copies no entries */
	uint32_t chunk_capacity;
	uint64_t first;           /* entry; those before it are forgotten */
	uint64_t count;           /* with them */
	uint64_t end_lsn;          /* behind the last range */
	uint64_t found;            /* entry of the last search: the next is mostly there or behind it */
};

struct lsn_index {
	struct lsn_index_shard shard[WORKER_MAX];
};

void lsn_index_init(struct lsn_index *index);
void lsn_index_free(struct lsn_index *index);

/* Add the ranges of a batch that lies at `offset` of `segment`.  Each follows the one before (F7).  -1 without memory. */
int lsn_index_add(struct lsn_index *index, const struct batch_header *header, uint64_t segment, uint64_t offset);

/* Forget what lies in segments below `floor`. */
void lsn_index_forget(struct lsn_index *index, uint64_t floor);

/* The first LSN it knows for a shard, UINT64_MAX if none. */
uint64_t lsn_index_first(const struct lsn_index *index, uint32_t shard);

/* Where [lsn, lsn + bytes) lies; false if it is not known, or not whole within one batch. */
bool lsn_index_find(struct lsn_index *index, uint32_t shard, uint64_t lsn, uint32_t bytes, struct lsn_location *location);

#endif
