#include "shm/usage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "shm/atomic.h"

static struct region_identity
usage_identity(uint32_t users, const struct region_identity *store)
{
	struct region_identity identity = *store;

	identity.layout_hash = sizeof(struct usage_entry);
	identity.geometry = users;
	identity.epoch = 0;
	return identity;
}

size_t
usage_size_bytes(uint32_t users)
{
	return REGION_HEADER_BYTES + users * sizeof(struct usage_entry);
}

int
usage_create(const char *instance, uint32_t slot, uint32_t users, const struct region_identity *store)
{
	struct region_identity identity = usage_identity(users, store);
	char name[64];

	snprintf(name, sizeof(name), "usage.%u", slot);
	return region_create(instance, name, usage_size_bytes(users), &identity);
}

int
usage_attach(struct usage *usage, const char *instance, uint32_t slot, uint32_t users,
    const struct region_identity *store, enum region_access access)
{
	struct region_identity identity = usage_identity(users, store);
	struct region region;
	char name[64];

	snprintf(name, sizeof(name), "usage.%u", slot);
	if (region_attach(&region, instance, name, &identity, access) != 0)
		return -1;
	usage_view(usage, (struct usage_entry *)(void *)((char *)region.base + REGION_HEADER_BYTES), users);
	usage->region = region;
	return 0;
}

void
usage_detach(struct usage *usage)
{
	if (usage->region.base != NULL)
		region_detach(&usage->region);
	*usage = (struct usage){ .users = 0 };
}

void
usage_view(struct usage *usage, struct usage_entry *entries, uint32_t users)
{
	*usage = (struct usage){ .entries = entries, .users = users };
}

struct usage_entry
usage_of(const struct usage *usage, uint64_t uid)
{
	struct usage_entry copy = { .uid = 0 };

	if (uid == 0 || USER_SLOT(uid) >= usage->users)
		return copy;
	const struct usage_entry *entry = &usage->entries[USER_SLOT(uid)];
	/* Who sees the uid sees no word of the user before.  Pairs with entry_take(). */
	if (load_acquire(&entry->uid) != uid)
		return copy;
	copy = (struct usage_entry){
		.uid = uid,
		.queues = load_relaxed(&entry->queues),
		.stored_bytes = load_relaxed(&entry->stored_bytes),
		.connections = load_relaxed(&entry->connections),
	};
	return copy;
}

struct usage_entry
usage_total(const struct usage usages[SLOT_MAX], uint64_t uid)
{
	struct usage_entry sum = { .uid = uid };

	for (uint32_t slot = 0; slot < SLOT_MAX; slot++) {
		if (usages[slot].entries == NULL)
			continue;
		struct usage_entry one = usage_of(&usages[slot], uid);
		sum.queues += one.queues;
		sum.stored_bytes += one.stored_bytes;
		sum.connections += one.connections;
	}
	return sum;
}

void
usage_clear(struct usage *usage)
{
	for (uint32_t slot = 0; slot < usage->users; slot++) {
		struct usage_entry *entry = &usage->entries[slot];

		if (load_relaxed(&entry->uid) == 0)
			continue; /* most are: their pages need not be touched */
		store_relaxed(&entry->uid, 0);
		store_relaxed(&entry->queues, 0);
		store_relaxed(&entry->stored_bytes, 0);
		store_relaxed(&entry->connections, 0);
	}
}

/* His entry, taken from the one before him if need be; NULL: he is gone and another has his place. */
static struct usage_entry *
entry_take(struct usage *usage, uint64_t uid)
{
	if (uid == 0 || USER_SLOT(uid) >= usage->users)
		return NULL; /* an owner that a frontd made up */
	struct usage_entry *entry = &usage->entries[USER_SLOT(uid)];
	if (entry->uid == uid)
		return entry;
	if (USER_NUMBER(uid) < USER_NUMBER(entry->uid))
		return NULL;
	store_relaxed(&entry->uid, 0);
	store_relaxed(&entry->queues, 0);
	store_relaxed(&entry->stored_bytes, 0);
	store_relaxed(&entry->connections, 0);
	/* The words are his before his name stands there.  Pairs with usage_of(). */
	store_release(&entry->uid, uid);
	return entry;
}

void
usage_add(struct usage *usage, uint64_t uid, const struct usage_entry *more)
{
	struct usage_entry *entry = entry_take(usage, uid);

	if (entry == NULL)
		return;
	store_relaxed(&entry->queues, entry->queues + more->queues);
	store_relaxed(&entry->stored_bytes, entry->stored_bytes + more->stored_bytes);
	store_relaxed(&entry->connections, entry->connections + more->connections);
}

void
usage_add_bytes(struct usage *usage, uint64_t uid, uint64_t bytes)
{
	struct usage_entry *entry = entry_take(usage, uid);

	if (entry != NULL)
		store_relaxed(&entry->stored_bytes, entry->stored_bytes + bytes);
}
