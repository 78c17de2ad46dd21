#include "shm/registry.h"

#include <string.h>

#include "shm/atomic.h"
#include "shm/hash.h"

uint64_t
registry_layout_hash(void)
{
	const uint64_t layout[] = { sizeof(struct registry_shared), sizeof(struct geometry), sizeof(struct slot), SLOT_MAX,
		4 /* version */ };

	return hash_bytes(layout, sizeof(layout));
}

static struct region_identity
registry_full_identity(const struct region_identity *store)
{
	struct region_identity identity = *store;

	identity.layout_hash = registry_layout_hash();
	identity.geometry = 0;
	identity.epoch = 0;
	return identity;
}

int
registry_create(const char *instance, const struct region_identity *store)
{
	struct region_identity identity = registry_full_identity(store);

	return region_create(instance, "registry", REGION_HEADER_BYTES + sizeof(struct registry_shared), &identity);
}

int
registry_attach(struct registry *registry, const char *instance, const struct region_identity *store,
    enum region_access access)
{
	struct region_identity identity;

	memset(registry, 0, sizeof(*registry));
	if (store != NULL)
		identity = registry_full_identity(store);
	if (region_attach(&registry->region, instance, "registry", store != NULL ? &identity : NULL, access) != 0)
		return -1;
	if (registry->region.size_bytes < REGION_HEADER_BYTES + sizeof(struct registry_shared)) {
		registry_detach(registry);
		return -1;
	}
	registry->shared = (struct registry_shared *)((char *)registry->region.base + REGION_HEADER_BYTES);
	return 0;
}

void
registry_detach(struct registry *registry)
{
	region_detach(&registry->region);
	memset(registry, 0, sizeof(*registry));
}

void
registry_slot(const struct registry *registry, uint32_t slot, enum slot_state *state, uint64_t *epoch)
{
	/* The regions of this epoch exist.  Pairs with the supervisor's store_release in slot_set(). */
	uint64_t word = load_acquire(&registry->shared->slot[slot].state_epoch);

	*state = (enum slot_state)(word & 0xff);
	*epoch = word >> 8;
}

struct shard_geometry
shard_geometry_of(const struct geometry *geometry, uint32_t index)
{
	struct shard_geometry shard = geometry->shard;

	if (index != 0) {
		shard.users = 0;
		shard.credentials = 0;
	}
	return shard;
}

void
registry_ask_admin(struct registry *registry, enum bootstrap_mode mode, const uint8_t hash[32])
{
	struct bootstrap *bootstrap = &registry->shared->bootstrap;
	uint64_t number = (load_relaxed(&bootstrap->number) | 1) +
	    1; /* a predecessor may have died while it was odd */

	store_relaxed(&bootstrap->number, number - 1);
	fence_release(); /* odd before the bytes change.  Pairs with the fence in registry_asked_admin() */
	bootstrap->mode = mode;
	memcpy(bootstrap->hash, hash, sizeof(bootstrap->hash));
	/* The bytes are whole before it is even again.  Pairs with registry_asked_admin(). */
	store_release(&bootstrap->number, number);
}

void
registry_asked_admin(const struct registry *registry, struct bootstrap *asked)
{
	const struct bootstrap *bootstrap = &registry->shared->bootstrap;
	uint64_t number = load_acquire(&bootstrap->number);

	*asked = *bootstrap;
	asked->number = number & ~1ull;
	/* What was copied belongs to `number` if that has not changed since.  Pairs with registry_ask_admin(). */
	fence_acquire();
	if (number % 2 != 0 || load_relaxed(&bootstrap->number) != number)
		asked->mode = BOOTSTRAP_NONE;
}

struct region_identity
registry_identity(const struct registry *registry)
{
	const struct region_header *header = registry->region.base;
	struct region_identity identity = { 0 };

	memcpy(identity.store_uuid, header->identity.store_uuid, sizeof(identity.store_uuid));
	memcpy(identity.boot_id, header->identity.boot_id, sizeof(identity.boot_id));
	return identity;
}

const char *
slot_state_name(uint64_t state)
{
	static const char *const names[SLOT_STATE_COUNT] = {
		[SLOT_EMPTY] = "empty", [SLOT_STARTING] = "starting", [SLOT_LIVE] = "live",
		[SLOT_DEAD] = "dead",
	};

	return state < SLOT_STATE_COUNT ? names[state] : "unknown";
}
