#include "frontd/tls/tls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "frontd/frontd.h"
#include "frontd/intake.h"
#include "frontd/memory.h"
#include "frontd/send.h"
#include "frontd/serve.h"
#include "frontd/tls/names.h"
#include "shm/diag.h"

/*
 * Counted for a handshake, whatever it takes at the time (an estimate, on the high side), and for
 * half a record.
 */
#define HANDSHAKE_BYTES (48u << 10)
#define HALF_RECORD_BYTES (17u << 10)

/* While handshakes are short of places, who has said nothing for so long loses his. */
#define PATIENCE_NS NS_PER_S

/*
 * Records without a byte for us (key updates, empty ones, attempts to renegotiate) between two with
 * some.  An honest client sends one now and then; each costs us some microseconds, and a buffer has
 * room for a thousand.
 */
#define BARREN_MAX 32

/* ---- beginning and end ---- */

static void
hold(struct tls *tls, uint32_t bytes)
{
	if (bytes == tls->held_bytes)
		return;
	if (bytes > tls->held_bytes)
		memory_hold(tls->frontd, tls->conn, bytes - tls->held_bytes);
	else
		memory_release(tls->frontd, tls->conn, tls->held_bytes - bytes);
	tls->held_bytes = bytes;
}

static void
leave_queue(struct tls *tls)
{
	if (tls->is_queued)
		TAILQ_REMOVE(&tls->frontd->tls.queue, tls, queue_link);
	tls->is_queued = false;
}

/* The handshake is over, one way or the other. */
static void
leave_unfinished(struct tls *tls)
{
	leave_queue(tls);
	if (!tls->is_unfinished)
		return;
	tls->is_unfinished = false;
	TAILQ_REMOVE(&tls->frontd->tls.unfinished, tls, unfinished_link);
	tls->frontd->tls.unfinished_count--;
	if (!tls->is_established)
		stat_add(&tls->frontd->stats->tls_failed, 1);
}

void
tls_open(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	assert(tls != NULL);
	tls->frontd = frontd;
	tls->conn = conn;
	tls->is_unfinished = true;
	TAILQ_INSERT_TAIL(&frontd->tls.unfinished, tls, unfinished_link);
	frontd->tls.unfinished_count++;
	conn->tls = tls;
	conn_set_state(frontd, conn, CONN_HANDSHAKE);
}

static void
drop_kept(struct tls *tls)
{
	free(tls->kept);
	tls->kept = NULL;
	tls->in = NULL;
	tls->in_bytes = 0;
}

void
tls_close(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	(void)frontd; /* the signature of all that works on a connection */
	leave_unfinished(tls);
	hold(tls, 0);
	drop_kept(tls);
	SSL_free(tls->ssl);
	tls_names_free(tls->names);
	free(tls);
	conn->tls = NULL;
}

/* OpenSSL has given up.  The alert that it may have written leaves, and nothing behind it. */
static void
tls_fail(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	diag(DIAG_DEBUG, "TLS: a connection has failed in %s: %s", SSL_state_string_long(tls->ssl),
	    reason != NULL ? reason : "no reason given");
	ERR_clear_error();
	leave_unfinished(tls);
	drop_kept(tls);
	SSL_free(tls->ssl);
	tls->ssl = NULL;
	hold(tls, 0);
	conn_fail(frontd, conn);
}

/* ---- bytes of clients ---- */

/*
 * One read of what is in `in`: into the body that is being received, else through
 * frontd->tls.plain.  As SSL_read().
 */
static int
read_some(struct frontd *frontd, struct conn *conn)
{
	bool is_body = conn->state == CONN_BODY && conn->chunk == NULL;
	char *room = frontd->tls.plain;
	uint32_t room_bytes = TLS_PLAIN_BYTES;

	if (is_body) {
		uint32_t whole = conn->head_bytes + conn->body_bytes;

		room = conn->store + conn->store_used;
		room_bytes = (whole < conn->store_size ? whole : conn->store_size) -
		    conn->store_used;
		assert(room_bytes != 0);
	}
	ERR_clear_error();
	int count = SSL_read(conn->tls->ssl, room, (int)room_bytes);
	if (count > 0 && is_body)
		intake_received_direct(frontd, conn, (size_t)count);
	else if (count > 0)
		intake_received(frontd, conn, room, (size_t)count);
	return count;
}

/*
 * All that `in` has.  Ciphertext is never kept: what cannot be served yet is kept by intake, as on
 * a plain connection.
 */
static void
read_all(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;
	unsigned barren = 0;

	while (conn->state < CONN_FINISHING) {
		int count = read_some(frontd, conn);

		if (count > 0) {
			barren = 0;
			continue;
		}
		switch (SSL_get_error(tls->ssl, count)) {
		case SSL_ERROR_WANT_READ:
			if (tls->in_bytes == 0) {
				hold(tls, SSL_has_pending(tls->ssl) ? HALF_RECORD_BYTES : 0);
				return;
			}
			if (++barren <= BARREN_MAX)
				continue; /* a record that was not for us */
			break;
		case SSL_ERROR_ZERO_RETURN:
			conn_end_seen(frontd, conn);
			return;
		default:
			break;
		}
		tls_fail(frontd, conn);
		return;
	}
}

/* HANDSHAKE: keep them until it is their turn. */
static void
keep(struct tls *tls, const char *bytes, size_t count)
{
	assert(tls->kept == NULL); /* no RECEIVE is armed before it is gone */
	tls->kept = malloc(count);
	assert(tls->kept != NULL);
	memcpy(tls->kept, bytes, count);
	tls->in = tls->kept;
	tls->in_bytes = count;
	TAILQ_INSERT_TAIL(&tls->frontd->tls.queue, tls, queue_link);
	tls->is_queued = true;
}

void
tls_received(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	struct tls *tls = conn->tls;

	if (conn->state == CONN_HANDSHAKE) {
		keep(tls, bytes, count);
		return;
	}
	tls->in = bytes;
	tls->in_bytes = count;
	read_all(frontd, conn);
	tls->in = NULL;
	tls->in_bytes = 0;
}

bool
tls_is_waiting_for_us(const struct conn *conn)
{
	return conn->tls->is_queued || conn->tls->wants_room;
}

bool
tls_is_stale(const struct conn *conn)
{
	return conn->tls->held_bytes != 0 && !tls_is_waiting_for_us(conn);
}

/* ---- handshakes ---- */

/* Told in plain HTTP, for that is what this client understands. */
static void
refuse_plain_http(struct frontd *frontd, struct conn *conn)
{
	tls_close(frontd, conn);
	conn_set_state(frontd, conn, CONN_IDLE);
	serve_refuse_plain_http(frontd, conn);
}

/* The first bytes are there.  True: there is an SSL to feed them to. */
static bool
begin(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	if (tls->in[0] >= 'A' && tls->in[0] <= 'Z') {
		refuse_plain_http(frontd, conn);
		return false;
	}
	if (!memory_has_room(frontd, conn, HANDSHAKE_BYTES)) {
		conn_break(frontd, conn);
		return false;
	}
	BIO *bio = BIO_new(frontd->tls.bio_method);
	tls->ssl = SSL_new(frontd->tls.context);
	if (bio == NULL || tls->ssl == NULL) {
		BIO_free(bio);
		conn_break(frontd, conn);
		return false;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio); /* takes it */
	hold(tls, HANDSHAKE_BYTES);
	return true;
}

static void
handshake_done(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	tls->is_established = true;
	leave_unfinished(tls);
	hold(tls, 0);
	stat_add(&frontd->stats->tls_handshakes, 1);
	if (SSL_session_reused(tls->ssl))
		stat_add(&frontd->stats->tls_resumed, 1);
	tls->names = tls_names_of(tls->ssl);
	conn_set_state(frontd, conn, CONN_IDLE);
	read_all(frontd, conn); /* what came right behind it */
	if (tls->kept != NULL)
		drop_kept(tls);
}

static void
handshake_step(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	if (tls->ssl == NULL && !begin(frontd, conn))
		return;
	ERR_clear_error();
	int result = SSL_accept(tls->ssl);
	if (result == 1) {
		handshake_done(frontd, conn);
		return;
	}
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		drop_kept(tls);
		return;
	case SSL_ERROR_WANT_WRITE:
		tls->wants_room = true; /* goes on in tls_sent(), with what is left of `in` */
		return;
	default:
		tls_fail(frontd, conn);
	}
}

/* There are as many as may be: those who let us wait lose their places. */
static void
end_silent(struct frontd *frontd)
{
	struct tls *tls, *next;

	for (tls = TAILQ_FIRST(&frontd->tls.unfinished); tls != NULL; tls = next) {
		struct conn *conn = tls->conn;

		next = TAILQ_NEXT(tls, unfinished_link);
		if (conn->since_ns + PATIENCE_NS > frontd->now_ns)
			return;
		if (conn->state != CONN_HANDSHAKE || tls_is_waiting_for_us(conn))
			continue;
		leave_unfinished(tls);
		conn_break(frontd, conn);
	}
}

void
tls_turn(struct frontd *frontd)
{
	for (uint32_t i = 0; i < frontd->limits.handshakes_per_turn; i++) {
		struct tls *tls = TAILQ_FIRST(&frontd->tls.queue);

		if (tls == NULL)
			break;
		struct conn *conn = tls->conn;
		leave_queue(tls);
		if (conn->state != CONN_HANDSHAKE)
			continue; /* it was ended meanwhile */
		handshake_step(frontd, conn);
		conn_receive(frontd, conn);
	}
	if (tls_is_crowded(frontd))
		end_silent(frontd);
}

bool
tls_has_work(const struct frontd *frontd)
{
	return frontd->tls.is_on && !TAILQ_EMPTY(&frontd->tls.queue);
}

bool
tls_is_crowded(const struct frontd *frontd)
{
	return frontd->tls.unfinished_count >= frontd->limits.handshakes_max;
}

/* ---- answers ---- */

uint32_t
tls_room(const struct conn *conn)
{
	uint32_t used = conn->sending->run_end + TLS_OVERHEAD_BYTES;

	if (!conn->tls->is_established || conn->tls->ssl == NULL || conn->tls->said_goodbye ||
	    used >= SEND_RUN_BYTES)
		return 0;
	return SEND_RUN_BYTES - used;
}

bool
tls_seal(struct frontd *frontd, struct conn *conn, uint32_t count)
{
	struct tls *tls = conn->tls;

	ERR_clear_error();
	if (SSL_write(tls->ssl, frontd->tls.plain, (int)count) == (int)count)
		return true;
	tls_fail(frontd, conn);
	return false;
}

bool
tls_goodbye(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	(void)frontd; /* the signature of all that works on a connection */
	if (!tls->is_established || tls->ssl == NULL || tls->said_goodbye)
		return false;
	tls->said_goodbye = true;
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl); /* what it wrote is in the run; where there was no room the
					 end comes without it */
	ERR_clear_error();
	return conn->sending != NULL;
}

void
tls_sent(struct frontd *frontd, struct conn *conn)
{
	struct tls *tls = conn->tls;

	if (!tls->wants_room)
		return;
	tls->wants_room = false;
	if (conn->state != CONN_HANDSHAKE)
		return;
	TAILQ_INSERT_TAIL(&frontd->tls.queue, tls, queue_link);
	tls->is_queued = true;
}
