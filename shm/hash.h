/*
 * hash: XXH3 by the xxhash library: checksums of records and batches, and the hash tables of names.
 */
#ifndef SHM_HASH_H
#define SHM_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of count bytes, seed 0. */
uint64_t hash_bytes(const void *bytes, size_t count);

/* The shard, of shard_count, that owns a queue of this name.  Part of the format on disk: it may never change. */
uint32_t hash_shard(const char *name, size_t name_bytes, uint32_t shard_count);

#endif
