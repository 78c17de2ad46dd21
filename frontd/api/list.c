/*
 * Happy path: queue_list_plan() begins at the cursor (or shard 0); each reply's queues are put into
 * the listing's text; while there are fewer than `limit` and shards are left, queue_list_answer()
 * asks the next one (API_ASK_AGAIN, queue_list_refill); then once more, whether there is one behind
 * the last.
 */
#include "frontd/api/list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/pages.h"
#include "frontd/api/queues.h"

#define LISTING_BYTES (16u << 10) /* at first */

void
queue_listing_free(struct queue_listing *listing)
{
	if (listing == NULL)
		return;
	free(listing->text.heap);
	free(listing);
}

size_t
queue_listing_bytes(const struct queue_listing *listing)
{
	return sizeof(*listing) + listing->text.size;
}

struct queue_listing *
queue_listing_new(const struct api_call *call, uint32_t limit, struct http_slice prefix)
{
	struct queue_listing *listing = calloc(1, sizeof(*listing));

	assert(listing != NULL);
	listing->shard_count = call->world->shard_count;
	listing->limit = limit;
	listing->uid = call->memo.caller.uid;
	listing->prefix.bytes = (uint8_t)prefix.len;
	if (prefix.len != 0)
		memcpy(listing->prefix.text, prefix.ptr, prefix.len);
	return listing;
}

uint32_t
queue_list_refill(struct api_memo *memo, void *frame)
{
	struct queue_listing *listing = memo->listing;
	struct queue_list_request *request = frame;
	uint32_t missing = listing->limit - listing->count;

	request->caller = memo->caller;
	request->from_idx = listing->from_idx;
	/* With all that was wanted: is there one more? */
	request->limit = missing == 0       ? 1
	    : missing < QUEUE_LIST_PAGE_MAX ? missing
					    : QUEUE_LIST_PAGE_MAX;
	request->prefix = listing->prefix;
	return sizeof(*request);
}

bool
queue_listing_take(struct api_memo *memo, const struct api_reply *reply, queue_listing_put *put)
{
	const struct queue_list_reply *page = (const struct queue_list_reply *)reply->frame;
	struct queue_listing *listing = memo->listing;

	assert(page->count <= QUEUE_LIST_PAGE_MAX);
	if (listing->count == listing->limit && page->count != 0) {
		listing->has_more = true;
		return true;
	}
	if (listing->text.heap == NULL)
		answer_init_heap(&listing->text, LISTING_BYTES);
	for (uint32_t i = 0; i < page->count; i++) {
		put(listing, &page->queues[i], reply->world, page->now_ms);
		listing->count++;
	}
	listing->from_idx = page->next_idx;
	if (page->next_idx != UINT32_MAX)
		return false;
	listing->from_idx = 0;
	memo->shard++;
	return memo->shard == listing->shard_count;
}

void
queue_listing_end(struct api_memo *memo)
{
	queue_listing_free(memo->listing);
	memo->listing = NULL;
}

/* ---- GET /v1/queues ---- */

#define JSON_BEGIN "{\"queues\":["

bool
queue_list_plan(struct api_call *call)
{
	if (!pages_take(
		call, CURSOR_QUEUES, (uint64_t)call->world->shard_count << 32, &call->page))
		return false;
	call->memo.shard = (uint32_t)(call->page.place >> 32);
	call->frame_bytes = sizeof(struct queue_list_request);
	return true;
}

uint32_t
queue_list_fill(struct api_call *call, void *frame)
{
	call->memo.listing = queue_listing_new(call, call->page.limit, call->page.prefix);
	call->memo.listing->from_idx = (uint32_t)call->page.place;
	return queue_list_refill(&call->memo, frame);
}

static void
put_json(struct queue_listing *listing, const struct queue_entry *queue,
    const struct api_world *world, uint64_t now_ms)
{
	answer_put(&listing->text, listing->count == 0 ? JSON_BEGIN : ",");
	queue_put_json(&listing->text, queue, world, now_ms);
}

static void
head_next(struct answer *answer, const struct api_world *world, const struct api_memo *memo)
{
	const struct queue_listing *listing = memo->listing;
	const struct page page = { .limit = listing->limit, .uid = listing->uid, .list = CURSOR_QUEUES,
		.prefix = { listing->prefix.text, listing->prefix.bytes } };

	pages_put_next(answer, world, "/v1/queues", &page,
	    (uint64_t)memo->shard << 32 | listing->from_idx);
}

enum api_answered
queue_list_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	struct queue_listing *listing = memo->listing;

	if (!queue_listing_take(memo, reply, put_json))
		return API_ASK_AGAIN;
	answer_put(&listing->text, listing->count == 0 ? JSON_BEGIN "]}\n" : "]}\n");
	answer_adopt(answer, &listing->text);
	answer_head(answer, 200, ANSWER_JSON);
	if (listing->has_more)
		head_next(answer, reply->world, memo);
	answer_end(answer);
	queue_listing_end(memo);
	return API_ANSWERED;
}
