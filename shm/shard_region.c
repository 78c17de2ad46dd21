#include "shm/shard_region.h"

#include "shm/state/shard.h"

size_t
shard_region_size_bytes(const struct shard_geometry *geometry)
{
	return REGION_HEADER_BYTES + shard_size_bytes(geometry);
}

int
shard_region_create(const char *instance, uint32_t shard, const struct shard_geometry *geometry,
    const struct region_identity *store)
{
	return shard_create(instance, shard, geometry, store);
}

int
shard_region_probe(const char *instance, uint32_t shard, const struct shard_geometry *geometry,
    const struct region_identity *store)
{
	struct shard view;

	if (shard_attach(&view, instance, shard, geometry, store, REGION_READ_ONLY) != 0)
		return -1;
	shard_detach(&view);
	return 0;
}
