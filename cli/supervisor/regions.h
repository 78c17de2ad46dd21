/*
 * regions: which shared memory a broker needs, whether what is there can be gone on with, and making it anew.
 *
 * Warm: registry, durable, directory, every shard.W and stream.W are there and match in build, store, boot, sizes.  Nothing is lost then,
 * not even what was not yet on disk.  Cold: everything is made anew and persistd replays the journal.
 */
#ifndef CLI_REGIONS_H
#define CLI_REGIONS_H

#include <stdbool.h>

#include "conf/conf.h"
#include "shm/registry.h"

/* The sizes that a configuration asks for, for so many processes. */
struct geometry regions_geometry(const struct conf *conf, uint32_t fronts, uint32_t workers);

/*
 * How many frontds the shared memory that is there was made for, if it is of this store and boot; else 0.  Another number would
 * throw away what is in it.
 */
uint32_t regions_fronts(const char *instance, const struct region_identity *store);

struct region_sizes {
	size_t total_bytes;
	unsigned count;
	size_t shard_bytes;  /* of one shard.W: what worker.messages is to blame for */
};
struct region_sizes regions_sizes(const struct geometry *geometry);

/*
 * Make ready all regions but front.I.E, warm or cold; *is_warm says which.
 * 0, or after a diag an exit code.
 */
int regions_prepare(const char *instance, const struct geometry *geometry, const struct region_identity *store, bool *is_warm);

/* There are some, of this build or another. */
bool regions_exist(const char *instance);

/* Remove them all. */
void regions_remove(const char *instance);

#endif
