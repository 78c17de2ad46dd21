#include "shm/hash.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
hash_bytes(const void *bytes, size_t count)
{
	return XXH3_64bits(bytes, count);
}

uint32_t
hash_shard(const char *name, size_t name_bytes, uint32_t shard_count)
{
	assert(shard_count > 0);

	return (uint32_t)(hash_bytes(name, name_bytes) % shard_count);
}
