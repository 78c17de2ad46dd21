#include "frontd/people/identity.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/people/auth.h"
#include "frontd/frontd.h"
#include "shm/pattern.h"

#define TOUCH_MS 60000u    /* a token's use is told once a minute */
#define TOUCHES_AN_IDLE 4u /* a session's so often in the time after which it ends unused */

static uint64_t
earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static struct identity **
bucket_of(struct frontd *frontd, const uint8_t key[IDENTITY_KEY_BYTES])
{
	uint32_t word;

	memcpy(&word, key, sizeof(word));
	return &frontd->identities.buckets[word % IDENTITY_BUCKETS];
}

struct identity *
identity_find(struct frontd *frontd, enum principal_kind kind, const uint8_t key[IDENTITY_KEY_BYTES])
{
	/* Keys are hashes of the secrets: how long it takes to find one says nothing about a secret. */
	for (struct identity *identity = *bucket_of(frontd, key); identity != NULL; identity = identity->bucket_next)
		if (identity->principal.kind == kind && memcmp(identity->key, key, IDENTITY_KEY_BYTES) == 0)
			return identity;
	return NULL;
}

/* ---- what it says ---- */

static char *
put_text(char *at, const char *text, size_t count, struct http_slice *slice)
{
	memcpy(at, text, count);
	*slice = (struct http_slice){ .ptr = at, .len = count };
	return at + count;
}

static void
set_rights(struct principal *principal, const struct user_entry *user)
{
	principal->uid = user->uid;
	principal->user_etag = user->etag;
	principal->has_admin_role = user->config.role == USER_ROLE_ADMIN;
	principal->is_whole = scopes_are_full(principal->scopes.ptr, principal->scopes.len);
	principal->is_admin = principal->has_admin_role &&
	    (principal->is_whole || scopes_have_admin(principal->scopes.ptr, principal->scopes.len));
	principal->has_metrics = scopes_have_metrics(principal->scopes.ptr, principal->scopes.len);
}

static void
set_times(struct identity *identity, const struct credential_entry *credential, uint64_t now_ms)
{
	identity->ends_ms = credential != NULL ? credential_ends_ms(credential) : UINT64_MAX;
	identity->touch_ms = UINT64_MAX;
	if (credential != NULL) {
		uint64_t idle_ms = credential->config.idle_ms, used_ms = credential->last_used_ms;

		identity->touch_every_ms = idle_ms != 0 ? earlier(TOUCH_MS, idle_ms / TOUCHES_AN_IDLE) : TOUCH_MS;
		/* What we told may not be in the directory yet; and of a new one the first use is news. */
		if (used_ms < identity->touched_ms)
			used_ms = identity->touched_ms;
		identity->touch_ms = used_ms == credential->created_ms ? now_ms : used_ms + identity->touch_every_ms;
	}
	identity->look_ms = earlier(identity->ends_ms, identity->touch_ms);
	if (identity->principal.kind == PRINCIPAL_PASSWORD)
		identity->look_ms = identity->checked_until_ms;
}

struct identity *
identity_make(struct frontd *frontd, const struct identity_source *source)
{
	const struct user_config *config = &source->user->config;
	struct http_slice scopes = HTTP_LITERAL("*");
	struct identity **bucket = bucket_of(frontd, source->key);

	if (source->credential != NULL)
		scopes = (struct http_slice){ source->credential->config.scopes, source->credential->config.scopes_bytes };
	size_t text_bytes = source->header.len + source->user->name.bytes + scopes.len + config->creates_bytes;
	struct identity *identity = calloc(1, sizeof(*identity) + text_bytes);
	assert(identity != NULL); /* the process dies and is restarted rather than to mistake one for another */
	struct principal *principal = &identity->principal;
	struct http_slice header;

	memcpy(identity->key, source->key, IDENTITY_KEY_BYTES);
	identity->header_bytes = (uint16_t)source->header.len;
	char *at = put_text(identity->text, source->header.len != 0 ? source->header.ptr : "", source->header.len, &header);
	at = put_text(at, source->user->name.text, source->user->name.bytes, &principal->name);
	at = put_text(at, scopes.ptr, scopes.len, &principal->scopes);
	put_text(at, config->creates, config->creates_bytes, &principal->creates);
	principal->kind = source->kind;
	principal->credential_id = source->credential != NULL ? source->credential->id : 0;
	set_rights(principal, source->user);
	identity->password_etag = source->user->password_etag;
	principal->password_etag = source->kind == PRINCIPAL_PASSWORD ? source->user->password_etag : 0;
	identity->checked_until_ms = frontd->world.now_ms + IDENTITY_KEPT_MS;
	identity->generation = source->generation;
	set_times(identity, source->credential, frontd->world.now_ms);
	identity->bucket_next = *bucket;
	*bucket = identity;
	frontd->identities.count++;
	frontd->identities.walk_ms = earlier(frontd->identities.walk_ms, identity->ends_ms);
	return identity;
}

static size_t
text_bytes_of(const struct identity *identity)
{
	const struct principal *principal = &identity->principal;

	return identity->header_bytes + principal->name.len + principal->scopes.len + principal->creates.len;
}

/* ---- with and without connections ---- */

static void
idle_unlink(struct identities *identities, struct identity *identity)
{
	if (identity->idle_prev != NULL)
		identity->idle_prev->idle_next = identity->idle_next;
	else
		identities->idle = identity->idle_next;
	if (identity->idle_next != NULL)
		identity->idle_next->idle_prev = identity->idle_prev;
	else
		identities->idle_last = identity->idle_prev;
	identity->idle_next = identity->idle_prev = NULL;
	identities->idle_count--;
}

static void
identity_free(struct frontd *frontd, struct identity *identity)
{
	struct identity **at = bucket_of(frontd, identity->key);

	assert(identity->conns == NULL);
	while (*at != identity)
		at = &(*at)->bucket_next;
	*at = identity->bucket_next;
	frontd->identities.count--;
	explicit_bzero(identity, sizeof(*identity) + text_bytes_of(identity));
	free(identity);
}

/* Nobody has it any more. */
static void
identity_rest(struct frontd *frontd, struct identity *identity)
{
	struct identities *identities = &frontd->identities;

	if (identity->principal.kind != PRINCIPAL_PASSWORD) {
		identity_free(frontd, identity);
		return;
	}
	identity->idle_prev = identities->idle_last;
	if (identities->idle_last != NULL)
		identities->idle_last->idle_next = identity;
	else
		identities->idle = identity;
	identities->idle_last = identity;
	if (++identities->idle_count > IDENTITY_IDLE_MAX) {
		struct identity *oldest = identities->idle;

		idle_unlink(identities, oldest);
		identity_free(frontd, oldest);
	}
}

static void
conn_unlink(struct conn *conn)
{
	struct identity *identity = conn->identity;

	if (conn->identity_prev != NULL)
		conn->identity_prev->identity_next = conn->identity_next;
	else
		identity->conns = conn->identity_next;
	if (conn->identity_next != NULL)
		conn->identity_next->identity_prev = conn->identity_prev;
	conn->identity = NULL;
	conn->identity_next = conn->identity_prev = NULL;
}

void
identity_leave(struct frontd *frontd, struct conn *conn)
{
	struct identity *identity = conn->identity;

	if (identity == NULL)
		return;
	conn_unlink(conn);
	if (identity->conns == NULL)
		identity_rest(frontd, identity);
}

void
identity_leave_kept(struct conn *conn)
{
	conn_unlink(conn);
}

void
identity_join(struct frontd *frontd, struct conn *conn, struct identity *identity)
{
	if (conn->identity == identity)
		return;
	identity_leave(frontd, conn);
	if (identity->conns == NULL && (identity->idle_prev != NULL || frontd->identities.idle == identity))
		idle_unlink(&frontd->identities, identity);
	conn->identity = identity;
	conn->identity_next = identity->conns;
	if (identity->conns != NULL)
		identity->conns->identity_prev = conn;
	identity->conns = conn;
}

void
identity_end(struct frontd *frontd, struct identity *identity, const char *why)
{
	if (identity->conns == NULL && (identity->idle_prev != NULL || frontd->identities.idle == identity))
		idle_unlink(&frontd->identities, identity);
	while (identity->conns != NULL) {
		struct conn *conn = identity->conns;

		conn_unlink(conn);
		auth_ended(frontd, conn, why);
	}
	identity_free(frontd, identity);
}

/* ---- looking again ---- */

const char *
identity_fault(const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms)
{
	if (credential_is_good(credential, user, now_ms))
		return NULL;
	if (user->config.is_disabled)
		return "the user of these credentials is disabled";
	if (credential->config.expires_ms != 0 && credential->config.expires_ms <= now_ms)
		return credential->config.kind == CREDENTIAL_SESSION ? "this session has expired" : "this token has expired";
	if (credential_ends_ms(credential) <= now_ms)
		return "this session was not used for too long";
	return credential->config.kind == CREDENTIAL_SESSION ? "this session was ended" : "this token was revoked";
}

/* Its user and rights may have changed: take what is new.  Scopes never change; what he may create does. */
static const char *
take_user(struct identity *identity, const struct user_entry *user)
{
	struct principal *principal = &identity->principal;
	const struct user_config *config = &user->config;

	if (config->is_disabled)
		return "the user of these credentials is disabled";
	if (principal->kind == PRINCIPAL_PASSWORD && user->password_etag != identity->password_etag)
		return "the password was changed";
	/* Other patterns do not fit into its memory: the connections bring their credential again, and it is made anew. */
	if (config->creates_bytes != principal->creates.len ||
	    memcmp(config->creates, principal->creates.ptr, config->creates_bytes) != 0)
		return "";
	set_rights(principal, user);
	return NULL;
}

enum identity_state
identity_look(struct frontd *frontd, struct identity *identity, const char **why)
{
	bool has_credential = identity->principal.credential_id != 0;
	uint64_t now_ms = frontd_now_ms(frontd), generation = directory_generation(&frontd->directory);
	struct credential_entry credential;
	struct user_entry user;
	enum directory_look look = has_credential ?
	    directory_credential_by_hash(&frontd->directory, identity->key, &credential, &user) :
	    directory_user_by_uid(&frontd->directory, identity->principal.uid, &user);

	if (look == DIRECTORY_NOT_NOW)
		return IDENTITY_NOT_NOW;
	*why = look == DIRECTORY_FOUND ? NULL : "these credentials were revoked";
	if (*why == NULL && has_credential)
		*why = identity_fault(&credential, &user, now_ms);
	if (*why == NULL)
		*why = take_user(identity, &user);
	if (*why != NULL)
		return IDENTITY_ENDED;
	identity->generation = generation;
	set_times(identity, has_credential ? &credential : NULL, now_ms);
	return IDENTITY_GOOD;
}

/* Those of a bucket.  False: not now. */
static bool
walk_bucket(struct frontd *frontd, struct identity *identity, uint64_t now_ms)
{
	struct identities *identities = &frontd->identities;
	struct identity *next;
	const char *why;

	for (; identity != NULL; identity = next) {
		bool is_due = now_ms >= identity->ends_ms;

		next = identity->bucket_next;
		if (identity->conns == NULL && now_ms >= identity->checked_until_ms) {
			identity_end(frontd, identity, "");
			continue;
		}
		if (is_due || identity->generation != identities->walk_generation) {
			switch (identity_look(frontd, identity, &why)) {
			case IDENTITY_NOT_NOW:
				return false;
			case IDENTITY_ENDED:
				identity_end(frontd, identity, why);
				continue;
			case IDENTITY_GOOD:
				break;
			}
		}
		identities->walk_ms = earlier(identities->walk_ms, identity->ends_ms);
	}
	return true;
}

void
identity_walk(struct frontd *frontd)
{
	struct identities *identities = &frontd->identities;
	uint64_t now_ms = frontd_now_ms(frontd), generation = directory_generation(&frontd->directory);
	uint32_t looked = 0;

	if (generation != identities->walk_generation || now_ms >= identities->walk_ms) {
		identities->walk_generation = generation;
		identities->walk_left = IDENTITY_BUCKETS;
		/* Lowered again by those that end sooner. */
		identities->walk_ms = now_ms + IDENTITY_KEPT_MS;
	}
	while (identities->count != 0 && identities->walk_left != 0 && looked < IDENTITY_TICK_MAX) {
		struct identity *first = identities->buckets[identities->walk_bucket];

		for (struct identity *at = first; at != NULL; at = at->bucket_next)
			looked++;
		if (!walk_bucket(frontd, first, now_ms))
			return; /* it goes on here in the next tick */
		identities->walk_bucket = (identities->walk_bucket + 1) % IDENTITY_BUCKETS;
		identities->walk_left--;
	}
}

void
identity_touched(struct frontd *frontd, struct identity *identity)
{
	identity->touched_ms = frontd->world.now_ms;
	identity->touch_ms = identity->touched_ms + identity->touch_every_ms;
	identity->look_ms = earlier(identity->ends_ms, identity->touch_ms);
}

void
identities_free_all(struct frontd *frontd)
{
	struct identities *identities = &frontd->identities;

	for (uint32_t b = 0; b < IDENTITY_BUCKETS; b++)
		while (identities->buckets[b] != NULL) {
			identities->buckets[b]->conns = NULL; /* they are gone already */
			identity_free(frontd, identities->buckets[b]);
		}
}
