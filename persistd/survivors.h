/*
 * survivors: records of the oldest segments that are still needed, in the order of their places,
 * for the cleaner.
 *
 *   survivors_begin() -> survivors_add() for each, in any order -> survivors_sort() until it is done
 *   -> records[0 .. count)
 *
 * Memory is bounded: when more come than there is room for, those that lie furthest back are let go
 * and `limit` says from which place on the list is not complete.  No call takes long: a heap is
 * built, and sorted in slices.
 */
#ifndef PERSISTD_SURVIVORS_H
#define PERSISTD_SURVIVORS_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/lsn_index.h"

/* 24 MiB, touched as far as it is used.  Fewer would mean to read a large snapshot more often. */
#define SURVIVORS_MAX (1u << 20)

struct survivor {
	uint64_t lsn;
	uint32_t shard;
	uint32_t bytes;           /* of the record */
	uint32_t segment;         /* where it lies */
	uint32_t offset_words;    /* offset / 8 */
};
_Static_assert(sizeof(struct survivor) == 24, "24 bytes each, as said above");

struct survivors {
	struct survivor *records; /* a heap with the last place first, until they are sorted */
	uint32_t count;
	uint32_t capacity;
	uint32_t heap_count;      /* how many still are one */
	struct lsn_location limit;
};

/* 0, or -1 without memory. */
int survivors_init(struct survivors *survivors, uint32_t capacity);
void survivors_free(struct survivors *survivors);

/* Empty it, for records in segments below end_segment. */
void survivors_begin(struct survivors *survivors, uint64_t end_segment);

/* Add one, unless it lies at the limit or behind it. */
void survivors_add(struct survivors *survivors, const struct survivor *survivor);

/* A slice of sorting.  True when all are in order. */
bool survivors_sort(struct survivors *survivors);

/* Put `count` of the sorted ones from `first` on into the order of a batch: by shard and LSN. */
void survivors_group(struct survivors *survivors, uint32_t first, uint32_t count);

#endif
