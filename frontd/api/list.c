/*
 * Happy path: queue_list_plan() begins at the cursor (or shard 0); each reply's queues are put into the listing's text; while
 * there are fewer than `limit` and shards are left, queue_list_answer() asks the next one (API_ASK_AGAIN, queue_list_refill).
 */
#include "frontd/api/queues.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "frontd/api/pages.h"

#define LISTING_BYTES (16u << 10) /* at first */

/* A list in the making: owned by its memo. */
struct queue_listing {
	uint32_t shard_count;
	uint32_t limit;
	uint32_t count;        /* put so far */
	uint32_t from_idx;     /* where the next request begins in memo->shard */
	struct queue_name prefix;
	struct answer text;    /* its body holds the JSON so far, always on the heap; none before the first reply */
};

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

bool
queue_list_plan(struct api_call *call)
{
	if (!pages_take(call, (uint64_t)call->world->shard_count << 32, &call->page))
		return false;
	call->memo.shard = (uint32_t)(call->page.place >> 32);
	call->frame_bytes = sizeof(struct queue_list_request);
	return true;
}

uint32_t
queue_list_refill(struct api_memo *memo, void *frame)
{
	struct queue_listing *listing = memo->listing;
	struct queue_list_request *request = frame;
	uint32_t missing = listing->limit - listing->count;

	request->caller = memo->caller;
	request->from_idx = listing->from_idx;
	request->limit = missing < QUEUE_LIST_PAGE_MAX ? missing : QUEUE_LIST_PAGE_MAX;
	request->prefix = listing->prefix;
	return sizeof(*request);
}

uint32_t
queue_list_fill(struct api_call *call, void *frame)
{
	struct queue_listing *listing = calloc(1, sizeof(*listing));

	assert(listing != NULL);
	listing->shard_count = call->world->shard_count;
	listing->limit = call->page.limit;
	listing->from_idx = (uint32_t)call->page.place;
	listing->prefix.bytes = (uint8_t)call->page.prefix.len;
	if (call->page.prefix.len != 0)
		memcpy(listing->prefix.text, call->page.prefix.ptr, call->page.prefix.len);
	call->memo.listing = listing;
	return queue_list_refill(&call->memo, frame);
}

static void
head_next(struct answer *answer, const struct api_memo *memo)
{
	const struct queue_listing *listing = memo->listing;
	const struct page page = { .limit = listing->limit, .prefix = { listing->prefix.text, listing->prefix.bytes } };

	pages_put_next(answer, "/v1/queues", &page, (uint64_t)memo->shard << 32 | listing->from_idx);
}

enum api_answered
queue_list_answer(struct api_memo *memo, const struct api_reply *reply, struct answer *answer)
{
	const struct queue_list_reply *page = (const struct queue_list_reply *)reply->frame;
	struct queue_listing *listing = memo->listing;
	bool is_end = false;

	assert(page->count <= QUEUE_LIST_PAGE_MAX);
	if (listing->text.heap == NULL) {
		answer_init_heap(&listing->text, LISTING_BYTES);
		answer_put(&listing->text, "{\"queues\":[");
	}
	for (uint32_t i = 0; i < page->count; i++) {
		if (listing->count++ != 0)
			answer_put(&listing->text, ",");
		queue_put_json(&listing->text, &page->queues[i], reply->world, page->now_ms);
	}
	listing->from_idx = page->next_idx;
	if (page->next_idx == UINT32_MAX) {
		listing->from_idx = 0;
		memo->shard++;
		is_end = memo->shard == listing->shard_count;
	}
	if (!is_end && listing->count < listing->limit)
		return API_ASK_AGAIN;
	answer_put(&listing->text, "]}\n");
	answer_adopt(answer, &listing->text);
	answer_head(answer, 200, ANSWER_JSON);
	if (!is_end)
		head_next(answer, memo);
	answer_end(answer);
	queue_listing_free(listing);
	memo->listing = NULL;
	return API_ANSWERED;
}
