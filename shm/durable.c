#include "shm/durable.h"

#include "shm/atomic.h"

#include <string.h>

#include "shm/hash.h"

static struct region_identity
durable_identity(uint32_t workers, const struct region_identity *store)
{
	const uint64_t layout[] = { sizeof(struct durable_shared), WORKER_MAX, 1 /* version */ };
	struct region_identity identity = *store;

	identity.layout_hash = hash_bytes(layout, sizeof(layout));
	identity.geometry = workers;
	identity.epoch = 0;
	return identity;
}

int
durable_create(const char *instance, uint32_t workers, const struct region_identity *store)
{
	struct region_identity identity = durable_identity(workers, store);

	return region_create(instance, "durable", REGION_HEADER_BYTES + sizeof(struct durable_shared), &identity);
}

int
durable_attach(struct durable *durable, const char *instance, uint32_t workers, const struct region_identity *store,
    enum region_access access)
{
	struct region_identity identity;

	memset(durable, 0, sizeof(*durable));
	if (store != NULL)
		identity = durable_identity(workers, store);
	if (region_attach(&durable->region, instance, "durable", store != NULL ? &identity : NULL, access) != 0)
		return -1;
	durable->shared = (struct durable_shared *)((char *)durable->region.base + REGION_HEADER_BYTES);
	return 0;
}

void
durable_detach(struct durable *durable)
{
	region_detach(&durable->region);
	memset(durable, 0, sizeof(*durable));
}

const char *
journal_state_name(uint64_t state)
{
	static const char *const names[JOURNAL_STATE_COUNT] = {
		[JOURNAL_STARTING] = "starting", [JOURNAL_OK] = "ok",
		[JOURNAL_DISK_FULL] = "disk-full", [JOURNAL_FAILED] = "failed",
	};

	return state < JOURNAL_STATE_COUNT ? names[state] : "unknown";
}

struct durable_snapshot
durable_snapshot(const struct durable_shared *shared, uint32_t shard)
{
	const struct durable_lsn *announced = &shared->shard[shard];
	/* The two that follow belong to this one, or to a later.  Pairs with announce_snapshot(). */
	struct durable_snapshot snapshot = { .lsn = load_acquire(&announced->snapshot_lsn) };

	snapshot.begun_ms = load_relaxed(&announced->snapshot_ms);
	snapshot.bytes = load_relaxed(&announced->snapshot_bytes);
	fence_acquire(); /* they are read before it is looked whether they still belong to it */
	if (load_relaxed(&announced->snapshot_lsn) != snapshot.lsn)
		snapshot.lsn = 0;
	return snapshot;
}
