#include "shm/hash.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef __x86_64__
/*
 * The library's own choice between SSE2, AVX2 and AVX-512; same result.  Its header (xxh_x86dispatch.h) forbids the inlined
 * functions, and those are what short names want.
 */
unsigned long long XXH3_64bits_dispatch(const void *bytes, size_t count);
#define LONG_BYTES_MIN 512
#endif

uint64_t
hash_bytes(const void *bytes, size_t count)
{
#ifdef LONG_BYTES_MIN
	if (count >= LONG_BYTES_MIN)
		return XXH3_64bits_dispatch(bytes, count);
#endif
	return XXH3_64bits(bytes, count);
}

uint32_t
hash_shard(const char *name, size_t name_bytes, uint32_t shard_count)
{
	assert(shard_count > 0);

	return (uint32_t)(hash_bytes(name, name_bytes) % shard_count);
}
