/*
 * cleaner: see cleaner.h.
 *
 * Happy path: plan_step() -> list_step() ... -> read_begin() -> read_step() -> cleaner_fill() ->
 * landed() -> read_begin() ...
 * Failure modes: a record is damaged or cannot be read, images are missing (block); no room but the
 * reserve (cleaner_is_due() says no until there is); the process dies (the successor plans anew,
 * and finds what was copied in the index of copies).
 */
#include "persistd/cleaner.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "persistd/disk.h"
#include "shm/atomic.h"
#include "shm/diag.h"
#include "shm/hash.h"
#include "shm/record.h"

#define PLAN_NS 100000000ull        /* so often it is looked whether there is something to clean */
#define FREE_SEGMENTS 4             /* what is not needed of so many segments is left alone */
#define CREDIT_BYTES_MAX (1u << 20)
#define ELAPSED_NS_MAX 1000000000ull
#define SLICE_RECORDS 512u
#define READ_RECORDS 128u           /* taken out of windows in a step */

_Static_assert(CLEANER_SLICE_BYTES <= FETCH_BYTES_MAX, "a slice fits where one record does");
_Static_assert(FETCH_BYTES_MAX + BATCH_HEADER_BYTES_MAX <= BATCH_BYTES_MAX, "and into a batch");

int
cleaner_open(struct cleaner *cleaner, struct backend *backend, const struct journal *journal,
    struct snapshots *snapshots, struct stats_shared *stats)
{
	*cleaner = (struct cleaner){ .backend = backend, .journal = journal, .snapshots = snapshots,
		.stats = stats, .segment_bytes = backend->segment_bytes };
	cleaner->slice = disk_memory(FETCH_BYTES_MAX);
	if (cleaner->slice != NULL && survivors_init(&cleaner->survivors, SURVIVORS_MAX) == 0)
		return 0;
	diag_errno("no memory to clean the journal");
	return -1;
}

void
cleaner_close(struct cleaner *cleaner)
{
	if (cleaner->state == CLEANER_LISTING)
		listing_end(&cleaner->listing);
	if (cleaner->survivors.records != NULL)
		survivors_free(&cleaner->survivors);
	disk_memory_free(cleaner->slice, FETCH_BYTES_MAX);
	*cleaner = (struct cleaner){ 0 };
}

/* Not until there are other snapshots than those listed: what is in the way may be gone then. */
static void
block(struct cleaner *cleaner)
{
	cleaner->state = CLEANER_BLOCKED;
}

/* --- what is to be cleaned --- */

/* What others need of the room that is prepared. */
static uint64_t
reserve_bytes(const struct cleaner *cleaner)
{
	return cleaner->segment_bytes / 2;
}

static bool
has_room(const struct cleaner *cleaner, uint64_t bytes)
{
	uint64_t room = cleaner->backend->ops->room_bytes(cleaner->backend);

	return room >= bytes + reserve_bytes(cleaner);
}

/* The end of the oldest segments that have to be cleaned; `first` if there are none. */
static uint64_t
plan(const struct cleaner *cleaner, uint64_t first)
{
	const struct snapshots *snapshots = cleaner->snapshots;
	struct backend *backend = cleaner->backend;
	uint64_t begun = snapshots_begun_segment(snapshots, false), end = first;
	uint64_t bytes = 0, live = 0;

	for (uint64_t number = first; number < begun; number++) {
		bytes += backend->ops->file_bytes(backend, number);
		live += snapshots_live(snapshots, number, false).bytes;
	}
	while (end < begun && bytes > 2 * live + FREE_SEGMENTS * cleaner->segment_bytes) {
		bytes -= backend->ops->file_bytes(backend, end);
		live -= snapshots_live(snapshots, end, false).bytes;
		end++;
	}
	if (end == first || !backend->ops->is_full(backend))
		return end;
	/*
	 * On a full disk one at a time, and only if what has to be copied fits: with padding, and with
	 * the end of a segment that a batch does not fit into.
	 */
	live = snapshots_live(snapshots, first, false).bytes;
	bytes = live + live / 8 + FETCH_BYTES_MAX;
	return has_room(cleaner, bytes) ? first + 1 : first;
}

/* IDLE: is there something to do? */
static bool
plan_step(struct cleaner *cleaner, uint64_t now_ns)
{
	uint64_t first, end;

	if (now_ns - cleaner->planned_ns < PLAN_NS)
		return false;
	cleaner->planned_ns = now_ns;
	first = snapshots_floor(cleaner->snapshots, false);
	if (first == 0 || (end = plan(cleaner, first)) == first)
		return false;
	survivors_begin(&cleaner->survivors, end);
	if (listing_begin(&cleaner->listing, cleaner->backend, cleaner->snapshots,
	    &cleaner->survivors, cleaner->journal->durable.index) != 0)
		return false; /* said; the next plan tries again */
	cleaner->next_segment = first;
	cleaner->listed_count = cleaner->snapshots->completed;
	cleaner->state = CLEANER_LISTING;
	return true;
}

static void
list_step(struct cleaner *cleaner)
{
	enum listing_step step = listing_step(&cleaner->listing);

	if (step == LISTING_MORE)
		return;
	listing_end(&cleaner->listing);
	cleaner->state = CLEANER_SORTING;
	if (step == LISTING_DAMAGED)
		block(cleaner);
}

/* --- reading --- */

/* Segments below `number` hold nothing any more that is needed. */
static void
clean_up_to(struct cleaner *cleaner, uint64_t number)
{
	for (; cleaner->next_segment < number; cleaner->next_segment++) {
		snapshots_cleaned(cleaner->snapshots, cleaner->next_segment);
		stat_add(&cleaner->stats->segments_cleaned, 1);
	}
}

/* Begin the slice at `first`, or be done. */
static void
read_begin(struct cleaner *cleaner)
{
	const struct survivors *survivors = &cleaner->survivors;
	const struct survivor *slice = survivors->records + cleaner->first;
	uint32_t left = survivors->count - cleaner->first, bytes = 0;

	if (left == 0) {
		clean_up_to(cleaner, survivors->limit.segment);
		cleaner->state = CLEANER_IDLE;
		return;
	}
	clean_up_to(cleaner, slice->segment);
	for (cleaner->count = 0; cleaner->count < left; cleaner->count++) {
		bytes += slice[cleaner->count].bytes;
		if (cleaner->count == SLICE_RECORDS)
			break;
		if (bytes > CLEANER_SLICE_BYTES && cleaner->count > 0)
			break;
	}
	survivors_group(&cleaner->survivors, cleaner->first, cleaner->count);
	cleaner->read_count = cleaner->slice_bytes = 0;
	cleaner->state = CLEANER_READING;
}

static const struct survivor *
read_next(const struct cleaner *cleaner)
{
	return &cleaner->survivors.records[cleaner->first + cleaner->read_count];
}

/* The record that was read is the one that was published; else that is said. */
static bool
is_whole(const struct cleaner *cleaner, const struct survivor *survivor, const char *bytes)
{
	const struct published_record *record = (const struct published_record *)bytes;

	if (batch_record_bytes(bytes, survivor->bytes, survivor->lsn) == survivor->bytes &&
	    record->record.type == RECORD_PUBLISHED &&
	    record->payload_hash == hash_bytes(bytes + RECORD_PUBLISHED_BYTES,
	        (size_t)record->attributes_bytes + record->body_bytes))
		return true;
	diag(DIAG_ERROR, "the journal is damaged in segment %" PRIu32 " at offset %" PRIu64 ": the "
	    "message of LSN %" PRIu64 ", shard %" PRIu32 " is not what was stored.  Segments from %"
	    PRIu64 " on are kept until it is deleted; run chasqui check", survivor->segment,
	    (uint64_t)survivor->offset_words * 8, survivor->lsn, survivor->shard,
	    cleaner->next_segment);
	return false;
}

/* The next record is in memory, at slice + slice_bytes or elsewhere. */
static void
read_take(struct cleaner *cleaner, const char *bytes)
{
	const struct survivor *survivor = read_next(cleaner);
	char *to = cleaner->slice + cleaner->slice_bytes;

	if (!is_whole(cleaner, survivor, bytes)) {
		block(cleaner);
		return;
	}
	if (bytes != to)
		memcpy(to, bytes, survivor->bytes);
	cleaner->slice_bytes += survivor->bytes;
	if (++cleaner->read_count == cleaner->count)
		cleaner->state = CLEANER_READY;
}

/* False if it has to wait. */
static bool
read_one(struct cleaner *cleaner)
{
	const struct survivor *survivor = read_next(cleaner);
	struct backend_range range = { .lsn = survivor->lsn, .shard = survivor->shard,
		.bytes = survivor->bytes };
	char *to = cleaner->slice + cleaner->slice_bytes;
	const char *here;

	switch (cleaner->backend->ops->fetch(cleaner->backend, CLEANER_FETCH, &range, to, &here)) {
	case BACKEND_HERE:
		read_take(cleaner, here);
		return true;
	case BACKEND_FETCHING:
		cleaner->is_fetching = true;
		return false;
	case BACKEND_COMING:
	case BACKEND_LATER:
		return false;
	case BACKEND_NONE:
	case BACKEND_FAILED:
		break;
	}
	diag(DIAG_ERROR, "the journal cannot be cleaned: the message of LSN %" PRIu64 ", shard %"
	    PRIu32 " cannot be read", survivor->lsn, survivor->shard);
	block(cleaner);
	return true;
}

static bool
read_step(struct cleaner *cleaner)
{
	bool has_moved = false;

	for (uint32_t i = 0; i < READ_RECORDS && cleaner->state == CLEANER_READING; i++) {
		if (cleaner->is_fetching || !read_one(cleaner))
			break;
		has_moved = true;
	}
	return has_moved;
}

void
cleaner_completed(struct cleaner *cleaner, int32_t result)
{
	const struct survivor *survivor = read_next(cleaner);

	assert(cleaner->state == CLEANER_READING && cleaner->is_fetching);
	cleaner->is_fetching = false;
	if (result == (int32_t)survivor->bytes) {
		read_take(cleaner, cleaner->slice + cleaner->slice_bytes);
		return;
	}
	errno = result < 0 ? -result : EIO;
	diag_errno("the journal cannot be cleaned: cannot read LSN %" PRIu64 " of shard %" PRIu32,
	    survivor->lsn, survivor->shard);
	block(cleaner);
}

/* --- appending --- */

/* What may be copied grows with what clients write, and with time. */
static void
pace(struct cleaner *cleaner, uint64_t now_ns)
{
	uint64_t others = cleaner->snapshots->bytes - cleaner->own_bytes;
	uint64_t elapsed_ns = now_ns - cleaner->paced_ns;

	if (elapsed_ns > ELAPSED_NS_MAX)
		elapsed_ns = ELAPSED_NS_MAX; /* an hour of SIGSTOP is worth no more */
	cleaner->credit_bytes += 2 * (others - cleaner->paced_bytes) +
	    elapsed_ns / 1000 * CLEANER_BYTES_PER_US;
	if (cleaner->credit_bytes > CREDIT_BYTES_MAX)
		cleaner->credit_bytes = CREDIT_BYTES_MAX;
	cleaner->paced_bytes = others;
	cleaner->paced_ns = now_ns;
}

bool
cleaner_is_due(const struct cleaner *cleaner, bool *has_waited)
{
	*has_waited = cleaner->credit_bytes >= CREDIT_BYTES_MAX;
	if (cleaner->state != CLEANER_READY)
		return false;
	if (cleaner->credit_bytes < cleaner->slice_bytes && !*has_waited)
		return false;
	return has_room(cleaner, BLOCK_ALIGN(cleaner->slice_bytes + BATCH_HEADER_BYTES_MAX));
}

void
cleaner_fill(struct cleaner *cleaner, struct batch *batch, uint64_t index)
{
	const struct survivor *slice = cleaner->survivors.records + cleaner->first;
	const char *bytes = cleaner->slice;
	uint64_t cost = cleaner->slice_bytes;

	assert(cleaner->state == CLEANER_READY && batch_is_empty(batch));
	for (uint32_t i = 0, next; i < cleaner->count; i = next) {
		uint32_t range_bytes = 0;

		for (next = i; next < cleaner->count && slice[next].shard == slice[i].shard; next++)
			range_bytes += slice[next].bytes;
		memcpy(batch_end(batch), bytes, range_bytes);
		batch_add(batch, slice[i].shard, slice[i].lsn, range_bytes);
		bytes += range_bytes;
	}
	cleaner->credit_bytes -= cost < cleaner->credit_bytes ? cost : cleaner->credit_bytes;
	cleaner->flying_index = index;
	cleaner->flying_bytes = BLOCK_ALIGN(batch->header->header_bytes + cost);
	cleaner->state = CLEANER_FLYING;
}

static void
landed(struct cleaner *cleaner)
{
	stat_add(&cleaner->stats->copied_bytes, cleaner->slice_bytes);
	cleaner->own_bytes += cleaner->flying_bytes;
	cleaner->first += cleaner->count;
	read_begin(cleaner);
}

/* --- the machine --- */

bool
cleaner_step(struct cleaner *cleaner, uint64_t now_ns)
{
	switch (cleaner->state) {
	case CLEANER_IDLE:
		return plan_step(cleaner, now_ns);
	case CLEANER_LISTING:
		list_step(cleaner);
		return true;
	case CLEANER_SORTING:
		if (!survivors_sort(&cleaner->survivors))
			return true;
		cleaner->first = 0;
		read_begin(cleaner);
		return true;
	case CLEANER_READING:
		return read_step(cleaner);
	case CLEANER_READY:
		pace(cleaner, now_ns);
		return false;
	case CLEANER_FLYING:
		if (cleaner->journal->durable.index < cleaner->flying_index)
			return false;
		landed(cleaner);
		return true;
	case CLEANER_BLOCKED:
		if (cleaner->snapshots->completed == cleaner->listed_count)
			return false;
		cleaner->state = CLEANER_IDLE;
		return true;
	}
	return false;
}

uint64_t
cleaner_due_ns(const struct cleaner *cleaner, uint64_t now_ns)
{
	uint64_t due_ns;

	switch (cleaner->state) {
	case CLEANER_IDLE:
		due_ns = cleaner->planned_ns + PLAN_NS;
		return due_ns > now_ns ? due_ns - now_ns : 0;
	case CLEANER_LISTING:
	case CLEANER_SORTING:
		return 0;
	case CLEANER_READING:
		return cleaner->is_fetching ? UINT64_MAX : 0;
	case CLEANER_READY:
		return 1000000;
	case CLEANER_FLYING:
	case CLEANER_BLOCKED:
		break;
	}
	return UINT64_MAX;
}
