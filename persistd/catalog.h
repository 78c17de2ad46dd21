/*
 * catalog: which segments there are, and what their headers say.  Read from the directory at start, kept up afterwards.
 */
#ifndef PERSISTD_CATALOG_H
#define PERSISTD_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "persistd/format.h"
#include "persistd/store.h"

struct segment_entry {
	uint64_t number;
	uint64_t file_bytes;
	bool is_begun;                /* its header is whole and its own */
	struct segment_header header; /* zeros if not begun */
};

/* In ascending order of numbers. */
struct catalog {
	struct segment_entry *entries;
	uint32_t count;
	uint32_t capacity;
};

/* Room for the file name of segment `number`. */
void segment_name(char name[SEGMENT_NAME_BYTES], uint64_t number);

/* The number in a segment's file name; 0 for any other name. */
uint64_t segment_number(const char *name);

/* List the journal directory and read the headers.  0, or -1 and a diag. */
int catalog_read(struct catalog *catalog, const struct store *store);
void catalog_free(struct catalog *catalog);

/* Add a segment with the highest number so far.  0, or -1 without memory. */
int catalog_append(struct catalog *catalog, const struct segment_header *header);

/* Forget all from `number` on. */
void catalog_cut(struct catalog *catalog, uint64_t number);

/* Forget the first `count`.  Not while a reader is open: it remembers positions. */
void catalog_drop(struct catalog *catalog, uint32_t count);

/* The entry of that number, or NULL.  Borrowed until the catalog changes. */
const struct segment_entry *catalog_find(const struct catalog *catalog, uint64_t number);

/* The last batch index that counts in entries[entry]: later ones are void (F4).  UINT64_MAX: no later segment is begun. */
uint64_t catalog_limit(const struct catalog *catalog, uint32_t entry);

/* For a new epoch: none of its number was begun, also where the one that began it was killed before `current` said so. */
uint64_t catalog_next_epoch(const struct catalog *catalog, const struct current_file *current);

/*
 * F6: true if every segment from current.floor to current.highest is there.  Else *missing is the first that is not.
 */
bool catalog_is_complete(const struct catalog *catalog, const struct current_file *current, uint64_t *missing);

#endif
