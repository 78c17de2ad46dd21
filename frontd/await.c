#include "frontd/await.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/queues.h"
#include "frontd/api/receive.h"
#include "frontd/people/attempt.h"
#include "frontd/audit.h"
#include "frontd/frontd.h"
#include "frontd/memory.h"
#include "frontd/send.h"
#include "shm/atomic.h"
#include "shm/diag.h"

#define REPLIES_MAX 256u /* of one worker in a turn */

static uint64_t
durable_lsn(const struct frontd *frontd, uint32_t shard)
{
	/* Everything below is on stable storage.  Pairs with persistd's store_release after the write completed. */
	return load_acquire(&frontd->durable.shared->shard[shard].lsn);
}

static void
count_latency(struct frontd *frontd, const struct exchange *exchange)
{
	uint64_t took_ns = frontd->now_ns - exchange->since_ns;
	const struct reply *kept = (const struct reply *)exchange->reply;

	if (exchange->has_reply ? kept->header.op >= OUTCOME_BAD_REQUEST : exchange->status >= 300)
		return;
	if (exchange->memo.route->op == OP_PUBLISH)
		histogram_add(&frontd->stats->publish_to_durable, took_ns);
	else if (exchange->memo.route->op == OP_RECEIVE && exchange->memo.wait_ms == 0)
		histogram_add(&frontd->stats->receive_latency, took_ns);
}

void
await_ready(struct frontd *frontd, struct exchange *exchange)
{
	if (exchange->audit != AUDIT_NONE && audit_answered(frontd, exchange))
		return;
	if (exchange->conn == NULL) { /* nobody waits for it any more */
		exchange_free(frontd, exchange);
		return;
	}
	exchange->state = EXCHANGE_READY;
	send_mark(frontd, exchange->conn);
}

/* Replies of one worker come in the order of their LSNs, so the place is nearly always the end. */
static void
await_hold(struct frontd *frontd, struct exchange *exchange, uint64_t lsn)
{
	struct shard_link *link = &frontd->submits.links[exchange->memo.shard];

	exchange->lsn = lsn;
	exchange->state = EXCHANGE_HELD;
	frontd->submits.held_count++;
	if (link->held == NULL || lsn >= link->held_last->lsn) {
		exchange->shard_next = NULL;
		if (link->held == NULL)
			link->held = exchange;
		else
			link->held_last->shard_next = exchange;
		link->held_last = exchange;
		return;
	}
	struct exchange **at = &link->held;
	while ((*at)->lsn <= lsn)
		at = &(*at)->shard_next;
	exchange->shard_next = *at;
	*at = exchange;
}

void
await_durable(struct frontd *frontd)
{
	if (frontd->submits.held_count == 0)
		return;
	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		struct shard_link *link = &frontd->submits.links[w];

		if (link->held == NULL)
			continue;
		uint64_t lsn = durable_lsn(frontd, w);
		while (link->held != NULL && link->held->lsn <= lsn) {
			struct exchange *exchange = link->held;

			link->held = exchange->shard_next;
			frontd->submits.held_count--;
			count_latency(frontd, exchange);
			await_ready(frontd, exchange);
		}
	}
}

/* While stopping, the last answer of a connection says that it is the last. */
static void
close_if_draining(struct frontd *frontd, struct exchange *exchange)
{
	struct conn *conn = exchange->conn;

	if (!frontd->is_draining || conn == NULL || conn->last != exchange || conn->store_used != 0)
		return;
	exchange->closes = true;
	conn_finish(frontd, conn);
}

/* The answer of a reply; false: it takes another frame to answer. */
static bool
make_answer(struct frontd *frontd, struct exchange *exchange, const struct api_reply *reply)
{
	struct answer answer;

	exchange_answer_begin(frontd, exchange, &answer);
	if (exchange->memo.listing != NULL && memory_refuses(frontd)) {
		answer_outcome(&answer, OUTCOME_BUSY, "too much memory is taken");
	} else if (reply->frame->header.op >= OUTCOME_BAD_REQUEST) {
		api_answer_refusal(&exchange->memo, reply->frame->header.op, &answer);
	} else if (exchange->memo.route->answer(&exchange->memo, reply, &answer) == API_ASK_AGAIN) {
		exchange->bytes = answer.room; /* lent again next time */
		exchange->start = exchange->end = 0;
		exchange_drop_answer(frontd, exchange);
		exchange_hold(frontd, exchange, queue_listing_bytes(exchange->memo.listing));
		return false;
	}
	exchange_answer_end(frontd, exchange, &answer);
	return true;
}

void
await_make(struct frontd *frontd, struct exchange *exchange)
{
	if (!exchange->has_reply)
		return;
	bool is_made = make_answer(frontd, exchange, &(struct api_reply){ .world = &frontd->world,
	    .frame = (const struct reply *)exchange->reply });
	assert(is_made); /* what waits for the disk is one frame's answer */
	exchange->has_reply = false;
}

void
await_answer(struct frontd *frontd, struct exchange *exchange, const struct api_reply *reply)
{
	uint32_t shard = exchange->memo.shard; /* a list's answer moves it on */
	uint64_t lsn = reply->frame->lsn;
	bool is_held = lsn != 0 && lsn > durable_lsn(frontd, shard);

	close_if_draining(frontd, exchange);
	if (lsn != 0 && reply->frame->header.bytes <= sizeof(exchange->reply)) {
		memcpy(exchange->reply, reply->frame, reply->frame->header.bytes);
		exchange->has_reply = true;
	} else if (!make_answer(frontd, exchange, reply)) {
		exchange->state = EXCHANGE_AGAIN;
		submit_again(frontd, exchange);
		return;
	}
	if (is_held) {
		await_hold(frontd, exchange, lsn);
		return;
	}
	count_latency(frontd, exchange);
	await_ready(frontd, exchange);
}

void
await_give_back(struct frontd *frontd, struct exchange *exchange, const struct receive_reply *reply, enum outcome outcome)
{
	struct receipt receipts[RECEIVE_BATCH_MAX];
	struct exchange *release = exchange_new(frontd);

	for (uint32_t i = 0; i < reply->count; i++)
		receipts[i] = (struct receipt){
			.token = reply->deliveries[i].token,
			.msg_idx = reply->deliveries[i].msg_idx,
		};
	release->memo = exchange->memo;
	submit_release(frontd, release, receipts, reply->count);
	if (exchange->conn == NULL) {
		if (exchange->state == EXCHANGE_ASKED || exchange->state == EXCHANGE_FETCHING)
			exchange_free(frontd, exchange);
		return; /* a cancelled one stays in its list */
	}
	struct answer answer;
	exchange_answer_begin(frontd, exchange, &answer);
	answer_outcome(&answer, outcome, NULL);
	exchange_answer_end(frontd, exchange, &answer);
	await_ready(frontd, exchange);
}

/* Its client has gone; is its answer made all the same, for the audit log? */
static bool
is_written_down(const struct frontd *frontd, const struct exchange *exchange, const struct reply *reply)
{
	return exchange->audit != AUDIT_NONE || (frontd->audit.is_on && reply->header.op == OUTCOME_FORBIDDEN);
}

static void
await_reply(struct frontd *frontd, const struct reply *reply)
{
	struct exchange *exchange = exchange_find(frontd, reply->header.id);

	if (exchange == NULL) {
		diag(DIAG_DEBUG, "a reply to nobody: id %llx", (unsigned long long)reply->header.id);
		return;
	}
	frontd->submits.changes_asked -= exchange->is_change;
	exchange->is_change = false;
	bool is_leased = exchange->memo.route->op == OP_RECEIVE && reply->header.op == OUTCOME_OK;

	if (exchange->conn != NULL && exchange->conn->poll == exchange)
		exchange->conn->poll = NULL;
	if (exchange->conn == NULL && is_leased)
		await_give_back(frontd, exchange, (const struct receive_reply *)reply, OUTCOME_OK);
	else if (exchange->conn == NULL && exchange->state == EXCHANGE_ASKED && !is_written_down(frontd, exchange, reply))
		exchange_free(frontd, exchange);
	else if (exchange->conn == NULL && exchange->state != EXCHANGE_ASKED)
		return; /* cancelled, and the other side was quicker: it ends with its cancel */
	else if (is_leased)
		fetch_begin(frontd, exchange, (const struct receive_reply *)reply);
	else
		await_answer(frontd, exchange, &(struct api_reply){ .world = &frontd->world, .frame = reply });
}

bool
await_replies(struct frontd *frontd)
{
	bool had_any = false;

	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		struct shard_link *link = &frontd->submits.links[w];
		enum ring_peek peek = RING_EMPTY;
		struct frame_header header;
		const void *frame;
		uint32_t count = 0;

		while (count < REPLIES_MAX &&
		    (peek = ring_peek(&link->reply, REPLY_BYTES_MAX, &header, &frame)) == RING_FRAME) {
			assert(header.bytes >= sizeof(struct reply));
			await_reply(frontd, frame);
			ring_skip(&link->reply, header.bytes);
			count++;
		}
		assert(peek != RING_LIES); /* workers are trusted */
		if (count == 0)
			continue;
		/* A worker that found no room for a reply sleeps until we made some. */
		if (link->reply.tail - link->reply.shared->head > link->reply.size_bytes / 2)
			link->is_touched = true;
		ring_drop(&link->reply);
		had_any = true;
	}
	return had_any;
}

bool
await_has_work(struct frontd *frontd)
{
	for (uint32_t w = 0; w < frontd->shard_count; w++) {
		struct shard_link *link = &frontd->submits.links[w];
		struct frame_header header;
		const void *frame;

		if (ring_peek(&link->reply, REPLY_BYTES_MAX, &header, &frame) != RING_EMPTY)
			return true;
		if (link->held != NULL && link->held->lsn <= durable_lsn(frontd, w))
			return true;
	}
	return fetch_has_replies(frontd) || attempt_has_results(frontd);
}
