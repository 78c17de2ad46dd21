#include "persistd/windows.h"

#include <assert.h>

#include "persistd/format.h"

static bool
window_holds(const struct window *window, const struct window_range *range)
{
	return window->state != WINDOW_FREE && window->segment == range->segment && range->offset >= window->offset &&
	    range->offset + range->bytes <= window->offset + window->bytes;
}

/* The offset stands so little behind that end that nothing else may have been read between. */
static bool
is_behind(uint64_t segment, uint64_t end, const struct window_range *range)
{
	return segment == range->segment && range->offset >= end && range->offset - end < WINDOW_BYTES / 2;
}

static struct window *
window_of(struct windows *windows, const struct window_range *range)
{
	for (uint32_t i = 0; i < WINDOWS; i++) {
		if (window_holds(&windows->window[i], range))
			return &windows->window[i];
	}
	return NULL;
}

/* True if this read goes on where an earlier one ended. */
static bool
is_sequence(const struct windows *windows, const struct window_range *range)
{
	for (uint32_t i = 0; i < WINDOWS; i++) {
		const struct window *window = &windows->window[i];

		if (window->state == WINDOW_FREE || window->segment != range->segment)
			continue;
		if (range->offset >= window->offset && range->offset < window->offset + window->bytes)
			return true; /* it begins in it and ends behind it */
		if (is_behind(window->segment, window->offset + window->bytes, range))
			return true;
	}
	for (uint32_t i = 0; i < WINDOW_TAILS; i++) {
		if (is_behind(windows->tails[i].segment, windows->tails[i].offset, range))
			return true;
	}
	return false;
}

/* The one that has not served for longest; NULL while all are being read. */
static struct window *
window_oldest(struct windows *windows)
{
	struct window *oldest = NULL;

	for (uint32_t i = 0; i < WINDOWS; i++) {
		struct window *window = &windows->window[i];

		if (window->state == WINDOW_FREE)
			return window;
		if (window->state == WINDOW_GOOD && (oldest == NULL || window->used < oldest->used))
			oldest = window;
	}
	return oldest;
}

/* Begin to read a window at that place.  False without a window, memory, or anything durable to read. */
static bool
window_read(struct windows *windows, struct disk *disk, const struct window_range *range, uint64_t offset)
{
	struct window *window = window_oldest(windows);

	offset &= ~(uint64_t)(BLOCK_BYTES - 1); /* direct reads want it */
	if (window == NULL || offset >= range->end)
		return false;
	assert(range->end == UINT64_MAX || range->end % BLOCK_BYTES == 0);
	if (window->memory == NULL)
		window->memory = disk_memory(WINDOW_BYTES);
	if (window->memory == NULL)
		return false;
	uint64_t left = range->end - offset;
	window->state = WINDOW_READING;
	window->segment = range->segment;
	window->offset = offset;
	window->bytes = left < WINDOW_BYTES ? (uint32_t)left : WINDOW_BYTES;
	window->used = ++windows->clock;
	disk_queue_read(disk, (struct disk_tag){ .user = DISK_WINDOW, .number = (uint32_t)(window - windows->window) }, range->fd,
	    window->memory, window->bytes, offset);
	return true;
}

/* The reader is past the middle: what comes next is read before it is asked for. */
static void
read_ahead(struct windows *windows, struct disk *disk, const struct window *window, const struct window_range *range)
{
	uint64_t next = window->offset + window->bytes - WINDOW_OVERLAP_BYTES;
	struct window_range ahead = { .segment = range->segment, .offset = next + WINDOW_OVERLAP_BYTES, .bytes = 1 };

	if (window->bytes < WINDOW_BYTES || range->offset - window->offset < WINDOW_BYTES / 2)
		return; /* a short one ends where the segment, or what is durable of it, did */
	if (next + WINDOW_BYTES > range->end || window_of(windows, &ahead) != NULL)
		return;
	(void)window_read(windows, disk, range, next);
}

static void
remember_tail(struct windows *windows, const struct window_range *range)
{
	windows->tails[windows->next_tail] = (struct window_tail){ .segment = range->segment, .offset = range->offset + range->bytes };
	windows->next_tail = (windows->next_tail + 1) % WINDOW_TAILS;
}

enum window_found
windows_find(struct windows *windows, struct disk *disk, const struct window_range *range, const char **here)
{
	struct window *window = window_of(windows, range);

	if (window != NULL && window->state == WINDOW_READING)
		return WINDOW_COMING;
	if (window != NULL) {
		window->used = ++windows->clock;
		*here = window->memory + (range->offset - window->offset);
		read_ahead(windows, disk, window, range);
		return WINDOW_HERE;
	}
	if (range->bytes <= WINDOW_RECORD_BYTES_MAX && range->offset + range->bytes <= range->end &&
	    is_sequence(windows, range) && window_read(windows, disk, range, range->offset))
		return WINDOW_COMING;
	remember_tail(windows, range);
	return WINDOW_EXACT;
}

void
windows_completed(struct windows *windows, uint32_t number, int32_t result)
{
	struct window *window = &windows->window[number];

	assert(number < WINDOWS);
	assert(window->state == WINDOW_READING);

	/* So much holds any record that begins in its first block: whoever waits for this window finds his in it. */
	if (result >= (int32_t)(BLOCK_BYTES + WINDOW_RECORD_BYTES_MAX) || result == (int32_t)window->bytes) {
		window->bytes = (uint32_t)result; /* less before a bad block */
		window->state = WINDOW_GOOD;
		return;
	}
	/* One bad block must not take its neighbours along: now each record is read by itself, and says what is wrong. */
	window->state = WINDOW_FREE;
	windows_forget(windows, window->segment);
}

void
windows_forget(struct windows *windows, uint64_t segment)
{
	for (uint32_t i = 0; i < WINDOWS; i++) {
		if (windows->window[i].segment == segment && windows->window[i].state == WINDOW_GOOD)
			windows->window[i].state = WINDOW_FREE;
	}
	for (uint32_t i = 0; i < WINDOW_TAILS; i++) {
		if (windows->tails[i].segment == segment)
			windows->tails[i].segment = 0;
	}
}

void
windows_free(struct windows *windows)
{
	for (uint32_t i = 0; i < WINDOWS; i++)
		disk_memory_free(windows->window[i].memory, WINDOW_BYTES);
	*windows = (struct windows){ 0 };
}
