#include "frontd/send.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/await.h"
#include "frontd/frontd.h"
#include "frontd/intake.h"
#include "frontd/memory.h"
#include "frontd/tls/tls.h"

void
send_queue(struct frontd *frontd, struct conn *conn, struct exchange *exchange)
{
	(void)frontd;
	exchange->conn = conn;
	exchange->next = NULL;
	if (conn->last != NULL)
		conn->last->next = exchange;
	else
		conn->first = exchange;
	conn->last = exchange;
	conn->exchange_count++;
}

void
send_mark(struct frontd *frontd, struct conn *conn)
{
	if (conn->is_dirty)
		return;
	conn->is_dirty = true;
	conn->list_next = frontd->conns.dirty;
	frontd->conns.dirty = conn;
}

static struct sending_pool *
sending_pool(struct frontd *frontd, uint32_t run_bytes)
{
	return run_bytes == SEND_RUN_BYTES ? &frontd->conns.sendings_large : &frontd->conns.sendings_small;
}

/* What will leave next may need a large run: TLS, or more than one answer. */
static bool
wants_large_run(const struct conn *conn)
{
	const struct exchange *first = conn->first;

	return conn->tls != NULL || (first != NULL && first->next != NULL && first->next->state == EXCHANGE_READY);
}

static struct sending *
sending_take(struct frontd *frontd, struct conn *conn)
{
	uint32_t run_bytes = wants_large_run(conn) ? SEND_RUN_BYTES : SEND_RUN_SMALL_BYTES;
	struct sending_pool *pool = sending_pool(frontd, run_bytes);
	struct sending *sending = pool->free;

	if (sending != NULL) {
		pool->free = sending->next;
		pool->count--;
	} else {
		sending = malloc(sizeof(*sending) + run_bytes);
		assert(sending != NULL);
	}
	sending->total_bytes = 0;
	sending->run_bytes = run_bytes;
	sending->run_start = sending->run_end = 0;
	sending->closes = sending->is_in_flight = false;
	sending->since_ns = sending->progress_ns = frontd->now_ns;
	memory_hold(frontd, conn, sizeof(*sending) + run_bytes);
	return sending;
}

static void
sending_give(struct frontd *frontd, struct conn *conn)
{
	struct sending *sending = conn->sending;
	struct sending_pool *pool = sending_pool(frontd, sending->run_bytes);

	conn->sending = NULL;
	memory_release(frontd, conn, sizeof(*sending) + sending->run_bytes);
	if (pool->count * (sizeof(*sending) + sending->run_bytes) >= SENDINGS_KEPT_BYTES) {
		free(sending);
		return;
	}
	sending->next = pool->free;
	pool->free = sending;
	pool->count++;
}

/* It has nothing in flight, and more answers have become ready meanwhile than a small run takes. */
static void
sending_widen(struct frontd *frontd, struct conn *conn)
{
	struct sending *sending = conn->sending;
	uint64_t since_ns = sending->since_ns, total_bytes = sending->total_bytes;

	if (sending->run_bytes == SEND_RUN_BYTES || sending->run_start != sending->run_end || !wants_large_run(conn))
		return;
	assert(!sending->closes); /* nothing stands behind such an answer */
	sending_give(frontd, conn);
	conn->sending = sending_take(frontd, conn);
	conn->sending->since_ns = since_ns; /* it is the same stretch of answers */
	conn->sending->total_bytes = total_bytes;
}

struct sending *
send_run(struct frontd *frontd, struct conn *conn)
{
	if (conn->sending == NULL) {
		conn->sending = sending_take(frontd, conn);
		send_mark(frontd, conn);
	}
	return conn->sending;
}

/*
 * Copies the small answers at the head of the FIFO together into room; those whose reply was only kept are made now.  Nothing is
 * copied when the first of them is large, except on its way through TLS: then as much of it as there is room for.  Returns
 * how much was copied.
 */
static uint32_t
send_fill(struct frontd *frontd, struct conn *conn, char *room, uint32_t room_bytes)
{
	struct sending *sending = conn->sending;
	struct exchange *exchange;
	uint32_t used = 0;

	while ((exchange = conn->first) != NULL && exchange->state == EXCHANGE_READY) {
		await_make(frontd, exchange);
		uint32_t bytes = exchange->end - exchange->start, left = room_bytes - used;

		if (conn->tls == NULL && (exchange->heap_bytes != 0 || bytes > left))
			break;
		if (bytes > left)
			bytes = left;
		memcpy(room + used, exchange->bytes + exchange->start, bytes);
		used += bytes;
		exchange->start += bytes;
		if (exchange->start != exchange->end)
			break;
		sending->closes = sending->closes || exchange->closes;
		conn->first = exchange->next;
		if (conn->first == NULL)
			conn->last = NULL;
		conn->exchange_count--;
		exchange_free(frontd, exchange);
	}
	return used;
}

/* The same for TLS, behind what it has written itself, and its good-bye behind the last. */
static void
send_fill_sealed(struct frontd *frontd, struct conn *conn)
{
	uint32_t room = tls_room(conn), count = room != 0 ? send_fill(frontd, conn, frontd->tls.plain, room) : 0;

	if (count != 0 && tls_seal(frontd, conn, count) && conn->sending->closes)
		(void)tls_goodbye(frontd, conn); /* if it has to wait, conn_linger() says it */
}

/* The answers at the head of the FIFO where they are, from where the last SENDMSG stopped.  Returns how many pieces. */
static unsigned
send_gather(struct frontd *frontd, struct conn *conn)
{
	struct sending *sending = conn->sending;
	unsigned count = 0;

	for (struct exchange *exchange = conn->first; exchange != NULL && count < SEND_IOV_MAX; exchange = exchange->next) {
		if (exchange->state != EXCHANGE_READY && exchange->state != EXCHANGE_SENDING)
			break;
		if (exchange->state == EXCHANGE_READY) {
			await_make(frontd, exchange);
			sending->total_bytes += exchange->end - exchange->start;
		}
		exchange->state = EXCHANGE_SENDING;
		sending->iov[count++] = (struct iovec){
			.iov_base = exchange->bytes + exchange->start,
			.iov_len = exchange->end - exchange->start,
		};
	}
	return count;
}

/*
 * Does nothing wait for the end of this SEND but its memory?  Then frontd need not wake up for it: a turn less for each answer
 * that comes alone.
 */
static bool
is_last_word(const struct frontd *frontd, const struct conn *conn)
{
	const struct sending *sending = conn->sending;

	return conn->state == CONN_IDLE && conn->is_receiving && conn->tls == NULL && !sending->closes && !frontd->is_draining &&
	    (conn->first == NULL || conn->first->state != EXCHANGE_READY);
}

/* True: it is ended by the time it is submitted, so that no deadline is needed. */
static bool
send_rest(struct frontd *frontd, struct conn *conn, bool is_first)
{
	const struct sending *sending = conn->sending;
	const char *bytes = sending->run + sending->run_start;
	uint32_t count = sending->run_end - sending->run_start;
	uint64_t tag = uring_tag(URING_SEND, conn->generation, conn->index);

	if (is_first && is_last_word(frontd, conn)) {
		uring_send_now(frontd->uring, conn->fd, tag, bytes, count);
		return true;
	}
	uring_send(frontd->uring, conn->fd, tag, bytes, count);
	return false;
}

/* Send what is left of the run, else what stands at the head of the FIFO. */
static void
send_start(struct frontd *frontd, struct conn *conn)
{
	struct sending *sending = conn->sending;
	bool is_first = sending->run_start == sending->run_end, is_ended = false;

	if (is_first)
		sending->run_start = sending->run_end = 0;
	if (conn->tls != NULL) {
		send_fill_sealed(frontd, conn);
		if (sending->run_end == 0) {
			conn_break(frontd, conn); /* TLS cannot say anything any more */
			return;
		}
	} else if (sending->run_end == 0) {
		sending->run_end = send_fill(frontd, conn, sending->run, sending->run_bytes);
		sending->total_bytes += sending->run_end;
	}
	if (sending->run_start != sending->run_end) {
		is_ended = send_rest(frontd, conn, is_first);
	} else {
		uint64_t tag = uring_tag(URING_SEND, conn->generation, conn->index);
		unsigned count = send_gather(frontd, conn);

		assert(count != 0);
		sending->message = (struct msghdr){ .msg_iov = sending->iov, .msg_iovlen = count };
		uring_send_message(frontd->uring, conn->fd, tag, &sending->message);
	}
	sending->is_in_flight = true;
	conn->operations++;
	if (!is_ended)
		deadline_update(frontd, conn);
}

/* Is there something to send that no SEND has taken? */
static bool
send_is_due(const struct conn *conn)
{
	if (conn->sending != NULL)
		return !conn->sending->is_in_flight;
	return conn->first != NULL && conn->first->state == EXCHANGE_READY;
}

void
send_flush(struct frontd *frontd)
{
	while (frontd->conns.dirty != NULL) {
		struct conn *conn = frontd->conns.dirty;

		frontd->conns.dirty = conn->list_next;
		conn->is_dirty = false;
		if (conn->state == CONN_CLOSING || !send_is_due(conn))
			continue;
		if (conn->sending == NULL)
			conn->sending = sending_take(frontd, conn);
		send_start(frontd, conn);
	}
}

/* Takes `count` sent bytes off the FIFO.  True when an answer that ends the connection has left. */
static bool
send_advance(struct frontd *frontd, struct conn *conn, size_t count)
{
	bool closes = false;

	while (conn->first != NULL && conn->first->state == EXCHANGE_SENDING) {
		struct exchange *exchange = conn->first;
		size_t left = exchange->end - exchange->start;

		if (count < left) {
			exchange->start += (uint32_t)count;
			break;
		}
		count -= left;
		closes = closes || exchange->closes;
		conn->first = exchange->next;
		if (conn->first == NULL)
			conn->last = NULL;
		conn->exchange_count--;
		exchange_free(frontd, exchange);
	}
	return closes;
}

void
send_completed(struct frontd *frontd, struct conn *conn, int result)
{
	assert(conn->sending != NULL);

	if (conn->state == CONN_CLOSING)
		return; /* conn_closed() frees it all */
	if (result < 0 && result != -EAGAIN) {
		conn_break(frontd, conn);
		return;
	}
	struct sending *sending = conn->sending;
	sending->is_in_flight = false;
	if (result == -EAGAIN) { /* of a uring_send_now(): the next one waits for room */
		send_start(frontd, conn);
		return;
	}
	stat_add(&frontd->stats->bytes_sent, result);
	sending->progress_ns = frontd->now_ns;
	memory_progress(frontd, conn);
	if (sending->run_start != sending->run_end) {
		assert((uint32_t)result <= sending->run_end - sending->run_start);
		sending->run_start += (uint32_t)result;
	} else if (send_advance(frontd, conn, (size_t)result)) {
		sending->closes = true;
	}
	if (sending->run_start != sending->run_end ||
	    (conn->first != NULL && (conn->first->state == EXCHANGE_SENDING || conn->first->state == EXCHANGE_READY))) {
		sending_widen(frontd, conn);
		send_start(frontd, conn);
		return;
	}
	bool closes = sending->closes;
	sending_give(frontd, conn);
	if (conn->tls != NULL)
		tls_sent(frontd, conn);
	if (closes && conn->state != CONN_FINISHING)
		conn_finish(frontd, conn);
	else
		intake_resume(frontd, conn);
}

uint64_t
send_deadline_ns(const struct frontd *frontd, const struct conn *conn)
{
	if (conn->sending == NULL)
		return 0;
	/* No progress for so long; and even a client that takes a byte now and then must keep a minimal rate. */
	uint64_t stalled_ns = conn->sending->progress_ns + frontd->limits.send_timeout_ns;
	uint64_t slow_ns = conn->sending->since_ns + frontd->limits.send_timeout_ns +
	    conn->sending->total_bytes * NS_PER_S / frontd->limits.body_rate;
	return stalled_ns < slow_ns ? stalled_ns : slow_ns;
}

void
send_end(struct frontd *frontd, struct conn *conn)
{
	while (conn->first != NULL) {
		struct exchange *exchange = conn->first;

		assert(exchange->state == EXCHANGE_SENDING);
		conn->first = exchange->next;
		exchange_free(frontd, exchange);
	}
	conn->last = NULL;
	conn->exchange_count = 0;
	if (conn->sending != NULL)
		sending_give(frontd, conn);
}

static void
pool_free(struct sending_pool *pool)
{
	while (pool->free != NULL) {
		struct sending *sending = pool->free;

		pool->free = sending->next;
		free(sending);
	}
}

void
send_free_all(struct frontd *frontd)
{
	pool_free(&frontd->conns.sendings_small);
	pool_free(&frontd->conns.sendings_large);
}
