#include "shm/stats.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shm/hash.h"

#define ROW(name, kind, role, unit, help) \
	{ #name, STAT_##kind, STAT_##role, unit, help, offsetof(struct stats_shared, name) },
#define COUNTER(name, role, unit, help) ROW(name, COUNTER, role, unit, help)
#define GAUGE(name, role, unit, help) ROW(name, GAUGE, role, unit, help)
#define HISTOGRAM(name, role, unit, help) ROW(name, HISTOGRAM, role, unit, help)
const struct stat_row stat_rows[] = {
#include "shm/stats.def"
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

const unsigned stat_row_count = sizeof(stat_rows) / sizeof(stat_rows[0]);

static struct region_identity
stats_identity(const struct region_identity *store)
{
	struct region_identity identity = *store;
	uint64_t hash = sizeof(struct stats_shared);

	for (unsigned i = 0; i < stat_row_count; i++)
		hash = hash * 31 + hash_bytes(stat_rows[i].name, strlen(stat_rows[i].name)) + stat_rows[i].offset;
	identity.layout_hash = hash;
	identity.geometry = 0;
	identity.epoch = 0;
	return identity;
}

int
stats_create(const char *instance, uint32_t slot, const struct region_identity *store)
{
	struct region_identity identity = stats_identity(store);
	char name[64];

	snprintf(name, sizeof(name), "stats.%u", slot);
	return region_create(instance, name, REGION_HEADER_BYTES + sizeof(struct stats_shared), &identity);
}

int
stats_attach(struct stats *stats, const char *instance, uint32_t slot, const struct region_identity *store,
    enum region_access access)
{
	struct region_identity identity = stats_identity(store);
	char name[64];

	memset(stats, 0, sizeof(*stats));
	snprintf(name, sizeof(name), "stats.%u", slot);
	if (region_attach(&stats->region, instance, name, &identity, access) != 0)
		return -1;
	stats->shared = (struct stats_shared *)((char *)stats->region.base + REGION_HEADER_BYTES);
	return 0;
}

void
stats_detach(struct stats *stats)
{
	region_detach(&stats->region);
	memset(stats, 0, sizeof(*stats));
}

const char *
stats_phase_name(uint64_t phase)
{
	static const char *const names[PHASE_COUNT] = {
		[PHASE_STARTING] = "starting", [PHASE_REPLAY] = "replay",
		[PHASE_RECOVERY] = "recovery", [PHASE_SERVING] = "serving",
		[PHASE_DRAINED] = "drained", [PHASE_CORRUPT] = "corrupt",
	};

	return phase < PHASE_COUNT ? names[phase] : "unknown";
}
