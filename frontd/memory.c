#include "frontd/memory.h"

#include <assert.h>
#include <malloc.h>

#include "frontd/frontd.h"
#include "frontd/serve.h"

/*
 * Who has held memory for less time is left alone: an upload over a local network that is not slow on purpose is whole by
 * then.  Long enough that a burst of them is not shed, short enough that nobody can fill the last quarter meanwhile who does
 * not really send that much.
 */
#define SHED_AGE_NS (20 * NS_PER_MS)

#define LITTLE_BYTES (256u << 10)
#define TRIM_BYTES_MIN (4u << 20)

static uint64_t
held_by(const struct conn *conn)
{
	return conn != NULL ? conn->held_bytes : 0;
}

bool
memory_has_room(struct frontd *frontd, const struct conn *conn, uint64_t bytes)
{
	uint64_t max = frontd->limits.body_memory_bytes, own = held_by(conn);
	bool is_little = own + bytes <= LITTLE_BYTES; /* who takes much by small steps does not want little */

	if (!is_little && frontd->memory_used > own)
		max = max / 4 * 3;
	else if (is_little)
		max += max / 8; /* until the stale are ended: a small message is served meanwhile */
	bool has_room = bytes <= max && frontd->memory_used <= max - bytes;
	frontd->holders.is_wanted |= !has_room;
	return has_room;
}

uint64_t
memory_twice(const struct frontd *frontd, uint64_t bytes)
{
	uint64_t most = frontd->limits.body_memory_bytes / 4 * 3;

	return bytes * 2 < most || bytes > most ? bytes * 2 : most;
}

bool
memory_has_room_twice(struct frontd *frontd, const struct conn *conn, uint64_t bytes)
{
	uint64_t max = frontd->limits.body_memory_bytes, own = held_by(conn), twice = memory_twice(frontd, bytes);

	if (own + bytes <= LITTLE_BYTES || frontd->memory_used <= own)
		return memory_has_room(frontd, conn, bytes);
	bool has_room = twice <= max && frontd->memory_used <= max - twice;
	frontd->holders.is_wanted |= !has_room;
	return has_room;
}

bool
memory_is_short(const struct frontd *frontd)
{
	return frontd->memory_used > frontd->limits.body_memory_bytes / 2;
}

bool
memory_refuses(struct frontd *frontd)
{
	bool is_short = memory_is_short(frontd);

	frontd->holders.is_wanted |= is_short;
	return is_short;
}

static void
holders_link(struct frontd *frontd, struct conn *conn)
{
	struct holders *holders = &frontd->holders;

	conn->holder_next = NULL;
	conn->holder_prev = holders->last;
	if (holders->last != NULL)
		holders->last->holder_next = conn;
	else
		holders->first = conn;
	holders->last = conn;
	conn->held_since_ns = frontd->now_ns;
}

static void
holders_unlink(struct frontd *frontd, struct conn *conn)
{
	struct holders *holders = &frontd->holders;

	if (conn->holder_prev != NULL)
		conn->holder_prev->holder_next = conn->holder_next;
	else
		holders->first = conn->holder_next;
	if (conn->holder_next != NULL)
		conn->holder_next->holder_prev = conn->holder_prev;
	else
		holders->last = conn->holder_prev;
}

void
memory_hold(struct frontd *frontd, struct conn *conn, uint64_t bytes)
{
	frontd->memory_used += bytes;
	if (frontd->memory_used > frontd->memory_peak)
		frontd->memory_peak = frontd->memory_used;
	if (conn == NULL)
		return;
	if (conn->held_bytes == 0 && bytes != 0)
		holders_link(frontd, conn);
	conn->held_bytes += bytes;
}

void
memory_disown(struct frontd *frontd, struct conn *conn, uint64_t bytes)
{
	if (conn == NULL || bytes == 0)
		return;
	assert(conn->held_bytes >= bytes);
	conn->held_bytes -= bytes;
	if (conn->held_bytes == 0)
		holders_unlink(frontd, conn);
}

void
memory_release(struct frontd *frontd, struct conn *conn, uint64_t bytes)
{
	assert(frontd->memory_used >= bytes);
	frontd->memory_used -= bytes;
	memory_disown(frontd, conn, bytes);
}

void
memory_progress(struct frontd *frontd, struct conn *conn)
{
	if (conn->held_bytes == 0)
		return;
	holders_unlink(frontd, conn);
	holders_link(frontd, conn);
}

/* End what makes this connection hold memory.  False: it is not its fault, or it is ending already. */
static bool
holder_end(struct frontd *frontd, struct conn *conn)
{
	if (conn->state == CONN_CLOSING || conn->state == CONN_WAITING)
		return false;
	if (conn->sending != NULL)
		conn_break(frontd, conn); /* it takes nothing, so there is nothing it could be told */
	else if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
		serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "too much memory is taken, and this request came too slowly");
	else if (conn->state == CONN_BLOCKED && conn->store_used != 0)
		conn_finish(frontd, conn); /* what it has asked is answered, what it sent ahead is not looked at */
	else if (conn->tls != NULL && tls_is_stale(conn))
		conn_break(frontd, conn); /* half a handshake or half a record, and no more of it comes */
	else
		return false;
	stat_add(&frontd->stats->connections_shed, 1);
	return true;
}

void
memory_shed(struct frontd *frontd)
{
	uint64_t max = frontd->limits.body_memory_bytes, wanted = max / 2;
	uint64_t coming = 0; /* what was ended may come back only with a completion */
	struct conn *conn, *next;

	bool is_alone = frontd->holders.first == frontd->holders.last;
	if (!frontd->holders.is_wanted && (is_alone || frontd->memory_used <= max / 4 * 3))
		return;
	for (conn = frontd->holders.first; conn != NULL && frontd->memory_used > wanted + coming; conn = next) {
		uint64_t used = frontd->memory_used, held = conn->held_bytes;

		next = conn->holder_next;
		if (conn->held_since_ns + SHED_AGE_NS > frontd->now_ns)
			return; /* still wanted, when they are older */
		if (holder_end(frontd, conn) && frontd->memory_used + held > used)
			coming += frontd->memory_used + held - used;
	}
	frontd->holders.is_wanted = false;
}

/*
 * The C library keeps what is freed between blocks that stay.  After clients who held much have gone that would be several
 * times the budget, for ever; so it is told, but not while the same memory is taken and given back all the time.
 */
void
memory_trim(struct frontd *frontd)
{
	if (frontd->memory_peak < TRIM_BYTES_MIN || frontd->memory_used > frontd->memory_peak / 4)
		return;
	frontd->memory_peak = frontd->memory_used;
	exchanges_trim(frontd);
	(void)malloc_trim(0); /* whether there was something does not matter */
}
