/*
 * Happy path: intake_received() -> take_requests() on the receive buffer itself -> take_request() parses a head, finds its
 * body behind it, serve_request() -> nothing is left, nothing was copied but the body into the ring.
 *
 * Failure modes: half a head: it moves to the store and grows there.  A body that is not whole: begin_body() makes the store
 * as large as the request; the rest is received straight into it (chunked: decoded into it).  No room in the ring, or a password
 * that is being checked: the request waits in the store, as far as it came, and is parsed again.  A refusal that leaves bytes
 * unread ends the connection: we never guess where the next request begins.
 */
#include "frontd/intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/frontd.h"
#include "frontd/memory.h"
#include "frontd/serve.h"

#define STORE_STEP 4096u
#define UNTAKEN_MAX (256u << 10)

/*
 * Its client takes its answers too slowly for another request, or has enough of them under way.  Behind a list nothing is
 * taken before it is made, for what it will hold nobody knows; and while memory is short each has one request at a time, else
 * refusals alone, which are small but many, would fill it.
 */
static bool
is_busy(const struct frontd *frontd, const struct conn *conn)
{
	if (conn->exchange_count == 0)
		return false;
	return conn->poll != NULL || conn->exchange_count >= frontd->limits.pipeline_max ||
	    conn->held_bytes - conn->store_size > UNTAKEN_MAX || conn->last->memo.listing != NULL || memory_is_short(frontd);
}

/* May another request be taken from this connection now?  If not, it is BLOCKED (or at its end). */
static bool
may_take(struct frontd *frontd, struct conn *conn)
{
	if (conn->state != CONN_IDLE && conn->state != CONN_HEAD)
		return false;
	if (!is_busy(frontd, conn))
		return true;
	conn_set_state(frontd, conn, CONN_BLOCKED);
	return false;
}

/* It has waited long enough, or what it waits for is not coming soon. */
static void
refuse_waiting(struct frontd *frontd, struct conn *conn)
{
	const struct submits *submits = &frontd->submits;

	if (submits->wants_directory)
		serve_refuse_outcome(frontd, conn, OUTCOME_RECOVERING, "users and tokens cannot be read: their worker is coming back");
	else if (peers_is_down(frontd, submits->full_shard))
		serve_refuse_outcome(frontd, conn, OUTCOME_RECOVERING, "its worker is coming back, and too much waits for it");
	else
		serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "the ring of requests to the shard is full");
}

/* The request at hand waits (true), or is refused. */
static bool
wait_or_refuse(struct frontd *frontd, struct conn *conn, enum served why)
{
	assert(why == SERVE_NO_ROOM || why == SERVE_WAITS);

	uint32_t shard = frontd->submits.full_shard;

	if (why == SERVE_WAITS || (!frontd->submits.is_late && peers_shard_refusal(frontd, shard) == OUTCOME_OK &&
	    submit_wait(frontd, conn, shard))) {
		conn_set_state(frontd, conn, CONN_WAITING);
		return true;
	}
	refuse_waiting(frontd, conn);
	return false;
}

/* The request at hand is served, or waits.  True: it is dealt with. */
static bool
serve_or_wait(struct frontd *frontd, struct conn *conn, struct http_slice body)
{
	enum served served = serve_request(frontd, conn, body);

	if (served != SERVE_DONE)
		return !wait_or_refuse(frontd, conn, served);
	if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
		conn_set_state(frontd, conn, CONN_IDLE);
	return true;
}

/* The request in frontd->request has a body that is not whole: it goes to the store, with what is there of it. */
static void
begin_body(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	const struct http_request *request = frontd->request;
	size_t head_bytes = request->head_bytes;
	uint64_t wanted = head_bytes + request->content_length;
	bool wants_continue = request->expect_continue && count == head_bytes;
	bool is_in_store = conn->store != NULL && bytes >= conn->store && bytes < conn->store + conn->store_size;
	size_t offset = is_in_store ? (size_t)(bytes - conn->store) : 0;
	uint64_t body_max = frontd->call.body_max;

	serve_abandon(frontd); /* it will be admitted again when it is whole */
	/* Not more than what came: who promises much and sends little must not hold much. */
	uint64_t room = request->is_chunked || wanted > 2 * count + STORE_STEP ? 2 * count + STORE_STEP : wanted;
	if (room < count)
		room = count;
	if (!conn_store_grow(frontd, conn, (uint32_t)(room + offset))) {
		serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "too much memory is taken by bodies");
		return;
	}
	memmove(conn->store, is_in_store ? conn->store + offset : bytes, count);
	conn->store_used = (uint32_t)count;
	conn->head_bytes = (uint32_t)head_bytes;
	conn->body_bytes = (uint32_t)request->content_length;
	if (request->is_chunked) {
		conn->chunk = malloc(sizeof(*conn->chunk));
		assert(conn->chunk != NULL);
		http_chunk_init(conn->chunk, body_max);
	}
	conn_set_state(frontd, conn, CONN_BODY);
	if (wants_continue)
		serve_continue(frontd, conn);
}

/* The head at the start of bytes, to frontd->request: one that came before, or parsed. */
static enum http_result
read_head(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count,
    size_t *scan_from)
{
	frontd->head = heads_find(frontd, conn, bytes, count);
	if (frontd->head != NULL) {
		frontd->request = &frontd->head->request;
		return HTTP_DONE;
	}
	frontd->request = &frontd->parsed;
	return http_parse_head(bytes, count, scan_from, frontd->request);
}

/*
 * One request at the start of bytes.  Returns how many bytes it took; 0: they stay (more must come, or it waits, or the store
 * is building its body: see the connection's state).
 */
static size_t
take_request(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	enum http_result result = read_head(frontd, conn, bytes, count, &conn->scan_from);
	const struct http_request *request = frontd->request;

	if (result == HTTP_NEED_MORE) {
		if (conn->state == CONN_IDLE)
			conn_set_state(frontd, conn, CONN_HEAD);
		return 0;
	}
	conn->scan_from = 0;
	if (http_is_refusal(result)) {
		serve_refuse_http(frontd, conn, result);
		return count;
	}
	bool is_whole = !request->is_chunked && request->content_length <= count - request->head_bytes;
	switch (serve_admit(frontd, conn, bytes)) {
	case SERVE_DONE:
		break;
	case SERVE_REFUSED:
		serve_refuse(frontd, conn, !is_whole);
		return is_whole ? request->head_bytes + (size_t)request->content_length : count;
	case SERVE_NO_ROOM:
		return wait_or_refuse(frontd, conn, SERVE_NO_ROOM) ? 0 : count;
	case SERVE_WAITS:
		return wait_or_refuse(frontd, conn, SERVE_WAITS) ? 0 : count;
	}
	if (!is_whole) {
		begin_body(frontd, conn, bytes, count);
		return 0;
	}
	size_t used = request->head_bytes + (size_t)request->content_length;
	struct http_slice body = { .ptr = bytes + request->head_bytes, .len = (size_t)request->content_length };
	return serve_or_wait(frontd, conn, body) ? used : 0;
}

/* All whole requests in bytes, as far as they may be taken.  Returns how many bytes they were. */
static size_t
take_requests(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	size_t at = 0;

	while (at < count && may_take(frontd, conn)) {
		size_t used = take_request(frontd, conn, bytes + at, count - at);

		if (used == 0)
			break;
		at += used;
	}
	return at;
}

static bool
is_ended(const struct conn *conn)
{
	return conn->state >= CONN_FINISHING;
}

static void take_chunks(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count);

/* begin_body() was just called: the chunks that came with the head are decoded where they are; output never overtakes input. */
static void
take_first_chunks(struct frontd *frontd, struct conn *conn)
{
	size_t count = conn->store_used - conn->head_bytes;

	if (conn->chunk == NULL || count == 0)
		return;
	conn->store_used = conn->head_bytes;
	take_chunks(frontd, conn, conn->store + conn->head_bytes, count);
}

/* Requests out of the store; what is left moves to its front. */
static void
take_stored(struct frontd *frontd, struct conn *conn)
{
	size_t used = take_requests(frontd, conn, conn->store, conn->store_used);

	if (conn->state == CONN_BODY) {
		take_first_chunks(frontd, conn);
		return;
	}
	if (is_ended(conn))
		return; /* conn_finish() freed it */
	memmove(conn->store, conn->store + used, conn->store_used - used);
	conn->store_used -= (uint32_t)used;
	if (conn->store_used == 0)
		conn_store_free(frontd, conn);
}

/* Keep bytes that cannot be served yet behind what is kept already. */
static bool
keep(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	if (conn->store_size - conn->store_used < count &&
	    !conn_store_grow(frontd, conn, (uint32_t)((conn->store_used + count + STORE_STEP - 1) & ~(size_t)(STORE_STEP - 1)))) {
		serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "too much memory is taken by requests");
		return false;
	}
	memcpy(conn->store + conn->store_used, bytes, count);
	conn->store_used += (uint32_t)count;
	return true;
}

/* The store begins with a whole request: head_bytes and body_bytes, the body decoded. */
static void
serve_whole(struct frontd *frontd, struct conn *conn)
{
	size_t scan_from = 0;
	enum http_result result = read_head(frontd, conn, conn->store, conn->head_bytes, &scan_from);
	struct http_slice body = { .ptr = conn->store + conn->head_bytes, .len = conn->body_bytes };

	assert(result == HTTP_DONE);
	conn->is_whole = true;
	enum served served = serve_admit(frontd, conn, conn->store);
	if (served == SERVE_REFUSED)
		serve_refuse(frontd, conn, false);
	else if (served == SERVE_DONE ? !serve_or_wait(frontd, conn, body) : wait_or_refuse(frontd, conn, served))
		return;
	if (is_ended(conn))
		return;
	/* Served: what follows it in the store is the next request. */
	uint32_t used = conn->head_bytes + conn->body_bytes;
	conn->is_whole = false;
	conn_set_state(frontd, conn, CONN_IDLE);
	memmove(conn->store, conn->store + used, conn->store_used - used);
	conn->store_used -= used;
	if (conn->store_used == 0)
		conn_store_free(frontd, conn);
	else
		take_stored(frontd, conn);
}

static void
take_chunks(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	struct http_slice in = { .ptr = bytes, .len = count };

	for (;;) {
		struct http_span out = { .ptr = conn->store + conn->store_used, .len = conn->store_size - conn->store_used };
		const char *begin = out.ptr;
		enum http_result result = http_chunk_decode(conn->chunk, &in, &out);

		conn->store_used += (uint32_t)(out.ptr - begin);
		if (http_is_refusal(result)) {
			serve_refuse_http(frontd, conn, result);
			return;
		}
		if (result == HTTP_DONE)
			break;
		if (in.len == 0)
			return;
		if (!conn_store_grow(frontd, conn, conn->store_size * 2)) {
			serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "too much memory is taken by bodies");
			return;
		}
	}
	conn->body_bytes = conn->store_used - conn->head_bytes;
	free(conn->chunk);
	conn->chunk = NULL;
	if (in.len != 0) {
		/* In the store already, when they came with the head: memmove, and no growth is needed then. */
		if (in.ptr >= conn->store && in.ptr < conn->store + conn->store_size) {
			memmove(conn->store + conn->store_used, in.ptr, in.len);
			conn->store_used += (uint32_t)in.len;
		} else if (!keep(frontd, conn, in.ptr, in.len)) {
			return;
		}
	}
	serve_whole(frontd, conn);
}

void
intake_received(struct frontd *frontd, struct conn *conn, const char *bytes, size_t count)
{
	if (conn->state == CONN_BODY) {
		assert(conn->chunk != NULL);
		take_chunks(frontd, conn, bytes, count);
		return;
	}
	if (conn->store_used != 0) {
		if (keep(frontd, conn, bytes, count) && may_take(frontd, conn))
			take_stored(frontd, conn);
		return;
	}
	size_t used = take_requests(frontd, conn, bytes, count);
	if (conn->state == CONN_BODY)
		take_first_chunks(frontd, conn);
	else if (!is_ended(conn) && used < count)
		(void)keep(frontd, conn, bytes + used, count - used); /* if not, it has been answered */
}

void
intake_received_direct(struct frontd *frontd, struct conn *conn, size_t count)
{
	assert(conn->state == CONN_BODY);
	assert(conn->chunk == NULL);

	uint32_t wanted = conn->head_bytes + conn->body_bytes;

	conn->store_used += (uint32_t)count;
	assert(conn->store_used <= wanted);
	if (conn->store_used == wanted)
		serve_whole(frontd, conn);
	else if (conn->store_used == conn->store_size &&
	    !conn_store_grow(frontd, conn, wanted / 2 < conn->store_size ? wanted : conn->store_size * 2))
		serve_refuse_outcome(frontd, conn, OUTCOME_BUSY, "too much memory is taken by bodies");
}

void
intake_resume(struct frontd *frontd, struct conn *conn)
{
	if (conn->state == CONN_BLOCKED && !is_busy(frontd, conn)) {
		conn_set_state(frontd, conn, CONN_IDLE);
		if (conn->store_used != 0)
			take_stored(frontd, conn);
	} else if (conn->state == CONN_IDLE) {
		conn_set_state(frontd, conn, CONN_IDLE); /* idle since now */
	}
	conn_receive(frontd, conn);
}

void
intake_retry(struct frontd *frontd, struct conn *conn, bool is_late)
{
	assert(conn->state == CONN_WAITING);

	frontd->submits.is_retrying = true;
	frontd->submits.is_late = is_late;
	conn_set_state(frontd, conn, CONN_IDLE);
	if (conn->is_whole)
		serve_whole(frontd, conn);
	else
		take_stored(frontd, conn);
	frontd->submits.is_retrying = false;
	frontd->submits.is_late = false;
	conn_receive(frontd, conn);
}
