/*
 * Happy path: snapshot_step() begins when persistd asks, writes slice after slice, and the end.
 * Failure modes: no room in the stream for what a commit has to say first, or a clean stop: given
 * up; no room for a slice, or much on its way to the disk already: the slice waits.
 */
#include "workerd/snapshot.h"

#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"
#include "workerd/append.h"
#include "workerd/apply.h"

/*
 * Bounds of one slice: its record, and slots looked at (a bit each, where they have their image
 * already).
 */
#define SLICE_SCAN_MAX 16384
/*
 * So much on its way to the disk is enough to keep it busy, and short enough for what clients wait
 * for to go behind.  Where clients alone keep more under way than that, slices get a sixteenth of
 * what they append.
 */
#define SLICE_AHEAD_BYTES (16 * SNAPSHOT_RECORD_BYTES_MAX)

#define MAP_BITS 64
/* Of touched_at: a power of two, more than half as many again as a log has entries. */
#define TOUCHED_BUCKETS (1u << 16)
_Static_assert(
    UNDO_MAX * 3 / 2 < TOUCHED_BUCKETS, "the hash table of touched slots never fills up");

static size_t
map_bytes(const struct shard_geometry *geometry)
{
	return (image_numbers(geometry) + MAP_BITS - 1) / MAP_BITS * sizeof(uint64_t);
}

size_t
snapshot_memory_bytes(const struct shard_geometry *geometry)
{
	return map_bytes(geometry) + UNDO_MAX * (sizeof(struct touched) + sizeof(uint32_t)) +
	    TOUCHED_BUCKETS * sizeof(uint32_t);
}

void
snapshot_init(struct worker *worker, void *memory)
{
	struct snapshot *snapshot = &worker->snapshot;
	char *at = memory;

	*snapshot =
	    (struct snapshot){ .asked = load_relaxed(&worker->stream.shared->snapshot_wanted) };
	snapshot->has_image = (uint64_t *)(void *)at;
	at += map_bytes(&worker->shard.geometry);
	snapshot->touched = (struct touched *)(void *)at;
	at += UNDO_MAX * sizeof(struct touched);
	snapshot->entry_before = (uint32_t *)(void *)at;
	at += UNDO_MAX * sizeof(uint32_t);
	snapshot->touched_at = (uint32_t *)(void *)at;
}

bool
snapshot_has(const struct snapshot *snapshot, uint64_t number)
{
	return (snapshot->has_image[number / MAP_BITS] >> number % MAP_BITS & 1) != 0;
}

void
snapshot_mark(struct snapshot *snapshot, uint64_t number)
{
	snapshot->has_image[number / MAP_BITS] |= 1ull << number % MAP_BITS;
}

void
snapshot_forget(struct worker *worker)
{
	struct snapshot *snapshot = &worker->snapshot;

	worker->is_imaging = false;
	snapshot->begun_lsn = 0;
	snapshot->last_lsn = 0;
	snapshot->images = 0;
	memset(snapshot->has_image, 0, map_bytes(&worker->shard.geometry));
}

static void
give_up(struct worker *worker, const char *why)
{
	assert(worker->is_imaging);
	worker->is_imaging = false;
	worker->snapshot.begun_lsn = 0;
	stat_add(&worker->stats->snapshots_given_up, 1);
	diag(DIAG_INFO, "shard %u: a snapshot was given up: %s", worker->index, why);
}

/* --- records of images --- */

/* One that is being written. */
struct piece {
	struct snapshot_images_record *record; /* NULL: none is */
	uint32_t bytes;
	uint32_t bytes_max;
};

static void
piece_begin(struct worker *worker, struct piece *piece, uint64_t bytes)
{
	uint32_t bytes_max =
	    bytes < SNAPSHOT_RECORD_BYTES_MAX ? (uint32_t)bytes : SNAPSHOT_RECORD_BYTES_MAX;

	piece->record = append_begin(worker, RECORD_SNAPSHOT_IMAGES, bytes_max);
	piece->record->begun_lsn = worker->snapshot.begun_lsn;
	piece->record->count = 0;
	piece->record->reserved = 0;
	piece->bytes = sizeof(*piece->record);
	piece->bytes_max = bytes_max;
}

/* Nothing is appended that holds nothing. */
static void
piece_end(struct worker *worker, struct piece *piece)
{
	if (piece->record == NULL || piece->record->count == 0)
		return;
	assert(piece->bytes <= piece->bytes_max);
	append_end(worker, piece->record, piece->bytes, RECORD_LAST);
	worker->snapshot.images += piece->record->count;
	stat_add(&worker->stats->snapshot_images, piece->record->count);
	stat_add(&worker->stats->snapshot_bytes, piece->bytes);
	piece->record = NULL;
}

static bool
piece_fits(const struct piece *piece, enum image_of table)
{
	return piece->bytes + image_bytes_max(table) <= piece->bytes_max;
}

static void
piece_add(
    struct worker *worker, struct piece *piece, enum image_of table, uint32_t idx, const void *slot)
{
	assert(piece_fits(piece, table));
	piece->bytes += image_write(table, idx, slot, (char *)piece->record + piece->bytes);
	piece->record->count++;
	snapshot_mark(&worker->snapshot, worker->snapshot.slots[table].number + idx);
}

/* --- what a transaction changes --- */

/* The slot of which this byte of the shard is one, if it needs an image. */
static bool
slot_needs_image(const struct worker *worker, const char *byte, struct touched *touched)
{
	const struct snapshot *snapshot = &worker->snapshot;

	for (unsigned table = 0; table < IMAGES_TABLES; table++) {
		const struct image_slots *slots = &snapshot->slots[table];
		uint64_t offset = (uint64_t)(byte - slots->first);

		if (byte < slots->first || offset >= (uint64_t)slots->high * slots->stride_bytes)
			continue;
		touched->table = (uint8_t)table;
		touched->number = slots->number + offset / slots->stride_bytes;
		return !snapshot_has(snapshot, touched->number);
	}
	return false;
}

/* A power of two, larger than the number of entries by half. */
static uint32_t
touched_buckets(uint64_t entries)
{
	uint32_t buckets = 64;

	while (buckets < entries + entries / 2)
		buckets *= 2;
	assert(buckets <= TOUCHED_BUCKETS);
	return buckets;
}

/* Where this slot is, or is to be put: linear probing over Fibonacci hashing (Knuth, 6.4). */
static uint32_t *
touched_bucket(const struct snapshot *snapshot, uint64_t number, uint32_t buckets)
{
	uint32_t at = (uint32_t)(number * 0x9e3779b97f4a7c15ull >> 32) & (buckets - 1);

	while (snapshot->touched_at[at] != 0 &&
	       snapshot->touched[snapshot->touched_at[at] - 1].number != number)
		at = (at + 1) & (buckets - 1);
	return &snapshot->touched_at[at];
}

/*
 * Gather the slots that the open transaction changed and that have no image; returns how many,
 * *bytes what they may take.
 */
static uint32_t
touched_gather(struct worker *worker, uint64_t *bytes)
{
	struct snapshot *snapshot = &worker->snapshot;
	const struct undo_log *log = worker->shard.txn.log;
	uint32_t count = 0, buckets = touched_buckets(log->count);

	*bytes = 0;
	memset(snapshot->touched_at, 0, buckets * sizeof(uint32_t));
	for (uint32_t entry = 0; entry < log->count; entry++) {
		struct touched touched = { .entry = entry };

		if (!slot_needs_image(worker,
			worker->shard.txn.base + (log->entries[entry].where >> 8), &touched))
			continue;
		uint32_t *bucket = touched_bucket(snapshot, touched.number, buckets);
		if (*bucket == 0) {
			snapshot->entry_before[entry] = entry;
			snapshot->touched[count] = touched;
			*bucket = ++count;
			*bytes += image_bytes_max(touched.table);
		} else {
			snapshot->entry_before[entry] = snapshot->touched[*bucket - 1].entry;
			snapshot->touched[*bucket - 1].entry = entry;
		}
	}
	return count;
}

/* The slot as it was before the transaction: as it is, its old words put back, the newest first. */
static void
slot_before(const struct worker *worker, const struct touched *touched, union image_slot *slot)
{
	const struct snapshot *snapshot = &worker->snapshot;
	const struct image_slots *slots = &snapshot->slots[touched->table];
	const struct undo_log *log = worker->shard.txn.log;
	const char *now = slots->first + (touched->number - slots->number) * slots->stride_bytes;
	uint32_t entry, next = touched->entry;

	memcpy(slot, now, slots->stride_bytes);
	do {
		const struct undo_entry *undo = &log->entries[entry = next];
		uint64_t offset = (uint64_t)(worker->shard.txn.base + (undo->where >> 8) - now);

		assert(offset + (undo->where & 0xff) <= slots->stride_bytes);
		undo_put(undo, (char *)slot + offset);
		next = snapshot->entry_before[entry];
	} while (next != entry);
}

/*
 * Room for so many bytes of images in records of their own, some of which end before they are full,
 * and for their words in the undo log.  A part of the ring is left to those who need no image: they
 * go on while this gives up.
 */
static bool
images_fit(struct worker *worker, uint64_t bytes)
{
	uint64_t pieces = bytes / (SNAPSHOT_RECORD_BYTES_MAX -
				      sizeof(struct snapshot_images_record) - IMAGE_BYTES_MAX) +
			  1;
	uint64_t wanted = bytes + pieces * sizeof(struct snapshot_images_record) +
			  append_reserve_bytes(worker) / 4;

	return wanted <= worker->stream.size_bytes && append_room(worker, wanted) >= wanted &&
	    worker->shard.txn.log->count + pieces < UNDO_MAX;
}

void
snapshot_before_commit(struct worker *worker)
{
	const struct snapshot *snapshot = &worker->snapshot;
	struct piece piece = { .record = NULL };
	union image_slot slot;
	uint64_t bytes;
	uint32_t count = touched_gather(worker, &bytes);

	if (count == 0)
		return;
	if (!images_fit(worker, bytes)) {
		give_up(worker, "no room in the stream ring for what a request changes");
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct touched *touched = &snapshot->touched[i];
		enum image_of table = touched->table;

		if (piece.record != NULL && !piece_fits(&piece, table))
			piece_end(worker, &piece);
		if (piece.record == NULL)
			piece_begin(worker, &piece, bytes + sizeof(*piece.record));
		slot_before(worker, touched, &slot);
		piece_add(worker, &piece, table,
		    (uint32_t)(touched->number - snapshot->slots[table].number), &slot);
		bytes -= image_bytes_max(table);
	}
	piece_end(worker, &piece);
}

/* --- the walk --- */

static bool
snapshot_begin(struct worker *worker)
{
	struct snapshot *snapshot = &worker->snapshot;
	uint64_t wanted = load_relaxed(&worker->stream.shared->snapshot_wanted);

	uint64_t room = SNAPSHOT_RECORD_BYTES_MAX + append_reserve_bytes(worker);

	if (append_room(worker, room) < room)
		return false;
	snapshot_forget(worker);
	snapshot->asked = wanted;
	(void)image_slots_of(&worker->shard, snapshot->slots);
	snapshot->table = 0;
	snapshot->idx = 0;

	struct snapshot_begun_record *record =
	    append_begin(worker, RECORD_SNAPSHOT_BEGUN, sizeof(*record));
	image_root_write(&worker->shard, &record->root);
	append_end(worker, record, sizeof(*record), RECORD_LAST);
	worker_commit(worker);
	snapshot->begun_lsn = record->record.lsn;
	snapshot->slice_tail = worker->shard.root->stream_tail;
	worker->is_imaging = true;
	stat_add(&worker->stats->snapshots_begun, 1);
	return true;
}

/*
 * Whether a slice may go now: there is room, and those who wait for the disk would not wait for it.
 */
static bool
slice_may_go(struct worker *worker)
{
	/*
	 * Half of what publishes leave: where clients fill the ring to there, slices still get
	 * their part.
	 */
	uint64_t wanted = 2 * SNAPSHOT_RECORD_BYTES_MAX + append_reserve_bytes(worker) / 2;
	uint64_t tail = worker->shard.root->stream_tail;

	if (append_room(worker, wanted) < wanted)
		return false;
	if (tail - worker->snapshot.slice_tail >= SLICE_AHEAD_BYTES)
		return true;
	/* What persistd has made durable since.  Pairs with its store_release. */
	worker->durable_lsn = load_acquire(&worker->durable.shared->shard[worker->index].lsn);
	return tail - worker->durable_lsn <= SLICE_AHEAD_BYTES;
}

/*
 * Slots that have no image yet, as they are, from where the last slice ended.  False if all have
 * theirs.
 */
static bool
slice_walk(struct worker *worker, struct piece *piece)
{
	struct snapshot *snapshot = &worker->snapshot;
	uint32_t seen = 0;

	for (; snapshot->table < IMAGES_TABLES; snapshot->table++, snapshot->idx = 0) {
		const struct image_slots *slots = &snapshot->slots[snapshot->table];

		for (; snapshot->idx < slots->high; snapshot->idx++) {
			if (seen++ == SLICE_SCAN_MAX || !piece_fits(piece, snapshot->table))
				return true;
			if (!snapshot_has(snapshot, slots->number + snapshot->idx))
				piece_add(worker, piece, snapshot->table, snapshot->idx,
				    slots->first + (uint64_t)snapshot->idx * slots->stride_bytes);
		}
	}
	return false;
}

static void
ended_record(struct worker *worker)
{
	struct snapshot_ended_record *record =
	    append_begin(worker, RECORD_SNAPSHOT_ENDED, sizeof(*record));

	record->begun_lsn = worker->snapshot.begun_lsn;
	record->images = worker->snapshot.images;
	append_end(worker, record, sizeof(*record), RECORD_LAST);
}

static bool
snapshot_slice(struct worker *worker)
{
	struct snapshot *snapshot = &worker->snapshot;
	struct piece piece;

	if (!slice_may_go(worker))
		return false;
	piece_begin(worker, &piece, SNAPSHOT_RECORD_BYTES_MAX);
	bool goes_on = slice_walk(worker, &piece);
	piece_end(worker, &piece);
	if (!goes_on)
		ended_record(worker);
	worker_commit(worker);
	snapshot->slice_tail = worker->shard.root->stream_tail;
	if (!goes_on) {
		worker->is_imaging = false;
		stat_add(&worker->stats->snapshots_ended, 1);
	}
	return true;
}

bool
snapshot_step(struct worker *worker)
{
	bool is_stopping = worker->role != NULL && role_is_draining(worker->role);

	if (worker->is_imaging && is_stopping)
		give_up(worker, "the broker is being stopped");
	if (is_stopping || worker->snapshot.has_image == NULL)
		return false;
	return worker->is_imaging ? snapshot_slice(worker) : snapshot_begin(worker);
}

/* --- replayed: a snapshot says how things stood, nothing changes by it --- */

void
snapshot_begun_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}

void
snapshot_images_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}

void
snapshot_ended_apply(struct shard *shard, const struct record *record)
{
	(void)shard;
	(void)record;
}
