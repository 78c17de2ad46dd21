#include "persistd/survivors.h"

#include <assert.h>
#include <stdlib.h>

#include "persistd/disk.h"

/* Records put in place by one call of survivors_sort(). */
#define SORT_RECORDS 256u

int
survivors_init(struct survivors *survivors, uint32_t capacity)
{
	*survivors = (struct survivors){ .capacity = capacity };
	survivors->records = disk_memory(capacity * sizeof(survivors->records[0]));
	return survivors->records != NULL ? 0 : -1;
}

void
survivors_free(struct survivors *survivors)
{
	disk_memory_free(survivors->records, survivors->capacity * sizeof(survivors->records[0]));
	*survivors = (struct survivors){ 0 };
}

void
survivors_begin(struct survivors *survivors, uint64_t end_segment)
{
	survivors->count = survivors->heap_count = 0;
	survivors->limit = (struct lsn_location){ .segment = end_segment };
}

/* Does `one` lie before `other`? */
static bool
is_before(const struct survivor *one, const struct survivor *other)
{
	if (one->segment != other->segment)
		return one->segment < other->segment;
	return one->offset_words < other->offset_words;
}

/* `moved` belongs at `hole` of the heap or below it. */
static void
sift_down(struct survivors *survivors, uint32_t hole, struct survivor moved)
{
	struct survivor *heap = survivors->records;

	for (uint32_t child; (child = 2 * hole + 1) < survivors->heap_count; hole = child) {
		if (child + 1 < survivors->heap_count && is_before(&heap[child], &heap[child + 1]))
			child++;
		if (!is_before(&moved, &heap[child]))
			break;
		heap[hole] = heap[child];
	}
	heap[hole] = moved;
}

static void
sift_up(struct survivors *survivors, uint32_t hole, struct survivor moved)
{
	struct survivor *heap = survivors->records;

	for (; hole > 0 && is_before(&heap[(hole - 1) / 2], &moved); hole = (hole - 1) / 2)
		heap[hole] = heap[(hole - 1) / 2];
	heap[hole] = moved;
}

void
survivors_add(struct survivors *survivors, const struct survivor *survivor)
{
	struct survivor limit = { .segment = (uint32_t)survivors->limit.segment,
		.offset_words = (uint32_t)(survivors->limit.offset / 8) };

	assert(survivors->heap_count == survivors->count);
	if (!is_before(survivor, &limit))
		return;
	if (survivors->count < survivors->capacity) {
		survivors->count = ++survivors->heap_count;
		sift_up(survivors, survivors->count - 1, *survivor);
		return;
	}
	const struct survivor *last = &survivors->records[0];
	if (!is_before(survivor, last))
		last = survivor;
	survivors->limit = (struct lsn_location){ .segment = last->segment,
		.offset = last->offset_words * 8ull };
	if (last != survivor)
		sift_down(survivors, 0, *survivor);
}

bool
survivors_sort(struct survivors *survivors)
{
	for (uint32_t i = 0; i < SORT_RECORDS && survivors->heap_count > 1; i++) {
		struct survivor last = survivors->records[0];
		struct survivor moved = survivors->records[--survivors->heap_count];

		sift_down(survivors, 0, moved);
		survivors->records[survivors->heap_count] = last;
	}
	return survivors->heap_count <= 1;
}

static int
by_shard_and_lsn(const void *one, const void *other)
{
	const struct survivor *a = one, *b = other;

	if (a->shard != b->shard)
		return a->shard < b->shard ? -1 : 1;
	return a->lsn < b->lsn ? -1 : a->lsn > b->lsn;
}

void
survivors_group(struct survivors *survivors, uint32_t first, uint32_t count)
{
	assert(survivors->heap_count <= 1 && first + count <= survivors->count);

	qsort(survivors->records + first, count, sizeof(survivors->records[0]), by_shard_and_lsn);
}
