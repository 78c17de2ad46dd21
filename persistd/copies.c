/*
 * copies: see copies.h.
 *
 * Happy path: copies_add() makes runs of the records of a batch; run_put() cuts out of older runs
 * what the new one covers, and puts it in its place.  What is forgotten is not found any more at
 * once (copies_find), and swept out later, in slices.
 */
#include "persistd/copies.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shm/diag.h"
#include "shm/record.h"

/* Chunks that are looked through in one call of copies_sweep(). */
#define SWEEP_CHUNKS 16u

/* A place among the runs of a shard: before runs[slot] of chunk `chunk`. */
struct place {
	uint32_t chunk;
	uint32_t slot;
};

void
copies_init(struct copies *copies)
{
	*copies = (struct copies){ 0 };
}

void
copies_free(struct copies *copies)
{
	for (uint32_t s = 0; s < WORKER_MAX; s++) {
		for (uint32_t i = 0; i < copies->shard[s].count; i++)
			free(copies->shard[s].chunks[i]);
		free(copies->shard[s].chunks);
	}
	*copies = (struct copies){ 0 };
}

static uint64_t
run_end(const struct copies_run *run)
{
	return run->lsn + run->bytes;
}

/* --- chunks --- */

/* An empty chunk at `at` of the shard's.  NULL without memory. */
static struct copies_chunk *
chunk_insert(struct copies_shard *shard, uint32_t at)
{
	if (shard->count == shard->capacity) {
		uint32_t capacity = shard->capacity == 0 ? 16 : 2 * shard->capacity;
		struct copies_chunk **chunks = realloc(shard->chunks, capacity * sizeof(*chunks));

		if (chunks == NULL)
			return NULL;
		shard->chunks = chunks;
		shard->capacity = capacity;
	}
	struct copies_chunk *chunk = malloc(sizeof(*chunk));
	if (chunk == NULL)
		return NULL;
	chunk->count = 0;
	memmove(shard->chunks + at + 1, shard->chunks + at,
	    (shard->count - at) * sizeof(shard->chunks[0]));
	shard->chunks[at] = chunk;
	shard->count++;
	return chunk;
}

static void
chunk_remove(struct copies_shard *shard, uint32_t at)
{
	free(shard->chunks[at]);
	shard->count--;
	memmove(shard->chunks + at, shard->chunks + at + 1,
	    (shard->count - at) * sizeof(shard->chunks[0]));
}

/* --- runs --- */

/* The first run that ends behind lsn; behind all of them if there is none. */
static struct place
place_of(const struct copies_shard *shard, uint64_t lsn)
{
	struct place low = { 0 };
	uint32_t high = shard->count;

	while (low.chunk < high) {
		uint32_t middle = low.chunk + (high - low.chunk) / 2;
		const struct copies_chunk *chunk = shard->chunks[middle];

		if (run_end(&chunk->runs[chunk->count - 1]) <= lsn)
			low.chunk = middle + 1;
		else
			high = middle;
	}
	if (low.chunk == shard->count)
		return low;
	high = shard->chunks[low.chunk]->count;
	while (low.slot < high) {
		uint32_t middle = low.slot + (high - low.slot) / 2;

		if (run_end(&shard->chunks[low.chunk]->runs[middle]) <= lsn)
			low.slot = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct copies_run *
run_at(const struct copies_shard *shard, struct place place)
{
	return place.chunk < shard->count ? &shard->chunks[place.chunk]->runs[place.slot] : NULL;
}

static void
run_remove(struct copies *copies, struct copies_shard *shard, struct place place)
{
	struct copies_chunk *chunk = shard->chunks[place.chunk];

	chunk->count--;
	memmove(chunk->runs + place.slot, chunk->runs + place.slot + 1,
	    (chunk->count - place.slot) * sizeof(chunk->runs[0]));
	if (chunk->count == 0)
		chunk_remove(shard, place.chunk);
	copies->runs--;
}

/* Half of a full chunk goes into a new one behind it; where `place` is then.  -1 without memory. */
static int
chunk_split(struct copies_shard *shard, struct place *place)
{
	uint32_t half = COPIES_CHUNK_RUNS / 2;
	struct copies_chunk *behind = chunk_insert(shard, place->chunk + 1);

	if (behind == NULL)
		return -1;
	struct copies_chunk *chunk = shard->chunks[place->chunk];
	behind->count = chunk->count - half;
	chunk->count = half;
	memcpy(behind->runs, chunk->runs + half, behind->count * sizeof(chunk->runs[0]));
	if (place->slot > half)
		*place = (struct place){ .chunk = place->chunk + 1, .slot = place->slot - half };
	return 0;
}

/* -1 without memory. */
static int
run_insert(struct copies *copies, struct copies_shard *shard, struct place place,
    const struct copies_run *run)
{
	if (place.chunk == shard->count) {
		/* Behind all: into the last chunk while it has room, so that order fills them. */
		bool has_last = shard->count > 0;

		if (has_last && shard->chunks[shard->count - 1]->count < COPIES_CHUNK_RUNS) {
			place.chunk--;
			place.slot = shard->chunks[place.chunk]->count;
		} else if (chunk_insert(shard, place.chunk) == NULL) {
			return -1;
		}
	}
	if (shard->chunks[place.chunk]->count == COPIES_CHUNK_RUNS &&
	    chunk_split(shard, &place) != 0)
		return -1;
	struct copies_chunk *chunk = shard->chunks[place.chunk];
	memmove(chunk->runs + place.slot + 1, chunk->runs + place.slot,
	    (chunk->count - place.slot) * sizeof(chunk->runs[0]));
	chunk->runs[place.slot] = *run;
	chunk->count++;
	copies->runs++;
	return 0;
}

/* The part of `run` from `lsn` on. */
static struct copies_run
run_from(const struct copies_run *run, uint64_t lsn)
{
	uint32_t skipped = (uint32_t)(lsn - run->lsn);

	return (struct copies_run){ .lsn = lsn, .bytes = run->bytes - skipped,
		.segment = run->segment, .offset_words = run->offset_words + skipped / 8 };
}

/* Of the older runs only what lies outside [lsn, end) is left.  -1 without memory. */
static int
cut_out(struct copies *copies, struct copies_shard *shard, uint64_t lsn, uint64_t end)
{
	for (;;) {
		struct place place = place_of(shard, lsn);
		struct copies_run *old = run_at(shard, place);

		if (old == NULL || old->lsn >= end)
			return 0;
		struct copies_run whole = *old;
		if (whole.lsn < lsn) {
			old->bytes = (uint32_t)(lsn - whole.lsn);
			place.slot++;
		} else {
			run_remove(copies, shard, place);
			place = place_of(shard, lsn);
		}
		if (run_end(&whole) > end) {
			struct copies_run rest = run_from(&whole, end);

			return run_insert(copies, shard, place, &rest);
		}
	}
}

/* -1 without memory. */
static int
run_put(struct copies *copies, uint32_t s, const struct copies_run *run)
{
	struct copies_shard *shard = &copies->shard[s];

	if (cut_out(copies, shard, run->lsn, run_end(run)) != 0)
		return -1;
	return run_insert(copies, shard, place_of(shard, run->lsn), run);
}

/* --- for others --- */

/* The records of one range, those that follow each other as one run. */
static int
range_add(struct copies *copies, const struct batch_range *range, const char *bytes,
    struct lsn_location at)
{
	struct copies_run run = { .segment = (uint32_t)at.segment };
	struct record record;

	for (uint32_t done = 0; done < range->bytes; done += record.bytes) {
		memcpy(&record, bytes + done, sizeof(record));
		assert(record.bytes >= sizeof(record) && record.bytes <= range->bytes - done);
		if (run.bytes > 0 && record.lsn == run_end(&run)) {
			run.bytes += record.bytes;
			continue;
		}
		if (run.bytes > 0 && run_put(copies, range->shard, &run) != 0)
			return -1;
		run.lsn = record.lsn;
		run.bytes = record.bytes;
		run.offset_words = (uint32_t)((at.offset + done) / 8);
	}
	return run_put(copies, range->shard, &run);
}

int
copies_add(struct copies *copies, const struct batch_header *header, uint64_t segment,
    uint64_t offset)
{
	const struct batch_range *ranges = batch_ranges(header);
	struct lsn_location at = { .segment = segment, .offset = offset + header->header_bytes };
	const char *bytes = (const char *)header + header->header_bytes;

	assert((header->flags & BATCH_COPY) != 0);
	assert(segment <= UINT32_MAX && at.offset % 8 == 0 && at.offset / 8 <= UINT32_MAX);
	for (uint32_t i = 0; i < header->ranges; i++) {
		if (range_add(copies, &ranges[i], bytes, at) != 0) {
			diag_errno("no memory for the index of copied records");
			return -1;
		}
		bytes += ranges[i].bytes;
		at.offset += ranges[i].bytes;
	}
	return 0;
}

bool
copies_find(const struct copies *copies, uint32_t shard, uint64_t lsn, uint32_t bytes,
    struct lsn_location *location)
{
	const struct copies_shard *runs = &copies->shard[shard];
	const struct copies_run *run = run_at(runs, place_of(runs, lsn));

	if (run == NULL || run->lsn > lsn || lsn + bytes > run_end(run))
		return false;
	if (run->segment < copies->floor)
		return false;
	*location = (struct lsn_location){ .segment = run->segment,
		.offset = run->offset_words * 8ull + (lsn - run->lsn) };
	return true;
}

void
copies_forget(struct copies *copies, uint64_t floor)
{
	assert(floor >= copies->floor);

	copies->floor = floor;
	copies->is_sweeping = copies->runs > 0;
	copies->sweep_shard = copies->sweep_chunk = 0;
}

/*
 * What is forgotten leaves the chunk; what is left goes into the one before it where there is much
 * room.  True if it is gone.
 */
static bool
chunk_sweep(struct copies *copies, struct copies_shard *shard, uint32_t at)
{
	struct copies_chunk *chunk = shard->chunks[at];
	struct copies_chunk *before = at > 0 ? shard->chunks[at - 1] : NULL;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < chunk->count; i++) {
		if (chunk->runs[i].segment >= copies->floor)
			chunk->runs[kept++] = chunk->runs[i];
	}
	copies->runs -= chunk->count - kept;
	chunk->count = kept;
	if (kept > 0 && (before == NULL || before->count + kept > COPIES_CHUNK_RUNS / 2))
		return false;
	if (kept > 0) {
		memcpy(before->runs + before->count, chunk->runs, kept * sizeof(chunk->runs[0]));
		before->count += kept;
	}
	chunk_remove(shard, at);
	return true;
}

bool
copies_sweep(struct copies *copies)
{
	for (uint32_t i = 0; i < SWEEP_CHUNKS && copies->is_sweeping; i++) {
		struct copies_shard *shard = &copies->shard[copies->sweep_shard];

		if (copies->sweep_chunk >= shard->count) {
			copies->sweep_chunk = 0;
			copies->is_sweeping = ++copies->sweep_shard < WORKER_MAX;
			continue;
		}
		if (!chunk_sweep(copies, shard, copies->sweep_chunk))
			copies->sweep_chunk++;
	}
	return copies->is_sweeping;
}
