/*
 * list: queues collected over all shards, for a list of them or for their figures.  It goes from shard to shard and asks each
 * for one page after the other, until it has `limit` or there are no more:
 *
 *   fill:    memo.listing = queue_listing_new(...), queue_list_refill()
 *   answer:  queue_listing_take(memo, reply, put); false: API_ASK_AGAIN, and refill again
 *            ... listing->text holds what `put` put; listing->has_more ...
 *            queue_listing_end(memo)
 *
 * Whether there are more is asked and not guessed from the shard's table: that there is something behind which others alone may
 * see is not for this one to know.
 */
#ifndef FRONTD_API_LIST_H
#define FRONTD_API_LIST_H

#include "frontd/api/call.h"

/* A list in the making: owned by its memo. */
struct queue_listing {
	uint32_t shard_count;
	uint32_t limit;
	uint32_t count; /* put so far */
	uint32_t from_idx; /* where the next request begins, in memo->shard */
	bool has_more; /* when it is done: the next one is at from_idx or behind it */
	uint64_t uid; /* who asks */
	struct queue_name prefix;
	struct answer text; /* its body holds what was put, always on the heap; none before the first reply */
};

/* One queue, as seen at now_ms; put behind those before. */
typedef void queue_listing_put(struct queue_listing *listing, const struct queue_entry *queue,
    const struct api_world *world, uint64_t now_ms);

struct queue_listing *
queue_listing_new(const struct api_call *call, uint32_t limit, struct http_slice prefix);
uint32_t queue_list_refill(struct api_memo *memo, void *frame);

/* True: it is done. */
bool
queue_listing_take(struct api_memo *memo, const struct api_reply *reply, queue_listing_put *put);
void queue_listing_end(struct api_memo *memo);

#endif
