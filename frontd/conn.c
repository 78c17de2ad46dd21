#include "frontd/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/people/attempt.h"
#include "frontd/people/auth.h"
#include "frontd/frontd.h"
#include "frontd/intake.h"
#include "frontd/memory.h"
#include "frontd/send.h"
#include "frontd/serve.h"
#include "frontd/tls/tls.h"

/*
 * What is read and thrown away behind a refusal, for the linger time at most: the largest body that can be configured.  A
 * client that writes all before it reads would lose its 413 to the reset that a close with unread bytes sends.
 */
#define DRAIN_BYTES_MAX (16u << 20)
#define OPERATIONS_MAX 4 /* RECEIVE, SEND, two SHUTDOWN; CLOSE only when there is no other */

struct conn *
conn_at(struct frontd *frontd, uint32_t index)
{
	assert(index / CONN_CHUNK < frontd->conns.chunk_count);

	return &frontd->conns.chunks[index / CONN_CHUNK][index % CONN_CHUNK];
}

static void
conns_grow(struct conns *conns)
{
	struct conn **chunks = realloc(conns->chunks, (conns->chunk_count + 1) * sizeof(*chunks));
	struct conn *chunk = calloc(CONN_CHUNK, sizeof(*chunk));

	assert(chunks != NULL);
	assert(chunk != NULL);
	conns->chunks = chunks;
	chunks[conns->chunk_count] = chunk;
	for (uint32_t i = CONN_CHUNK; i-- > 0;) {
		chunk[i].index = conns->chunk_count * CONN_CHUNK + i;
		chunk[i].list_next = conns->free;
		conns->free = &chunk[i];
	}
	conns->chunk_count++;
}

void
conn_set_state(struct frontd *frontd, struct conn *conn, enum conn_state state)
{
	conn->state = (uint8_t)state;
	conn->since_ns = frontd->now_ns;
	deadline_update(frontd, conn);
}

struct conn *
conn_open(struct frontd *frontd, int fd, const struct client_address *address, bool is_tls)
{
	struct conns *conns = &frontd->conns;

	if (conns->free == NULL)
		conns_grow(conns);
	struct conn *conn = conns->free;
	assert(conn->state == CONN_FREE);
	conns->free = conn->list_next;
	conns->open++;
	uint32_t index = conn->index, generation = conn->generation + 1;
	memset(conn, 0, sizeof(*conn));
	conn->index = index;
	conn->generation = generation & 0xffffff;
	conn->fd = fd;
	conn->address = *address;
	addresses_add(&frontd->addresses, address);
	if (is_tls)
		tls_open(frontd, conn);
	else
		conn_set_state(frontd, conn, CONN_IDLE);
	conn_receive(frontd, conn);
	return conn;
}

void
conn_turn_away(struct frontd *frontd, struct conn *conn)
{
	conn->is_turned_away = true;
	frontd->conns.turned_away++;
	addresses_remove(&frontd->addresses, &conn->address);
	serve_refuse_outcome(frontd, conn, OUTCOME_TOO_MANY_CONNECTIONS, "from this address; close some, or use them again");
}

/* ---- memory ---- */

bool
conn_store_grow(struct frontd *frontd, struct conn *conn, uint32_t size)
{
	if (size <= conn->store_size)
		return true;
	uint64_t more = size - conn->store_size;
	if (!memory_has_room(frontd, conn, more))
		return false;
	char *store = realloc(conn->store, size);
	if (store == NULL)
		return false;
	memory_hold(frontd, conn, more);
	conn->store = store;
	conn->store_size = size;
	return true;
}

void
conn_store_free(struct frontd *frontd, struct conn *conn)
{
	memory_release(frontd, conn, conn->store_size);
	free(conn->store);
	free(conn->chunk);
	conn->store = NULL;
	conn->chunk = NULL;
	conn->store_size = conn->store_used = 0;
	conn->is_whole = false;
}

/* ---- receiving ---- */

static bool
conn_wants_bytes(const struct conn *conn)
{
	if (conn->saw_end)
		return false;
	switch (conn->state) {
	case CONN_HANDSHAKE:
		return !tls_is_waiting_for_us(conn);
	case CONN_IDLE:
	case CONN_HEAD:
	case CONN_BODY:
		return true;
	case CONN_BLOCKED:
	case CONN_WAITING:
		/* One buffer of look-ahead: it tells of a client that goes, and is all the back-pressure TCP needs. */
		return conn->store_used == 0;
	case CONN_FINISHING:
	case CONN_LINGER:
		return conn->drained < DRAIN_BYTES_MAX;
	default:
		return false;
	}
}

void
conn_receive(struct frontd *frontd, struct conn *conn)
{
	uint64_t tag = uring_tag(URING_RECEIVE, conn->generation, conn->index);

	if (conn->state == CONN_FINISHING && conn->first == NULL && conn->sending == NULL) {
		conn_linger(frontd, conn);
		return;
	}
	bool is_at_rest = conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY;
	if (is_at_rest && (conn->saw_end || (frontd->is_draining && conn->state == CONN_IDLE && conn->exchange_count == 0))) {
		conn_finish(frontd, conn);
		return;
	}
	if (conn->is_receiving || !conn_wants_bytes(conn))
		return;
	conn->is_receiving = true;
	conn->is_direct = conn->state == CONN_BODY && conn->chunk == NULL && conn->tls == NULL;
	conn->operations++;
	assert(conn->operations <= OPERATIONS_MAX);
	if (conn->is_direct) {
		uint32_t whole = conn->head_bytes + conn->body_bytes;
		uint32_t room = whole < conn->store_size ? whole : conn->store_size;

		assert(conn->store_used < room);
		uring_receive_into(frontd->uring, conn->fd, tag, conn->store + conn->store_used, room - conn->store_used);
	} else {
		uring_receive(frontd->uring, conn->fd, tag);
	}
}

void
conn_end_seen(struct frontd *frontd, struct conn *conn)
{
	conn->saw_end = true;
	if (conn->state == CONN_CLOSING)
		return;
	if (conn->state == CONN_HANDSHAKE) {
		conn_break(frontd, conn);
	} else if (conn->poll != NULL) {
		/*
		 * A client that ended its side while parked is taken as gone: nothing else tells us that it went.  Should it
		 * still listen, it gets the answers before the poll, and nothing for the poll.
		 */
		serve_end_poll(frontd, conn, NULL);
		conn_finish(frontd, conn);
	} else if (conn->state == CONN_LINGER) {
		conn_set_state(frontd, conn, CONN_CLOSING);
	} else {
		conn_receive(frontd, conn);
	}
}

void
conn_received(struct frontd *frontd, struct conn *conn, int result, const char *bytes)
{
	conn->is_receiving = false;
	if (conn->is_direct && conn->state >= CONN_FINISHING)
		conn_store_free(frontd, conn); /* nothing writes to it any more */
	if (result == -ECANCELED && conn->state >= CONN_FINISHING) {
		conn_receive(frontd, conn); /* conn_finish() ended it, not the client */
		return;
	}
	if (result == -ENOBUFS || result == -EINTR || result == -EAGAIN) {
		conn_receive(frontd, conn); /* all buffers were out; they are back by the next turn */
		return;
	}
	if (result <= 0) {
		if (result == 0)
			conn_end_seen(frontd, conn);
		else
			conn_break(frontd, conn);
		return;
	}
	stat_add(&frontd->stats->bytes_received, result);
	if (conn->state == CONN_LINGER || conn->state == CONN_FINISHING)
		conn->drained += (uint32_t)result;
	else if (conn->state == CONN_CLOSING)
		return;
	else if (conn->is_direct)
		intake_received_direct(frontd, conn, (size_t)result);
	else if (conn->tls != NULL)
		tls_received(frontd, conn, bytes, (size_t)result);
	else
		intake_received(frontd, conn, bytes, (size_t)result);
	conn_receive(frontd, conn);
}

/* ---- ending ---- */

/* It takes no more requests: what the one at hand waited for goes on without it. */
static void
conn_unwait(struct frontd *frontd, struct conn *conn)
{
	if (conn->state == CONN_WAITING && (conn->attempt == NULL || conn->attempt->is_done))
		submit_unwait(frontd, conn);
	attempt_forget(frontd, conn);
}

void
conn_finish(struct frontd *frontd, struct conn *conn)
{
	if (conn->state >= CONN_FINISHING)
		return;
	conn_unwait(frontd, conn);
	if (conn->is_receiving && conn->is_direct)
		uring_cancel(frontd->uring, uring_tag(URING_RECEIVE, conn->generation, conn->index), uring_tag(URING_CANCEL, 0, 0));
	else
		conn_store_free(frontd, conn);
	conn_set_state(frontd, conn, CONN_FINISHING);
	if (conn->first == NULL && conn->sending == NULL)
		conn_linger(frontd, conn);
	else
		conn_receive(frontd, conn); /* a client that goes meanwhile is noticed */
}

void
conn_linger(struct frontd *frontd, struct conn *conn)
{
	assert(conn->first == NULL);
	assert(conn->sending == NULL);

	if (conn->tls != NULL && tls_goodbye(frontd, conn))
		return; /* we come again when it has left */
	if (conn->saw_end) {
		conn_set_state(frontd, conn, CONN_CLOSING);
		if (conn->operations == 0)
			conn_operation_ended(frontd, conn);
		return;
	}
	conn_set_state(frontd, conn, CONN_LINGER);
	conn->drained = 0;
	conn->is_shut_write = true;
	conn->operations++;
	uring_shutdown(frontd->uring, conn->fd, uring_tag(URING_SHUTDOWN, conn->generation, conn->index), SHUT_WR);
	conn_receive(frontd, conn);
}

/* What becomes of an exchange whose client has gone. */
static void
exchange_orphan(struct frontd *frontd, struct exchange *exchange)
{
	exchange_disown(frontd, exchange);
	switch (exchange->state) {
	case EXCHANGE_ASKED:
		if (exchange->memo.route->op == OP_RECEIVE && exchange->memo.wait_ms != 0) {
			exchange->state = EXCHANGE_CANCELLING;
			submit_again(frontd, exchange);
		}
		return;
	case EXCHANGE_READY:
		exchange_free(frontd, exchange);
		return;
	default:
		/* AGAIN, FETCHING, HELD: freed by whoever holds it. */
		return;
	}
}

/* Answers that no SEND borrows are dropped. */
static void
drop_answers(struct frontd *frontd, struct conn *conn)
{
	struct exchange *kept = NULL, **kept_end = &kept, *next;

	conn->poll = NULL;
	conn->last = NULL;
	for (struct exchange *exchange = conn->first; exchange != NULL; exchange = next) {
		next = exchange->next;
		if (exchange->state != EXCHANGE_SENDING) {
			exchange_orphan(frontd, exchange);
			continue;
		}
		/* The kernel reads its bytes until the SEND completes. */
		exchange->next = NULL;
		*kept_end = exchange;
		kept_end = &exchange->next;
		conn->last = exchange;
	}
	conn->first = kept;
}

void
conn_fail(struct frontd *frontd, struct conn *conn)
{
	drop_answers(frontd, conn);
	assert(conn->first == NULL); /* TLS sends copies */
	conn->exchange_count = 0;
	conn_finish(frontd, conn);
}

void
conn_break(struct frontd *frontd, struct conn *conn)
{
	if (conn->state == CONN_CLOSING)
		return;
	conn_unwait(frontd, conn);
	conn_set_state(frontd, conn, CONN_CLOSING);
	drop_answers(frontd, conn);
	if (conn->operations == 0) {
		conn_operation_ended(frontd, conn);
	} else if (!conn->is_shut) {
		conn->is_shut = true;
		conn->operations++;
		uring_shutdown(frontd->uring, conn->fd, uring_tag(URING_SHUTDOWN, conn->generation, conn->index), SHUT_RDWR);
	}
}

void
conn_operation_ended(struct frontd *frontd, struct conn *conn)
{
	if (conn->state != CONN_CLOSING || conn->operations != 0 || conn->is_closing_fd)
		return;
	conn->is_closing_fd = true;
	conn->operations++;
	uring_close(frontd->uring, conn->fd, uring_tag(URING_CLOSE, conn->generation, conn->index));
}

void
conn_closed(struct frontd *frontd, struct conn *conn)
{
	assert(conn->state == CONN_CLOSING);
	assert(conn->operations == 0);
	assert(conn->poll == NULL);

	send_end(frontd, conn);
	conn_store_free(frontd, conn);
	if (conn->tls != NULL)
		tls_close(frontd, conn);
	auth_forget(frontd, conn);
	assert(conn->held_bytes == 0);
	deadline_clear(frontd, conn);
	quota_disconnect(frontd, conn);
	if (conn->is_turned_away)
		frontd->conns.turned_away--;
	else
		addresses_remove(&frontd->addresses, &conn->address);
	conn->state = CONN_FREE;
	conn->fd = -1;
	if (conn->is_dirty) /* still in the list of the marked: send_flush() must not find it reused */
		send_flush(frontd);
	conn->list_next = frontd->conns.free;
	frontd->conns.free = conn;
	frontd->conns.open--;
	stat_add(&frontd->stats->connections_closed, 1);
}

/* ---- deadlines ---- */

static uint64_t
state_deadline_ns(const struct frontd *frontd, const struct conn *conn)
{
	const struct front_limits *limits = &frontd->limits;

	switch (conn->state) {
	case CONN_HANDSHAKE:
		return conn->since_ns + limits->handshake_timeout_ns;
	case CONN_IDLE:
		return conn->exchange_count == 0 && conn->sending == NULL ? conn->since_ns + limits->idle_timeout_ns : 0;
	case CONN_HEAD:
		return conn->since_ns + limits->head_timeout_ns;
	case CONN_BODY:
		return conn->since_ns + limits->body_timeout_ns +
		    (uint64_t)(conn->store_used - conn->head_bytes) * NS_PER_S / limits->body_rate;
	case CONN_LINGER:
		return conn->since_ns + limits->linger_ns;
	default:
		return 0;
	}
}

uint64_t
conn_deadline_ns(const struct frontd *frontd, const struct conn *conn)
{
	uint64_t state_ns = state_deadline_ns(frontd, conn), send_ns = send_deadline_ns(frontd, conn);

	if (conn->state == CONN_CLOSING)
		return 0;
	if (state_ns == 0 || send_ns == 0)
		return state_ns + send_ns;
	return state_ns < send_ns ? state_ns : send_ns;
}

void
conn_due(struct frontd *frontd, struct conn *conn)
{
	uint64_t send_ns = send_deadline_ns(frontd, conn);

	if (send_ns != 0 && send_ns <= frontd->now_ns) {
		conn_break(frontd, conn);
		return;
	}
	switch (conn->state) {
	case CONN_IDLE:
		conn_finish(frontd, conn);
		break;
	case CONN_HEAD:
		serve_refuse_timeout(frontd, conn);
		break;
	case CONN_BODY:
		/* A RECEIVE into the store may be in flight: its memory goes when that has ended. */
		serve_refuse_timeout(frontd, conn);
		break;
	default:
		conn_break(frontd, conn);
	}
}

void
conns_free_all(struct frontd *frontd)
{
	struct conns *conns = &frontd->conns;

	for (uint32_t c = 0; c < conns->chunk_count; c++) {
		for (uint32_t i = 0; i < CONN_CHUNK; i++) {
			if (conns->chunks[c][i].tls != NULL)
				tls_close(frontd, &conns->chunks[c][i]);
			free(conns->chunks[c][i].store);
			free(conns->chunks[c][i].chunk);
			free(conns->chunks[c][i].sending);
			free(conns->chunks[c][i].attempt);
		}
		free(conns->chunks[c]);
	}
	free(conns->chunks);
}
