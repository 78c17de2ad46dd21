#include "persistd/gather.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"

/* Bytes of a shard that are whole and not in a batch yet. */
static uint64_t
news_of(const struct gather *gather, uint32_t shard, const struct journal_position *position)
{
	/* The records below tail are whole.  Pairs with the worker's store_release of tail. */
	uint64_t tail = load_acquire(&gather->streams[shard].shared->tail);

	/* Behind us: the worker of a cold shard has not got its END yet. */
	return tail > position->lsn[shard] ? tail - position->lsn[shard] : 0;
}

bool
gather_has_news(const struct gather *gather, const struct journal_position *position)
{
	for (uint32_t s = 0; s < gather->shards; s++) {
		if (news_of(gather, s, position) > 0)
			return true;
	}
	return false;
}

bool
gather_is_wanted(const struct gather *gather, const struct journal_position *position)
{
	for (uint32_t s = 0; s < gather->shards; s++) {
		/* After news_of(): what is wanted was written before the tail that it saw. */
		if (news_of(gather, s, position) > 0 && load_relaxed(&gather->streams[s].shared->wanted) > position->lsn[s])
			return true;
	}
	return false;
}

bool
gather_has_bytes(const struct gather *gather, const struct journal_position *position, uint64_t bytes)
{
	uint64_t news = 0;

	for (uint32_t s = 0; s < gather->shards; s++)
		news += news_of(gather, s, position);
	return news >= bytes;
}

static _Noreturn void
die_of_nonsense(uint32_t shard, uint64_t lsn, const char *what)
{
	diag(DIAG_ERROR, "the stream of shard %" PRIu32 " after LSN %" PRIu64 " holds no records (%s): a bug of the worker; "
	    "nothing of it was written", shard, lsn, what);
	abort();
}

/*
 * Copy at most `room` bytes of a shard behind what the batch holds, then look at the private copy: it is what the checksum
 * is of.  Returns how many are whole transactions; 0 where the first one is larger than room.
 */
static uint32_t
copy_transactions(const struct gather *gather, struct batch *batch, uint32_t shard, uint64_t lsn, uint64_t room, bool is_first_only)
{
	const struct stream *stream = &gather->streams[shard];
	bool is_sound;

	memcpy(batch_end(batch), stream_at(stream, lsn), room);
	uint64_t whole = batch_transactions(batch_end(batch), room, lsn, is_first_only, &is_sound);
	if (!is_sound)
		die_of_nonsense(shard, lsn + whole, "a header is impossible");
	return (uint32_t)whole;
}

/* True if all that is new was taken. */
static bool
take_shard(struct gather *gather, struct batch *batch, uint32_t shard, const struct journal_position *position)
{
	uint64_t news = news_of(gather, shard, position), lsn = position->lsn[shard];
	uint32_t used = batch->header->payload_bytes;
	uint64_t room = used < gather->batch_bytes ? gather->batch_bytes - used : 0;
	uint32_t whole = 0;

	if (news == 0)
		return true;
	if (news > gather->streams[shard].size_bytes)
		die_of_nonsense(shard, lsn, "it was overwritten before it was durable");
	if (room > batch_room(batch))
		room = batch_room(batch);
	if (room > 0)
		whole = copy_transactions(gather, batch, shard, lsn, news < room ? news : room, false);
	if (whole == 0 && batch_is_empty(batch)) {
		/* One transaction larger than batch_bytes goes alone. */
		room = news < TXN_RECORD_BYTES_MAX ? news : TXN_RECORD_BYTES_MAX;
		whole = copy_transactions(gather, batch, shard, lsn, room, true);
		if (whole == 0)
			die_of_nonsense(shard, lsn, "a transaction has no end");
	}
	if (whole > 0)
		batch_add(batch, shard, lsn, whole);
	return whole == news;
}

bool
gather_fill(struct gather *gather, struct batch *batch, const struct journal_position *position)
{
	uint32_t first = gather->first;

	assert(batch_is_empty(batch));
	for (uint32_t i = 0; i < gather->shards; i++) {
		uint32_t shard = (first + i) % gather->shards;

		if (!take_shard(gather, batch, shard, position) && gather->first == first)
			gather->first = (shard + (i == 0)) % gather->shards;
	}
	return !batch_is_empty(batch);
}
