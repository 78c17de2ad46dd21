#include "persistd/replay.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "shm/atomic.h"
#include "shm/diag.h"

_Static_assert(sizeof(struct replay_end) % 8 == 0, "frames are aligned");

void
replays_open(struct replays *replays, struct role *role, struct journal *journal, const struct stream *streams, bool is_cold)
{
	*replays = (struct replays){ .role = role, .journal = journal, .streams = streams, .shards = role->geometry.workers };
	for (uint32_t s = 0; s < replays->shards; s++) {
		replays->shard[s].serving = load_acquire(&streams[s].shared->replay_serving);
		/* A warm start has no generation of its own: a shard that is thrown away meanwhile gets a new one. */
		replays->shard[s].has_generation = !is_cold;
	}
}

static void
replay_stop(struct shard_replay *replay)
{
	if (replay->is_running)
		reader_close(&replay->reader);
	replay->is_running = false;
	replay->is_blocked = false;
	replay->bytes_left = 0;
}

void
replays_close(struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++)
		replay_stop(&replays->shard[s]);
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

	replay_stop(replay);
	if (replays->journal->backend->ops->read(replays->journal->backend, &replay->reader) != 0)
		return; /* said already; tried again in the next turn */
	store_relaxed(&shared->replay.tail, 0);
	store_relaxed(&shared->replay.head, 0);
	ring_init(&replay->ring, &shared->replay, replays->streams[s].replay_bytes, replays->streams[s].replay_size_bytes);
	replay->serving = wanted;
	replay->is_running = true;
	replay->records = 0;
	diag(DIAG_DEBUG, "replay for shard %" PRIu32 " begins", s);
	/* The cursors are zero before the worker looks at them.  Pairs with its load_acquire of replay_serving. */
	store_release(&shared->replay_serving, wanted);
}

/* A frame for the record at replay->bytes.  False if the ring is full. */
static bool
send_record(struct shard_replay *replay, uint32_t record_bytes)
{
	const struct record *record = (const struct record *)replay->bytes;
	/* Attributes and body stay where they are: the tables are rebuilt without. */
	uint32_t sent_bytes = record->type == RECORD_PUBLISHED ? RECORD_PUBLISHED_BYTES : record_bytes;
	uint32_t frame_bytes = (uint32_t)sizeof(struct frame_header) + sent_bytes;

	assert(frame_bytes <= REPLAY_FRAME_BYTES_MAX);
	struct frame_header *header = ring_reserve(&replay->ring, frame_bytes);
	if (header == NULL)
		return false;
	*header = (struct frame_header){ .bytes = frame_bytes, .op = REPLAY_RECORD };
	memcpy(header + 1, record, sent_bytes);
	ring_push(&replay->ring, frame_bytes);
	return true;
}

enum sent { SENT_ALL, SENT_RING_IS_FULL, SENT_NONSENSE };

static enum sent
send_range(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];

	while (replay->bytes_left > 0) {
		uint32_t bytes = batch_record_bytes(replay->bytes, replay->bytes_left, replay->lsn);

		if (bytes == 0)
			return SENT_NONSENSE;
		if (!send_record(replay, bytes))
			return SENT_RING_IS_FULL;
		replay->bytes += bytes;
		replay->bytes_left -= bytes;
		replay->lsn += bytes;
		replay->records++;
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
	diag(DIAG_INFO, "shard %" PRIu32 ": %" PRIu64 " records replayed, generation %" PRIu64 "%s", s, replay->records,
	    end->generation, end->is_clean ? ", closed cleanly" : "");
	replay_stop(replay);
	return true;
}

/* Read and send until the slice is used, the ring is full or the end is sent.  True if anything moved. */
static bool
replay_slice(struct replays *replays, uint32_t s)
{
	struct shard_replay *replay = &replays->shard[s];
	uint64_t read_bytes = 0, records = replay->records;
	bool has_moved = false;

	replay->is_blocked = false;
	replay->reader.stop_index = replays->journal->durable.index;
	while (read_bytes < REPLAY_SLICE_BYTES) {
		switch (send_range(replays, s)) {
		case SENT_ALL:
			break;
		case SENT_RING_IS_FULL:
			replay->is_blocked = true;
			return has_moved || replay->records != records;
		case SENT_NONSENSE:
			diag(DIAG_ERROR, "the journal holds no record at LSN %" PRIu64 " of shard %" PRIu32 "; run chasqui check",
			    replay->lsn, s);
			replay_stop(replay);
			return true;
		}
		switch (reader_next(&replay->reader)) {
		case READER_BATCH:
			enter_batch(replay, s);
			read_bytes += replay->reader.header->total_bytes;
			has_moved = true;
			break;
		case READER_STOP:
			if (send_end(replays, s))
				return true;
			replay->is_blocked = true;
			return has_moved || replay->records != records;
		case READER_MISSING:
		case READER_FAILED:
			diag(DIAG_ERROR, "the journal cannot be read at segment %" PRIu64 ", offset %" PRIu64 "; run chasqui check",
			    replay->reader.segment, replay->reader.offset);
			replay_stop(replay);
			return true;
		}
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
		if (!replay->is_running || !replay_slice(replays, s))
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

		if ((wanted != 0 && wanted != replay->serving) || (replay->is_running && !replay->is_blocked))
			return true;
	}
	return false;
}

bool
replays_are_blocked(const struct replays *replays)
{
	for (uint32_t s = 0; s < replays->shards; s++) {
		if (replays->shard[s].is_running && replays->shard[s].is_blocked)
			return true;
	}
	return false;
}
