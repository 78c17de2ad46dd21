#include "frontd/submit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/receive.h"
#include "frontd/frontd.h"
#include "frontd/intake.h"

#define CANCELLED_KEEP_NS NS_PER_S

void
submit_init(struct frontd *frontd)
{
	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		struct shard_link *link = &frontd->submits.links[w];
		struct front_pair *pair = &frontd->front.shared->worker[w];

		ring_init(&link->request, &pair->request, frontd->front.request_bytes[w], frontd->front.geometry.request_bytes);
		ring_init(&link->reply, &pair->reply, frontd->front.reply_bytes[w], frontd->front.geometry.reply_bytes);
		link->waiting_end = &link->waiting;
		link->again_end = &link->again;
		link->cancelled_end = &link->cancelled;
	}
}

void *
submit_reserve(struct frontd *frontd, uint32_t shard, uint32_t bytes)
{
	assert(shard < frontd->shard_count);

	return ring_reserve(&frontd->submits.links[shard].request, FRAME_ALIGN(bytes));
}

void
submit_push(struct frontd *frontd, uint32_t shard, void *frame, uint32_t bytes, uint16_t op, uint64_t id)
{
	struct shard_link *link = &frontd->submits.links[shard];

	*(struct frame_header *)frame = (struct frame_header){ .bytes = FRAME_ALIGN(bytes), .op = op, .id = id };
	ring_push(&link->request, FRAME_ALIGN(bytes));
	link->is_touched = true;
}

/* ---- connections that wait for room ---- */

bool
submit_wait(struct frontd *frontd, struct conn *conn, uint32_t shard)
{
	struct shard_link *link = &frontd->submits.links[shard];
	bool is_down = peers_is_down(frontd, shard);

	/* While a worker is away every client may wait: none of them sees an error, only a pause. */
	if (link->waiting_count >= SUBMIT_WAITING_MAX && !is_down)
		return false;
	conn->waiting_next = NULL;
	conn->waiting_shard = shard;
	conn->wait_until_ns = frontd->now_ns + (is_down ? SUBMIT_WAIT_DOWN_NS : SUBMIT_WAIT_NS);
	*link->waiting_end = conn;
	link->waiting_end = &conn->waiting_next;
	link->waiting_count++;
	frontd->submits.waiting_count++;
	return true;
}

/* Unlinks the connection *at points to. */
static void
waiting_unlink(struct frontd *frontd, struct shard_link *link, struct conn **at)
{
	struct conn *conn = *at;

	*at = conn->waiting_next;
	if (link->waiting_end == &conn->waiting_next)
		link->waiting_end = at;
	conn->waiting_next = NULL;
	link->waiting_count--;
	frontd->submits.waiting_count--;
}

void
submit_unwait(struct frontd *frontd, struct conn *conn)
{
	struct shard_link *link = &frontd->submits.links[conn->waiting_shard];

	for (struct conn **at = &link->waiting; *at != NULL; at = &(*at)->waiting_next) {
		if (*at != conn)
			continue;
		waiting_unlink(frontd, link, at);
		return;
	}
}

/* First come, first served; who has waited too long is answered busy by intake_retry(). */
static void
submit_retry_waiting(struct frontd *frontd, struct shard_link *link)
{
	/* Each is tried at most once: one that still finds no room is put back behind the others. */
	for (uint32_t left = link->waiting_count; left > 0 && link->waiting != NULL; left--) {
		struct conn *conn = link->waiting;
		uint64_t until_ns = conn->wait_until_ns;
		bool is_late = frontd->now_ns >= until_ns;

		if (!is_late && ring_room(&link->request, conn->store_used) < (uint64_t)conn->store_used + 4096)
			return;
		waiting_unlink(frontd, link, &link->waiting);
		intake_retry(frontd, conn, is_late);
		if (conn->state == CONN_WAITING)
			conn->wait_until_ns = until_ns;
	}
}

/* ---- frames of our own ---- */

static bool
again_fill(struct frontd *frontd, struct exchange *exchange)
{
	uint32_t shard = exchange->memo.shard;
	void *frame;

	switch (exchange->state) {
	case EXCHANGE_AGAIN:
		frame = submit_reserve(frontd, shard, REPLY_BYTES_MAX);
		if (frame == NULL)
			return false;
		submit_push(frontd, shard, frame, exchange->memo.route->refill(&exchange->memo, frame), exchange->memo.route->op,
		    exchange_id(exchange));
		exchange->state = EXCHANGE_ASKED;
		return true;
	case EXCHANGE_CANCELLING:
		frame = submit_reserve(frontd, shard, sizeof(struct receive_cancel_request));
		if (frame == NULL)
			return false;
		((struct receive_cancel_request *)frame)->waiter_slot = exchange->waiter_slot;
		((struct receive_cancel_request *)frame)->reserved = 0;
		submit_push(frontd, shard, frame, sizeof(struct receive_cancel_request), OP_RECEIVE_CANCEL, exchange_id(exchange));
		exchange->ring_position = frontd->submits.links[shard].request.tail;
		exchange->state = EXCHANGE_CANCELLED;
		return true;
	default:
		assert(exchange->state == EXCHANGE_RELEASING);
		frame = submit_reserve(frontd, shard,
		    receive_fill_release(&exchange->memo, exchange->receipts, exchange->receipt_count, NULL));
		if (frame == NULL)
			return false;
		submit_push(frontd, shard, frame,
		    receive_fill_release(&exchange->memo, exchange->receipts, exchange->receipt_count, frame), OP_NACK, 0);
		exchange_free(frontd, exchange);
		return true;
	}
}

/* Sends it if there is room.  What it is afterwards has its own list. */
static bool
again_send(struct frontd *frontd, struct shard_link *link, struct exchange *exchange)
{
	bool is_cancel = exchange->state == EXCHANGE_CANCELLING;

	if (!again_fill(frontd, exchange))
		return false;
	if (is_cancel) {
		exchange->shard_next = NULL;
		*link->cancelled_end = exchange;
		link->cancelled_end = &exchange->shard_next;
	}
	return true;
}

void
submit_again(struct frontd *frontd, struct exchange *exchange)
{
	struct shard_link *link = &frontd->submits.links[exchange->memo.shard];

	exchange->shard_next = NULL;
	if (link->again == NULL && again_send(frontd, link, exchange))
		return;
	*link->again_end = exchange;
	link->again_end = &exchange->shard_next;
	frontd->submits.again_count++;
}

static void
submit_retry_again(struct frontd *frontd, struct shard_link *link)
{
	while (link->again != NULL) {
		struct exchange *exchange = link->again, *next = exchange->shard_next;

		/* A list whose client has gone needs no more pages. */
		bool is_dead = exchange->state == EXCHANGE_AGAIN && exchange->conn == NULL;
		if (is_dead)
			exchange_free(frontd, exchange);
		else if (!again_send(frontd, link, exchange))
			return;
		link->again = next;
		if (next == NULL)
			link->again_end = &link->again;
		frontd->submits.again_count--;
	}
}

void
submit_release(struct frontd *frontd, struct exchange *exchange, const struct receipt *receipts, uint32_t count)
{
	assert(exchange->conn == NULL);
	assert(count >= 1 && count <= RECEIVE_BATCH_MAX);

	exchange->receipts = malloc(count * sizeof(*receipts));
	assert(exchange->receipts != NULL);
	memcpy(exchange->receipts, receipts, count * sizeof(*receipts));
	exchange->receipt_count = (uint16_t)count;
	exchange->state = EXCHANGE_RELEASING;
	submit_again(frontd, exchange);
}

/*
 * Once the worker has consumed a cancel no reply of that exchange is written any more.  One written before may still have to
 * be taken: its worker may be stopped or killed between showing the one and the other.  So each is kept for a second more.
 */
static void
submit_forget_cancelled(struct frontd *frontd, struct shard_link *link)
{
	if (frontd->now_ns < link->consumed_ns + CANCELLED_KEEP_NS)
		return;
	while (link->cancelled != NULL && link->cancelled->ring_position <= link->consumed_position) {
		struct exchange *exchange = link->cancelled;

		link->cancelled = exchange->shard_next;
		if (link->cancelled == NULL)
			link->cancelled_end = &link->cancelled;
		exchange_free(frontd, exchange);
	}
	(void)ring_room(&link->request, link->request.size_bytes); /* reads the consumer's head */
	link->consumed_position = link->request.head;
	link->consumed_ns = frontd->now_ns;
}

void
submit_retry(struct frontd *frontd)
{
	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		struct shard_link *link = &frontd->submits.links[w];

		if (link->again != NULL)
			submit_retry_again(frontd, link);
		if (link->waiting != NULL)
			submit_retry_waiting(frontd, link);
		if (link->cancelled != NULL)
			submit_forget_cancelled(frontd, link);
	}
}

static void
submit_wake(struct frontd *frontd, uint32_t slot)
{
	struct waker *waker = &frontd->role->waker[slot];

	if (waker->word != NULL && park_wake(waker))
		stat_add(&frontd->stats->front_wakes, 1);
}

void
submit_post(struct frontd *frontd)
{
	uint32_t touched = 0;

	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		if (!frontd->submits.links[w].is_touched)
			continue;
		ring_post(&frontd->submits.links[w].request);
		frontd->submits.links[w].is_touched = false;
		touched |= 1u << w;
	}
	bool fetch_touched = fetch_post(frontd);
	if (touched == 0 && !fetch_touched)
		return;
	park_fence();
	for (uint32_t w = 0; w < frontd->shard_count; w++)
		if (touched & 1u << w)
			submit_wake(frontd, SLOT_WORKER(w));
	if (fetch_touched)
		submit_wake(frontd, SLOT_PERSIST);
}
