#include "persistd/lsn_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shm/diag.h"

#define LSN_CHUNK 4096u

void
lsn_index_init(struct lsn_index *index)
{
	*index = (struct lsn_index){ 0 };
}

void
lsn_index_free(struct lsn_index *index)
{
	for (uint32_t s = 0; s < WORKER_MAX; s++) {
		struct lsn_index_shard *shard = &index->shard[s];

		for (uint64_t i = 0; i < (shard->count + LSN_CHUNK - 1) / LSN_CHUNK; i++)
			free(shard->chunks[i]);
		free(shard->chunks);
	}
	*index = (struct lsn_index){ 0 };
}

static struct lsn_entry *
entry_at(const struct lsn_index_shard *shard, uint64_t i)
{
	return &shard->chunks[i / LSN_CHUNK][i % LSN_CHUNK];
}

/* Room for one more entry.  -1 without memory. */
static int
grow(struct lsn_index_shard *shard)
{
	if (shard->count % LSN_CHUNK != 0)
		return 0;
	uint64_t chunk = shard->count / LSN_CHUNK;
	if (chunk == shard->chunk_capacity) {
		uint32_t capacity = shard->chunk_capacity == 0 ? 16 : 2 * shard->chunk_capacity;
		struct lsn_entry **chunks = realloc(shard->chunks, capacity * sizeof(*chunks));

		if (chunks == NULL)
			return -1;
		shard->chunks = chunks;
		shard->chunk_capacity = capacity;
	}
	shard->chunks[chunk] = malloc(LSN_CHUNK * sizeof(struct lsn_entry));
	return shard->chunks[chunk] != NULL ? 0 : -1;
}

int
lsn_index_add(struct lsn_index *index, const struct batch_header *header, uint64_t segment, uint64_t offset)
{
	const struct batch_range *ranges = batch_ranges(header);

	assert(segment <= UINT32_MAX);
	offset += header->header_bytes;
	for (uint32_t i = 0; i < header->ranges; i++) {
		struct lsn_index_shard *shard = &index->shard[ranges[i].shard];

		assert(offset % 8 == 0 && offset / 8 <= UINT32_MAX);
		assert(shard->count == 0 || ranges[i].lsn == shard->end_lsn);
		if (grow(shard) != 0) {
			diag_errno("no memory for the index of the journal");
			return -1;
		}
		*entry_at(shard, shard->count++) = (struct lsn_entry){ .lsn = ranges[i].lsn, .segment = (uint32_t)segment,
			.offset_words = (uint32_t)(offset / 8) };
		shard->end_lsn = ranges[i].lsn + ranges[i].bytes;
		offset += ranges[i].bytes;
	}
	return 0;
}

static void
forget(struct lsn_index_shard *entries, uint64_t floor)
{
	uint64_t chunks, left;

	while (entries->first < entries->count && entry_at(entries, entries->first)->segment < floor)
		entries->first++;
	chunks = entries->first / LSN_CHUNK;
	if (chunks == 0)
		return;
	for (uint64_t i = 0; i < chunks; i++)
		free(entries->chunks[i]);
	left = (entries->count + LSN_CHUNK - 1) / LSN_CHUNK - chunks;
	memmove(entries->chunks, entries->chunks + chunks, left * sizeof(entries->chunks[0]));
	entries->first -= chunks * LSN_CHUNK;
	entries->count -= chunks * LSN_CHUNK;
	entries->found = entries->first;
}

void
lsn_index_forget(struct lsn_index *index, uint64_t floor)
{
	for (uint32_t s = 0; s < WORKER_MAX; s++)
		forget(&index->shard[s], floor);
}

uint64_t
lsn_index_first(const struct lsn_index *index, uint32_t shard)
{
	const struct lsn_index_shard *entries = &index->shard[shard];

	return entries->count > entries->first ? entry_at(entries, entries->first)->lsn : UINT64_MAX;
}

static bool
entry_holds(const struct lsn_index_shard *entries, uint64_t entry, uint64_t lsn)
{
	return entry >= entries->first && entry < entries->count && entry_at(entries, entry)->lsn <= lsn &&
	    (entry + 1 == entries->count || lsn < entry_at(entries, entry + 1)->lsn);
}

/* The entry whose range holds lsn, which is not below the first. */
static uint64_t
entry_find(const struct lsn_index_shard *entries, uint64_t lsn)
{
	uint64_t low = entries->first, high = entries->count;

	for (uint64_t near = entries->found; near < entries->found + 2; near++) {
		if (entry_holds(entries, near, lsn))
			return near;
	}
	/* entries[low].lsn <= lsn < entries[high].lsn */
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (entry_at(entries, middle)->lsn <= lsn)
			low = middle;
		else
			high = middle;
	}
	return low;
}

bool
lsn_index_find(struct lsn_index *index, uint32_t shard, uint64_t lsn, uint32_t bytes, struct lsn_location *location)
{
	struct lsn_index_shard *entries = &index->shard[shard];

	if (lsn < lsn_index_first(index, shard) || lsn >= entries->end_lsn || bytes > entries->end_lsn - lsn)
		return false;
	uint64_t found = entries->found = entry_find(entries, lsn);
	const struct lsn_entry *entry = entry_at(entries, found);
	uint64_t range_end = found + 1 < entries->count ? entry_at(entries, found + 1)->lsn : entries->end_lsn;
	if (lsn + bytes > range_end)
		return false;
	*location = (struct lsn_location){ .segment = entry->segment,
		.offset = entry->offset_words * 8ull + (lsn - entry->lsn) };
	return true;
}
