#include "persistd/listing.h"

#include <inttypes.h>

#include "shm/diag.h"
#include "shm/image.h"
#include "shm/record.h"

#define STEP_RECORDS 512u

int
listing_begin(struct listing *listing, struct backend *backend, const struct snapshots *snapshots,
    struct survivors *survivors, uint64_t stop_index)
{
	uint64_t begun = snapshots_begun_segment(snapshots, false);

	*listing = (struct listing){ .backend = backend, .survivors = survivors,
		.shards = snapshots->shards };
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		const struct journal_snapshot *older = &snapshots->shard[s].older;

		listing->shard[s] = (struct listing_shard){ .begun_lsn = older->begun_lsn,
			.ended_lsn = older->ended_lsn, .images = older->images };
	}
	if (backend->ops->read(backend, &listing->reader, begun) != 0)
		return -1;
	listing->reader.verifies_payload = true;
	listing->reader.stop_index = stop_index;
	return 0;
}

void
listing_end(struct listing *listing)
{
	listing->backend->ops->read_end(listing->backend, &listing->reader);
}

/* --- records --- */

static void
add_message(struct listing *listing, uint32_t shard, const struct image_message *message)
{
	struct backend_range range = { .lsn = message->lsn, .shard = shard,
		.bytes = snapshots_message_bytes(message) };
	struct lsn_location place;

	/* What is nowhere was lost long ago, and that was said when the journal was opened. */
	if (!listing->backend->ops->locate(listing->backend, &range, &place))
		return;
	struct survivor survivor = { .lsn = range.lsn, .shard = shard, .bytes = range.bytes,
		.segment = (uint32_t)place.segment, .offset_words = (uint32_t)(place.offset / 8) };
	survivors_add(listing->survivors, &survivor);
}

/* False where they make no sense. */
static bool
add_images(struct listing *listing, uint32_t shard, const struct snapshot_images_record *record)
{
	uint32_t at = sizeof(*record);

	for (uint32_t i = 0; i < record->count; i++) {
		const struct image *image =
		    snapshots_image_at((const char *)record + at, record->record.bytes - at);

		if (image == NULL)
			return false;
		if (image->kind == IMAGE_MESSAGE)
			add_message(listing, shard, (const struct image_message *)image);
		at += image->bytes;
	}
	return true;
}

/* False where it makes no sense. */
static bool
add_record(struct listing *listing, uint32_t shard, const struct record *record)
{
	const struct snapshot_images_record *images = (const struct snapshot_images_record *)record;
	struct listing_shard *mine = &listing->shard[shard];

	if (record->lsn == mine->ended_lsn)
		mine->is_over = true;
	if (record->type != RECORD_SNAPSHOT_IMAGES || record->bytes < sizeof(*images) ||
	    images->begun_lsn != mine->begun_lsn)
		return true;
	if (images->count > mine->images)
		return false;
	mine->images -= images->count;
	return add_images(listing, shard, images);
}

/* Some records of the batch at hand.  False where they make no sense. */
static bool
look_through(struct listing *listing)
{
	const struct batch_header *header = listing->reader.header;

	for (uint32_t i = 0; i < STEP_RECORDS && listing->range < header->ranges; i++) {
		const struct batch_range *range = &batch_ranges(header)[listing->range];
		const struct record *record = (const struct record *)(listing->bytes + listing->at);
		uint32_t bytes = batch_record_bytes(record, range->bytes - listing->at,
		    range->lsn + listing->at);

		if (bytes == 0 || !add_record(listing, range->shard, record))
			return false;
		listing->at += bytes;
		if (listing->at == range->bytes) {
			listing->bytes += range->bytes;
			listing->range++;
			listing->at = 0;
		}
		if (record->type == RECORD_SNAPSHOT_IMAGES)
			break; /* that many images are enough for one step */
	}
	return true;
}

/* --- batches --- */

/* False if there is none. */
static bool
next_batch(struct listing *listing)
{
	if (reader_next(&listing->reader) != READER_BATCH)
		return false;
	const struct batch_header *header = listing->reader.header;
	listing->bytes = reader_payload(&listing->reader);
	listing->range = (header->flags & BATCH_COPY) != 0 ? header->ranges : 0;
	listing->at = 0;
	return true;
}

static bool
is_over(const struct listing *listing)
{
	for (uint32_t s = 0; s < listing->shards; s++) {
		if (!listing->shard[s].is_over)
			return false;
	}
	return true;
}

static bool
is_whole(const struct listing *listing)
{
	for (uint32_t s = 0; s < listing->shards; s++) {
		if (listing->shard[s].images != 0)
			return false;
	}
	return true;
}

enum listing_step
listing_step(struct listing *listing)
{
	const struct reader *reader = &listing->reader;
	bool has_more = reader->header != NULL && listing->range < reader->header->ranges;
	bool is_sound = has_more ? look_through(listing) : next_batch(listing);

	if (is_sound && !is_over(listing))
		return LISTING_MORE;
	if (is_sound && is_whole(listing))
		return LISTING_DONE;
	diag(DIAG_ERROR, "the journal cannot be cleaned: a snapshot in it is damaged near segment %"
	    PRIu64 ", offset %" PRIu64 "; it grows until there are two newer ones; "
	    "run chasqui check", reader->segment, reader->offset);
	return LISTING_DAMAGED;
}
