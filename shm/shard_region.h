/*
 * shard_region: what the supervisor needs of region shard.W: to make it, and to know whether the one that is there fits.  It
 * keeps the layout of a shard (shm/state) out of cli.
 */
#ifndef SHM_SHARD_REGION_H
#define SHM_SHARD_REGION_H

#include <stddef.h>
#include <stdint.h>

#include "shm/region.h"
#include "shm/registry.h"

/* With the header page. */
size_t shard_region_size_bytes(const struct shard_geometry *geometry);

/* Make it anew, empty.  0, or -1 and a diag. */
int shard_region_create(const char *instance, uint32_t shard, const struct shard_geometry *geometry,
    const struct region_identity *store);

/* 0 if it is there and fits; else -1 and errno as region_attach(). */
int shard_region_probe(const char *instance, uint32_t shard, const struct shard_geometry *geometry,
    const struct region_identity *store);

#endif
