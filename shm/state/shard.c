#include "shm/state/shard.h"

#include <stdio.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/hash.h"

/* Where each table begins, from struct shard_shared. */
struct shard_offsets {
	size_t queues, names, msgs, waiters, grants, grant_buckets, users, user_buckets,
	    credentials, credential_buckets, end;
};

static size_t
page_up(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

static size_t
line_up(size_t bytes)
{
	return (bytes + CACHE_LINE_PAIR - 1) & ~(size_t)(CACHE_LINE_PAIR - 1);
}

/* A power of two, so that about one slot hangs in each. */
static uint32_t
bucket_count(uint32_t slots)
{
	uint32_t count = 16;

	while (count < slots && count < 1u << 30)
		count *= 2;
	return count;
}

static size_t
bucket_bytes(uint32_t slots)
{
	return line_up(bucket_count(slots) * sizeof(uint32_t));
}

static struct shard_offsets
shard_offsets(const struct shard_geometry *geometry)
{
	struct shard_offsets at;
	size_t waiters = (size_t)geometry->fronts * geometry->waiters_per_front;

	at.queues = page_up(sizeof(struct shard_shared));
	at.names = at.queues + page_up(geometry->queues * sizeof(struct queue));
	at.msgs = at.names + page_up(bucket_bytes(geometry->queues));
	at.waiters = at.msgs + page_up(geometry->messages * sizeof(struct msg));
	at.grants = at.waiters + page_up(waiters * sizeof(struct waiter));
	at.grant_buckets = at.grants + line_up(geometry->grants * sizeof(struct grant));
	at.users = at.grant_buckets + bucket_bytes(geometry->grants);
	at.user_buckets = at.users + line_up(geometry->users * sizeof(struct user));
	at.credentials = at.user_buckets + bucket_bytes(geometry->users);
	at.credential_buckets = at.credentials +
	    line_up(geometry->credentials * sizeof(struct credential));
	at.end = page_up(at.credential_buckets + bucket_bytes(geometry->credentials));
	return at;
}

uint64_t
shard_layout_hash(void)
{
	const uint64_t layout[] = { sizeof(struct shard_shared), sizeof(struct shard_root),
		sizeof(struct queue), sizeof(struct msg), sizeof(struct waiter),
		sizeof(struct wheel), sizeof(struct undo_log), offsetof(struct shard_shared, root),
		offsetof(struct shard_shared, undo), offsetof(struct shard_root, fronts),
		offsetof(struct shard_root, jobs), offsetof(struct shard_root, message_wheel),
		offsetof(struct queue, lists), offsetof(struct queue, state),
		offsetof(struct msg, timer), offsetof(struct msg, state),
		offsetof(struct waiter, timer), sizeof(struct grant), sizeof(struct user),
		sizeof(struct credential), MSG_STATE_COUNT, JOB_MAX, 2 /* version */ };

	return hash_bytes(layout, sizeof(layout));
}

size_t
shard_size_bytes(const struct shard_geometry *geometry)
{
	return shard_offsets(geometry).end;
}

void
shard_view(struct shard *shard, void *memory, const struct shard_geometry *geometry)
{
	struct shard_offsets at = shard_offsets(geometry);
	char *base = memory;

	assert((uintptr_t)memory % CACHE_LINE_PAIR == 0);
	assert(geometry->fronts <= FRONT_MAX);
	assert(geometry->messages > 0 && geometry->messages < NIL);
	assert(geometry->queues > 0 && geometry->queues < NIL);
	memset(shard, 0, sizeof(*shard));
	shard->shared = memory;
	shard->root = &shard->shared->root;
	shard->queues = (struct queue *)(base + at.queues);
	shard->name_buckets = (uint32_t *)(base + at.names);
	shard->msgs = (struct msg *)(base + at.msgs);
	shard->waiters = (struct waiter *)(base + at.waiters);
	shard->grants = (struct grant *)(base + at.grants);
	shard->users = (struct user *)(base + at.users);
	shard->credentials = (struct credential *)(base + at.credentials);
	shard->name_bucket_count = bucket_count(geometry->queues);
	shard->waiter_count = geometry->fronts * geometry->waiters_per_front;
	shard->geometry = *geometry;
	shard->size_bytes = at.end;
	shard->txn = (struct txn){ .base = base, .size_bytes = at.end, .log = &shard->shared->undo };

#define LINKS(slots, count, link) \
	(struct link_table){ (char *)(slots) + offsetof(__typeof__(*(slots)), link), sizeof(*(slots)), (count) }
	shard->msg_links = LINKS(shard->msgs, geometry->messages, link);
	shard->queue_links = LINKS(shard->queues, geometry->queues, link);
	shard->waiter_links = LINKS(shard->waiters, shard->waiter_count, link);
	shard->message_wheel.links = LINKS(shard->msgs, geometry->messages, timer.link);
	shard->waiter_wheel.links = LINKS(shard->waiters, shard->waiter_count, timer.link);
	shard->grant_links = LINKS(shard->grants, geometry->grants, link);
	shard->user_links = LINKS(shard->users, geometry->users, link);
	shard->credential_links = LINKS(shard->credentials, geometry->credentials, link);
#undef LINKS
#define INDEX(slots, count, at) \
	(struct table_index){ (uint32_t *)(void *)(base + (at)), bucket_count(count), (count), \
		(char *)(slots) + offsetof(__typeof__(*(slots)), hash_next), sizeof(*(slots)) }
	shard->grant_index = INDEX(shard->grants, geometry->grants, at.grant_buckets);
	shard->user_index = INDEX(shard->users, geometry->users, at.user_buckets);
	shard->credential_index = INDEX(
	    shard->credentials, geometry->credentials, at.credential_buckets);
#undef INDEX
	shard->message_wheel.wheel = &shard->root->message_wheel;
	shard->message_wheel.txn = &shard->txn;
	shard->waiter_wheel.wheel = &shard->root->waiter_wheel;
	shard->waiter_wheel.txn = &shard->txn;
}

static struct region_identity
shard_identity(const struct shard_geometry *geometry, const struct region_identity *store)
{
	struct region_identity identity = *store;

	identity.layout_hash = shard_layout_hash();
	identity.geometry = hash_bytes(geometry, sizeof(*geometry));
	identity.epoch = 0;
	return identity;
}

int
shard_create(const char *instance, uint32_t index, const struct shard_geometry *geometry,
    const struct region_identity *store)
{
	struct region_identity identity = shard_identity(geometry, store);
	char name[64];

	snprintf(name, sizeof(name), "shard.%u", index);
	return region_create(instance, name, REGION_HEADER_BYTES + shard_size_bytes(geometry), &identity);
}

int
shard_attach(struct shard *shard, const char *instance, uint32_t index, const struct shard_geometry *geometry,
    const struct region_identity *store, enum region_access access)
{
	struct region_identity identity = shard_identity(geometry, store);
	struct region region;
	char name[64];

	snprintf(name, sizeof(name), "shard.%u", index);
	if (region_attach(&region, instance, name, &identity, access) != 0)
		return -1;
	shard_view(shard, (char *)region.base + REGION_HEADER_BYTES, geometry);
	shard->region = region;
	return 0;
}

void
shard_detach(struct shard *shard)
{
	region_detach(&shard->region);
	memset(shard, 0, sizeof(*shard));
}

static void
index_init(const struct table_index *index)
{
	memset(index->buckets, 0xff, index->bucket_count * sizeof(uint32_t));
}

static void
root_init(struct shard_root *root, uint64_t now_ms)
{
	memset(root, 0, sizeof(*root));
	root->now_ms = now_ms;
	root->next_seq = 1;
	root->lease_counter = 1;
	list_init(&root->messages_free);
	list_init(&root->queues_free);
	list_init(&root->serve);
	list_init(&root->grants.free);
	list_init(&root->users.free);
	list_init(&root->credentials.free);
	wheel_init(&root->message_wheel, now_ms);
	wheel_init(&root->waiter_wheel, now_ms);
}

void
shard_format(struct shard *shard, uint64_t now_ms)
{
	struct shard_shared *shared = shard->shared;
	bool is_fresh = load_relaxed(&shared->state) == SHARD_FRESH;

	store_relaxed(&shared->state, SHARD_REPLAYING);
	compiler_barrier(); /* killed from here on, the next worker formats again */
	store_relaxed(&shared->undo.count, 0);
	memset(&shared->guard, 0, sizeof(shared->guard));
	root_init(shard->root, now_ms);
	memset(shard->name_buckets, 0xff, shard->name_bucket_count * sizeof(uint32_t));
	index_init(&shard->grant_index);
	index_init(&shard->user_index);
	index_init(&shard->credential_index);
	if (!is_fresh)
		memset(shard->waiters, 0, shard->waiter_count * sizeof(struct waiter));
	/* Messages and queues above the high-water marks, now 0, are written whole when they are taken. */
	store_relaxed(&shared->formats, shared->formats + 1);
}

