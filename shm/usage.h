/*
 * usage: region usage.SLOT, one for each frontd and worker: how much of what a quota counts each user has, as far as this
 * process knows: a worker the queues he owns in its shard and the bytes in them, a frontd his connections.  The owner of the
 * region writes, everybody reads and sums over the slots; nobody waits for anybody, so a sum may be behind by what is under way.
 *
 *   header page (region.h) | an entry for each slot of the table of users
 *
 * Nothing here survives its process: a worker counts its queues again when it starts, a frontd begins with no connection.  So
 * these words need no undo log; they are plain stores of one writer.
 */
#ifndef SHM_USAGE_H
#define SHM_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/people.h"
#include "shm/region.h"

struct usage_entry {
	uint64_t uid;              /* whose; 0: nobody's, or being given to another */
	uint64_t queues;
	uint64_t stored_bytes;
	uint64_t connections;
};
_Static_assert(sizeof(struct usage_entry) == 32, "usage: two entries a cache line");

/* One process's view.  Private memory. */
struct usage {
	struct region region;      /* base NULL where the memory is the caller's */
	struct usage_entry *entries;
	uint32_t users;            /* slots */
};

int usage_create(const char *instance, uint32_t slot, uint32_t users, const struct region_identity *store);
/* 0, or -1 and errno as region_attach(). */
int usage_attach(struct usage *usage, const char *instance, uint32_t slot, uint32_t users,
    const struct region_identity *store, enum region_access access);
void usage_detach(struct usage *usage);
size_t usage_size_bytes(uint32_t users);

/* View caller's zeroed memory of `users` entries. */
void usage_view(struct usage *usage, struct usage_entry *entries, uint32_t users);

/* What this region says of a user; all 0 when it says nothing. */
struct usage_entry usage_of(const struct usage *usage, uint64_t uid);

/* The sum over the regions of all slots; those without entries say nothing. */
struct usage_entry usage_total(const struct usage usages[SLOT_MAX], uint64_t uid);

/* --- the owner's --- */

void usage_clear(struct usage *usage);

/*
 * Add to the words of a user (less: add the negative).  The slot of a user who is gone passes to the next one of its number
 * with the first thing counted for him; of the former nothing more is counted.
 */
void usage_add(struct usage *usage, uint64_t uid, const struct usage_entry *more);

/* The same for stored_bytes alone, on the way of every message. */
void usage_add_bytes(struct usage *usage, uint64_t uid, uint64_t bytes);

#endif
