/*
 * tls: HTTPS.  OpenSSL sits between the ring and intake, and between send and the ring; it never
 * sees a socket.  A BIO of our own reads ciphertext where the kernel put it and writes it where
 * SEND takes it (the run of conn->sending), so that nothing is copied that OpenSSL does not copy
 * itself:
 *
 *   RECEIVE -> tls_received() -> SSL_read -> intake
 *   send_flush() -> tls_seal() -> SSL_write -> conn->sending -> SEND
 *
 * A connection is CONN_HANDSHAKE until its handshake is done.  What comes meanwhile is kept and
 * stands in a queue, from which tls_turn() takes a few each turn: a storm of handshakes costs those
 * who are connected a step a turn, and no more.  Its SSL is made when its first byte is there, so
 * that silent connections cost little.
 *
 * Failure modes: a handshake that fails, or ciphertext that does not verify: the alert that OpenSSL
 * writes leaves, nothing else does (tls_fail).  Plain HTTP: told so in plain HTTP.  The end without
 * close_notify: what was whole is answered, what was not is not served, as on every connection: the
 * length of a message is HTTP's own, so nobody can cut one short unseen.
 */
#ifndef FRONTD_TLS_H
#define FRONTD_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <openssl/types.h>

#include "shm/tls_secrets.h"

struct conn;
struct frontd;
struct tls_names;

/*
 * What OpenSSL puts around a run of answers: a record's header and tag, and a message of its own
 * now and then.
 */
#define TLS_OVERHEAD_BYTES 512u
#define TLS_PLAIN_BYTES 16384u /* a record has no more */

/* Of a connection; conn->tls. */
struct tls {
	struct frontd *frontd;
	struct conn *conn;
	SSL *ssl;                  /* NULL: no byte has come yet, or it has failed */
	const char *in;            /* ciphertext that the BIO reads next */
	size_t in_bytes;
	char *kept;                /* HANDSHAKE: owned; `in` points into it */
	struct tls_names *names;   /* of a verified client certificate; NULL: none was shown */
	uint32_t held_bytes;       /* of the budget (memory.h): a handshake, or half a record */
	bool is_queued;            /* HANDSHAKE: its bytes wait for tls_turn() */
	bool is_unfinished;        /* in the list of those */
	bool is_established;
	bool wants_room;           /* HANDSHAKE: its flight was larger than a run */
	bool said_goodbye;         /* close_notify is written */
	TAILQ_ENTRY(tls) queue_link, unfinished_link;
};

TAILQ_HEAD(tls_list, tls);

struct tls_service {
	bool is_on;
	int secrets_fd;
	uint64_t generation, material; /* of the secrets in use */
	SSL_CTX *context;
	EVP_CIPHER *ticket_cipher;
	struct bio_method_st *bio_method;
	struct ticket_key current, previous;
	struct tls_list queue;         /* whose bytes wait for a step */
	struct tls_list unfinished;    /* the oldest first */
	uint32_t unfinished_count;
	char plain[TLS_PLAIN_BYTES];   /* on its way in or out */
};

/* The first context, from TLS_SECRETS_FD.  0, or -1 and a diag. */
int tls_start(struct frontd *frontd, int secrets_fd);
void tls_stop(struct frontd *frontd);

/* New certificate or ticket keys, if the supervisor has written some.  Every tick. */
void tls_reload(struct frontd *frontd);

/* How OpenSSL reads and writes: tls_bio.c.  NULL: no memory. */
struct bio_method_st *tls_bio_method(void);

/* The steps of handshakes that are due.  Every turn, if there is TLS. */
void tls_turn(struct frontd *frontd);
bool tls_has_work(const struct frontd *frontd);

/* No further connection is taken while so many handshakes are not done. */
bool tls_is_crowded(const struct frontd *frontd);

/* Make this connection one of TLS: CONN_HANDSHAKE. */
void tls_open(struct frontd *frontd, struct conn *conn);
void tls_close(struct frontd *frontd, struct conn *conn);

/* New bytes, borrowed for the call. */
void tls_received(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count);

/* HANDSHAKE: bytes of it are here, or its flight waits for room: no more are wanted now. */
bool tls_is_waiting_for_us(const struct conn *conn);

/* It holds memory for what its client does not go on with. */
bool tls_is_stale(const struct conn *conn);

/* How many bytes of answers can be sealed into the run now; 0: none. */
uint32_t tls_room(const struct conn *conn);

/* Seal so many of frontd->tls.plain into the run.  False: the connection has failed. */
bool tls_seal(struct frontd *frontd, struct conn *conn, uint32_t count);

/* close_notify goes into the run.  False: it is there already, or cannot be. */
bool tls_goodbye(struct frontd *frontd, struct conn *conn);

/* The run has left. */
void tls_sent(struct frontd *frontd, struct conn *conn);

#endif
