/*
 * Happy path: look_begin() sees an even sequence number; the entry is found by its bucket and copied; look_end() sees the same
 * number: nothing of the copy was changed meanwhile.
 * Failure modes: the writer is at work or was killed at work: NOT_NOW; it came while we copied: a few more tries, then NOT_NOW.
 * While it writes, links may lead anywhere: indices are checked and no chain is followed further than there are slots.
 */
#include "shm/directory.h"

#include <assert.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/hash.h"

#define LOOK_TRIES 4
/* Slots looked at for one page, so that a look is over before the writer comes again. */
#define PAGE_SCAN_MAX 512

/* Where each table begins, from struct directory_shared. */
struct directory_offsets {
	size_t users, credentials, names, hashes, end;
};

static size_t
line_up(size_t bytes)
{
	return (bytes + CACHE_LINE_PAIR - 1) & ~(size_t)(CACHE_LINE_PAIR - 1);
}

static uint32_t
bucket_count(uint32_t slots)
{
	uint32_t count = 16;

	while (count < slots && count < 1u << 30)
		count *= 2;
	return count;
}

static struct directory_offsets
directory_offsets(const struct shard_geometry *geometry)
{
	struct directory_offsets at;

	at.users = line_up(sizeof(struct directory_shared));
	at.credentials = at.users + line_up(geometry->users * sizeof(struct directory_user));
	at.names = at.credentials +
	    line_up(geometry->credentials * sizeof(struct directory_credential));
	at.hashes = at.names + line_up(bucket_count(geometry->users) * sizeof(uint32_t));
	at.end = (at.hashes + bucket_count(geometry->credentials) * sizeof(uint32_t) + 4095) &
	    ~(size_t)4095;
	return at;
}

size_t
directory_size_bytes(const struct shard_geometry *geometry)
{
	return directory_offsets(geometry).end;
}

void
directory_view(struct directory *directory, void *memory, const struct shard_geometry *geometry)
{
	struct directory_offsets at = directory_offsets(geometry);
	char *base = memory;

	assert((uintptr_t)memory % CACHE_LINE_PAIR == 0);
	memset(directory, 0, sizeof(*directory));
	directory->shared = memory;
	directory->users = (struct directory_user *)(base + at.users);
	directory->credentials = (struct directory_credential *)(base + at.credentials);
	directory->name_buckets = (uint32_t *)(base + at.names);
	directory->hash_buckets = (uint32_t *)(base + at.hashes);
	directory->users_max = geometry->users;
	directory->credentials_max = geometry->credentials;
	directory->name_bucket_count = bucket_count(geometry->users);
	directory->hash_bucket_count = bucket_count(geometry->credentials);
}

static struct region_identity
directory_identity(const struct shard_geometry *geometry, const struct region_identity *store)
{
	const uint64_t layout[] = { sizeof(struct directory_shared), sizeof(struct directory_user),
		sizeof(struct directory_credential), 1 /* version */ };
	struct region_identity identity = *store;

	identity.layout_hash = hash_bytes(layout, sizeof(layout));
	identity.geometry = (uint64_t)geometry->users << 32 | geometry->credentials;
	identity.epoch = 0;
	return identity;
}

int
directory_create(const char *instance, const struct shard_geometry *geometry,
    const struct region_identity *store)
{
	struct region_identity identity = directory_identity(geometry, store);

	return region_create(
	    instance, "directory", REGION_HEADER_BYTES + directory_size_bytes(geometry), &identity);
}

int
directory_attach(struct directory *directory, const char *instance,
    const struct shard_geometry *geometry, const struct region_identity *store,
    enum region_access access)
{
	struct region_identity identity = directory_identity(geometry, store);
	struct region region;

	if (region_attach(&region, instance, "directory", &identity, access) != 0)
		return -1;
	directory_view(directory, (char *)region.base + REGION_HEADER_BYTES, geometry);
	directory->region = region;
	return 0;
}

void
directory_detach(struct directory *directory)
{
	region_detach(&directory->region);
	memset(directory, 0, sizeof(*directory));
}

static uint32_t *
name_bucket(const struct directory *directory, const struct queue_name *name)
{
	return &directory->name_buckets[hash_bytes(name->text, name->bytes) &
	    (directory->name_bucket_count - 1)];
}

/* A SHA-256 is as good as any hash of it. */
static uint32_t *
hash_bucket(const struct directory *directory, const uint8_t hash[CREDENTIAL_HASH_BYTES])
{
	uint64_t word;

	memcpy(&word, hash, sizeof(word));
	return &directory->hash_buckets[word & (directory->hash_bucket_count - 1)];
}

/* --- reading --- */

/* The sequence number to compare at the end; odd: not now. */
static uint64_t
look_begin(const struct directory *directory)
{
	/* What the writer wrote up to this number is visible.  Pairs with directory_end(). */
	return load_acquire(&directory->shared->sequence);
}

static bool
look_is_whole(const struct directory *directory, uint64_t sequence)
{
	/* Had we copied a byte of a later writing, its odd number would be visible now.  Pairs with directory_begin(). */
	fence_acquire();
	return load_relaxed(&directory->shared->sequence) == sequence;
}

/* Runs `look`, an expression that gives a directory_look, until it was not disturbed; at most LOOK_TRIES times. */
#define LOOK(directory, result, look)                                                                 \
	do {                                                                                          \
		result = DIRECTORY_NOT_NOW;                                                           \
		for (unsigned tries_ = 0; tries_ < LOOK_TRIES; tries_++) {                            \
			uint64_t sequence_ = look_begin(directory);                                   \
			enum directory_look found_;                                                   \
                                                                                                      \
			if (sequence_ % 2 != 0 || load_relaxed(&(directory)->shared->generation) == 0) \
				break;                                                                \
			found_ = (look);                                                              \
			if (look_is_whole(directory, sequence_)) {                                    \
				result = found_;                                                      \
				break;                                                                \
			}                                                                             \
		}                                                                                     \
	} while (0)

uint64_t
directory_generation(const struct directory *directory)
{
	/* Who sees it sees also what it was raised for, or an odd sequence.  Pairs with directory_end(). */
	return load_acquire(&directory->shared->generation);
}

static enum directory_look
find_user_by_name(
    const struct directory *directory, const struct queue_name *name, struct user_entry *user)
{
	uint32_t slot = load_relaxed(name_bucket(directory, name));

	for (uint32_t steps = 0; slot < directory->users_max && steps < directory->users_max;
	     steps++) {
		const struct directory_user *at = &directory->users[slot];

		if (at->entry.name.bytes == name->bytes &&
		    memcmp(at->entry.name.text, name->text, name->bytes) == 0) {
			*user = at->entry;
			return DIRECTORY_FOUND;
		}
		slot = load_relaxed(&at->next);
	}
	return DIRECTORY_NONE;
}

enum directory_look
directory_user_by_name(
    const struct directory *directory, const struct queue_name *name, struct user_entry *user)
{
	enum directory_look look;

	assert(name->bytes <= NAME_MAX_BYTES);
	LOOK(directory, look, find_user_by_name(directory, name, user));
	return look;
}

/* In the table itself: while LOOK() looks. */
static const struct user_entry *
user_of_uid(const struct directory *directory, uint64_t uid)
{
	uint32_t slot = USER_SLOT(uid);

	if (uid == 0 || slot >= directory->users_max)
		return NULL;
	const struct directory_user *at = &directory->users[slot];
	return at->is_used && at->entry.uid == uid ? &at->entry : NULL;
}

static enum directory_look
find_user_by_uid(const struct directory *directory, uint64_t uid, struct user_entry *user)
{
	const struct user_entry *found = user_of_uid(directory, uid);

	if (found == NULL)
		return DIRECTORY_NONE;
	*user = *found;
	return DIRECTORY_FOUND;
}

enum directory_look
directory_user_by_uid(const struct directory *directory, uint64_t uid, struct user_entry *user)
{
	enum directory_look look;

	LOOK(directory, look, find_user_by_uid(directory, uid, user));
	return look;
}

static enum directory_look
find_quotas(const struct directory *directory, uint64_t uid, struct user_quotas *quotas)
{
	const struct user_entry *found = user_of_uid(directory, uid);

	if (found == NULL)
		return DIRECTORY_NONE;
	*quotas = found->config.quotas;
	return DIRECTORY_FOUND;
}

enum directory_look
directory_quotas(const struct directory *directory, uint64_t uid, struct user_quotas *quotas)
{
	enum directory_look look;

	LOOK(directory, look, find_quotas(directory, uid, quotas));
	return look;
}

/* What a stranger sends is hashed before it comes here; constant time costs nothing and needs no argument. */
static bool
hash_is_equal(const uint8_t one[CREDENTIAL_HASH_BYTES], const uint8_t other[CREDENTIAL_HASH_BYTES])
{
	uint8_t differs = 0;

	for (unsigned i = 0; i < CREDENTIAL_HASH_BYTES; i++)
		differs |= one[i] ^ other[i];
	return differs == 0;
}

static enum directory_look
find_by_hash(const struct directory *directory, const uint8_t hash[CREDENTIAL_HASH_BYTES],
    struct credential_entry *credential, struct user_entry *user)
{
	uint32_t slot = load_relaxed(hash_bucket(directory, hash));

	for (uint32_t steps = 0;
	     slot < directory->credentials_max && steps < directory->credentials_max; steps++) {
		const struct directory_credential *at = &directory->credentials[slot];

		if (hash_is_equal(at->entry.config.hash, hash)) {
			*credential = at->entry;
			return find_user_by_uid(directory, credential->config.uid, user);
		}
		slot = load_relaxed(&at->next);
	}
	return DIRECTORY_NONE;
}

enum directory_look
directory_credential_by_hash(const struct directory *directory,
    const uint8_t hash[CREDENTIAL_HASH_BYTES], struct credential_entry *credential,
    struct user_entry *user)
{
	enum directory_look look;

	LOOK(directory, look, find_by_hash(directory, hash, credential, user));
	return look;
}

static enum directory_look
find_by_id(const struct directory *directory, uint64_t id, struct credential_entry *credential)
{
	uint32_t slot = CREDENTIAL_SLOT(id);

	if (id == 0 || slot >= directory->credentials_max)
		return DIRECTORY_NONE;
	const struct directory_credential *at = &directory->credentials[slot];
	if (!at->is_used || at->entry.id != id)
		return DIRECTORY_NONE;
	*credential = at->entry;
	return DIRECTORY_FOUND;
}

enum directory_look
directory_credential_by_id(
    const struct directory *directory, uint64_t id, struct credential_entry *credential)
{
	enum directory_look look;

	LOOK(directory, look, find_by_id(directory, id, credential));
	return look;
}

/* How far a page beginning at `from` looks. */
static uint32_t
page_end(uint32_t from, uint32_t high, uint32_t slots_max)
{
	uint32_t end = high < slots_max ? high : slots_max;

	return from < end && end - from > PAGE_SCAN_MAX ? from + PAGE_SCAN_MAX : end;
}

static enum directory_look
page_users(const struct directory *directory, const struct directory_page *wish,
    struct directory_page *page, struct user_entry users[])
{
	uint32_t high = load_relaxed(&directory->shared->users_high), slot = wish->from;
	uint32_t end = page_end(slot, high, directory->users_max);

	page->count = 0;
	for (; slot < end && page->count < wish->limit; slot++) {
		if (directory->users[slot].is_used)
			users[page->count++] = directory->users[slot].entry;
	}
	page->from = slot < high ? slot : DIRECTORY_NIL;
	return DIRECTORY_FOUND;
}

enum directory_look
directory_users(
    const struct directory *directory, struct directory_page *page, struct user_entry users[])
{
	const struct directory_page wish = *page;
	enum directory_look look;

	assert(page->limit > 0);
	LOOK(directory, look, page_users(directory, &wish, page, users));
	return look;
}

static enum directory_look
page_credentials(const struct directory *directory, const struct directory_wish *wish,
    const struct directory_page *asked, struct directory_page *page,
    struct credential_entry credentials[])
{
	uint32_t high = load_relaxed(&directory->shared->credentials_high), slot = asked->from;
	uint32_t end = page_end(slot, high, directory->credentials_max);

	page->count = 0;
	for (; slot < end && page->count < asked->limit; slot++) {
		const struct directory_credential *at = &directory->credentials[slot];

		if (at->is_used && at->entry.config.kind == wish->kind &&
		    (wish->uid == 0 || at->entry.config.uid == wish->uid))
			credentials[page->count++] = at->entry;
	}
	page->from = slot < high ? slot : DIRECTORY_NIL;
	return DIRECTORY_FOUND;
}

enum directory_look
directory_credentials(const struct directory *directory, const struct directory_wish *wish,
    struct directory_page *page, struct credential_entry credentials[])
{
	const struct directory_page asked = *page;
	enum directory_look look;

	assert(page->limit > 0);
	LOOK(directory, look, page_credentials(directory, wish, &asked, page, credentials));
	return look;
}

uint32_t
directory_user_count(const struct directory *directory)
{
	return load_relaxed(&directory->shared->user_count);
}

uint32_t
directory_credential_count(const struct directory *directory)
{
	return load_relaxed(&directory->shared->credential_count);
}

/* --- writing --- */

void
directory_begin(struct directory *directory)
{
	/* Odd already: a predecessor was killed at work, and everything is made anew. */
	store_relaxed(&directory->shared->sequence, directory->shared->sequence | 1);
	/* The odd number is visible before any byte changes.  Pairs with the fence in look_is_whole(). */
	fence_release();
}

void
directory_clear(struct directory *directory)
{
	struct directory_shared *shared = directory->shared;

	assert(shared->sequence % 2 != 0);
	for (uint32_t slot = 0; slot < shared->users_high && slot < directory->users_max; slot++)
		directory->users[slot].is_used = 0;
	for (uint32_t slot = 0;
	     slot < shared->credentials_high && slot < directory->credentials_max; slot++)
		directory->credentials[slot].is_used = 0;
	memset(directory->name_buckets, 0xff, directory->name_bucket_count * sizeof(uint32_t));
	memset(directory->hash_buckets, 0xff, directory->hash_bucket_count * sizeof(uint32_t));
	shared->user_count = 0;
	shared->credential_count = 0;
	shared->users_high = 0;
	shared->credentials_high = 0;
}

/*
 * Links, buckets and counts are stored whole: a reader beside us follows them before it knows that it has to look again.
 */

static void
user_unlink(struct directory *directory, uint32_t slot)
{
	struct directory_user *user = &directory->users[slot];
	uint32_t *link = name_bucket(directory, &user->entry.name);

	while (*link != slot) {
		assert(*link < directory->users_max);
		link = &directory->users[*link].next;
	}
	store_relaxed(link, user->next);
	user->is_used = 0;
	store_relaxed(&directory->shared->user_count, directory->shared->user_count - 1);
}

void
directory_put_user(struct directory *directory, uint32_t slot, const struct user_entry *entry)
{
	struct directory_shared *shared = directory->shared;
	struct directory_user *user = &directory->users[slot];

	assert(shared->sequence % 2 != 0);
	assert(slot < directory->users_max);
	if (slot < shared->users_high && user->is_used)
		user_unlink(directory, slot);
	if (entry == NULL)
		return;
	while (shared->users_high <= slot) {
		directory->users[shared->users_high].is_used = 0;
		store_relaxed(&shared->users_high, shared->users_high + 1);
	}
	uint32_t *bucket = name_bucket(directory, &entry->name);
	user->entry = *entry;
	store_relaxed(&user->next, *bucket);
	user->is_used = 1;
	store_relaxed(bucket, slot);
	store_relaxed(&shared->user_count, shared->user_count + 1);
}

static void
credential_unlink(struct directory *directory, uint32_t slot)
{
	struct directory_credential *credential = &directory->credentials[slot];
	uint32_t *link = hash_bucket(directory, credential->entry.config.hash);

	while (*link != slot) {
		assert(*link < directory->credentials_max);
		link = &directory->credentials[*link].next;
	}
	store_relaxed(link, credential->next);
	credential->is_used = 0;
	store_relaxed(&directory->shared->credential_count, directory->shared->credential_count - 1);
}

void
directory_put_credential(
    struct directory *directory, uint32_t slot, const struct credential_entry *entry)
{
	struct directory_shared *shared = directory->shared;
	struct directory_credential *credential = &directory->credentials[slot];

	assert(shared->sequence % 2 != 0);
	assert(slot < directory->credentials_max);
	if (slot < shared->credentials_high && credential->is_used)
		credential_unlink(directory, slot);
	if (entry == NULL)
		return;
	while (shared->credentials_high <= slot) {
		directory->credentials[shared->credentials_high].is_used = 0;
		store_relaxed(&shared->credentials_high, shared->credentials_high + 1);
	}
	uint32_t *bucket = hash_bucket(directory, entry->config.hash);
	credential->entry = *entry;
	store_relaxed(&credential->next, *bucket);
	credential->is_used = 1;
	store_relaxed(bucket, slot);
	store_relaxed(&shared->credential_count, shared->credential_count + 1);
}

void
directory_end(struct directory *directory, uint64_t lsn, bool takes_away)
{
	struct directory_shared *shared = directory->shared;

	assert(shared->sequence % 2 != 0);
	shared->lsn = lsn;
	if (takes_away || shared->generation == 0) {
		/* After the entries: who sees it and looks again finds them, or an odd sequence.  Pairs with directory_generation(). */
		store_release(&shared->generation, shared->generation + 1);
	}
	/* Everything is written before the number is even again.  Pairs with look_begin(). */
	store_release(&shared->sequence, shared->sequence + 1);
}

/* --- checking --- */

static const char *
check_users(const struct directory *directory)
{
	uint32_t used = 0;

	for (uint32_t slot = 0; slot < directory->shared->users_high; slot++) {
		struct user_entry found;

		if (!directory->users[slot].is_used)
			continue;
		used++;
		if (find_user_by_name(directory, &directory->users[slot].entry.name, &found) !=
		        DIRECTORY_FOUND ||
		    found.uid != directory->users[slot].entry.uid || USER_SLOT(found.uid) != slot)
			return "directory: a user is not found by his name";
	}
	return used == directory->shared->user_count ? NULL : "directory: user_count is wrong";
}

const char *
directory_check(const struct directory *directory)
{
	const struct directory_shared *shared = directory->shared;
	uint32_t used = 0;

	if (shared->users_high > directory->users_max ||
	    shared->credentials_high > directory->credentials_max)
		return "directory: a high-water mark is beyond its table";
	for (uint32_t slot = 0; slot < shared->credentials_high; slot++) {
		const struct directory_credential *at = &directory->credentials[slot];
		uint32_t walk = *hash_bucket(directory, at->entry.config.hash), steps = 0;

		if (!at->is_used)
			continue;
		used++;
		while (walk != slot && walk < directory->credentials_max &&
		    steps++ < directory->credentials_max)
			walk = directory->credentials[walk].next;
		if (walk != slot || CREDENTIAL_SLOT(at->entry.id) != slot)
			return "directory: a credential is not found by its hash";
	}
	if (used != shared->credential_count)
		return "directory: credential_count is wrong";
	return check_users(directory);
}
