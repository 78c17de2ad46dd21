/*
 * identity: who is at the other end, found once and remembered: for each credential in use one identity, which all connections
 * share that brought it.  A connection that brings the same Authorization again costs a comparison of bytes and one load of the
 * directory's generation.
 *
 *   identity_find()  same credential, somebody has it already         identity_make()  a new one, from what the directory says
 *   identity_join()  the connection brings it                         identity_leave() it brings another, or is closed
 *
 * When the directory's generation moves, every identity is looked up again, some in each tick; one that is good no longer ends:
 * its connections are told so (auth.h) within a second.  Those of passwords (Basic) stay for IDENTITY_KEPT_MS after they were
 * checked, also without a connection: that is what makes Basic cheap after the first request.
 */
#ifndef FRONTD_IDENTITY_H
#define FRONTD_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/api/people/principal.h"
#include "shm/directory.h"

#define IDENTITY_KEY_BYTES 32u
#define IDENTITY_BUCKETS 4096u
#define IDENTITY_KEPT_MS (5ull * 60 * 1000)
#define IDENTITY_IDLE_MAX 4096u  /* of passwords, without a connection */
#define IDENTITY_TICK_MAX 4096u  /* looked at in one tick, at most: a hundred thousand in a second */

struct conn;
struct frontd;

struct identity {
	struct principal principal;    /* its texts lie in `text` */
	struct identity *bucket_next;
	struct identity *idle_next, *idle_prev; /* PASSWORD without connections */
	struct conn *conns;            /* linked by identity_next */
	uint8_t key[IDENTITY_KEY_BYTES]; /* TOKEN, SESSION: SHA-256 of the secret; else a keyed hash (attempt_key) */
	uint64_t generation;           /* of the directory, when it was looked at */
	uint64_t look_ms;              /* broker time of the next look, whatever the generation: the earlier of these two */
	uint64_t ends_ms;              /* it ends, or (PASSWORD) is checked again; UINT64_MAX: never */
	uint64_t touch_ms;             /* the next use is told to worker 0; UINT64_MAX: never */
	uint64_t checked_until_ms;     /* PASSWORD: how long the password need not be checked again */
	uint64_t touched_ms;           /* we told it; 0: not yet */
	uint64_t touch_every_ms;
	uint64_t password_etag;        /* PASSWORD: a user's new password ends it */
	uint16_t header_bytes;         /* Authorization as it was sent; 0: a certificate */
	char text[];                   /* header, name, scopes, creates */
};

struct identities {
	struct identity *buckets[IDENTITY_BUCKETS];
	struct identity *idle, *idle_last; /* the one that came first is dropped first */
	uint32_t idle_count;
	uint32_t count;
	uint32_t walk_bucket;          /* where the walk goes on */
	uint32_t walk_left;            /* buckets still to be looked at */
	uint64_t walk_generation;      /* for which it was begun */
	uint64_t walk_ms;              /* broker time at which the next must begin, whatever the generation */
};

/* What an identity is made from. */
struct identity_source {
	enum principal_kind kind;
	const uint8_t *key;
	struct http_slice header;
	const struct user_entry *user;
	const struct credential_entry *credential; /* TOKEN, SESSION; else NULL */
	uint64_t generation;           /* read before the others were */
};

/* NULL: nobody has it. */
struct identity *identity_find(struct frontd *frontd, enum principal_kind kind, const uint8_t key[IDENTITY_KEY_BYTES]);
/* Never NULL.  Nobody has it yet. */
struct identity *identity_make(struct frontd *frontd, const struct identity_source *source);

/* The connection's, from now on; it leaves the one before. */
void identity_join(struct frontd *frontd, struct conn *conn, struct identity *identity);
void identity_leave(struct frontd *frontd, struct conn *conn);
/* Without dropping it when nobody has it any more: the caller ends it. */
void identity_leave_kept(struct conn *conn);

/* Why a credential that the directory knows is not good; NULL: it is. */
const char *identity_fault(const struct credential_entry *credential, const struct user_entry *user, uint64_t now_ms);

enum identity_state { IDENTITY_GOOD, IDENTITY_ENDED, IDENTITY_NOT_NOW };

/* Look it up again.  ENDED: *why says so; it is for identity_end(), or its caller to refuse. */
enum identity_state identity_look(struct frontd *frontd, struct identity *identity, const char **why);

/* It is good no longer: all its connections leave it (auth_ended() is called for each), and it is gone. */
void identity_end(struct frontd *frontd, struct identity *identity, const char *why);

/* Its use was told to worker 0. */
void identity_touched(struct frontd *frontd, struct identity *identity);

/* Every tick: look at some of them, if the directory changed or one may have ended. */
void identity_walk(struct frontd *frontd);

void identities_free_all(struct frontd *frontd);

#endif
