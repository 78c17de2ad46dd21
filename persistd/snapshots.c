/*
 * snapshots: see snapshots.h.
 *
 * Happy path: snapshots_place() and snapshots_read() for each batch; a snapshot that ends becomes `newer`.
 * Failure modes: images are missing, for we came too late or a payload is damaged: the count in SNAPSHOT_ENDED tells, and
 * the snapshot is forgotten.  No memory: is_blind, and the journal is kept as it is.
 */
#include "persistd/snapshots.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shm/diag.h"

void
snapshots_init(struct snapshots *snapshots, uint32_t shards)
{
	assert(shards >= 1 && shards <= WORKER_MAX);

	*snapshots = (struct snapshots){ .shards = shards, .is_loading = true };
}

static void
snapshot_clear(struct journal_snapshot *snapshot)
{
	free(snapshot->live.segments);
	free(snapshot->unplaced);
	*snapshot = (struct journal_snapshot){ 0 };
}

void
snapshots_free(struct snapshots *snapshots)
{
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		snapshot_clear(&snapshots->shard[s].older);
		snapshot_clear(&snapshots->shard[s].newer);
		snapshot_clear(&snapshots->shard[s].running);
	}
	free(snapshots->marks);
	*snapshots = (struct snapshots){ 0 };
}

static void
go_blind(struct snapshots *snapshots)
{
	if (!snapshots->is_blind)
		diag_errno("no memory to keep account of snapshots; the journal grows until the next start");
	snapshots->is_blind = true;
}

/* --- segments --- */

/* How many marks are of segments below `number`. */
static uint32_t
marks_below(const struct snapshots *snapshots, uint64_t number)
{
	uint32_t low = 0, high = snapshots->mark_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapshots->marks[middle].segment < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Room for one mark at `place`.  -1 without memory. */
static int
marks_open(struct snapshots *snapshots, uint32_t place)
{
	if (snapshots->mark_count == snapshots->mark_capacity) {
		uint32_t capacity = snapshots->mark_capacity == 0 ? 64 : 2 * snapshots->mark_capacity;
		struct segment_mark *marks = realloc(snapshots->marks, capacity * sizeof(*marks));

		if (marks == NULL) {
			go_blind(snapshots);
			return -1;
		}
		snapshots->marks = marks;
		snapshots->mark_capacity = capacity;
	}
	memmove(snapshots->marks + place + 1, snapshots->marks + place,
	    (snapshots->mark_count - place) * sizeof(snapshots->marks[0]));
	snapshots->mark_count++;
	return 0;
}

void
snapshots_segment(struct snapshots *snapshots, uint64_t number, const uint64_t *lsn)
{
	uint32_t count = snapshots->mark_count;

	if (count > 0 && snapshots->marks[count - 1].segment == number)
		return;
	uint32_t place = marks_below(snapshots, number);
	if ((place < count && snapshots->marks[place].segment == number) || marks_open(snapshots, place) != 0)
		return;
	struct segment_mark *mark = &snapshots->marks[place];
	*mark = (struct segment_mark){ .segment = number };
	memcpy(mark->lsn, lsn, snapshots->shards * sizeof(mark->lsn[0]));
	/* An epoch that goes on before the end of an older one makes what lies beyond void: it is written here again. */
	while (place-- > 0) {
		for (uint32_t s = 0; s < snapshots->shards; s++) {
			if (snapshots->marks[place].lsn[s] > lsn[s])
				snapshots->marks[place].lsn[s] = lsn[s];
		}
	}
}

uint64_t
snapshots_segment_of(const struct snapshots *snapshots, uint32_t shard, uint64_t lsn)
{
	uint32_t low = 0, high = snapshots->mark_count;

	if (lsn < snapshots->shard[shard].first_lsn)
		return 0;
	/* marks[low - 1].lsn <= lsn < marks[high].lsn */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (snapshots->marks[middle].lsn[shard] <= lsn)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? snapshots->marks[low - 1].segment : 0;
}

void
snapshots_place(struct snapshots *snapshots, const struct batch_header *header, uint64_t segment, const uint64_t *lsn)
{
	const struct batch_range *ranges = batch_ranges(header);

	snapshots_segment(snapshots, segment, lsn);
	snapshots->bytes += header->total_bytes;
	if ((header->flags & BATCH_COPY) != 0)
		return;
	for (uint32_t i = 0; i < header->ranges; i++) {
		struct shard_snapshots *mine = &snapshots->shard[ranges[i].shard];

		if (mine->first_lsn == 0 || ranges[i].lsn < mine->first_lsn)
			mine->first_lsn = ranges[i].lsn;
	}
}

/* --- live records --- */

/* The entry of a segment, made where it is missing; NULL without memory. */
static struct live_segment *
live_at(struct live *live, uint64_t segment, uint64_t lowest)
{
	if (live->count == 0)
		live->first = lowest < segment ? lowest : segment;
	assert(segment >= live->first);
	uint64_t place = segment - live->first;
	if (place >= live->capacity) {
		uint64_t capacity = place + 64;
		struct live_segment *segments = realloc(live->segments, capacity * sizeof(*segments));

		if (segments == NULL)
			return NULL;
		live->segments = segments;
		live->capacity = (uint32_t)capacity;
	}
	for (; live->count <= place; live->count++)
		live->segments[live->count] = (struct live_segment){ 0 };
	return &live->segments[place];
}

static void
live_forget(struct live *live, uint64_t floor)
{
	uint64_t count = floor > live->first ? floor - live->first : 0;

	if (live->count == 0)
		return; /* and perhaps no memory yet */
	if (count > live->count)
		count = live->count;
	live->count -= (uint32_t)count;
	memmove(live->segments, live->segments + count, live->count * sizeof(live->segments[0]));
	live->first += count;
}

/* Where the record of a message lies now; 0: nowhere that is known. */
static uint64_t
segment_of_message(const struct snapshots *snapshots, uint32_t shard, const struct image_message *message)
{
	struct lsn_location at;

	if (snapshots->copies != NULL &&
	    copies_find(snapshots->copies, shard, message->lsn, snapshots_message_bytes(message), &at))
		return at.segment;
	return snapshots_segment_of(snapshots, shard, message->lsn);
}

/* False without memory. */
static bool
unplaced_add(struct snapshots *snapshots, struct journal_snapshot *snapshot, uint64_t lsn)
{
	if (snapshot->unplaced_count == snapshot->unplaced_capacity) {
		uint32_t capacity = snapshot->unplaced_capacity == 0 ? 64 : 2 * snapshot->unplaced_capacity;
		uint64_t *unplaced = realloc(snapshot->unplaced, capacity * sizeof(*unplaced));

		if (unplaced == NULL) {
			go_blind(snapshots);
			return false;
		}
		snapshot->unplaced = unplaced;
		snapshot->unplaced_capacity = capacity;
	}
	snapshot->unplaced[snapshot->unplaced_count++] = lsn;
	return true;
}

/* False without memory. */
static bool
live_add(struct snapshots *snapshots, uint32_t shard, const struct image_message *message)
{
	struct journal_snapshot *running = &snapshots->shard[shard].running;
	uint64_t segment = segment_of_message(snapshots, shard, message);

	/* Its segment was dropped after it was copied, and its copy comes; when there is nothing to come, it was lost long ago. */
	if (segment == 0)
		return !snapshots->is_loading || unplaced_add(snapshots, running, message->lsn);
	struct live_segment *entry = live_at(&running->live, segment, snapshots->marks[0].segment);
	if (entry == NULL) {
		go_blind(snapshots);
		return false;
	}
	entry->bytes += snapshots_message_bytes(message);
	entry->messages++;
	return true;
}

static void
live_clear(struct live *live, uint64_t segment)
{
	if (segment >= live->first && segment - live->first < live->count)
		live->segments[segment - live->first] = (struct live_segment){ 0 };
}

void
snapshots_cleaned(struct snapshots *snapshots, uint64_t segment)
{
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		live_clear(&snapshots->shard[s].older.live, segment);
		live_clear(&snapshots->shard[s].newer.live, segment);
		live_clear(&snapshots->shard[s].running.live, segment);
	}
}

/* How many of them have no copy. */
static uint64_t
unplaced_settle(struct snapshots *snapshots, uint32_t shard, struct journal_snapshot *snapshot)
{
	struct lsn_location at;
	uint64_t lost = 0;

	for (uint32_t i = 0; i < snapshot->unplaced_count; i++) {
		if (snapshots->copies == NULL ||
		    !copies_find(snapshots->copies, shard, snapshot->unplaced[i], sizeof(struct record), &at))
			lost++;
	}
	free(snapshot->unplaced);
	snapshot->unplaced = NULL;
	snapshot->unplaced_count = snapshot->unplaced_capacity = 0;
	return lost;
}

void
snapshots_settle(struct snapshots *snapshots)
{
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		struct shard_snapshots *mine = &snapshots->shard[s];

		(void)unplaced_settle(snapshots, s, &mine->older);
		(void)unplaced_settle(snapshots, s, &mine->running);
		snapshots->lost += unplaced_settle(snapshots, s, &mine->newer);
	}
	snapshots->is_loading = false;
}

/* --- records of a snapshot --- */

static void
give_up(struct snapshots *snapshots, uint32_t shard, const char *why)
{
	struct journal_snapshot *running = &snapshots->shard[shard].running;

	diag(DIAG_WARNING, "shard %" PRIu32 ": the snapshot at LSN %" PRIu64 " is not used: %s", shard, running->begun_lsn, why);
	snapshot_clear(running);
	snapshots->given_up++;
}

static void
on_begun(struct snapshots *snapshots, uint32_t shard, const struct record *record)
{
	struct journal_snapshot *running = &snapshots->shard[shard].running;

	if (running->begun_lsn != 0)
		snapshots->given_up++;
	snapshot_clear(running);
	*running = (struct journal_snapshot){ .begun_lsn = record->lsn, .begun_ms = record->time_ms, .bytes = record->bytes,
		.begun_bytes = snapshots->bytes };
}

const struct image *
snapshots_image_at(const char *bytes, uint32_t available)
{
	const struct image *image = (const struct image *)bytes;

	if (available < sizeof(*image) || image->bytes < sizeof(*image) || image->bytes % 8 != 0 || image->bytes > available)
		return NULL;
	if (image->kind == IMAGE_MESSAGE && image->bytes < sizeof(struct image_message))
		return NULL;
	return image;
}

static void
on_images(struct snapshots *snapshots, uint32_t shard, const struct record *record)
{
	const struct snapshot_images_record *images = (const struct snapshot_images_record *)record;
	struct journal_snapshot *running = &snapshots->shard[shard].running;
	uint32_t at = sizeof(*images);

	if (record->bytes < sizeof(*images) || running->begun_lsn == 0 || images->begun_lsn != running->begun_lsn)
		return;
	for (uint32_t i = 0; i < images->count; i++) {
		const struct image *image = snapshots_image_at((const char *)record + at, record->bytes - at);

		if (image == NULL) {
			give_up(snapshots, shard, "an image in it makes no sense");
			return;
		}
		if (image->kind == IMAGE_MESSAGE && !live_add(snapshots, shard, (const struct image_message *)image)) {
			give_up(snapshots, shard, "there is no memory for it");
			return;
		}
		at += image->bytes;
	}
	running->images += images->count;
	running->bytes += record->bytes;
}

static void
on_ended(struct snapshots *snapshots, uint32_t shard, const struct record *record)
{
	const struct snapshot_ended_record *ended = (const struct snapshot_ended_record *)record;
	struct shard_snapshots *mine = &snapshots->shard[shard];

	if (record->bytes < sizeof(*ended) || mine->running.begun_lsn == 0 || ended->begun_lsn != mine->running.begun_lsn)
		return;
	if (ended->images != mine->running.images) {
		give_up(snapshots, shard, "images are missing");
		return;
	}
	mine->running.ended_lsn = record->lsn;
	mine->running.bytes += record->bytes;
	snapshot_clear(&mine->older);
	mine->older = mine->newer;
	mine->newer = mine->running;
	mine->running = (struct journal_snapshot){ 0 };
	snapshots->completed++;
}

bool
snapshots_read(struct snapshots *snapshots, const struct batch_header *header, const char *payload)
{
	const struct batch_range *ranges = batch_ranges(header);

	if ((header->flags & BATCH_COPY) != 0)
		return true; /* messages, and no snapshots */
	for (uint32_t i = 0; i < header->ranges; payload += ranges[i++].bytes) {
		for (uint32_t at = 0; at < ranges[i].bytes;) {
			const struct record *record = (const struct record *)(payload + at);
			uint32_t bytes = batch_record_bytes(record, ranges[i].bytes - at, ranges[i].lsn + at);

			if (bytes == 0)
				return false;
			if (record->type == RECORD_SNAPSHOT_BEGUN)
				on_begun(snapshots, ranges[i].shard, record);
			else if (record->type == RECORD_SNAPSHOT_IMAGES)
				on_images(snapshots, ranges[i].shard, record);
			else if (record->type == RECORD_SNAPSHOT_ENDED)
				on_ended(snapshots, ranges[i].shard, record);
			at += bytes;
		}
	}
	return true;
}

/* --- asked by others --- */

const struct journal_snapshot *
snapshots_newest(const struct snapshots *snapshots, uint32_t shard)
{
	const struct journal_snapshot *newer = &snapshots->shard[shard].newer;

	return newer->begun_lsn != 0 ? newer : NULL;
}

bool
snapshots_are_complete(const struct snapshots *snapshots, uint32_t *shard)
{
	for (*shard = 0; *shard < snapshots->shards; ++*shard) {
		if (snapshots_newest(snapshots, *shard) == NULL)
			return false;
	}
	return true;
}

static const struct journal_snapshot *
which(const struct snapshots *snapshots, uint32_t shard, bool by_newer)
{
	return by_newer ? &snapshots->shard[shard].newer : &snapshots->shard[shard].older;
}

uint64_t
snapshots_begun_segment(const struct snapshots *snapshots, bool by_newer)
{
	uint64_t lowest = UINT64_MAX;

	if (snapshots->is_behind || snapshots->is_blind)
		return 0;
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		const struct journal_snapshot *snapshot = which(snapshots, s, by_newer);

		if (snapshot->begun_lsn == 0)
			return 0;
		uint64_t segment = snapshots_segment_of(snapshots, s, snapshot->begun_lsn);
		if (segment < lowest)
			lowest = segment;
	}
	return lowest;
}

struct live_segment
snapshots_live(const struct snapshots *snapshots, uint64_t segment, bool by_newer)
{
	struct live_segment sum = { 0 };

	for (uint32_t s = 0; s < snapshots->shards; s++) {
		const struct live *live = &which(snapshots, s, by_newer)->live;

		if (segment < live->first || segment - live->first >= live->count)
			continue;
		sum.bytes += live->segments[segment - live->first].bytes;
		sum.messages += live->segments[segment - live->first].messages;
	}
	return sum;
}

uint64_t
snapshots_floor(const struct snapshots *snapshots, bool by_newer)
{
	uint64_t begun = snapshots_begun_segment(snapshots, by_newer);

	if (begun == 0)
		return 0;
	uint64_t floor = snapshots->marks[0].segment;
	while (floor < begun && snapshots_live(snapshots, floor, by_newer).messages == 0)
		floor++;
	return floor;
}

void
snapshots_forget(struct snapshots *snapshots, uint64_t floor)
{
	uint32_t count = marks_below(snapshots, floor);

	snapshots->mark_count -= count;
	if (count > 0)
		memmove(snapshots->marks, snapshots->marks + count, snapshots->mark_count * sizeof(snapshots->marks[0]));
	for (uint32_t s = 0; s < snapshots->shards; s++) {
		struct shard_snapshots *mine = &snapshots->shard[s];

		live_forget(&mine->older.live, floor);
		live_forget(&mine->newer.live, floor);
		live_forget(&mine->running.live, floor);
		if (snapshots->mark_count > 0 && mine->first_lsn < snapshots->marks[0].lsn[s])
			mine->first_lsn = snapshots->marks[0].lsn[s];
	}
}

uint64_t
snapshots_live_bytes(const struct snapshots *snapshots)
{
	uint64_t bytes = 0;

	for (uint32_t s = 0; s < snapshots->shards; s++) {
		const struct live *live = &snapshots->shard[s].newer.live;

		for (uint32_t i = 0; i < live->count; i++)
			bytes += live->segments[i].bytes;
	}
	return bytes;
}

uint64_t
snapshots_cost(const struct snapshots *snapshots)
{
	uint64_t bytes = 0;

	for (uint32_t s = 0; s < snapshots->shards; s++)
		bytes += snapshots->shard[s].newer.bytes;
	return bytes;
}
