/*
 * spare_pool: the half of spare.h that looks at the pool and changes nothing on the disk:
 * names, and how much is enough.
 */
#include "persistd/spare.h"

#include <inttypes.h>
#include <stdio.h>

/* Of what would be free without the pool it may have one in so many parts. */
#define FREE_PARTS 20u

void
spare_name(char name[SPARE_NAME_BYTES], const struct spare_file *file)
{
	const char *prefix = file->was_used ? USED_PREFIX : SPARE_PREFIX;

	snprintf(name, SPARE_NAME_BYTES, "%s%" PRIu64, prefix, file->serial);
}

void
spares_aim(struct spares *spares, uint64_t free_bytes)
{
	const struct spare_options *options = &spares->options;
	uint64_t room = (free_bytes + spares_room_bytes(spares)) / FREE_PARTS;
	uint64_t ready = room < options->ready_bytes ? room : options->ready_bytes;
	uint64_t count = ready / options->segment_bytes;

	count -= count > 0; /* `next` is one of them */
	if (count < options->spare_segments)
		count = options->spare_segments;
	spares->target = count < SPARE_POOL_MAX ? (uint32_t)count : SPARE_POOL_MAX;
}

uint32_t
spares_count_max(const struct spares *spares)
{
	uint32_t count = spares->target + SPARE_RECYCLED;

	return count < SPARE_POOL_MAX ? count : SPARE_POOL_MAX;
}

static uint64_t
bytes_of(const struct spares *spares, uint64_t count)
{
	return count * spares->options.segment_bytes;
}

uint64_t
spares_room_bytes(const struct spares *spares)
{
	/* `next` is ready, or on its way to it. */
	return bytes_of(spares, spares->count) + (spares->next.fd >= 0 ? spares->next.bytes : 0);
}

uint64_t
spares_wanted_bytes(const struct spares *spares)
{
	return bytes_of(spares, (uint64_t)spares->target + 1);
}

bool
spares_is_disk_full(const struct spares *spares)
{
	return spares->is_full && spares->count + (spares->has_next ? 1 : 0) <= 1;
}

void
spares_commit(struct spares *spares, const struct segment_file *active, uint64_t bytes)
{
	pace_commit(&spares->pace, bytes, active->bytes - active->used_bytes);
}

void
spares_land(struct spares *spares)
{
	pace_land(&spares->pace);
}
