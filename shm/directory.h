/*
 * directory: region `directory`: users and credentials, for whoever has to know who is asking: frontds and the CLI, read
 * only.  A copy of the tables of shard 0, which count; worker 0 makes it, after each commit that changed them and before
 * anybody is shown an answer to it, and makes all of it anew when it starts.
 *
 *   header page (region.h) | struct directory_shared | users | credentials | buckets by name | buckets by hash
 *
 * One sequence number guards it all: odd while worker 0 writes.  A reader does not spin on it (the worker may have been killed
 * in the middle, and is back in milliseconds): it gives up with DIRECTORY_NOT_NOW, and the request waits like one that found a
 * ring full.  The same before anything was ever mirrored.
 *
 * `generation` grows whenever something may have taken rights away: a user was changed or removed, credentials revoked, or
 * worker 0 was restarted; not when something was added, used, or ended by time (credential_ends_ms() tells that beforehand).
 * So who remembers what he found here:
 *
 *   generation = directory_generation(d);        -- before looking
 *   directory_credential_by_hash(d, ...);        -- remember it with this generation
 *   ...
 *   directory_generation(d) == generation && credential_ends_ms(&c) > now_ms    -- it still holds
 */
#ifndef SHM_DIRECTORY_H
#define SHM_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/people.h"
#include "shm/region.h"
#include "shm/registry.h"

struct directory_user {
	struct user_entry entry;
	uint32_t next;          /* of the same bucket, DIRECTORY_NIL: last */
	uint32_t is_used;
};

struct directory_credential {
	struct credential_entry entry;
	uint32_t next;
	uint32_t is_used;
};

#define DIRECTORY_NIL UINT32_MAX

struct directory_shared {
	_Alignas(CACHE_LINE_PAIR) uint64_t sequence; /* odd: being written */
	uint64_t generation;    /* 0: nothing was mirrored yet */
	uint64_t lsn;           /* of shard 0: what it shows is at least as old */
	uint32_t user_count;
	uint32_t credential_count;
	uint32_t users_high;    /* slots below which entries are found */
	uint32_t credentials_high;
};

/* One process's view.  Private memory. */
struct directory {
	struct region region;   /* base NULL where the memory is the caller's */
	struct directory_shared *shared;
	struct directory_user *users;
	struct directory_credential *credentials;
	uint32_t *name_buckets;
	uint32_t *hash_buckets;
	uint32_t users_max;
	uint32_t credentials_max;
	uint32_t name_bucket_count; /* powers of two */
	uint32_t hash_bucket_count;
};

/* Without the header page; sizes from geometry.shard. */
size_t directory_size_bytes(const struct shard_geometry *geometry);

/* View caller's zeroed memory of that size, aligned to a cache line pair.  Changes nothing. */
void directory_view(struct directory *directory, void *memory, const struct shard_geometry *geometry);

int directory_create(const char *instance, const struct shard_geometry *geometry, const struct region_identity *store);

/* 0, or -1 and errno as region_attach(). */
int directory_attach(struct directory *directory, const char *instance, const struct shard_geometry *geometry,
    const struct region_identity *store, enum region_access access);
void directory_detach(struct directory *directory);

/* --- reading: any number of processes at any time; what is found is copied --- */

enum directory_look { DIRECTORY_FOUND, DIRECTORY_NONE, DIRECTORY_NOT_NOW };

/* See above.  One load; 0: nothing was mirrored yet. */
uint64_t directory_generation(const struct directory *directory);

enum directory_look directory_user_by_name(const struct directory *directory, const struct queue_name *name,
    struct user_entry *user);
enum directory_look directory_user_by_uid(const struct directory *directory, uint64_t uid, struct user_entry *user);

/* What he may have, without the rest of him: on the way of publishes. */
enum directory_look directory_quotas(const struct directory *directory, uint64_t uid, struct user_quotas *quotas);

/*
 * The credential whose secret has this SHA-256, and its user, as they are at one moment.  NONE also where the user is gone.
 * Whether it is good is the caller's question: credential_is_good().  Hashes are compared in constant time.
 */
enum directory_look directory_credential_by_hash(const struct directory *directory,
    const uint8_t hash[CREDENTIAL_HASH_BYTES], struct credential_entry *credential, struct user_entry *user);

enum directory_look directory_credential_by_id(const struct directory *directory, uint64_t id,
    struct credential_entry *credential);

/* A page of a list, in the order of slots. */
struct directory_page {
	uint32_t from;          /* in: the slot to begin at; out: where to go on, DIRECTORY_NIL: that was all */
	uint32_t limit;         /* in: room in the caller's array; fewer may come although there are more */
	uint32_t count;         /* out */
};

enum directory_look directory_users(const struct directory *directory, struct directory_page *page,
    struct user_entry users[]);

/* Of one user, or of all (uid 0); of one kind.  Also those that are not good any more and not yet swept away. */
struct directory_wish {
	uint64_t uid;
	enum credential_kind kind;
};
enum directory_look directory_credentials(const struct directory *directory, const struct directory_wish *wish,
    struct directory_page *page, struct credential_entry credentials[]);

/* How many there are, for statistics; may be a moment old. */
uint32_t directory_user_count(const struct directory *directory);
uint32_t directory_credential_count(const struct directory *directory);

/* --- writing: worker 0, between two transactions --- */

void directory_begin(struct directory *directory);

/* Forget everything: the whole copy follows. */
void directory_clear(struct directory *directory);

/* What stands in this slot now; NULL: nothing. */
void directory_put_user(struct directory *directory, uint32_t slot, const struct user_entry *user);
void directory_put_credential(struct directory *directory, uint32_t slot, const struct credential_entry *credential);

/* takes_away: the generation grows.  lsn: of the last record whose effect is shown. */
void directory_end(struct directory *directory, uint64_t lsn, bool takes_away);

/* NULL, or what is wrong with a copy at rest: chains, counts (tests, and the stepper's oracle). */
const char *directory_check(const struct directory *directory);

#endif
