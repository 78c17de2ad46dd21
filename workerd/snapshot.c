#include "workerd/apply.h"

/* A snapshot says how things stood: nothing changes by it. */
void
snapshot_begun_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}

void
snapshot_images_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}

void
snapshot_ended_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}
