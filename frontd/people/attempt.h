/*
 * attempt: passwords that are being checked or hashed by the hasher, and the connections that wait for it.  Counts
 * failed logins (logins.h).  Whoever brings the same password of the same user while it is being checked waits for the same
 * attempt: a pool of connections that opens at once costs one hash.
 *
 *   attempt_ask() -> WAITS: the connection is WAITING; attempt_results() tries its request again -> attempt_ask() -> the result
 */
#ifndef FRONTD_ATTEMPT_H
#define FRONTD_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "frontd/http/slice.h"
#include "frontd/people/logins.h"
#include "frontd/people/password.h"
#include "shm/limits.h"
#include "shm/name.h"

#define ATTEMPT_KEY_BYTES 32u

struct conn;
struct frontd;
struct problem;

enum attempt_state {
	ATTEMPT_DONE,     /* the result says what came of it */
	ATTEMPT_WAITS,    /* the connection waits for the hasher; its request will be tried again */
	ATTEMPT_NOT_NOW,  /* the directory is being written */
	ATTEMPT_REFUSED,  /* too many logins, too many jobs, or none is done: the problem says so */
};

struct attempt_wish {
	struct http_slice user, given; /* to be checked; given.ptr NULL: nothing */
	struct http_slice fresh;       /* to be hashed; ptr NULL: nothing */
};

struct attempt_result {
	bool is_right;                 /* given is the user's password */
	uint64_t uid;                  /* then: whose, and which password of his */
	uint64_t password_etag;
	char hash[PASSWORD_HASH_BYTES_MAX + 1]; /* of fresh */
};

/* One of a connection; on the heap, for few have one. */
struct attempt_wait {
	uint8_t key[ATTEMPT_KEY_BYTES];
	uint32_t index;                /* of the attempt, until it is done */
	bool is_done;
	bool has_failed;               /* nothing was learned of it */
	struct attempt_result result;
};

/* Beside the job of the same place. */
struct attempt {
	uint8_t key[ATTEMPT_KEY_BYTES]; /* keyed hash of the wish */
	uint64_t place;
	struct queue_name user;
	uint64_t uid;                  /* 0: there is none of this name, or he has no password */
	uint64_t password_etag;
	bool is_check;
	struct conn *first, **end;     /* who waits, by waiting_next; none: abandoned */
};

struct attempts {
	struct password *password;
	struct logins *logins;
	uint8_t secret[32];            /* of the keys; of this process */
	struct attempt list[PASSWORD_JOBS_MAX];
	uint32_t waiting_count;
};

/* 0, or -1 and a diag. */
int attempts_open(struct frontd *frontd);
void attempts_close(struct frontd *frontd);

/* A keyed hash of the wish: what stands for a password while it is remembered. */
void attempt_key(const struct frontd *frontd, const struct attempt_wish *wish, uint8_t key[ATTEMPT_KEY_BYTES]);

/* key: of the wish, from attempt_key().  REFUSED: *problem. */
enum attempt_state attempt_ask(struct frontd *frontd, struct conn *conn, const uint8_t key[ATTEMPT_KEY_BYTES],
    const struct attempt_wish *wish, struct attempt_result *result, struct problem *problem);

/* The connection's request is served or refused, or it has gone: forget its result. */
void attempt_forget(struct frontd *frontd, struct conn *conn);

/* Take what the hasher has done; the requests that waited for it are tried again. */
void attempt_results(struct frontd *frontd);

/* Now and then: when the hasher has done nothing for long, who waits is answered so (503). */
void attempt_tick(struct frontd *frontd);
bool attempt_has_results(const struct frontd *frontd);

#endif
