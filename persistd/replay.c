#include "persistd/replay.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"

_Static_assert(sizeof(struct replay_end) % 8 == 0, "frames are aligned");

void
replays_open(struct replays *replays, struct role *role, struct journal *journal, const struct snapshots *snapshots,
    const struct stream *streams, bool is_cold)
{
	*replays = (struct replays){ .role = role, .journal = journal, .snapshots = snapshots, .streams = streams,
		.shards = role->geometry.workers };
	for (uint32_t s = 0; s < replays->shards; s++) {
		replays->shard[s].serving = load_acquire(&streams[s].shared->replay_serving);
		/* A warm start has no generation of its own: a shard that is thrown away meanwhile gets a new one. */
		replays->shard[s].has_generation = !is_cold;
	}
}

/* Close the reader. */
static void
stop_reading(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];

	if (replay->is_reading)
		replays->journal->backend->ops->read_end(replays->journal->backend, &replay->reader);
	replay->is_reading = false;
	replay->bytes_left = 0;
}

static void
replay_stop(struct replays *replays, uint32_t s)
{
	stop_reading(replays, s);
	replays->shard[s].pass = REPLAY_IDLE;
	replays->shard[s].is_blocked = false;
}

void
replays_close(struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++)
		replay_stop(replays, s);
}

static uint64_t
wanted_of(const struct replays *replays, uint32_t s)
{
	/* The worker is done with the ring as it was.  Pairs with its store_release of replay_wanted. */
	return load_acquire(&replays->streams[s].shared->replay_wanted);
}

static void
replay_begin(struct replays *replays, uint32_t s, uint64_t wanted)
{
	struct shard_replay *replay = &replays->shard[s];
	struct stream_shared *shared = replays->streams[s].shared;
	const struct journal_snapshot *newest = snapshots_newest(replays->snapshots, s);

	if (replays->snapshots->is_behind)
		return; /* it is not known yet where to begin */
	replay_stop(replays, s);
	store_relaxed(&shared->replay.tail, 0);
	store_relaxed(&shared->replay.head, 0);
	ring_init(&replay->ring, &shared->replay, replays->streams[s].replay_bytes, replays->streams[s].replay_size_bytes);
	replay->serving = wanted;
	replay->begun_lsn = newest != NULL ? newest->begun_lsn : 0;
	replay->pass = newest != NULL ? REPLAY_THE_SNAPSHOT : REPLAY_THE_RECORDS;
	replay->records = 0;
	diag(DIAG_DEBUG, "replay for shard %" PRIu32 " begins, at the snapshot of LSN %" PRIu64, s, replay->begun_lsn);
	/* The cursors are zero before the worker looks at them.  Pairs with its load_acquire of replay_serving. */
	store_release(&shared->replay_serving, wanted);
}

/* Open the reader for this pass.  False: not now (said). */
static bool
start_reading(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];
	struct backend *backend = replays->journal->backend;
	uint64_t segment = 0;

	if (replay->begun_lsn != 0)
		segment = snapshots_segment_of(replays->snapshots, s, replay->begun_lsn);
	if (backend->ops->read(backend, &replay->reader, segment) != 0)
		return false;
	replay->is_reading = true;
	replay->reader.direct_bytes = backend->reads_direct ? REPLAY_READ_BYTES : 0;
	/* What is in an image is taken as it stands. */
	replay->reader.verifies_payload = replay->pass == REPLAY_THE_SNAPSHOT;
	if (replay->begun_lsn != 0 || replay->reader.index == 0)
		return true;
	diag(DIAG_ERROR, "the first segments were dropped, and there is no snapshot of shard %" PRIu32 " to begin with; run chasqui check",
	    s);
	replay_stop(replays, s);
	return false;
}

/* A record of the snapshot that is being sent. */
static bool
is_of_snapshot(const struct record *record, uint64_t begun_lsn)
{
	if (record->type == RECORD_SNAPSHOT_BEGUN)
		return record->lsn == begun_lsn;
	if (record->type == RECORD_SNAPSHOT_IMAGES && record->bytes >= sizeof(struct snapshot_images_record))
		return ((const struct snapshot_images_record *)record)->begun_lsn == begun_lsn;
	if (record->type == RECORD_SNAPSHOT_ENDED && record->bytes >= sizeof(struct snapshot_ended_record))
		return ((const struct snapshot_ended_record *)record)->begun_lsn == begun_lsn;
	return false;
}

/* As what a record goes to the worker in this pass; 0: not at all. */
static uint16_t
op_of(const struct shard_replay *replay, const struct record *record)
{
	if (replay->pass == REPLAY_THE_SNAPSHOT)
		return is_of_snapshot(record, replay->begun_lsn) ? REPLAY_SNAPSHOT : 0;
	/* Images change nothing, and are many. */
	if (record->lsn <= replay->begun_lsn || record->type == RECORD_SNAPSHOT_IMAGES)
		return 0;
	return REPLAY_RECORD;
}

/* A frame for the record at replay->bytes, if it is one for this pass.  False if the ring is full. */
static bool
send_record(struct shard_replay *replay, uint32_t record_bytes)
{
	const struct record *record = (const struct record *)replay->bytes;
	uint16_t op = op_of(replay, record);
	/* Attributes and body stay where they are: the tables are rebuilt without. */
	uint32_t sent_bytes = record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record_bytes;
	uint32_t frame_bytes = (uint32_t)sizeof(struct frame_header) + sent_bytes;

	if (op == 0)
		return true;
	assert(frame_bytes <= REPLAY_FRAME_BYTES_MAX);
	struct frame_header *header = ring_reserve(&replay->ring, frame_bytes);
	if (header == NULL)
		return false;
	*header = (struct frame_header){ .bytes = frame_bytes, .op = op };
	memcpy(header + 1, record, sent_bytes);
	ring_push(&replay->ring, frame_bytes);
	replay->records++;
	return true;
}

enum sent { SENT_ALL, SENT_THE_SNAPSHOT, SENT_RING_IS_FULL, SENT_NONSENSE };

static enum sent
send_range(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];

	while (replay->bytes_left > 0) {
		const struct record *record = (const struct record *)replay->bytes;
		uint32_t bytes = batch_record_bytes(record, replay->bytes_left, replay->lsn);

		if (bytes == 0)
			return SENT_NONSENSE;
		if (!send_record(replay, bytes))
			return SENT_RING_IS_FULL;
		replay->bytes += bytes;
		replay->bytes_left -= bytes;
		replay->lsn += bytes;
		if (replay->pass == REPLAY_THE_SNAPSHOT && record->type == RECORD_SNAPSHOT_ENDED &&
		    is_of_snapshot(record, replay->begun_lsn))
			return SENT_THE_SNAPSHOT;
	}
	return SENT_ALL;
}

/* Of the batch read last, what belongs to shard s is next to be sent. */
static void
enter_batch(struct shard_replay *replay, uint32_t s)
{
	const struct batch_header *header = replay->reader.header;
	const struct batch_range *ranges = batch_ranges(header);
	const char *bytes = reader_payload(&replay->reader);

	if ((header->flags & BATCH_COPY) != 0)
		return; /* what it holds happened before */
	for (uint32_t i = 0; i < header->ranges; i++) {
		if (ranges[i].shard == s) {
			replay->bytes = bytes;
			replay->bytes_left = ranges[i].bytes;
			replay->lsn = ranges[i].lsn;
			return;
		}
		bytes += ranges[i].bytes;
	}
}

/* All that is durable has been sent: tell where the stream goes on.  False if it has to wait. */
static bool
send_end(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];
	struct journal *journal = replays->journal;
	uint64_t lsn = journal->durable.lsn[s];

	/* Of a shard that was thrown away while its last records were still on their way here, those come first. */
	if (load_acquire(&replays->streams[s].shared->tail) > lsn)
		return false;
	struct replay_end *end = ring_reserve(&replay->ring, sizeof(*end));
	if (end == NULL)
		return false;
	if (replay->has_generation) {
		if (journal->backend->ops->new_generation(journal->backend) == 0)
			return false;
		for (uint32_t i = 0; i < replays->shards; i++)
			replays->shard[i].has_generation = false;
	}
	replay->has_generation = true;
	*end = (struct replay_end){ .header = { .bytes = sizeof(*end), .op = REPLAY_END }, .lsn = lsn,
		.generation = journal->backend->generation,
		.is_clean = journal->opened.is_clean && lsn == journal->opened.position.lsn[s] };
	ring_push(&replay->ring, sizeof(*end));
	diag(DIAG_INFO, "shard %" PRIu32 ": %" PRIu64 " records replayed%s, generation %" PRIu64 "%s", s, replay->records,
	    replay->begun_lsn != 0 ? ", those of a snapshot first" : "", end->generation, end->is_clean ? ", closed cleanly" : "");
	replay_stop(replays, s);
	return true;
}

/* The next batch.  1: there is one; 0: wait; -1: the replay is over or given up. */
static int
next_batch(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];

	switch (reader_next(&replay->reader)) {
	case READER_BATCH:
		enter_batch(replay, s);
		return 1;
	case READER_STOP:
		if (replay->pass == REPLAY_THE_RECORDS)
			return send_end(replays, s) ? -1 : 0;
		break;
	case READER_MISSING:
	case READER_FAILED:
		break;
	}
	diag(DIAG_ERROR, "the journal cannot be read at segment %" PRIu64 ", offset %" PRIu64 "; run chasqui check",
	    replay->reader.segment, replay->reader.offset);
	replay_stop(replays, s);
	return -1;
}

/* Read and send until the slice is used, the ring is full or the end is sent.  True if anything moved. */
static bool
replay_slice(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];
	uint64_t read_bytes = 0, records = replay->records;

	replay->is_blocked = false;
	if (!replay->is_reading && !start_reading(replays, s)) {
		replay->is_blocked = true;
		return false;
	}
	replay->reader.stop_index = replays->journal->durable.index;
	while (read_bytes < REPLAY_SLICE_BYTES) {
		switch (send_range(replays, s)) {
		case SENT_ALL:
			break;
		case SENT_THE_SNAPSHOT:
			stop_reading(replays, s);
			replay->pass = REPLAY_THE_RECORDS;
			return true;
		case SENT_RING_IS_FULL:
			replay->is_blocked = true;
			return read_bytes > 0 || replay->records != records;
		case SENT_NONSENSE:
			diag(DIAG_ERROR, "the journal holds no record at LSN %" PRIu64 " of shard %" PRIu32 "; run chasqui check",
			    replay->lsn, s);
			replay_stop(replays, s);
			return true;
		}
		int next = next_batch(replays, s);
		if (next < 0)
			return true;
		if (next == 0) {
			replay->is_blocked = true;
			return read_bytes > 0 || replay->records != records;
		}
		read_bytes += replay->reader.header->total_bytes;
	}
	return true;
}

bool
replays_step(struct replays *replays)
{
	bool has_moved = false;

	for (uint32_t s = 0; s < replays->shards; s++) {
		struct shard_replay *replay = &replays->shard[s];
		uint64_t wanted = wanted_of(replays, s);

		if (wanted != 0 && wanted != replay->serving)
			replay_begin(replays, s, wanted);
		if (replay->pass == REPLAY_IDLE || !replay_slice(replays, s))
			continue;
		has_moved = true;
		ring_post(&replay->ring);
		park_fence();
		if (park_wake(&replays->role->waker[SLOT_WORKER(s)]))
			stat_add(&replays->role->stats.shared->persist_wakes, 1);
	}
	return has_moved;
}

bool
replays_have_news(const struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++) {
		const struct shard_replay *replay = &replays->shard[s];
		uint64_t wanted = wanted_of(replays, s);

		if ((wanted != 0 && wanted != replay->serving) || (replay->pass != REPLAY_IDLE && !replay->is_blocked))
			return true;
	}
	return false;
}

bool
replays_are_blocked(const struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++) {
		if (replays->shard[s].pass != REPLAY_IDLE && replays->shard[s].is_blocked)
			return true;
	}
	return false;
}

bool
replays_are_running(const struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++) {
		uint64_t wanted = wanted_of(replays, s);

		if (replays->shard[s].pass != REPLAY_IDLE || (wanted != 0 && wanted != replays->shard[s].serving))
			return true;
	}
	return false;
}
